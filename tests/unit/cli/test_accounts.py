"""The verbs user and token: what they keep, say and refuse."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import StateFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import Grant
from ansible_collections.netops.changerail.plugins.plugin_utils.people.accounts import AccountsFile, Passwords

Changerail = Callable[..., Any]


def test_a_user_with_a_password_and_roles(
    state: StateFolder, changerail: Changerail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\n"))
    roles = ["--role", "requester", "--role", "approver:neteng,sec@edge"]
    assert changerail("user", "add", "rita", *roles, "--password-stdin").code == 0
    user = AccountsFile(state).read().users["rita"]
    assert user.grants == (Grant("requester"), Grant("approver", "edge", frozenset({"neteng", "sec"})))
    assert Passwords().verify(user, "correct horse battery")
    listed = changerail("user", "list", "--json").json
    assert listed == [{"name": "rita", "password": True, "roles": ["requester", "approver:neteng,sec@edge"]}]
    again = changerail("user", "add", "rita", "--role", "admin", "--no-password")
    assert again.code == 2 and "is there already" in again.err
    assert changerail("user", "remove", "rita").code == 0
    assert changerail("user", "list", "--json").json == []


def test_a_token_is_shown_once(state: StateFolder, changerail: Changerail) -> None:
    changerail("user", "add", "robot", "--role", "operator", "--no-password")
    token = changerail("token", "add", "robot", "--scope", "read", "--expires", "1h").out.strip()
    listed = changerail("token", "list", "--json").json
    assert (listed[0]["user"], listed[0]["scopes"]) == ("robot", ["read"])
    assert listed[0]["expires"] - listed[0]["created"] == 3600
    accounts = AccountsFile(state).read()
    assert accounts.of_token(token, listed[0]["created"]) is not None
    assert token not in changerail("token", "list").out
    assert changerail("token", "revoke", listed[0]["id"]).code == 0
    assert AccountsFile(state).read().of_token(token, listed[0]["created"]) is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("user", "add", "rita", "--role", "boss", "--no-password"), "role 'boss' does not exist"),
        (("user", "add", "rita", "--role", "viewer:neteng", "--no-password"), "has no groups"),
        (("user", "add", "a/b", "--role", "viewer", "--no-password"), "expected a letter or digit"),
        (("user", "add", "rita", "--role", "viewer"), "no terminal"),
        (("user", "remove", "rita"), "there is none"),
        (("token", "add", "rita"), "there is none"),
        (("token", "add", "rita", "--expires", "0"), "expected a time"),
        (("token", "revoke", "12345678"), "there is none"),
    ],
)
def test_what_is_refused(changerail: Changerail, words: tuple[str, ...], said: str, state: StateFolder) -> None:
    done = changerail(*words)
    assert done.code == 2 and said in done.err
    assert AccountsFile(state).read().users == {}
