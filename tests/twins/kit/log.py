# What a twin received and what it committed, so that a test can count. For the twins' application and handlers.
from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class Received:
    """One request; ``status`` is 0 when no answer went out."""

    number: int
    method: str
    path: str
    fault: str = ""
    status: int = 0


@dataclass(frozen=True)
class Committed:
    """One effect: ``what`` ("create change_request"), ``id`` of the record, ``number`` of the request that did it."""

    number: int
    what: str
    id: str


class Log:
    """Grows until it is cleared; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._current = threading.local()
        self.clear()

    def clear(self) -> None:
        with self._lock:
            self._received: list[Received] = []
            self._committed: list[Committed] = []

    def receive(self, method: str, path: str) -> Received:
        with self._lock:
            entry = Received(len(self._received) + 1, method, path)
            self._received.append(entry)
        self._current.number = entry.number
        return entry

    def commit(self, what: str, identity: object) -> None:
        """An effect of the request this thread works on; 0 when no request caused it (the flow, a job)."""
        with self._lock:
            self._committed.append(Committed(getattr(self._current, "number", 0), what, str(identity)))

    def as_dict(self) -> dict[str, Any]:
        with self._lock:
            return {
                "received": [asdict(entry) for entry in self._received],
                "committed": [asdict(entry) for entry in self._committed],
            }
