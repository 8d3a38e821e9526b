# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One heap of timers for all runs, and the one thread that watches it. For the scheduler."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable

from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.place import Place

_LONGEST = 3600.0
_SAME = 0.005
"""Seconds; a run at work says again and again when it will want to look."""


class Timetable:
    """``due`` is called, in the timetable's thread, for each place whose time has come; ``monotonic`` is the clock."""

    def __init__(self, due: Callable[[Place], None], monotonic: Callable[[], float]) -> None:
        self._call = due
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, Place]] = []
        self._numbers = itertools.count()
        self._stopped = False
        self.thread = threading.Thread(target=self._watch, name="changerail-timers", daemon=True)

    def start(self) -> None:
        """Begin."""
        self.thread.start()

    def stop(self, seconds: float) -> None:
        """Call nobody any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self.thread.join(seconds)

    def set(self, place: Place, seconds: float | None) -> None:
        """Have ``place`` called in ``seconds`` and not before; None: not at all. Replaces what was set."""
        with self._changed:
            due = None if seconds is None else self._monotonic() + seconds
            if due is not None and place.due is not None and abs(due - place.due) < _SAME:
                return
            place.due = due
            if place.due is not None:
                heapq.heappush(self._heap, (place.due, next(self._numbers), place))
                if self._heap[0][2] is place:
                    self._changed.notify()

    def _watch(self) -> None:
        while (place := self._next()) is not None:
            self._call(place)

    def _next(self) -> Place | None:
        with self._changed:
            while not self._stopped:
                left = self._left()
                if left is not None and left <= 0:
                    place = heapq.heappop(self._heap)[2]
                    place.due = None
                    return place
                self._changed.wait(_LONGEST if left is None else min(left, _LONGEST))
            return None

    def _left(self) -> float | None:
        """Seconds until the first that still holds; what was replaced is dropped."""
        while self._heap and self._heap[0][2].due != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] - self._monotonic() if self._heap else None
