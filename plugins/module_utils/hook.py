# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract of a kind of webhook: how its sender proves itself, and which step a hook is for. ``operation.find("hooks", name)`` finds one.

A hook says that something may have changed. What is true is asked of the system: hooks come late, twice, in any order or not at all.
"""

from __future__ import annotations

import collections
import hashlib
import hmac
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.netops.changerail.plugins.module_utils.operation import JSON

WINDOW = 300.0
"""Seconds a signed hook may be old, or ahead of our clock."""
REMEMBERED = 10_000


class HookRefused(Exception):
    """The hook is not to be believed, or cannot be read; ``status`` is what to answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Hint:
    """What may have changed: step ``step`` of ``run``, and whatever waits for ``thing``, as waiting steps call it; "" for what the hook does not show."""

    run: str = ""
    step: str = ""
    thing: str = ""


class HookKind(ABC):
    """One kind. ``step`` is the JMESPath over a hook's JSON which by default says the step it is for, as ``RUN/STEP``; "" when ``hint`` says it, or nobody."""

    step: str = ""

    @abstractmethod
    def prove(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> str:
        """What a delivery and its repetition have in common, "" when nothing does. ``headers`` have lower-case names; ``secrets`` are not empty.

        Any of the secrets will do, so that one can be replaced by another. Raises HookRefused for a hook that proves nothing or is too old.
        """

    def hint(self, headers: Mapping[str, str], document: JSON) -> Hint:
        """What the hook itself says that it is about. Raises HookRefused for one that is not what such a sender sends."""
        return Hint()


class Seen:
    """The keys of the last hooks: a delivery that is repeated has the same. In memory, for any number of threads.

    What was seen is forgotten with the process, and beyond ``REMEMBERED`` keys; a hook that is believed twice costs one look more.
    """

    def __init__(self) -> None:
        self._keys: collections.OrderedDict[str, None] = collections.OrderedDict()
        self._lock = threading.Lock()

    def add(self, key: str) -> bool:
        """Whether the key is new; "" always is."""
        if not key:
            return True
        with self._lock:
            new = key not in self._keys
            self._keys[key] = None
            self._keys.move_to_end(key)
            while len(self._keys) > REMEMBERED:
                self._keys.popitem(last=False)
        return new


def is_one_of(given: str, secrets: Sequence[str]) -> bool:
    """Whether ``given`` is one of the secrets, compared without telling how much of it."""
    return any(hmac.compare_digest(given.encode(), secret.encode()) for secret in secrets)


def signature(content: bytes, secret: str) -> str:
    """The HMAC with SHA-256, as several senders write it."""
    return f"sha256={hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()}"


def check_age(moment: str, now: float) -> None:
    """``moment`` is seconds since the epoch, as it was signed. Raises HookRefused for one that is too long ago, or ahead."""
    if not (moment.isascii() and moment.isdigit() and len(moment) < 15):
        raise HookRefused(401, "the hook's time stamp is not in seconds since 1970")
    if abs(now - int(moment)) > WINDOW:
        raise HookRefused(
            401,
            f"the hook was signed {now - int(moment):.0f} s ago; more than {WINDOW:.0f} s is a replay or a wrong clock",
        )
