# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is waited for: the questions of a run that are open, and what was answered so far. A fold over events; the doors and other views call it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.question import Question
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    Answered,
    BreakGlass,
    BreakGlassReviewAsked,
    BreakGlassReviewed,
    Escalated,
    Event,
    InterventionAsked,
    InterventionDecided,
    RunFinished,
    StepFinished,
    StepWaiting,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.people.policy import BREAK_GLASS
from ansible_collections.netops.changerail.plugins.plugin_utils.views.late import Late


@dataclass(frozen=True, slots=True)
class Given:
    """One accepted answer; ``at`` is seconds since the epoch."""

    at: float
    person: str
    choice: str
    assurance: str
    comment: str


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """A question that waits at step ``path`` since ``since``. ``told`` are those it was escalated to, ``words`` what was said by break-glass."""

    path: str
    attempt: int
    since: float
    question: Question
    given: tuple[Given, ...] = ()
    told: tuple[str, ...] = ()
    words: tuple[Given, ...] = ()

    @property
    def approvals(self) -> int:
        """How many approving answers are there; ``question.quorum`` of them decide."""
        return sum(answer.choice in self.question.approving for answer in self.given)

    def waits_for(self, person: str, groups: Iterable[str]) -> bool:
        """Whether ``person``, a member of ``groups``, could still answer."""
        asked = self.question
        if (asked.four_eyes and person == asked.requester) or person in asked.opened_by:
            return False
        if any(answer.person == person for answer in self.given):
            return False
        anybody = not asked.groups and not asked.people
        return anybody or person in asked.people or not set(groups).isdisjoint(asked.groups)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "path": self.path,
            "attempt": self.attempt,
            "since": self.since,
            "question": self.question.as_dict(),
            "approvals": self.approvals,
            "answers": [asdict(answer) for answer in self.given],
            "told": list(self.told),
            "break_glass": [asdict(word) for word in self.words],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> OpenQuestion:
        """The open question that ``as_dict`` made this of."""
        given = tuple(Given(**answer) for answer in document["answers"])
        words = tuple(Given(**word) for word in document.get("break_glass", ()))
        question = Question.from_dict(document["question"])
        told = tuple(document["told"])
        return cls(document["path"], document["attempt"], document["since"], question, given, told, words)


class OpenQuestions:
    """The fold: give it every event of one run in order. ``by_path`` holds what is open now, the longest open first."""

    def __init__(self) -> None:
        self.by_path: dict[str, OpenQuestion] = {}
        self._late = Late()

    def apply(self, event: Event) -> None:
        """Take the next event of the run."""
        if self._late(event):
            return
        match event:
            case StepWaiting(question=None) | StepFinished() | InterventionDecided() | BreakGlassReviewed():
                self.by_path.pop(event.path, None)
            case StepWaiting() | InterventionAsked():
                self._ask(event.at, event.path, event.attempt, event.question or {})
            case BreakGlassReviewAsked():
                self._ask(event.at, event.path, 0, event.question)
            case BreakGlass():
                word = Given(event.at, event.person, BREAK_GLASS, event.assurance, event.reason)
                self._add(event.path, event.question, words=(word,))
            case Answered():
                given = Given(event.at, event.person, event.choice, event.assurance, event.comment)
                self._add(event.path, event.question, given=(given,))
            case Escalated():
                self._add(event.path, event.question, told=tuple(event.to))
            case RunFinished():
                self.by_path.clear()
            case _:
                pass

    def _ask(self, at: float, path: str, attempt: int, document: Mapping[str, Any]) -> None:
        question = Question.from_dict(document)
        before = self.by_path.get(path)
        if before is not None and before.question.id == question.id:
            self.by_path[path] = replace(before, question=question, attempt=attempt)
            return
        self.by_path.pop(path, None)
        self.by_path[path] = OpenQuestion(path, attempt, at, question)

    def _add(
        self,
        path: str,
        question: str,
        given: tuple[Given, ...] = (),
        told: tuple[str, ...] = (),
        words: tuple[Given, ...] = (),
    ) -> None:
        before = self.by_path.get(path)
        if before is not None and before.question.id == question:
            self.by_path[path] = replace(
                before, given=before.given + given, told=before.told + told, words=before.words + words
            )


def open_questions(events: Iterable[Event]) -> tuple[OpenQuestion, ...]:
    """The questions open at the end of ``events``, the longest open first."""
    fold = OpenQuestions()
    for event in events:
        fold.apply(event)
    return tuple(fold.by_path.values())


def question_at(events: Iterable[Event], path: str) -> OpenQuestion | None:
    """The open question of step ``path``, None when nothing is asked there."""
    return next((asked for asked in open_questions(events) if asked.path == path), None)
