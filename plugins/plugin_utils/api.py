# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs for scripts: start, resume, answer, look at them. This is the public Python interface; the actions, filters and the lookup use it too.

::

    from ansible_collections.netops.changerail.plugins.plugin_utils import api

    change = api.run("change.yml", variables={"prefix": "203.0.113.0/24"}, until_waiting=True)
    api.answer(change.run, "approve", step="security-review", comment="narrow enough")
    for event in api.drive(change.run):
        print(event)

A run is named by its id, a beginning or an end of it that no other run has, or "last". ``home`` is the state folder; without it
``$CHANGERAIL_HOME`` counts, then ``$XDG_STATE_HOME/changerail``, then ``~/.local/state/changerail``. Whatever is started here can be
answered and resumed on the command line, and the other way round.

What a caller or a disk did wrong is a ``ChangerailError`` (``module_utils.errors`` draws the tree). That a change failed is none: it is in ``Run.state``.
Times are seconds since the epoch.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import ChangerailError
from ansible_collections.netops.changerail.plugins.plugin_utils.core import decide
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    Answered,
    AnswerRefused,
    CancelRequested,
    Event,
    RunFinished,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder, StateFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.people.answering import cancel_item
from ansible_collections.netops.changerail.plugins.plugin_utils.runs import answering, driving
from ansible_collections.netops.changerail.plugins.plugin_utils.runs import history as histories
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.project import for_new_run, of_run, who_says
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.sending import send
from ansible_collections.netops.changerail.plugins.plugin_utils.views import evidence as evidences
from ansible_collections.netops.changerail.plugins.plugin_utils.views import timeline as timelines
from ansible_collections.netops.changerail.plugins.plugin_utils.views.evidence import Evidence
from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import RunStatus
from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import OVER, RunSummary, Wait
from ansible_collections.netops.changerail.plugins.plugin_utils.views.timeline import Entry
from ansible_collections.netops.changerail.plugins.plugin_utils.views.waiting import OpenQuestion, open_questions
from ansible_collections.netops.changerail.plugins.plugin_utils.views.words import asked

Home = str | os.PathLike[str] | None


@dataclass(frozen=True, slots=True)
class WaitingFor:
    """An open question, or another long wait, at ``step`` since ``since``.

    ``asked`` says who may answer and ``choices`` with what; both are empty when nobody is asked. ``deadline`` is when it is denied by itself.
    """

    step: str
    message: str
    since: float
    asked: str = ""
    choices: tuple[str, ...] = ()
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """How a run stands.

    ``state`` is succeeded, failed, cancelled, waiting, running (``driver`` says which process drives it) or interrupted; ``message`` says why.
    ``results`` is what its steps registered, by the names they registered it under; it is empty in ``runs``. ``folder`` holds everything of the run.
    """

    run: str
    name: str
    state: str
    message: str
    requester: str
    began: float
    ended: float | None
    check: bool
    driver: str
    waiting_for: tuple[WaitingFor, ...]
    journal: Path
    folder: Path
    results: Mapping[str, Any] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether nothing can happen any more."""
        return self.state in OVER

    def brief(self) -> dict[str, Any]:
        """How it stands, as plain JSON."""
        waits = [
            {name: getattr(wait, name) for name in WaitingFor.__slots__} | {"choices": list(wait.choices)}
            for wait in self.waiting_for
        ]
        return {
            "run": self.run,
            "name": self.name,
            "state": self.state,
            "finished": self.finished,
            "message": self.message,
            "requester": self.requester,
            "began": self.began,
            "ended": self.ended,
            "check": self.check,
            "driver": self.driver,
            "waiting_for": waits,
        }

    def as_dict(self) -> dict[str, Any]:
        """All of it, as plain JSON."""
        files = {"journal": str(self.journal), "folder": str(self.folder)}
        return {**self.brief(), "results": dict(self.results), **files}


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of an answer to ``step``: ``refused`` says why it does not count, "" when it does.

    ``counted`` is False too as long as the process that drives the run, ``driver``, has not taken it up.
    """

    step: str
    counted: bool
    refused: str
    driver: str


def run(
    workflow: str | os.PathLike[str],
    *,
    variables: Mapping[str, Any] | None = None,
    inventory: Sequence[str] = (),
    limit: str | None = None,
    check: bool = False,
    vault_password_files: Sequence[str] = (),
    requester: str = "",
    run_id: str | None = None,
    config: str | None = None,
    until_waiting: bool = False,
    timeout: float | None = None,
    observer: Callable[[Event], None] | None = None,
    home: Home = None,
) -> Run:
    """Start the workflow and drive it: ``start`` and then ``resume``."""
    begun = start(
        workflow,
        variables=variables,
        inventory=inventory,
        limit=limit,
        check=check,
        vault_password_files=vault_password_files,
        requester=requester,
        run_id=run_id,
        config=config,
        home=home,
    )
    return resume(begun.run, until_waiting=until_waiting, timeout=timeout, observer=observer, home=home)


