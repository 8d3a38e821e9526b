# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time for the engine: a clock that tests replace, and one heap of timers."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable

Action = Callable[[], None]


class Clock:
    """The machine's clocks. ``now`` is seconds since the epoch and may jump; ``monotonic`` never does and is what waits are measured with."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)

    def steady(self) -> Callable[[], float]:
        """A clock that agrees with ``now`` at this moment and never jumps."""
        began = self.now() - self.monotonic()
        return lambda: began + self.monotonic()


class Timers:
    """Actions with the moment they are due, by the monotonic clock. Nothing is ever taken out early: an action checks whether it is still wanted."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Action]] = []
        self._numbers = itertools.count()

    def after(self, seconds: float, action: Action) -> None:
        """Do ``action`` in ``seconds`` from now."""
        heapq.heappush(self._heap, (self._clock.monotonic() + max(0.0, seconds), next(self._numbers), action))

    def left(self) -> float | None:
        """Seconds until the next is due (0 when one is), None when there is none."""
        return max(0.0, self._heap[0][0] - self._clock.monotonic()) if self._heap else None

    def due(self) -> list[Action]:
        """Take out the actions whose time has come."""
        actions = []
        while self._heap and self._heap[0][0] <= self._clock.monotonic():
            actions.append(heapq.heappop(self._heap)[2])
        return actions
