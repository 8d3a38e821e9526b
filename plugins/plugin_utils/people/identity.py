# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who answered, and how sure we are; the inbox's reader and the doors ask. Knows people as values, looks nothing up but the operating system's login."""

from __future__ import annotations

import pwd
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Person:
    """Somebody the project file names. ``os_users`` are logins, ``mail`` is an address or "", ``keys`` are SSH public keys (lines of .pub files)."""

    name: str
    os_users: tuple[str, ...] = ()
    groups: frozenset[str] = frozenset()
    mail: str = ""
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Who:
    """Who answers. ``assurance`` is one of question.ASSURANCES; ``known`` says that the project names the person (or names nobody at all).

    ``os_user`` is the login that owns the answer, whoever it claims to come from. ``key`` describes the key that signed, or is "".
    """

    person: str
    assurance: str
    os_user: str
    groups: frozenset[str] = frozenset()
    known: bool = True
    key: str = ""


@dataclass(frozen=True)
class People:
    """Everybody the project names, by name. ``trusted`` are logins of programs that know who talks to them, such as AWX's jobs."""

    by_name: Mapping[str, Person] = field(default_factory=dict)
    trusted: frozenset[str] = frozenset()

    def of_login(self, os_user: str) -> Who:
        """The person behind a login. An unknown login is a person of that name in no group."""
        for person in self.by_name.values():
            if os_user in person.os_users:
                return Who(person.name, "os_user", os_user, person.groups)
        # A login that nobody claims must not pass for the person who happens to have its name.
        name = f"OS user {os_user}" if os_user in self.by_name else os_user
        return Who(name, "os_user", os_user, known=not self.by_name)

    def claimed(self, name: str, os_user: str) -> Who:
        """Who it is when the owner of ``os_user`` says to be ``name``: the login's own person when that is true, else an assertion.

        A trusted login is believed, and may also give the person's login: its people have logged in there.
        """
        own = self.of_login(os_user)
        if not name or (plain(name) == own.person and os_user not in self.trusted):
            return own
        if os_user in self.trusted:
            return replace(self._vouched_for(plain(name)), os_user=os_user)
        person = self.by_name.get(plain(name))
        if person is None:
            return Who(plain(name), "asserted", os_user, known=False)
        return Who(person.name, "asserted", os_user, person.groups)

    def authenticated(self, name: str, groups: Iterable[str] = ()) -> Who:
        """Who it is that logged in at the server as ``name``: a person the project names, or the one with that login, else an account of the server
        alone. ``groups`` are those the account has beside the person's own.
        """
        who = self._vouched_for(plain(name))
        return replace(who, os_user="", groups=who.groups | frozenset(groups), known=True)

    def _vouched_for(self, name: str) -> Who:
        person = self.by_name.get(name)
        by_login = self.of_login(name)
        who = Who(person.name, "", "", person.groups) if person is not None else by_login
        return replace(who, assurance="authenticated")

    def logins(self, name: str) -> frozenset[str]:
        """The logins of a person; an unknown name is its own login."""
        person = self.by_name.get(plain(name))
        return frozenset(person.os_users) if person else frozenset({name})

    def members(self, group: str) -> frozenset[str]:
        """The names of a group's members."""
        return frozenset(person.name for person in self.by_name.values() if group in person.groups)


def plain(name: str) -> str:
    """A name in the one spelling in which names are compared (Unicode NFC, no spaces around)."""
    return unicodedata.normalize("NFC", name).strip()


def login(uid: int) -> str:
    """The login of a user id; "uid 1234" when the system has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
