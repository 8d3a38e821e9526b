# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where runs are: on this machine, or at the server that ``$CHANGERAIL_SERVER`` names. Doors ask ``of_environment`` and do the same with either.

``Here`` and ``remote.Remote`` have the same methods, which ``Place`` describes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, ChangerailError, RunError
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import AnswerRefused, CancelRequested, Event
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import Record
from ansible_collections.netops.changerail.plugins.plugin_utils.people.answering import cancel_item
from ansible_collections.netops.changerail.plugins.plugin_utils.people.showing import shown
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.attempt import Attempt
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.answering import sent
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import (
    History,
    current,
    current_status,
    find,
    follow,
    history,
    state_folder,
    summaries,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.project import for_new_run, of_run, who_types
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.remote import SERVER, TOKEN, Remote
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.sending import Became, send
from ansible_collections.netops.changerail.plugins.plugin_utils.views.detail import StepDetail
from ansible_collections.netops.changerail.plugins.plugin_utils.views.evidence import fault
from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import RunStatus
from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import RunSummary
from ansible_collections.netops.changerail.plugins.plugin_utils.views.waiting import OpenQuestion


class Place(Protocol):
    """Runs somewhere. ``driver`` is who drives those that no process does, "" where nobody would. All methods raise ChangerailError."""

    @property
    def driver(self) -> str: ...

    def history(self, name: str) -> History:
        """The run called ``name``: its id, a beginning or an end of it that no other run has, or "last". Raises UnknownRun."""

    def status(self, past: History) -> RunStatus:
        """The run and its steps, and whether somebody drives it."""

    def is_over(self, past: History) -> bool:
        """Whether the run is over by now."""

    def follow(self, past: History) -> Iterator[Record]:
        """The records after ``past`` as they are written, without an end."""

    def summaries(self, mine: bool, config: str | None) -> Iterator[tuple[str, RunSummary | ChangerailError]]:
        """Every run, the newest first, or with ``mine`` those that wait for whoever asks; ``config`` is the project file that says who that is."""

    def shown(self, past: History, asked: OpenQuestion, name: str) -> bytes:
        """A file that is shown with a question."""

    def artifact(self, past: History, step: StepDetail, name: str) -> bytes:
        """The step's newest artifact of that name. Raises AuthorError when there is none."""

    def output(self, past: History, step: StepDetail) -> bytes | None:
        """The output of the step's last attempt that has one: what a playbook prints, a pipeline's log."""

    def output_place(self, past: History, step: StepDetail) -> Path | None:
        """The file with that output, where it lies on this machine."""

    def journal_place(self, past: History) -> Path | None:
        """The journal, where it lies on this machine."""

    def answer(
        self, past: History, asked: OpenQuestion, choice: str, comment: str, person: str, key: Path | None
    ) -> Became:
        """Answer a question, in the name of ``person`` and signed with ``key`` if need be."""

    def break_glass(self, past: History, asked: OpenQuestion, reason: str) -> Became:
        """Want to go on at an approval or a review in an emergency."""

    def cancel(self, past: History, reason: str, person: str, force: bool) -> Became:
        """Cancel a run that is not over."""


class Here:
    """The runs of this user's state folder."""

    driver = ""

    def __str__(self) -> str:
        return f"under {state_folder().path / 'runs'}"

    def history(self, name: str) -> History:
        return history(find(name))

    def status(self, past: History) -> RunStatus:
        return current_status(past)

    def is_over(self, past: History) -> bool:
        return current(past.folder).over

    def follow(self, past: History) -> Iterator[Record]:
        return follow(past.folder, past.records)

    def summaries(self, mine: bool, config: str | None) -> Iterator[tuple[str, RunSummary | ChangerailError]]:
        who = who_types(for_new_run(config)) if mine else None
        for folder, seen in summaries():
            if who is None or (
                isinstance(seen, RunSummary) and any(one.waits_for(who.person, who.groups) for one in seen.questions)
            ):
                yield folder.run, seen

    def shown(self, past: History, asked: OpenQuestion, name: str) -> bytes:
        return shown(asked.question, name)

    def artifact(self, past: History, step: StepDetail, name: str) -> bytes:
        found = {artifact.name: artifact for attempt in step.attempts for artifact in attempt.artifacts}
        if name not in found:
            known = ", ".join(found) or "none"
            raise AuthorError(f"artifact {name!r}: step {step.path} has none of that name; it has {known}")
        if problem := fault(found[name]):
            raise RunError(problem)
        return _content(Path(found[name].path))

    def output(self, past: History, step: StepDetail) -> bytes | None:
        place = self.output_place(past, step)
        return None if place is None else _content(place)

    def output_place(self, past: History, step: StepDetail) -> Path | None:
        """Also while it is written."""
        for attempt in reversed(step.attempts):
            if attempt.output is not None:
                return Path(attempt.output.path)
            running = Attempt(past.folder.step(step.path, attempt.number)).output
            if running.exists():
                return running
        return None

    def journal_place(self, past: History) -> Path | None:
        return past.folder.journal

    def answer(
        self, past: History, asked: OpenQuestion, choice: str, comment: str, person: str, key: Path | None
    ) -> Became:
        if key is not None and not person:
            person = who_types(of_run(past)).person
        became = sent(past, asked, choice, comment, person, key)
        refused = became.event.reason if isinstance(became.event, AnswerRefused) else ""
        return Became(became.event is not None, became.driver, refused)

    def break_glass(self, past: History, asked: OpenQuestion, reason: str) -> Became:
        """Never: nothing on this machine vouches for who says so."""
        raise AuthorError(
            f"break-glass takes a server that knows who you are: use its pages, or set {SERVER} and {TOKEN} to say it there"
        )

    def cancel(self, past: History, reason: str, person: str, force: bool) -> Became:
        item = cancel_item(past.folder.run, person, reason, time.time(), force)

        def is_it(event: Event) -> bool:
            return isinstance(event, CancelRequested) and event.item == item["id"]

        became = send(past, item, is_it)
        return Became(became.event is not None, became.driver)


def of_environment() -> Place:
    """The server that the environment names, else this machine. Raises AuthorError."""
    return Remote.of_environment() or Here()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}") from None
