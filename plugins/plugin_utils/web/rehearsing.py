# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rehearsal before a run is started from a form: if everything succeeds and everybody approves. Bounded, as it holds a thread; ``web.actions`` calls it."""

from __future__ import annotations

import threading

from ansible_collections.netops.changerail.plugins.plugin_utils.engine.rehearsal import Bounds, rehearse
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project
from ansible_collections.netops.changerail.plugins.plugin_utils.views.foreseen import Foreseen, foreseen
from ansible_collections.netops.changerail.plugins.plugin_utils.web.answers import Conflict
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.scenario import Scenario

BOUNDS = Bounds(events=5_000, seconds=10.0)
"""How long one may be, so that nobody keeps the server busy with them."""
_MOST = 300
"""Steps, and moments, that are shown."""


class Rehearsals:
    """One at a time, none beyond ``bounds``."""

    def __init__(self, bounds: Bounds = BOUNDS) -> None:
        self._bounds = bounds
        self._alone = threading.Lock()

    def of(self, scenario: Scenario, project: Project) -> Foreseen:
        """Rehearse it. Raises Conflict while somebody else does."""
        if not self._alone.acquire(blocking=False):
            raise Conflict("somebody else rehearses a run just now; try again in a moment")
        try:
            return foreseen(rehearse(scenario, project, self._bounds), _MOST)
        finally:
            self._alone.release()
