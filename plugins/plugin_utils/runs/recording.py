# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records a playbook that somebody runs beside changerail: as evidence of a run that is there, else as a small run of its own. The callback calls it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.module_utils.files import artifact_of, write_json
from ansible_collections.netops.changerail.plugins.module_utils.operation import Artifact, Done, Failed
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    Event,
    EvidenceAdded,
    RunFinished,
    StepFinished,
    StepStarted,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.run import create, new_run_id
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.timers import Clock
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder, storage_error
from ansible_collections.netops.changerail.plugins.plugin_utils.people.answering import evidence_item, new_id
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.results import recorded_outcome
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import history, state_folder
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.project import for_new_run, who_says
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.sending import send
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load_sources

_STEP, _MAIN = "playbook", "recorded.yml"
_MOST = 4000
"""Characters of a message in an item: the whole of it is in the file ``outcome``."""


@dataclass(frozen=True)
class Recording:
    """A playbook that is being recorded for ``folder``; ``events`` is the file our callback writes. ``began`` is seconds since the epoch."""

    folder: RunFolder
    playbook: Path
    events: Path
    began: float


def begin(run: str, playbook: str, now: float) -> Recording:
    """Make room for the record of ``playbook``; ``run`` is an id, "" makes one. Raises AuthorError, StorageError."""
    name = run or new_run_id(Path(playbook).stem, now)
    state = state_folder()
    folder = RunFolder(state.runs / name)
    if not folder.has_begun():
        folder = state.create(name)
    return Recording(folder, Path(playbook).absolute(), folder.recorded(new_id(now)) / "events.jsonl", now)


def conclude(recording: Recording, person: str, now: float) -> str:
    """Write into the journal what came of the playbook, and say what was done. ``person`` ran it, "" for the person of this login.

    Raises ChangerailError; the files that were written so far stay.
    """
    outcome = _outcome(recording)
    if not recording.folder.has_begun():
        try:
            _run_of_its_own(recording, outcome, person, now)
            return f"recorded as run {recording.folder.run}: {recording.folder.journal}"
        except AuthorError:
            # Somebody made a run of this id in the meantime: then it is evidence of that one.
            if not recording.folder.has_begun():
                raise
    return _evidence(recording, outcome, person, now)


def _outcome(recording: Recording) -> Done | Failed:
    diff = recording.events.with_name("diff")
    try:
        return recorded_outcome(recording.playbook.name, recording.events, diff)
    except OSError as error:
        raise storage_error(recording.events.parent, error) from None


def _run_of_its_own(recording: Recording, outcome: Done | Failed, person: str, now: float) -> None:
    """A run of one step that has happened already: it is over when it is there, so that nothing ever starts the playbook again."""
    failure, message, changed = _said(outcome)
    step = {"id": _STEP, "name": recording.playbook.name, "ansible.builtin.import_playbook": str(recording.playbook)}
    document = {"name": recording.playbook.name, "steps": [step]}
    folder = str(recording.playbook.parent)
    happened: list[Event] = [
        StepStarted(
            recording.began, _STEP, 1, f"{recording.folder.run}/{_STEP}/1", {"playbook": str(recording.playbook)}
        ),
        StepFinished(now, _STEP, 1, failure, message, changed, outcome.result),
        RunFinished(now, "failed" if failure else "succeeded", message),
    ]
    project = for_new_run(None)
    who = who_says(project, person)
    create(
        load_sources(_MAIN, {_MAIN: json.dumps(document)}, folder),
        state=recording.folder.state,
        variables={},
        options={},
        requester={"name": who.person, "assurance": who.assurance, "os_user": who.os_user},
        project=project,
        run=recording.folder.run,
        clock=_At(recording.began),
        happened=happened,
    )


def _evidence(recording: Recording, outcome: Done | Failed, person: str, now: float) -> str:
    """Evidence of a run that is there: whoever drives it records it, and so does this process when nobody does."""
    failure, message, changed = _said(outcome)
    item = evidence_item(
        recording.folder.run,
        person,
        recording.playbook.name,
        now,
        failure=failure,
        message=message[:_MOST],
        changed=changed,
        files=_files(recording, outcome),
    )

    def became(event: Event) -> bool:
        return isinstance(event, EvidenceAdded) and event.item == item["id"]

    sent = send(history(recording.folder), item, became)
    if sent.event is None:
        return f"run {recording.folder.run} is driven by {sent.driver}, which has not recorded it yet; it lies in its inbox"
    return f"recorded as evidence of run {recording.folder.run}: {recording.folder.journal}"


def _files(recording: Recording, outcome: Done | Failed) -> list[Artifact]:
    """The files of the playbook, with what came of it in full as one more."""
    place = recording.events.with_name("outcome.json")
    try:
        write_json(place, outcome.result)
    except OSError as error:
        raise storage_error(place, error) from None
    kept = [Artifact(**artifact) for artifact in outcome.result["artifacts"].values()]
    return [*kept, artifact_of(place, "outcome")]


def _said(outcome: Done | Failed) -> tuple[str, str, bool]:
    """Failure class, message, and whether anything changed."""
    if isinstance(outcome, Failed):
        return outcome.failure, outcome.message, bool(outcome.result.get("changed"))
    return "", "", outcome.changed


class _At(Clock):
    """A clock that stands still, for what has happened already."""

    def __init__(self, moment: float) -> None:
        self._moment = moment

    def now(self) -> float:
        return self._moment