def start(
    workflow: str | os.PathLike[str],
    *,
    variables: Mapping[str, Any] | None = None,
    inventory: Sequence[str] = (),
    limit: str | None = None,
    check: bool = False,
    vault_password_files: Sequence[str] = (),
    requester: str = "",
    run_id: str | None = None,
    config: str | None = None,
    home: Home = None,
) -> Run:
    """Write the first record of a run and drive nothing yet: ``resume`` or ``drive`` does, or a server of the same state folder.

    ``variables`` are data and never evaluated. ``requester`` is the person of this login when it is not given, ``run_id`` is made of the
    workflow's name and the day, ``config`` (the project file) is found as the command line finds it. Raises AuthorError (CheckError with every
    mistake of the workflow file; also when the id is taken), StorageError.
    """
    project = for_new_run(config)
    folder = driving.begin(
        os.fspath(workflow),
        state=_state(home),
        project=project,
        variables=variables or {},
        inventory=inventory,
        limit=limit,
        check=check,
        vault_password_files=vault_password_files,
        requester=who_says(project, requester),
        run_id=run_id,
    )
    return _described(folder)


def resume(
    run: str,
    *,
    until_waiting: bool = False,
    timeout: float | None = None,
    observer: Callable[[Event], None] | None = None,
    home: Home = None,
) -> Run:
    """Go on with a run until it is over, or ``timeout`` seconds have passed, or (``until_waiting``) only people and long waits are left.

    A run that is over is returned as it is. What is under way when the time is up goes on and is found again by the next ``resume``.
    ``observer`` is called with each new event, in the engine's thread: it should be quick. Raises UnknownRun, RunIsHeld, JournalDamaged, StorageError.
    """
    folder = histories.find(run, _state(home))
    past = histories.history(folder)
    tell = observer or _nothing
    with _stopped_after(timeout) as stop:
        driving.driven(folder, of_run(past), lambda record: tell(record.event), until_waiting, stop)
    return _described(folder)


def drive(run: str, *, until_waiting: bool = False, timeout: float | None = None, home: Home = None) -> Iterator[Event]:
    """``resume`` as an iterator: each new event as it is recorded. When the iterator is closed before its end, the run is put down. Raises like ``resume``."""
    folder = histories.find(run, _state(home))
    project = of_run(histories.history(folder))
    new: SimpleQueue[Event | None] = SimpleQueue()
    with _stopped_after(timeout) as stop, ThreadPoolExecutor(1, thread_name_prefix="changerail-drive") as threads:
        ending = threads.submit(
            driving.driven, folder, project, lambda record: new.put(record.event), until_waiting, stop
        )
        ending.add_done_callback(lambda done: new.put(None))
        try:
            while (event := new.get()) is not None:
                yield event
        finally:
            stop.set()
        ending.result()


def events(run: str, *, home: Home = None) -> Iterator[Event]:
    """Everything that happened in the run so far, the first event first. Raises UnknownRun, JournalDamaged."""
    yield from histories.history(histories.find(run, _state(home))).events


def follow(run: str, *, timeout: float | None = None, home: Home = None) -> Iterator[Event]:
    """The events from now on of a run that another process drives, until the run is over or ``timeout`` seconds have passed. Raises like ``events``."""
    folder = histories.find(run, _state(home))
    past = histories.history(folder)
    if isinstance(past.records[-1].event, RunFinished):
        return
    end = None if timeout is None else time.monotonic() + timeout
    for record in histories.follow(folder, past.records, lambda: end is None or time.monotonic() < end):
        yield record.event
        if isinstance(record.event, RunFinished):
            return


def questions(run: str, *, home: Home = None) -> tuple[OpenQuestion, ...]:
    """The questions that are open, with everything that is shown to those who are asked. Raises like ``events``."""
    return tuple(open_questions(histories.history(histories.find(run, _state(home))).events))


