"""Users and tokens of the server: what the file keeps, who comes in with what, and what is refused."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import StateFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import Grant
from ansible_collections.netops.changerail.plugins.plugin_utils.people.accounts import (
    Accounts,
    AccountsFile,
    Passwords,
    User,
    hashed,
    logged_in,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import People, Person

RITA = User(
    "rita", grants=(Grant("approver", "edge", frozenset({"neteng"})), Grant("approver", "", frozenset({"sec"})))
)


@pytest.fixture
def file(tmp_path: Path) -> AccountsFile:
    return AccountsFile(StateFolder(tmp_path / "state"))


def test_what_is_put_is_read_by_others_and_by_nobody_else(file: AccountsFile) -> None:
    assert file.read() == Accounts()
    file.change(lambda accounts: accounts.with_user(RITA))
    kept = file.change(lambda accounts: accounts.with_token("rita", frozenset({"read"}), 1000.0, 60.0)[0])
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    again = AccountsFile(StateFolder(file.path.parent))
    assert again.read() == kept
    file.change(lambda accounts: accounts.without_user("rita"))
    assert again.read() == Accounts()


def test_a_file_that_others_can_read_is_not_believed(file: AccountsFile) -> None:
    file.change(lambda accounts: accounts.with_user(RITA))
    file.path.chmod(0o640)
    with pytest.raises(AuthorError, match="chmod 600"):
        file.read()


@pytest.mark.parametrize("text", ["", "{}", '{"version": 2}', '{"version": 1, "users": {"a": 1}, "tokens": {}}', "[]"])
def test_a_damaged_file_lets_nobody_in(file: AccountsFile, text: str) -> None:
    file.change(lambda accounts: accounts.with_user(RITA))
    file.path.write_text(text)
    with pytest.raises(AuthorError, match=r"damaged|version 2"):
        file.read()


def test_a_token_is_its_users_until_it_expires_is_revoked_or_the_user_is_gone(file: AccountsFile) -> None:
    accounts, text = Accounts().with_user(RITA).with_token("rita", None, 1000.0, 60.0)
    (token,) = accounts.tokens.values()
    assert accounts.of_token(text, 1059.9) == (RITA, token)
    assert accounts.of_token(text, 1060.0) is None
    assert accounts.without_token(token.id).of_token(text, 1001.0) is None
    assert accounts.without_user("rita").of_token(text, 1001.0) is None
    other = text[:-1] + ("A" if text[-1] != "A" else "B")
    assert all(accounts.of_token(wrong, 1001.0) is None for wrong in (other, "", text + "A", text.upper(), "cr_é"))
    file.change(lambda _old: accounts)
    assert text not in file.path.read_text() and text.rpartition("_")[2] not in file.path.read_text()


def test_passwords() -> None:
    kept = User("rita", hashed("correct horse battery"))
    passwords = Passwords()
    assert passwords.verify(kept, "correct horse battery")
    assert not passwords.verify(kept, "correct horse batter")
    assert not passwords.verify(None, "correct horse battery")
    assert not passwords.verify(User("robot"), "") and not passwords.verify(kept, "x" * 100_000)
    assert kept.password.startswith("$argon2id$")
    with pytest.raises(AuthorError, match="12 to 1024"):
        hashed("too short")


@pytest.mark.parametrize("name", ["", " rita", "_x", "a/b", "a\nb", "x" * 65, "<b>"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(AuthorError, match="expected a letter or digit"):
        Accounts().with_user(User(name))


def test_a_user_is_the_person_of_the_project_with_that_name_or_login() -> None:
    people = People({"Rita Ruiz": Person("Rita Ruiz", ("rita",), frozenset({"board"}))})
    one = logged_in(RITA, people)
    assert (one.who.person, one.who.assurance, one.who.groups) == ("Rita Ruiz", "authenticated", {"board"})
    assert one.caller.person == "Rita Ruiz"
    stranger = logged_in(User("otto"), people)
    assert (stranger.who.person, stranger.who.known) == ("otto", True)


def test_groups_hold_in_the_workflow_they_were_given_for() -> None:
    assert RITA.groups("edge") == {"neteng", "sec"}
    assert RITA.groups("core") == {"sec"}
