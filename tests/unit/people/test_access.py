"""Roles: every role with every action on one's own run and another's, written out."""

from __future__ import annotations

import pytest

from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import (
    ACTIONS,
    ROLES,
    Caller,
    Concerned,
    Grant,
    may,
    on_call,
)

# Written by hand, not made from the rules: own run, then another's.
MATRIX = {
    "viewer": ("read", "read"),
    "requester": ("read start cancel", "start"),
    "approver": ("read answer break-glass", "read answer break-glass"),
    "operator": ("read cancel resume intervene", "read cancel resume intervene"),
    "break-glass": ("read break-glass", "read break-glass"),
    "admin": ("read start cancel resume intervene manage", "read start cancel resume intervene manage"),
}
CASES = [(role, action, own) for role in ROLES for action in ACTIONS for own in (True, False)]


def caller(*grants: Grant, scopes: frozenset[str] | None = None) -> Caller:
    return Caller("rita", grants, scopes)


@pytest.mark.parametrize(("role", "action", "own"), CASES)
def test_matrix(role: str, action: str, own: bool) -> None:
    allowed = MATRIX[role][0 if own else 1].split()
    refused = may(caller(Grant(role)), action, Concerned("edge", "rita" if own else "otto"))
    assert (refused is None) == (action in allowed)


@pytest.mark.parametrize("action", ACTIONS)
def test_nobody_without_a_role(action: str) -> None:
    refused = may(caller(), action, Concerned("edge", "rita"))
    assert refused is not None
    assert "has no role" in refused.reason


@pytest.mark.parametrize(("role", "action", "own"), CASES)
def test_a_role_of_one_workflow_is_nothing_in_another_and_never_manages(role: str, action: str, own: bool) -> None:
    about = Concerned("core", "rita" if own else "otto")
    assert may(caller(Grant(role, "edge")), action, about) is not None
    here = may(caller(Grant(role, "core")), action, about)
    assert (here is None) == (action in MATRIX[role][0 if own else 1].split() and action != "manage")


@pytest.mark.parametrize(("role", "action", "own"), CASES)
def test_a_token_can_do_less_than_its_owner_never_more(role: str, action: str, own: bool) -> None:
    about = Concerned("edge", "rita" if own else "otto")
    without = may(caller(Grant(role), scopes=frozenset(ACTIONS) - {action}), action, about)
    assert without is not None
    assert "token" in without.reason
    everything = may(caller(Grant(role), scopes=frozenset(ACTIONS)), action, about)
    assert everything == may(caller(Grant(role)), action, about)


def test_an_approver_of_groups_answers_for_those_and_where_named() -> None:
    netsec = caller(Grant("approver", groups=frozenset({"netsec"})))
    assert may(netsec, "answer", Concerned(groups=("netsec", "noc"))) is None
    assert may(netsec, "answer", Concerned(people=("rita",))) is None
    assert may(netsec, "answer", Concerned(groups=("noc",), people=("otto",))) is not None
    assert may(netsec, "answer", Concerned()) is not None
    assert may(netsec, "read", Concerned()) is None
    assert may(netsec, "break-glass", Concerned(groups=("netsec",))) is None
    assert may(netsec, "break-glass", Concerned(groups=("noc",))) is not None


def test_the_role_for_emergencies_is_of_all_workflows_or_of_one() -> None:
    assert on_call(caller(Grant("break-glass")), Concerned("core"))
    assert on_call(caller(Grant("viewer"), Grant("break-glass", "core")), Concerned("core"))
    assert not on_call(caller(Grant("break-glass", "edge")), Concerned("core"))
    assert not on_call(caller(*(Grant(role) for role in ROLES if role != "break-glass")), Concerned("core"))


def test_nobody_owns_what_has_no_requester() -> None:
    assert may(Caller("", (Grant("requester"),)), "cancel", Concerned("edge", "")) is not None


def test_one_name_in_two_spellings_is_one_requester() -> None:
    assert may(Caller("Zoe\u0308", (Grant("requester"),)), "cancel", Concerned("edge", "Zo\u00eb")) is None


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="'root' does not exist: expected one of viewer"):
        Grant("root")
    with pytest.raises(ValueError, match="only an approver"):
        Grant("viewer", groups=frozenset({"netsec"}))
    with pytest.raises(ValueError, match="'delete' does not exist"):
        may(caller(Grant("admin")), "delete", Concerned())
