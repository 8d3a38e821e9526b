"""Who answers, by login and by claim."""

from __future__ import annotations

import os
from dataclasses import replace

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


def test_a_trusted_login_is_believed_and_may_give_a_login() -> None:
    people = replace(PEOPLE, trusted=frozenset({"awx"}))
    by_name, by_login = people.claimed("nina", "awx"), people.claimed("jm", "awx")
    assert (by_name.person, by_name.assurance, by_name.os_user) == ("nina", "authenticated", "awx")
    assert (by_login.person, by_login.assurance, by_login.groups) == (
        "J\u00fcrgen",
        "authenticated",
        PEOPLE.by_name["J\u00fcrgen"].groups,
    )
    assert people.claimed("nina", "jm").assurance == "asserted"


def test_a_trusted_login_by_itself_is_nobody_and_can_make_nobody_known() -> None:
    people = replace(PEOPLE, trusted=frozenset({"awx"}))
    assert (people.claimed("", "awx").assurance, people.claimed("", "awx").known) == ("os_user", False)
    assert (people.claimed("awx", "awx").known, people.claimed("ghost", "awx").known) == (False, False)


def test_logins_of_a_person() -> None:
    assert PEOPLE.logins("nina") == {"nina", "nina-adm"}
    assert PEOPLE.logins("otto") == {"otto"}


def test_the_login_of_a_user_id() -> None:
    assert login(os.getuid()) == PEOPLE.of_login(login(os.getuid())).os_user
    assert login(3999999999) == "uid 3999999999"
