# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events that come too late to mean anything, as ``decide`` passes them over; for the other views."""

from __future__ import annotations

from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    Event,
    Expanded,
    RunStarted,
    StepFinished,
    StepStarted,
    StepWaiting,
)


class Late:
    """Give it every event of one run in order; it tells which are repeated, or speak of an attempt that is over."""

    def __init__(self) -> None:
        self._finished: dict[str, int] = {}
        self._expanded: set[str] = set()
        self._begun = False

    def __call__(self, event: Event) -> bool:
        """Whether ``event`` comes too late."""
        match event:
            case RunStarted():
                late, self._begun = self._begun, True
                return late
            case StepStarted() | StepWaiting():
                return event.attempt <= self._finished.get(event.path, 0)
            case StepFinished():
                late = event.attempt <= self._finished.get(event.path, 0)
                self._finished[event.path] = max(event.attempt, self._finished.get(event.path, 0))
                return late
            case Expanded():
                late = event.path in self._expanded
                self._expanded.add(event.path)
                return late
            case _:
                return False
