# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One step in full: every attempt with its options, what came of it, and what people said. A fold over events; the doors and the evidence call it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.operation import Artifact
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    Answered,
    AnswerRefused,
    BreakGlass,
    BreakGlassReviewAsked,
    BreakGlassReviewed,
    Evaluated,
    Event,
    Expanded,
    InterventionAsked,
    InterventionDecided,
    StepFinished,
    StepStarted,
    StepWaiting,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.people.policy import BREAK_GLASS
from ansible_collections.netops.changerail.plugins.plugin_utils.views.late import Late

ARTIFACTS = ("artifacts", "logs")
"""Where a result has its files, by name."""
_OUTPUT = frozenset({"output", "log", "log.txt"})
"""What operations call the file that is their output."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt. ``failure`` is "" when it succeeded, None while it is not over; times are seconds since the epoch.

    ``questions`` are what was asked, in order, ``answers`` and ``refused`` the events of what people said, as plain JSON; break-glass is among them.
    """

    number: int
    key: str = ""
    began: float | None = None
    ended: float | None = None
    args: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""
    failure: str | None = None
    changed: bool = False
    result: Mapping[str, Any] = field(default_factory=dict)
    questions: tuple[Mapping[str, Any], ...] = ()
    answers: tuple[Mapping[str, Any], ...] = ()
    refused: tuple[Mapping[str, Any], ...] = ()
    decision: str = ""

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """The files the attempt made or fetched, by name."""
        return artifacts_in(self.result)

    @property
    def output(self) -> Artifact | None:
        """The file with what the attempt printed, None when there is none (yet)."""
        return next((artifact for artifact in self.artifacts if artifact.name in _OUTPUT), None)


@dataclass(frozen=True, slots=True)
class StepDetail:
    """A step with its attempts; ``notes`` says what happened beside them (a condition that was false, an expression that could not be evaluated)."""

    path: str
    attempts: tuple[Attempt, ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


class Details:
    """The fold: give it every event of one run in order; ``by_path`` holds the steps that events spoke of."""

    def __init__(self) -> None:
        self.by_path: dict[str, StepDetail] = {}
        self._late = Late()

    def apply(self, event: Event) -> None:
        """Take the next event of the run."""
        if self._late(event):
            return
        match event:
            case StepStarted():
                self._change(event.path, event.attempt, key=event.key, began=event.at, args=event.args)
            case StepWaiting():
                self._change(event.path, event.attempt, message=event.message)
                self._ask(event.path, event.attempt, event.question)
            case StepFinished():
                self._change(
                    event.path,
                    event.attempt,
                    ended=event.at,
                    failure=event.failure,
                    message=event.message,
                    changed=event.changed,
                    result=event.result,
                )
            case InterventionAsked():
                self._ask(event.path, event.attempt, event.question)
            case InterventionDecided():
                reason = f": {event.reason}" if event.reason else ""
                self._change(event.path, event.attempt, decision=f"{event.choice}{reason}")
            case Answered() | AnswerRefused() | BreakGlass():
                self._said(event)
            case BreakGlassReviewAsked():
                self._ask(event.path, self._last(event.path).number, event.question)
            case BreakGlassReviewed():
                self._note(event.path, f"break-glass was {event.outcome} afterwards: {event.message}")
            case Evaluated() | Expanded():
                self._evaluated(event)
            case _:
                pass

    def _said(self, event: Answered | AnswerRefused | BreakGlass) -> None:
        last = self._last(event.path)
        if isinstance(event, AnswerRefused):
            self._change(event.path, last.number, refused=(*last.refused, asdict(event)))
            return
        said = said_by_break_glass(event) if isinstance(event, BreakGlass) else asdict(event)
        self._change(event.path, last.number, answers=(*last.answers, said))

    def _evaluated(self, event: Evaluated | Expanded) -> None:
        if event.error:
            self._note(event.path, event.error)
        elif isinstance(event, Evaluated) and event.values.get("when") is False:
            self._note(event.path, "skipped: its condition is false")
        elif isinstance(event, Evaluated) and event.values.get("failed"):
            self._note(event.path, f"attempt {event.attempt}: its failed_when holds")
        elif isinstance(event, Evaluated) and event.values.get("until") is False:
            self._note(event.path, f"attempt {event.attempt}: its until does not hold")

    def _ask(self, path: str, attempt: int, question: Mapping[str, Any] | None) -> None:
        if question is None:
            return
        asked = self._attempt(path, attempt).questions
        if not any(other.get("id") == question.get("id") for other in asked):
            self._change(path, attempt, questions=(*asked, question))

    def _note(self, path: str, note: str) -> None:
        step = self.by_path.get(path, StepDetail(path))
        self.by_path[path] = replace(step, notes=(*step.notes, note))

    def _last(self, path: str) -> Attempt:
        step = self.by_path.get(path)
        return step.attempts[-1] if step is not None and step.attempts else Attempt(1)

    def _attempt(self, path: str, number: int) -> Attempt:
        step = self.by_path.get(path, StepDetail(path))
        return next((attempt for attempt in step.attempts if attempt.number == number), Attempt(number))

    def _change(self, path: str, number: int, **changes: Any) -> None:
        step = self.by_path.get(path, StepDetail(path))
        others = tuple(attempt for attempt in step.attempts if attempt.number != number)
        changed = replace(self._attempt(path, number), **changes)
        self.by_path[path] = replace(step, attempts=(*others, changed))


def said_by_break_glass(event: BreakGlass) -> dict[str, Any]:
    """The event as one of the answers."""
    return {**asdict(event), "choice": BREAK_GLASS, "comment": event.reason}


def details(events: Iterable[Event]) -> Mapping[str, StepDetail]:
    """Every step that ``events`` speak of, by path, in the order in which they first did."""
    fold = Details()
    for event in events:
        fold.apply(event)
    return fold.by_path


def artifacts_in(result: Mapping[str, Any]) -> tuple[Artifact, ...]:
    """The artifacts a result names; entries that are no artifacts are left out, a result may come from outside."""
    found = [result.get(name) for name in ARTIFACTS]
    entries = [entry for named in found if isinstance(named, Mapping) for entry in named.values()]
    artifacts = []
    for entry in entries:
        if isinstance(entry, Mapping) and {"name", "path", "sha256", "size"} <= entry.keys():
            artifacts.append(Artifact(str(entry["name"]), str(entry["path"]), str(entry["sha256"]), int(entry["size"])))
    return tuple(artifacts)
