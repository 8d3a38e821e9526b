"""Runs of the real engine in virtual time: it passes only between two turns, while no worker is at work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.engine import run as engine_run
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.engine import Ending
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.loop import Loop
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.run import Surround, drive
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.timers import Clock
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import Record
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.people.inbox import wake
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project
from support.runs import Bench

TICK = 5.0
"""Seconds that pass between two turns of the engine."""


class Virtual(Clock):
    """Begins ``behind`` the machine's clock and stands still unless it is told otherwise; ``jump`` moves the wall clock alone."""

    def __init__(self, behind: float) -> None:
        self._wall = time.time() - behind
        self._passed = 0.0

    def now(self) -> float:  # type: ignore[override]
        return self._wall + self._passed

    def monotonic(self) -> float:  # type: ignore[override]
        return self._passed

    def advance(self, seconds: float) -> None:
        self._passed += seconds

    def jump(self, seconds: float) -> None:
        self._wall += seconds


class Hand(threading.Event):
    """The event that stops the engine, which it asks between two turns: here time passes, and what ``script`` says happens.

    No time passes while the engine's workers are at work: what they do takes none.
    """

    def __init__(self, clock: Virtual, folder: RunFolder, script: Callable[[], None]) -> None:
        super().__init__()
        self._clock = clock
        self._folder = folder
        self._script = script
        self._loop: Loop | None = None

    def is_set(self) -> bool:
        self._script()
        if self._loop is not None and not self._loop.busy:
            self._clock.advance(TICK)
            wake(self._folder)
        return super().is_set()

    def loop(self, *parts: Any) -> Loop:
        """Makes the engine's loop, and keeps it to look at."""
        self._loop = Loop(*parts)
        return self._loop


class Run:
    """One run under a virtual clock; ``seen`` has every event of the run with the moment it was recorded at, by the monotonic clock."""

    def __init__(self, bench: Bench, text: str, behind: float = 0.0, project: Project | None = None) -> None:
        self.project = project or Project()
        self.link: Callable[[str, str], str] = lambda run, path: ""
        self.clock = Virtual(behind)
        self.seen: list[tuple[float, e.Event]] = []
        self.bench = bench
        self.folder = bench.create(text, clock=self.clock)

    def drive(self, script: Callable[[Hand], None]) -> Ending:
        hand = Hand(self.clock, self.folder, lambda: script(hand))
        around = Surround(self.project, environment={}, clock=self.clock, observer=self._observe, link=self.link)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine_run, "Loop", hand.loop)
            return drive(self.folder, around, stop=hand)

    def moment(self, wanted: Callable[[e.Event], bool]) -> float | None:
        """When the first event that is ``wanted`` was recorded."""
        return next((moment for moment, event in self.seen if wanted(event)), None)

    def _observe(self, record: Record) -> None:
        self.seen.append((self.clock.monotonic(), record.event))
