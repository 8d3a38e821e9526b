"""One engine of the crash test: a ``changerail run``, ``resume`` or ``serve`` that is killed at a chosen moment."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from crash.world import World

PATIENCE = 5.0
"""Seconds after which it is killed if its moment does not come: it may be waiting for people."""
_LOOK_EVERY = 0.002
_MOST_LINES = 9
_MOST_REQUESTS = 7
_JITTER = 0.005


@dataclass(frozen=True)
class Moment:
    """When an engine is killed: ``delay`` seconds after its start (kind "time"), after so many more lines in the journal ("lines"),
    or when so many requests have been "received" or "committed"; ``count`` is how many, ``delay`` then comes on top."""

    kind: str
    count: int
    delay: float


def chosen(chance: random.Random, startup: float) -> Moment:
    """A moment by chance; ``startup`` is how many seconds an engine takes to write its first line."""
    kind = chance.choice(("time", "lines", "lines", "received", "committed"))
    if kind == "time":
        return Moment(kind, 0, chance.uniform(0, 1.5 * startup))
    if kind == "lines":
        return Moment(kind, chance.randint(1, _MOST_LINES), chance.uniform(0, _JITTER))
    return Moment(kind, chance.randint(1, _MOST_REQUESTS), 0.0)


class Killer:
    """Kills ``process`` at its moment; the world calls ``meet`` in the midst of a request."""

    def __init__(self, process: subprocess.Popen[bytes], moment: Moment, journal: Path, world: World) -> None:
        self._process = process
        self._moment = moment
        self._journal = journal
        self._left = moment.count
        self._guard = threading.Lock()
        self._world = world

    def kill(self, over: Callable[[], bool]) -> bool:
        """Wait for the moment and kill; False when the process had come to its end by itself, or, as a server does, goes on after the run is ``over``."""
        began = time.monotonic()
        before = _lines(self._journal)
        self._world.meets = self._meet
        while self._process.poll() is None:
            passed = time.monotonic() - began
            if self._moment.kind == "time" and passed >= self._moment.delay:
                break
            if self._moment.kind == "lines" and _lines(self._journal) - before >= self._moment.count:
                time.sleep(self._moment.delay)
                break
            if passed >= PATIENCE:
                break
            if over():
                self._process.terminate()
                self._process.wait(PATIENCE)
                break
            time.sleep(_LOOK_EVERY)
        self._world.meets = lambda moment: None
        self._process.kill()
        return self._process.wait() == -9

    def _meet(self, moment: str) -> None:
        with self._guard:
            self._left -= moment == self._moment.kind
            if self._left == 0 and moment == self._moment.kind:
                self._process.kill()


def _lines(journal: Path) -> int:
    return journal.read_bytes().count(b"\n") if journal.exists() else 0
