# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run in a few words: its state, since when, and what it waits for. A fold over events alone, cheap enough for lists of many runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    CancelRequested,
    EngineStarted,
    EngineStopped,
    Event,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    StepWaiting,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.views.broken import Broken, BrokenGlass
from ansible_collections.netops.changerail.plugins.plugin_utils.views.late import Late
from ansible_collections.netops.changerail.plugins.plugin_utils.views.waiting import OpenQuestion, OpenQuestions

RUNNING, WAITING, INTERRUPTED = "running", "waiting", "interrupted"
SUCCEEDED = "succeeded"
OVER = (SUCCEEDED, "failed", "cancelled")
_LISTS = ("questions", "waits", "break_glass")


@dataclass(frozen=True, slots=True)
class Wait:
    """Something other than people: step ``path`` waits since ``since`` (seconds since the epoch).

    ``operation`` is what waits, as it calls itself; "" in journals of before it was recorded.
    """

    path: str
    since: float
    message: str
    operation: str = ""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """``state`` is running, waiting, interrupted, succeeded, failed or cancelled.

    Times are seconds since the epoch: ``last`` is that of the last event, ``ended`` None while the run is not over.
    ``engine`` names the process that drives the run ("" when the last one stopped in an orderly way). ``cancelling`` says who cancelled and why.
    ``waits`` are those that may take hours while the run is driven, and all of them once it was put down.
    ``workflow`` is the file the run was started from, as it was named. ``break_glass`` is what was said and done by break-glass.
    """

    run: str
    name: str
    state: str
    requester: str
    began: float
    last: float
    ended: float | None = None
    message: str = ""
    engine: str = ""
    cancelling: str = ""
    check: bool = False
    workflow: str = ""
    questions: tuple[OpenQuestion, ...] = ()
    waits: tuple[Wait, ...] = ()
    break_glass: tuple[Broken, ...] = ()

    @property
    def reviewing(self) -> bool:
        """Whether all is done but the review of what was opened by break-glass."""
        return any(asked.question.opened_by for asked in self.questions)

    @property
    def over(self) -> bool:
        """Whether nothing can happen any more."""
        return self.state in OVER

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            **{name: getattr(self, name) for name in self.__slots__ if name not in _LISTS},
            "questions": [question.as_dict() for question in self.questions],
            "waits": [asdict(wait) for wait in self.waits],
            "break_glass": [broken.as_dict() for broken in self.break_glass],
        }


def not_cancellable(seen: RunSummary) -> str:
    """Why the run cannot be cancelled, "" when it can."""
    if seen.over:
        return f"run {seen.run} is over: {seen.state}; nothing was cancelled"
    if seen.reviewing:
        return f"of run {seen.run} all is done but the review of break-glass, which nobody can cancel; nothing was cancelled"
    return ""


class Summary:
    """The fold: give it every event of one run in order; ``current`` is the summary so far."""

    def __init__(self) -> None:
        self._base = RunSummary("", "", RUNNING, "", 0.0, 0.0)
        self._questions = OpenQuestions()
        self._last = 0.0
        self._late = Late()
        self._running: set[str] = set()
        self._waits: dict[str, Wait] = {}
        self._operations: dict[str, str] = {}
        self._broken = BrokenGlass()

    def apply(self, event: Event) -> None:
        """Take the next event of the run."""
        if self._late(event):
            return
        self._broken.apply(event, self._questions)
        self._questions.apply(event)
        match event:
            case StepStarted():
                self._running.add(event.path)
                self._operations[event.path] = event.operation
            case StepWaiting():
                self._wait(event)
            case StepFinished():
                self._running.discard(event.path)
                self._waits.pop(event.path, None)
                self._operations.pop(event.path, None)
            case RunStarted() | EngineStarted() | EngineStopped() | CancelRequested() | RunFinished():
                self._of_run(event)
            case _:
                pass
        self._last = event.at

    @property
    def current(self) -> RunSummary:
        """The summary after the events so far, as the history alone tells it; see ``unattended``."""
        base, questions = self._base, tuple(self._questions.by_path.values())
        # A run that was put down waits for all of it; one that is driven is at work on what does not take long.
        down = base.state == WAITING
        waits = tuple(wait for wait in self._waits.values() if down or wait.path not in self._running)
        state = WAITING if base.state == RUNNING and not self._running and (questions or waits) else base.state
        broken = self._broken.found
        return replace(base, last=self._last, state=state, questions=questions, waits=waits, break_glass=broken)

    def _wait(self, event: StepWaiting) -> None:
        waits = event.long or event.question is not None
        if waits:
            self._running.discard(event.path)
        else:
            self._running.add(event.path)
        if event.question is None:
            since = self._waits[event.path].since if event.path in self._waits else event.at
            self._waits[event.path] = Wait(event.path, since, event.message, self._operations.get(event.path, ""))
        else:
            self._waits.pop(event.path, None)

    def _of_run(self, event: RunStarted | EngineStarted | EngineStopped | CancelRequested | RunFinished) -> None:
        match event:
            case RunStarted():
                requester = str(event.requester.get("name", ""))
                check = bool(event.options.get("check"))
                self._base = RunSummary(
                    event.run, event.name, RUNNING, requester, event.at, event.at, check=check, workflow=event.main
                )
            case EngineStarted():
                self._base = replace(self._base, state=RUNNING, engine=f"{event.host} pid {event.pid}")
            case EngineStopped(reason="finished"):
                self._base = replace(self._base, engine="")
            case EngineStopped():
                self._base = replace(self._base, state=event.reason, engine="")
            case CancelRequested():
                reason = f": {event.reason}" if event.reason else ""
                self._base = replace(self._base, cancelling=f"{event.by}{reason}")
            case RunFinished():
                self._waits.clear()
                self._base = replace(self._base, state=event.status, ended=event.at, message=event.message)


def from_dict(document: Mapping[str, Any]) -> RunSummary:
    """The summary that ``as_dict`` made this of. Raises KeyError, TypeError or ValueError for anything else."""
    questions = tuple(OpenQuestion.from_dict(question) for question in document["questions"])
    waits = tuple(Wait(**wait) for wait in document["waits"])
    broken = tuple(Broken.from_dict(one) for one in document.get("break_glass", ()))
    return RunSummary(**{**document, "questions": questions, "waits": waits, "break_glass": broken})


def summary(events: Iterable[Event]) -> RunSummary:
    """The summary after all of ``events``."""
    fold = Summary()
    for event in events:
        fold.apply(event)
    return fold.current


def unattended(seen: RunSummary) -> RunSummary:
    """``seen`` when no process holds the run any more: what the history calls running was interrupted."""
    return replace(seen, state=INTERRUPTED if seen.state == RUNNING else seen.state, engine="")
