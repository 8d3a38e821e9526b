# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has signed in with a browser, and how often somebody tried: sessions and attempts, in memory. For the pages.

A session is known by chance in a cookie; a restart of the server ends them all. Time comes from outside, so that nobody has to wait for it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import Grant

IDLE = 3600.0
"""Seconds after which a session that is not used ends."""
LONGEST = 12 * 3600.0
"""Seconds after which any session ends."""
MOST = 10_000
"""Sessions, and names and addresses whose attempts are counted; beyond it the oldest is forgotten."""
WINDOW = 300.0
"""Seconds for which a failed attempt counts."""
PASSWORD, PROXY, OPENID = "password", "proxy", "openid"
"""Ways in."""


@dataclass(frozen=True)
class Session:
    """``user`` has signed in. ``token`` is what each form must bring along; times are by the clock of ``Sessions``.

    ``way`` is one of PASSWORD, PROXY (which says with each request who it is: the session is nothing without that) and OPENID. ``grants`` are what
    the provider's groups gave at sign-in, beside what the user is granted here.
    """

    user: str
    token: str
    began: float
    used: float
    way: str = PASSWORD
    grants: tuple[Grant, ...] = ()


class Sessions:
    """Sessions by the digest of their ids: whoever reads the memory of an old one gets none that works in a log or a core dump's strings."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}

    def begin(self, user: str, way: str = PASSWORD, grants: tuple[Grant, ...] = ()) -> tuple[str, Session]:
        """A new session, always with a new id; and that id, for the cookie."""
        id_ = secrets.token_urlsafe(32)
        with self._lock:
            return id_, self._begun(_digest(id_), user, way, grants)

    def proxied(self, user: str) -> tuple[Session, bool]:
        """The session of somebody whom a proxy names with each request, and whether it begins with this one. Each person has one and no cookie for it,
        so that whoever keeps none does not begin a session with every request."""
        key = _digest(f"{PROXY} {user}")
        with self._lock:
            session = self._used(key)
            return (session, False) if session is not None else (self._begun(key, user, PROXY, ()), True)

    def of(self, id_: str) -> Session | None:
        """The session of a cookie; None when there is none, or not any more."""
        with self._lock:
            return self._used(_digest(id_))

    def _begun(self, key: str, user: str, way: str, grants: tuple[Grant, ...]) -> Session:
        while len(self._sessions) >= MOST:
            del self._sessions[next(iter(self._sessions))]
        now = self._clock()
        self._sessions[key] = Session(user, secrets.token_urlsafe(32), now, now, way, grants)
        return self._sessions[key]

    def _used(self, key: str) -> Session | None:
        now = self._clock()
        session = self._sessions.pop(key, None)
        if session is None or now - session.used >= IDLE or now - session.began >= LONGEST:
            return None
        # At the end again, so that the first is the one that was not used for longest.
        self._sessions[key] = replace(session, used=now)
        return self._sessions[key]

    def end(self, id_: str) -> None:
        """Sign out."""
        with self._lock:
            self._sessions.pop(_digest(id_), None)


class Attempts:
    """Failed attempts to sign in: by name and address together, by address, and by name, each with how many are allowed within WINDOW."""

    def __init__(self, clock: Callable[[], float], pair: int = 5, address: int = 20, name: int = 50) -> None:
        self._clock = clock
        self._most = {"pair": pair, "address": address, "name": name}
        self._lock = threading.Lock()
        self._failed: dict[tuple[str, str], tuple[float, ...]] = {}

    def left(self, name: str, address: str) -> bool:
        """Whether one more attempt is allowed."""
        with self._lock:
            return all(len(self._recent(key)) < self._most[key[0]] for key in _keys(name, address))

    def failed(self, name: str, address: str) -> None:
        """Count a failed attempt."""
        with self._lock:
            for key in _keys(name, address):
                recent = self._recent(key)
                self._failed.pop(key, None)
                while len(self._failed) >= MOST:
                    del self._failed[next(iter(self._failed))]
                self._failed[key] = (*recent, self._clock())[-self._most[key[0]] :]

    def succeeded(self, name: str, address: str) -> None:
        """Forget what this person mistyped from here."""
        with self._lock:
            self._failed.pop(("pair", f"{address} {name}"), None)

    def _recent(self, key: tuple[str, str]) -> tuple[float, ...]:
        since = self._clock() - WINDOW
        return tuple(at for at in self._failed.get(key, ()) if at > since)


def same(given: str, expected: str) -> bool:
    """Whether a form brought along what it should, compared without telling how much of it."""
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())


def _keys(name: str, address: str) -> Iterable[tuple[str, str]]:
    return ("pair", f"{address} {name}"), ("address", address), ("name", name)


def _digest(id_: str) -> str:
    return hashlib.sha256(id_.encode(errors="replace")).hexdigest()
