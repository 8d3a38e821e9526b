# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is next: a few threads give many runs their turns, each run one at a time. For the scheduler.

First come those that somebody waits for, then those that are at work, then those whose time has come; of the last no more are taken up than may be held.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.place import Place

_LOG = logging.getLogger("changerail.scheduler")


class Turns:
    """``turn`` is called in one of ``threads`` threads and must not wait long; ``room`` says whether another run may be taken up."""

    def __init__(self, turn: Callable[[Place], None], room: Callable[[], bool], threads: int) -> None:
        self._turn = turn
        self._room = room
        self._changed = threading.Condition()
        self._urgent: deque[Place] = deque()
        self._at_work: deque[Place] = deque()
        self._due: deque[Place] = deque()
        self._stopped = False
        self.threads = [
            threading.Thread(target=self._work, name=f"changerail-turns-{number}", daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self.threads:
            thread.start()

    def stop(self, seconds: float) -> None:
        """Give no further turn; those under way have so long to end."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self.threads:
            thread.join(seconds)

    @property
    def waiting(self) -> int:
        """How many runs want a turn."""
        return len(self._urgent) + len(self._at_work) + len(self._due)

    def want(self, place: Place, urgent: bool = False) -> None:
        """Give ``place`` a turn; asked for while it has one, it gets another. Any thread may ask, any number of times."""
        with self._changed:
            if place.turning:
                place.again = True
                place.urgent = place.urgent or urgent
            elif not place.queued:
                self._line_up(place, urgent)
            elif urgent and not place.urgent:
                # Passed over in its old line when its turn comes there.
                place.urgent = True
                self._urgent.append(place)
                self._changed.notify()

    def _line_up(self, place: Place, urgent: bool) -> None:
        place.queued = True
        place.urgent = urgent
        line = self._urgent if urgent else self._at_work if place.driven is not None else self._due
        line.append(place)
        self._changed.notify()

    def _work(self) -> None:
        while (place := self._next()) is not None:
            try:
                self._turn(place)
            except Exception:  # noqa: BLE001 - what goes wrong with one run must not end this thread
                _LOG.exception("defect in the scheduler at run %s", place.run)
            with self._changed:
                place.turning = False
                if place.again:
                    place.again = False
                    self._line_up(place, place.urgent)
                elif self._due:
                    self._changed.notify()

    def _next(self) -> Place | None:
        with self._changed:
            while not self._stopped:
                place = self._taken()
                if place is not None:
                    place.queued = False
                    place.urgent = False
                    place.turning = True
                    return place
                self._changed.wait()
            return None

    def _taken(self) -> Place | None:
        while self._urgent:
            place = self._urgent.popleft()
            if place.queued:
                return place
        for line in (self._at_work, self._due):
            while line and (line is self._at_work or self._room()):
                place = line.popleft()
                if place.queued and not place.urgent:
                    return place
        return None
