# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may come in at the server: users and API tokens, in one file of the state folder. The verbs ``user`` and ``token`` change it, the web room reads it.

A password is kept as an Argon2id hash. A token is 256 bits of chance, so its SHA-256 is enough. Neither can be got back from the file.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.module_utils.files import write_json
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import (
    StateFolder,
    private_folder,
    storage_error,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import ACTIONS, Caller, Grant
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import People, Who, plain

SHORTEST = 12
"""Characters of a password."""
LONGEST = 1024
"""Characters of a password that are looked at; more are no password."""
_VERSION = 1
_NAME = re.compile(r"[^\W_][\w.@ -]{0,63}\Z")
_TOKEN = re.compile(r"cr_([0-9a-f]{8})_([A-Za-z0-9_-]{43})\Z")


@dataclass(frozen=True)
class User:
    """A user of the server. ``name`` is a person of the project file, or a login of one, or known here only. ``password`` is a hash, "" for tokens alone."""

    name: str
    password: str = ""
    grants: tuple[Grant, ...] = ()

    def groups(self, workflow: str) -> frozenset[str]:
        """The groups the user approves for in runs of ``workflow``."""
        held = (grant.groups for grant in self.grants if grant.workflow in ("", workflow))
        return frozenset().union(*held)


@dataclass(frozen=True)
class Token:
    """A token of ``user`` for the actions ``scopes`` (None: all the user may do). ``digest`` is the SHA-256 of the whole token; times are since the epoch."""

    id: str
    user: str
    digest: str
    scopes: frozenset[str] | None
    created: float
    expires: float


@dataclass(frozen=True)
class LoggedIn:
    """Somebody who has come in: ``who`` as the project knows them, ``caller`` as the roles do, ``user`` as the file does."""

    who: Who
    caller: Caller
    user: User


@dataclass(frozen=True)
class Accounts:
    """Users by name and tokens by id."""

    users: Mapping[str, User] = field(default_factory=dict)
    tokens: Mapping[str, Token] = field(default_factory=dict)

    def of_token(self, text: str, now: float) -> tuple[User, Token] | None:
        """Whose token it is; None for one that is unknown, wrong, expired, or whose user is gone."""
        found = _TOKEN.match(text)
        token = self.tokens.get(found[1]) if found else None
        if token is None or not hmac.compare_digest(token.digest, _digest(text)) or now >= token.expires:
            return None
        user = self.users.get(token.user)
        return None if user is None else (user, token)

    def with_user(self, user: User) -> Accounts:
        """With a new user. Raises AuthorError for a name that is taken or is none."""
        if not is_name(user.name):
            raise AuthorError(
                f"user {user.name!r}: expected a letter or digit, then letters, digits and . @ - _ or spaces, at most 64"
            )
        if user.name in self.users:
            raise AuthorError(f"user {user.name!r} is there already; remove it first to give it other roles")
        return replace(self, users={**self.users, user.name: user})

    def without_user(self, name: str) -> Accounts:
        """Without the user and all tokens of it. Raises AuthorError."""
        self._user(name)
        users = {other: user for other, user in self.users.items() if other != name}
        return Accounts(users, {id_: token for id_, token in self.tokens.items() if token.user != name})

    def with_token(self, user: str, scopes: frozenset[str] | None, now: float, lasts: float) -> tuple[Accounts, str]:
        """With a new token of ``user`` that holds for ``lasts`` seconds; and the token, which is not kept. Raises AuthorError."""
        self._user(user)
        unknown = sorted(set(scopes or ()) - set(ACTIONS))
        if unknown:
            raise AuthorError(f"scope {unknown[0]!r} does not exist: expected some of {', '.join(ACTIONS)}")
        id_ = secrets.token_hex(4)
        text = f"cr_{id_}_{secrets.token_urlsafe(32)}"
        token = Token(id_, user, _digest(text), scopes, now, now + lasts)
        return replace(self, tokens={**self.tokens, id_: token}), text

    def without_token(self, id_: str) -> Accounts:
        """Without the token. Raises AuthorError."""
        if id_ not in self.tokens:
            raise AuthorError(f"token {id_!r}: there is none; 'changerail token list' shows those there are")
        return replace(self, tokens={other: token for other, token in self.tokens.items() if other != id_})

    def _user(self, name: str) -> User:
        if name not in self.users:
            raise AuthorError(f"user {name!r}: there is none; 'changerail user list' shows those there are")
        return self.users[name]


def is_name(text: str) -> bool:
    """Whether a user may be called that."""
    return _NAME.match(text) is not None


def logged_in(user: User, people: People, scopes: frozenset[str] | None = None) -> LoggedIn:
    """The user as one who has come in."""
    who = people.authenticated(user.name)
    return LoggedIn(who, Caller(who.person, user.grants, scopes), user)


def hashed(password: str) -> str:
    """The hash of a new password. Raises AuthorError for one that is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise AuthorError(f"a password has {SHORTEST} to {LONGEST} characters, this one has {len(password)}")
    from argon2 import PasswordHasher

    return PasswordHasher().hash(password)


class Passwords:
    """Verifies passwords, a few at a time: each takes tens of milliseconds and megabytes, which nobody shall multiply at will."""

    def __init__(self) -> None:
        from argon2 import PasswordHasher

        self._hasher = PasswordHasher()
        self._nobodys = self._hasher.hash(secrets.token_urlsafe())
        self._few = threading.Semaphore(2)

    def verify(self, user: User | None, password: str) -> bool:
        """Whether it is the user's; takes as long for nobody as for somebody."""
        from argon2.exceptions import InvalidHashError, VerificationError

        known = user.password if user is not None else ""
        if len(password) > LONGEST:
            return False
        with self._few:
            try:
                return self._hasher.verify(known or self._nobodys, password) and bool(known)
            except (VerificationError, InvalidHashError):
                return False


class AccountsFile:
    """The file at ``state.accounts``. Read again when it has changed; changed as a whole, one process at a time."""

    def __init__(self, state: StateFolder) -> None:
        self.path = state.accounts
        self._seen: tuple[int, int, int] | None = None
        self._accounts = Accounts()

    def read(self) -> Accounts:
        """What is in it; nobody when there is no file. Raises AuthorError when others can read it or it is damaged, StorageError."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return Accounts()
        except OSError as error:
            raise storage_error(self.path, error) from None
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise AuthorError(f"{self.path}: others than its owner have access to it; take that away: chmod 600")
        seen = (status.st_ino, status.st_mtime_ns, status.st_size)
        if seen != self._seen:
            self._accounts = _parsed(self.path)
            self._seen = seen
        return self._accounts

    def change(self, changed: Callable[[Accounts], Accounts]) -> Accounts:
        """Put what ``changed`` makes of it in its place. Raises what ``read`` and ``changed`` raise."""
        private_folder(self.path.parent)
        with self._alone():
            accounts = changed(self.read())
            try:
                write_json(self.path, _document(accounts))
            except OSError as error:
                raise storage_error(self.path, error) from None
        return accounts

    @contextmanager
    def _alone(self) -> Iterator[None]:
        lock = self.path.with_suffix(".lock")
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise storage_error(lock, error) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _document(accounts: Accounts) -> dict[str, Any]:
    users = {
        user.name: {
            "password": user.password,
            "grants": [
                {"role": grant.role, "workflow": grant.workflow, "groups": sorted(grant.groups)}
                for grant in user.grants
            ],
        }
        for user in accounts.users.values()
    }
    tokens = {
        token.id: {
            "user": token.user,
            "sha256": token.digest,
            "scopes": None if token.scopes is None else sorted(token.scopes),
            "created": token.created,
            "expires": token.expires,
        }
        for token in accounts.tokens.values()
    }
    return {"version": _VERSION, "users": users, "tokens": tokens}


def _parsed(path: Path) -> Accounts:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["version"] != _VERSION:
            raise AuthorError(f"{path}: it is of version {document['version']}, this release knows {_VERSION}")
        users = {
            name: User(name, of["password"], tuple(map(_grant, of["grants"]))) for name, of in document["users"].items()
        }
        tokens = {id_: _token(id_, of) for id_, of in document["tokens"].items()}
    except OSError as error:
        raise storage_error(path, error) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AuthorError(
            f"{path}: it is damaged ({type(error).__name__}: {error}); restore it from a backup"
        ) from None
    return Accounts(users, tokens)


def _grant(document: Mapping[str, Any]) -> Grant:
    return Grant(document["role"], plain(document["workflow"]), frozenset(document["groups"]))


def _token(id_: str, document: Mapping[str, Any]) -> Token:
    scopes = document["scopes"]
    kept = None if scopes is None else frozenset(scopes)
    return Token(
        id_, document["user"], document["sha256"], kept, float(document["created"]), float(document["expires"])
    )
