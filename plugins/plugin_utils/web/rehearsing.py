# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rehearsal before a run is started from a form: if everything succeeds and everybody approves. Bounded, as it holds a thread; ``web.actions`` calls it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.netops.changerail.plugins.plugin_utils.engine.rehearsal import rehearse
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project
from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import RunStatus, status
from ansible_collections.netops.changerail.plugins.plugin_utils.views.timeline import Entry, timeline
from ansible_collections.netops.changerail.plugins.plugin_utils.web.answers import Conflict
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.scenario import Scenario

LONGEST = 20.0
"""Seconds of real time that one may take."""


@dataclass(frozen=True)
class Rehearsed:
    """What would happen. ``unsaid`` is why it did not come to its end, "" when it did; ``lasted`` is how long a run would take, in seconds."""

    status: RunStatus
    entries: Sequence[Entry]
    lasted: float
    unsaid: str


class Rehearsals:
    """One at a time, none for longer than ``longest`` seconds."""

    def __init__(self, longest: float = LONGEST) -> None:
        self._longest = longest
        self._alone = threading.Lock()

    def of(self, scenario: Scenario, project: Project) -> Rehearsed:
        """Rehearse it. Raises Conflict while somebody else does."""
        if not self._alone.acquire(blocking=False):
            raise Conflict("somebody else rehearses a run just now; try again in a moment")
        stop = threading.Event()
        bell = threading.Timer(self._longest, stop.set)
        bell.start()
        try:
            done = rehearse(scenario, project, stop)
        finally:
            bell.cancel()
            self._alone.release()
        late = f"it takes more than {self._longest:g} s to rehearse; 'changerail rehearse' on the command line has no bound"
        seen = status(scenario.workflow, done.events)
        unsaid = done.unsaid or ("" if seen.summary.over or not stop.is_set() else late)
        return Rehearsed(seen, timeline(done.events), done.ended - scenario.begins, unsaid)
