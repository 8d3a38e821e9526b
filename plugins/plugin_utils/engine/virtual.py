# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time that passes only when there is nothing else to do, and the engine's loop in it. For rehearsals."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ansible_collections.netops.changerail.plugins.plugin_utils.core.state import State
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.loop import Loop, Writer
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.timers import Clock
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import Record

HORIZON = 366 * 86400.0
"""Seconds after which a run that still waits is taken to wait for ever; as far ahead as a change window is looked for."""


class VirtualClock(Clock):
    """A clock that is moved by hand. ``began`` is seconds since the epoch."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._passed = 0.0

    def now(self) -> float:
        return self._began + self._passed

    def monotonic(self) -> float:
        return self._passed

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._passed += seconds


class _Nobody:
    """No workers."""

    def submit(self, job: Callable[[], None], /) -> None:
        raise RuntimeError("in virtual time work is done at once")


class VirtualLoop(Loop):
    """The engine's loop without workers: work is done at once and in order. ``stop`` is set when nothing is left to wait for, or at the horizon."""

    clock: VirtualClock

    def __init__(
        self,
        state: State,
        journal: Writer,
        clock: VirtualClock,
        observer: Callable[[Record], None],
        stop: threading.Event,
    ) -> None:
        super().__init__(state, journal, clock, observer, _Nobody())
        self._stop = stop

    def work(self, job: Callable[[], Callable[[], None]]) -> None:
        """Do ``job`` now; what it returns is run in the next turn."""
        self.wake(job())

    def turn(self) -> None:
        """Do what is to be done now; when that is nothing, let time pass until something is."""
        if not self.has_inbound:
            left = self.timers.left()
            if left is None or self.clock.monotonic() + left > HORIZON:
                self._stop.set()
                return
            self.clock.advance(left)
        super().turn()