def answer(
    run: str,
    choice: str,
    *,
    step: str = "",
    comment: str = "",
    person: str = "",
    key: str | os.PathLike[str] | None = None,
    home: Home = None,
) -> Sent:
    """Answer an open question with one of its choices, and wait a moment for what becomes of it.

    ``step`` is the path of the step that asks, or an end of it; it may be left out when one question is open. ``person`` is who answers, where it
    is not the person of this login: an assertion. ``key`` is an SSH key to sign with, and then ``person`` must be given. When nobody drives the run,
    ``resume`` does what follows from the answer. Raises AuthorError when nothing like that is asked, UnknownRun, StorageError.
    """
    past = histories.history(histories.find(run, _state(home)))
    asking = open_questions(past.events)
    at = step or answering.chosen(asking, (), past.folder.run)[0].path
    question, _choice = answering.chosen(asking, (at, choice), past.folder.run)
    became = answering.sent(past, question, choice, comment, person, Path(key).expanduser() if key else None)
    refused = became.event.reason if isinstance(became.event, AnswerRefused) else ""
    return Sent(question.path, isinstance(became.event, Answered), refused, became.driver)


def cancel(run: str, reason: str = "", *, person: str = "", force: bool = False, home: Home = None) -> Run:
    """Cancel the run in an orderly way, ``force`` stops what runs under ``always`` too. When nobody drives it, ``resume`` does what is left to do."""
    past = histories.history(histories.find(run, _state(home)))
    item = cancel_item(past.folder.run, person, reason, time.time(), force)
    send(past, item, lambda event: isinstance(event, CancelRequested))
    return _described(past.folder)


def status(run: str, *, home: Home = None) -> Run:
    """How the run stands, and what its steps registered. Raises UnknownRun, JournalDamaged."""
    return _described(histories.find(run, _state(home)))


def steps(run: str, *, home: Home = None) -> RunStatus:
    """How each step of the run stands; ``walk`` goes through all of them. Raises like ``status``."""
    return histories.current_status(histories.history(histories.find(run, _state(home))))


def timeline(run: str, *, home: Home = None) -> tuple[Entry, ...]:
    """Who did what, when. Raises like ``status``."""
    return timelines.timeline(histories.history(histories.find(run, _state(home))).events)


def evidence(run: str, *, home: Home = None) -> Evidence:
    """The run as it is put before an auditor: timeline, answers, steps with all their attempts, files with their digests. Raises like ``status``."""
    past = histories.history(histories.find(run, _state(home)))
    return evidences.collect(past.workflow, past.events)


def runs(*, home: Home = None) -> Iterator[Run]:
    """Every run that can be read, the newest first, without its results; ``unreadable`` has the others."""
    for folder, seen in histories.summaries(_state(home)):
        if not isinstance(seen, ChangerailError):
            yield outlined(folder, seen)


def unreadable(*, home: Home = None) -> Mapping[str, ChangerailError]:
    """The runs that cannot be read, each with its error."""
    return {folder.run: seen for folder, seen in histories.summaries(_state(home)) if isinstance(seen, ChangerailError)}


def _state(home: Home) -> StateFolder:
    return histories.state_folder() if home is None else StateFolder(Path(home).expanduser().absolute())


def described(past: histories.History, seen: RunSummary) -> Run:
    """A run whose history is at hand, also that of a run at a server, and which stands as ``seen``."""
    state = decide.fold(past.workflow, past.events)
    registered = dict(state.root.scope.values) if state.root is not None else {}
    return _of_summary(past.folder, seen, registered)


def outlined(folder: RunFolder, seen: RunSummary) -> Run:
    """A run which stands as ``seen``, here or at a server, without its results."""
    return _of_summary(folder, seen, {})


def _described(folder: RunFolder) -> Run:
    return described(histories.history(folder), histories.current(folder))


def _of_summary(folder: RunFolder, seen: RunSummary, results: Mapping[str, Any]) -> Run:
    return Run(
        run=seen.run,
        name=seen.name,
        state=seen.state,
        message=seen.message,
        requester=seen.requester,
        began=seen.began,
        ended=seen.ended,
        check=seen.check,
        driver=seen.engine,
        waiting_for=(*map(_question, seen.questions), *map(_wait, seen.waits)),
        journal=folder.journal,
        folder=folder.path,
        results=results,
    )


def _question(open_one: OpenQuestion) -> WaitingFor:
    of = open_one.question
    return WaitingFor(open_one.path, of.title, open_one.since, asked(of), tuple(of.choices), of.deadline)


def _wait(wait: Wait) -> WaitingFor:
    return WaitingFor(wait.path, wait.message, wait.since)


@contextmanager
def _stopped_after(seconds: float | None) -> Iterator[threading.Event]:
    """An event that is set when the time is over."""
    stop = threading.Event()
    timer = threading.Timer(seconds or 0, stop.set)
    timer.daemon = True
    if seconds is not None:
        timer.start()
    try:
        yield stop
    finally:
        timer.cancel()


def _nothing(event: Event) -> None:
    """Nobody watches."""
