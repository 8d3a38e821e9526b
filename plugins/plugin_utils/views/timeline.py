# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who did what, and when: one line for each event that means something to a person. A fold over events; the doors and the evidence call it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.question import Question
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    ActionRefused,
    Answered,
    AnswerRefused,
    BreakGlass,
    BreakGlassReviewAsked,
    BreakGlassReviewed,
    CancelRequested,
    EngineStarted,
    EngineStopped,
    Escalated,
    Evaluated,
    Event,
    EvidenceAdded,
    Expanded,
    InterventionAsked,
    InterventionDecided,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    StepWaiting,
    TimerFired,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.views.late import Late
from ansible_collections.netops.changerail.plugins.plugin_utils.views.words import asks, duration

PROGRESS = "progress"
"""Of interest while it happens (what is waited for just now), not afterwards."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. ``at`` and ``due`` are seconds since the epoch; ``path`` is "" for the run itself; ``who`` is "" unless a person did it.

    ``kind`` is one of: run, engine, started, progress, asked, answered, refused, break_glass, escalated, decided, ok, changed, skipped, failed, cancel,
    evidence, succeeded, cancelled.
    """

    at: float
    kind: str
    path: str
    who: str
    text: str
    due: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


class Timeline:
    """The fold: give it every event of one run in order."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}
        self._late = Late()
        self._asked: dict[str, Question] = {}
        self._message: dict[str, str] = {}
        self._engines = 0

    def apply(self, event: Event) -> Entry | None:
        """The entry ``event`` makes, or None when it means nothing to a person."""
        if self._late(event):
            return None
        match event:
            case RunStarted() | EngineStarted() | EngineStopped() | CancelRequested() | RunFinished():
                return self._of_run(event)
            case EvidenceAdded():
                became = event.failure or ("changed" if event.changed else "ok")
                text = f"recorded {event.name}: {became}{_after_colon(event.message)}"
                return Entry(event.at, "evidence", "", event.by, text)
            case StepWaiting(question=None):
                return self._progress(event)
            case StepWaiting() | InterventionAsked() | BreakGlassReviewAsked():
                return self._question(event)
            case Answered() | AnswerRefused() | ActionRefused() | InterventionDecided() | Escalated():
                return self._of_people(event)
            case BreakGlass() | BreakGlassReviewed():
                return self._of_break_glass(event)
            case Evaluated() | Expanded() | StepStarted() | StepFinished() | TimerFired():
                return self._of_step(event)

    def _of_run(
        self, event: RunStarted | EngineStarted | EngineStopped | CancelRequested | RunFinished
    ) -> Entry | None:
        match event:
            case RunStarted():
                self._began[""] = event.at
                return Entry(
                    event.at, "run", "", str(event.requester.get("name", "")), f"started run {event.run}: {event.name}"
                )
            case EngineStarted():
                self._engines += 1
                healed = f"; {event.healed} bytes of a torn last line were cut off" if event.healed else ""
                kind, verb = (PROGRESS, "taken up") if self._engines == 1 else ("engine", "taken up again")
                return Entry(event.at, kind, "", "", f"{verb} on {event.host} (pid {event.pid}, {event.user}){healed}")
            case EngineStopped(reason="finished"):
                return None
            case EngineStopped():
                why = "only people or long waits are left" if event.reason == "waiting" else event.reason
                return Entry(event.at, "engine", "", "", f"put down: {why}")
            case CancelRequested():
                verb = "cancelled the run by force" if event.force else "cancelled the run"
                return Entry(event.at, "cancel", "", event.by, verb + _after_colon(event.reason))
            case RunFinished():
                took = _took(event.at - self._began.get("", event.at))
                return Entry(event.at, event.status, "", "", f"run {event.status}{took}{_after_colon(event.message)}")

    def _of_step(self, event: Evaluated | Expanded | StepStarted | StepFinished | TimerFired) -> Entry | None:
        match event:
            case Evaluated() | Expanded() if event.error:
                return Entry(event.at, "failed", event.path, "", event.error)
            case Evaluated(purpose="enter") if event.values.get("when") is False:
                return Entry(event.at, "skipped", event.path, "", "skipped: its condition is false")
            case Evaluated(purpose="result") if event.values.get("failed"):
                return Entry(event.at, "failed", event.path, "", "its failed_when holds")
            case StepStarted():
                self._began[event.path] = event.at
                again = f", attempt {event.attempt}" if event.attempt > 1 else ""
                return Entry(event.at, "started", event.path, "", f"started{again}")
            case StepFinished():
                return self._finished(event)
            case TimerFired(timer="timeout"):
                return Entry(event.at, "failed", event.path, "", "takes longer than it may: stopped")
            case _:
                return None

    def _finished(self, event: StepFinished) -> Entry:
        took = _took(event.at - self._began.pop(event.path, event.at))
        self._asked.pop(event.path, None)
        self._message.pop(event.path, None)
        if event.failure:
            kind = "cancelled" if event.failure == "cancelled" else "failed"
            return Entry(event.at, kind, event.path, "", f"{event.failure}{took}{_after_colon(event.message)}")
        kind = "changed" if event.changed else "ok"
        return Entry(event.at, kind, event.path, "", f"{kind}{took}{_after_colon(event.message)}")

    def _progress(self, event: StepWaiting) -> Entry | None:
        self._asked.pop(event.path, None)
        if not event.message or self._message.get(event.path) == event.message:
            return None
        self._message[event.path] = event.message
        return Entry(event.at, PROGRESS, event.path, "", event.message)

    def _of_break_glass(self, event: BreakGlass | BreakGlassReviewed) -> Entry:
        if isinstance(event, BreakGlass):
            did = "opened it, after another person" if event.opens else "wants to go on"
            text = f"BREAK-GLASS: {did} ({event.assurance}, {event.role}): {event.reason}"
            return Entry(event.at, "break_glass", event.path, event.person, text)
        self._asked.pop(event.path, None)
        return Entry(event.at, "break_glass", event.path, "", f"BREAK-GLASS {event.outcome}: {event.message}")

    def _question(self, event: StepWaiting | InterventionAsked | BreakGlassReviewAsked) -> Entry | None:
        question = Question.from_dict(event.question or {})
        before = self._asked.get(event.path)
        if before is not None and before.id == question.id:
            return None
        self._asked[event.path] = question
        void = "what is asked about has changed, earlier answers are void; " if before is not None else ""
        return Entry(event.at, "asked", event.path, "", void + asks(question), question.deadline)

    def _of_people(self, event: Answered | AnswerRefused | ActionRefused | InterventionDecided | Escalated) -> Entry:
        match event:
            case Answered():
                return Entry(
                    event.at,
                    "answered",
                    event.path,
                    event.person,
                    f"{event.choice} ({event.assurance}){_after_colon(event.comment)}",
                )
            case AnswerRefused():
                return Entry(
                    event.at, "refused", event.path, event.person, f"{event.choice} was refused: {event.reason}"
                )
            case ActionRefused():
                return Entry(event.at, "refused", event.path, event.by, f"{event.action} was refused: {event.reason}")
            case InterventionDecided():
                self._asked.pop(event.path, None)
                return Entry(
                    event.at, "decided", event.path, "", f"decided: {event.choice}{_after_colon(event.reason)}"
                )
            case Escalated():
                return Entry(
                    event.at,
                    "escalated",
                    event.path,
                    "",
                    f"nobody answered in time: told {', '.join(event.to)} (level {event.level})",
                )


def timeline(events: Iterable[Event]) -> tuple[Entry, ...]:
    """What happened, in order, without what was only of interest while it happened."""
    fold = Timeline()
    entries = (fold.apply(event) for event in events)
    return tuple(entry for entry in entries if entry is not None and entry.kind != PROGRESS)


def _took(seconds: float) -> str:
    return f" after {duration(seconds)}" if seconds >= 1 else ""


def _after_colon(text: str) -> str:
    return f": {text}" if text else ""
