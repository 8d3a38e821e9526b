# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a run that the server hands out: what is shown with a question, and what steps made or fetched. For API and pages."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import StateFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.people.showing import shown
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import History
from ansible_collections.netops.changerail.plugins.plugin_utils.views.detail import details
from ansible_collections.netops.changerail.plugins.plugin_utils.views.evidence import fault
from ansible_collections.netops.changerail.plugins.plugin_utils.views.waiting import question_at
from ansible_collections.netops.changerail.plugins.plugin_utils.web.answers import Conflict, NotFound


def shown_with(past: History, path: str, name: str) -> bytes:
    """A file that is shown with the open question of step ``path``, with the digest that the answer is bound to. Raises NotFound, ChangerailError."""
    asked = question_at(past.events, path)
    if asked is None or name not in (asked.question.show or {}):
        raise NotFound(
            f"{name!r}: nothing of that name is shown with a question at step {path!r} of run {past.folder.run}"
        )
    return shown(asked.question, name)


def artifact_at(state: StateFolder, past: History, path: str, name: str) -> Path:
    """The newest artifact of that name which step ``path`` has. What a result names outside of the state folder is nothing to hand out.

    Raises NotFound, and Conflict for a file that is not any more what was registered.
    """
    found = details(past.events).get(path)
    named_so = [
        artifact
        for attempt in (found.attempts if found else ())
        for artifact in attempt.artifacts
        if artifact.name == name
    ]
    if not named_so:
        raise NotFound(f"artifact {name!r}: step {path!r} of run {past.folder.run} has none of that name")
    place = Path(named_so[-1].path).resolve()
    if not place.is_relative_to(state.path.resolve()):
        raise NotFound(f"artifact {name!r}: it lies outside of the state folder")
    if problem := fault(named_so[-1]):
        raise Conflict(f"artifact {name!r}: {problem}")
    return place
