# What goes wrong on purpose: which faults there are, and which request meets which. For the twins' application.
from __future__ import annotations

import random
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

BEFORE = ("cut_before", "html", "rate_limit", "server_error", "expire_token", "error_body")
"""Nothing was done: connection cut, a page instead of JSON, 429, 5xx, 401, 200 with an error in it."""
AFTER = ("cut_after", "gateway_timeout", "empty_body", "lost_answer")
"""It was done, and the answer does not say so: cut, 504, 200 with nothing in it, silence until the client gives up."""
WRITES = ("duplicate", "old_state")
"""Only the handler of a write can do these: commit twice; answer 200 and keep the old state."""
OTHERS = ("slow",)
LOG_IN = "/oauth_token.do"
"""Where a token comes from: a request there has none that could expire."""
TOKEN_LASTS = 40
"""Requests between two tokens that expire by chance."""
KINDS = BEFORE + AFTER + WRITES + OTHERS


@dataclass(frozen=True)
class Fault:
    """One fault for the next ``times`` requests of ``method`` ("" for any) whose path matches ``path``.

    ``seconds`` is how long "slow" takes, how long "lost_answer" keeps silent and what ``Retry-After`` says; ``status`` the code of "server_error".
    """

    kind: str
    method: str = ""
    path: str = ""
    times: int = 1
    seconds: float = 1
    status: int = 503

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault is called {self.kind!r}; known: {', '.join(KINDS)}")

    def meets(self, method: str, path: str) -> bool:
        return (not self.method or self.method == method) and bool(re.search(self.path, path))


@dataclass(frozen=True)
class Chance:
    """Faults at random: a request meets one of ``kinds`` with probability ``rate``; the same ``seed`` gives the same sequence."""

    seed: int
    rate: float
    kinds: Sequence[str] = KINDS
    path: str = ""
    seconds: float = 0.05


class Faults:
    """Which fault the next request meets: what its header asks for, else the queue, else chance."""

    HEADER = "X-Twin-Fault"
    NONE = "none"
    """As the header's value: this request meets no fault, whatever is planned."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: list[Fault] = []
        self._chance: Chance | None = None
        self._random = random.Random()
        self._unspent = 0

    def plan(self, document: Mapping[str, Any]) -> None:
        """``{"queue": [fault, …], "random": {seed, rate, kinds} or null}``; what is not named stays as it is."""
        with self._lock:
            if "queue" in document:
                self._queue = [Fault(**fault) for fault in document["queue"]]
            if "random" in document:
                self._chance = Chance(**document["random"]) if document["random"] else None
                self._random = random.Random(self._chance.seed if self._chance else None)

    def as_dict(self) -> dict[str, Any]:
        with self._lock:
            return {
                "queue": [asdict(fault) for fault in self._queue],
                "random": asdict(self._chance) if self._chance else None,
                "kinds": list(KINDS),
            }

    def take(self, method: str, path: str, header: str | None) -> Fault | None:
        """The fault this request meets; a queued one is used up."""
        if header:
            return None if header == self.NONE else Fault(header)
        with self._lock:
            for index, fault in enumerate(self._queue):
                if fault.meets(method, path):
                    left = fault.times - 1
                    self._queue[index : index + 1] = [Fault(**{**asdict(fault), "times": left})] if left else []
                    return fault
            return self._by_chance(method, path)

    def _by_chance(self, method: str, path: str) -> Fault | None:
        chance = self._chance
        if chance is None or not re.search(chance.path, path):
            return None
        # A token that was given out a moment ago does not expire yet, and several clients may share it.
        fresh, self._unspent = self._unspent > 0, max(0, self._unspent - (path != LOG_IN))
        if self._random.random() >= chance.rate:
            return None
        writes = method in ("POST", "PATCH", "PUT")
        fitting = [kind for kind in chance.kinds if writes or kind not in WRITES]
        kinds = [kind for kind in fitting if kind != "expire_token" or not (fresh or path == LOG_IN)]
        if not kinds:
            return None
        kind = self._random.choice(kinds)
        self._unspent = TOKEN_LASTS if kind == "expire_token" else self._unspent
        return Fault(kind, seconds=chance.seconds)
