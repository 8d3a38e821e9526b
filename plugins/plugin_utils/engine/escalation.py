# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling people of an escalation level: the same operation as a ``notify`` step, once for each level. For the engine's thread."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ansible_collections.netops.changerail.plugins.module_utils.arguments import validated
from ansible_collections.netops.changerail.plugins.module_utils.errors import ChangerailError
from ansible_collections.netops.changerail.plugins.module_utils.operation import Call, Failed, find
from ansible_collections.netops.changerail.plugins.plugin_utils.core.state import Leaf
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.loop import Loop
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.prepare import Surroundings
from ansible_collections.netops.changerail.plugins.plugin_utils.people.policy import Level

_LOG = logging.getLogger("changerail")


class Teller:
    """Sends the message of an escalation level; that it was due is in the journal, that it failed goes to the log."""

    def __init__(self, loop: Loop, surroundings: Surroundings) -> None:
        self._loop = loop
        self._around = surroundings

    def tell(self, leaf: Leaf, number: int, level: Level) -> None:
        """Notify the people, groups and channels of ``level`` that the leaf's question waits."""
        if leaf.question is None:
            return
        run = self._around.folder.run
        options = {
            "to": list(level.to),
            "title": f"{run}: {leaf.question['title']}",
            "message": f"{leaf.message}\nNobody has answered yet. To answer: changerail answer {run} {leaf.path} {'|'.join(leaf.question['choices'])}",
        }
        path = f"{leaf.path}#escalation-{number}"
        context = self._around.context(path, leaf.attempt, self._around.folder.step(path, leaf.attempt))

        def job() -> Callable[[], None]:
            try:
                operation = find("operations", "notify")
                outcome = operation.start(Call(validated(operation, options), context))
                problem = outcome.message if isinstance(outcome, Failed) else ""
            except ChangerailError as error:
                problem = str(error)
            return lambda: self._told(leaf.path, number, problem)

        self._loop.work(job)

    def _told(self, path: str, number: int, problem: str) -> None:
        if problem:
            _LOG.warning("%s: escalation level %d could not be told: %s", path, number, problem)
