# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a run that the server hands out: what is shown with a question, and what steps made or fetched. For API and pages."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.netops.changerail.plugins.module_utils.operation import Artifact
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


def artifact_at(state: StateFolder, past: History, path: str, name: str, sha256: str = "") -> Path:
    """The newest artifact of that name, and of that digest when one is given, which step ``path`` has.

    What a result names outside of the state folder is nothing to hand out.

    Raises NotFound, and Conflict for a file that is not any more what was registered.
    """
    found = details(past.events).get(path)
    named_so = [
        artifact
        for attempt in (found.attempts if found else ())
        for artifact in attempt.artifacts
        if artifact.name == name and sha256 in ("", artifact.sha256)
    ]
    if not named_so:
        raise NotFound(f"artifact {name!r}: step {path!r} of run {past.folder.run} has none of that name")
    artifact = named_so[-1]
    place = _place(state, artifact)
    if problem := fault(artifact):
        raise Conflict(f"artifact {name!r}: {problem}")
    return place


def standing(state: StateFolder, artifact: Artifact) -> str:
    """Why there is no use in asking for an artifact, without reading it: "" when its file is there and as large as it was."""
    try:
        found = _place(state, artifact).stat().st_size
    except (NotFound, Conflict) as error:
        return str(error)
    return "" if found == artifact.size else f"its file has {found} bytes now: it is not what was recorded"


def _place(state: StateFolder, artifact: Artifact) -> Path:
    """Where the artifact's file lies, links followed. Raises NotFound, and Conflict when there is no such file any more."""
    try:
        place = Path(artifact.path).resolve()
        inside, there = place.is_relative_to(state.path.resolve()), place.is_file()
    except (OSError, ValueError):
        inside, there = False, False
    if not inside:
        raise NotFound(f"artifact {artifact.name!r}: it lies outside of the state folder, and is not handed out")
    if not there:
        raise Conflict(f"artifact {artifact.name!r}: its file is gone")
    return place
