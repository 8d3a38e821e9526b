"""Who answers, by login and by claim."""

from __future__ import annotations

import os

from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import People, Person, login

PEOPLE = People(
    {
        "nina": Person("nina", os_users=("nina", "nina-adm"), groups=frozenset({"netsec"})),
        "J\u00fcrgen": Person("J\u00fcrgen", os_users=("jm",), groups=frozenset({"netops"})),
        "bob": Person("bob", os_users=("bsmith",)),
    }
)


def test_a_login_is_its_person_with_their_groups() -> None:
    who = PEOPLE.of_login("nina-adm")
    assert (who.person, who.assurance, who.os_user, who.groups, who.known) == (
        "nina",
        "os_user",
        "nina-adm",
        {"netsec"},
        True,
    )


def test_an_unknown_login_is_itself_and_in_no_group() -> None:
    who = PEOPLE.of_login("otto")
    assert (who.person, who.groups, who.known) == ("otto", frozenset(), False)


def test_without_a_project_every_login_is_known() -> None:
    who = People().of_login("otto")
    assert (who.person, who.groups, who.known) == ("otto", frozenset(), True)


def test_a_strangers_login_never_passes_for_the_person_of_that_name() -> None:
    assert PEOPLE.of_login("bob").person != "bob"


def test_a_true_claim_is_no_assertion() -> None:
    assert PEOPLE.claimed("nina", "nina-adm").assurance == "os_user"
    assert PEOPLE.claimed("Ju\u0308rgen", "jm").assurance == "os_user"
    assert PEOPLE.claimed("", "jm").person == "J\u00fcrgen"


def test_a_claim_to_be_somebody_else_is_asserted_and_keeps_the_login() -> None:
    who = PEOPLE.claimed("nina", "jm")
    assert (who.person, who.assurance, who.os_user, who.groups) == ("nina", "asserted", "jm", {"netsec"})


def test_a_claim_to_be_somebody_unknown_is_not_known_even_without_a_project() -> None:
    assert not PEOPLE.claimed("ghost", "jm").known
    assert not People().claimed("ghost", "jm").known


def test_logins_of_a_person() -> None:
    assert PEOPLE.logins("nina") == {"nina", "nina-adm"}
    assert PEOPLE.logins("otto") == {"otto"}


def test_the_login_of_a_user_id() -> None:
    assert login(os.getuid()) == PEOPLE.of_login(login(os.getuid())).os_user
    assert login(3999999999) == "uid 3999999999"
