# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The people of a rehearsal: they answer what the scenario says, when it says, and whether that counts is judged as in a run. rehearsal.py uses it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from ansible_collections.netops.changerail.plugins.module_utils.operation import Verdict
from ansible_collections.netops.changerail.plugins.module_utils.question import INTERVENTION, Question
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    Answered,
    AnswerRefused,
    BreakGlass,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.core.state import Leaf
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.loop import Loop
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.questions import Questions
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import Who, plain
from ansible_collections.netops.changerail.plugins.plugin_utils.people.policy import (
    BREAK_GLASS,
    Emergency,
    Offered,
    break_glass_refusal,
    opens,
    refusal,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.scenario import (
    APPROVE,
    REVIEWS,
    Answer,
    Scenario,
)

_MOST_GRANTED = 100
"""Attempts after which a scenario whose people always say retry goes in circles."""


class ScriptedPeople(Questions):
    """The open questions of a rehearsed run. ``unsaid`` is told what the scenario would have to say.

    Where the project names nobody, everybody the scenario names may answer.
    """

    def __init__(
        self,
        loop: Loop,
        folder: RunFolder,
        project: Project,
        decided: Callable[[str, Verdict], None],
        scenario: Scenario,
        unsaid: Callable[[str], None],
    ) -> None:
        super().__init__(loop, folder, project, decided, lambda leaf, notice: None)
        self._scenario = scenario
        self._unsaid = unsaid
        self._begun: set[tuple[str, str]] = set()
        self._numbers = itertools.count(1)

    def read_inbox(self) -> None:
        """Nothing comes from outside."""

    def watch_inbox(self) -> None:
        """Nothing comes from outside."""

    def look(self, leaf: Leaf) -> None:
        """Judge as in a run; a question that is seen for the first time sets its answers going."""
        if leaf.question is not None and (leaf.path, leaf.question["id"]) not in self._begun:
            self._begun.add((leaf.path, leaf.question["id"]))
            question = Question.from_dict(leaf.question)
            for answer in self._answers(leaf, question):
                self._loop.timers.after(answer.after, partial(self._give, leaf, question, answer))
        super().look(leaf)

    def _answers(self, leaf: Leaf, question: Question) -> list[Answer]:
        """All answers to the question, each with a person."""
        if leaf.granted >= _MOST_GRANTED:
            self._unsaid(
                f"{leaf.path} fails again after {leaf.granted} attempts that people granted; "
                "end its list of outcomes with one that succeeds, or with another answer than retry"
            )
            return []
        said = self._scenario.outcome(leaf.path, leaf.attempt)
        answers = said.answers if said is not None else ()
        # What is said to a gate and to the review of what was opened there stands in one list.
        answers = tuple(answer for answer in answers if (answer.choice in REVIEWS) == bool(question.opened_by))
        default = self._scenario.default_answer
        if not answers and default and question.kind != INTERVENTION:
            approving = question.approving
            denying = [choice for choice in question.choices if choice not in approving]
            choice = (approving if default == APPROVE else denying or approving)[0]
            answers = (Answer(choice, comment="by default" if question.opened_by else ""),)
        if not answers:
            self._unsaid(_lacking(leaf, question))
        return [named for answer in answers for named in self._with_person(answer, answers, question)]

    def _with_person(self, answer: Answer, all_answers: tuple[Answer, ...], question: Question) -> list[Answer]:
        if answer.person:
            return [answer]
        named = {plain(other.person) for other in all_answers if other.person}
        approving = answer.choice in question.approving
        count = max(1, question.quorum - len(named)) if approving else 1
        able = (name for name in self._able(question) if name not in named)
        return [replace(answer, person=name) for name in itertools.islice(able, count)]

    def _able(self, question: Question) -> Iterator[str]:
        """Who may answer, in a fixed order; without end where the project names nobody."""
        people = self._project.people
        if not people.by_name:
            return itertools.chain(question.people, _strangers(question))
        named = [name for group in question.groups for name in sorted(people.members(group))]
        named += map(plain, question.people)
        able = named if question.groups or question.people else sorted(people.by_name)
        return (name for name in dict.fromkeys(able) if not question.four_eyes or name != question.requester)

    def _give(self, leaf: Leaf, asked: Question, answer: Answer) -> None:
        now = self._loop.clock.now()
        is_live = self._loop.state.live.get(leaf.path) is leaf and not leaf.stop
        question = Question.from_dict(leaf.question) if is_live and leaf.question is not None else None
        who = self._who(answer, asked)
        if answer.choice == BREAK_GLASS:
            self._break_glass(leaf, asked, question, replace(who, assurance="authenticated"), answer.comment)
            return
        offered = Offered(asked.id, answer.choice, who, answer.comment)
        logins = self._project.people.logins(asked.requester)
        reason = refusal(question, offered, leaf.answers, now, logins)
        number = str(next(self._numbers))
        common = (now, leaf.path, asked.id, number, answer.choice, who.person)
        if reason:
            self._loop.record(AnswerRefused(*common, who.assurance, reason, answer.comment))
        else:
            self._loop.record(Answered(*common, sorted(who.groups), who.assurance, answer.comment))
        self._loop.commit()
        self.look(leaf)

    def _break_glass(self, leaf: Leaf, asked: Question, question: Question | None, who: Who, reason: str) -> None:
        """A word of break-glass; whoever a scenario has say it holds the role."""
        now, number = self._loop.clock.now(), str(next(self._numbers))
        wrong = break_glass_refusal(question, Emergency(asked.id, who, reason, True), leaf.answers, now)
        if wrong:
            refused = AnswerRefused(
                now, leaf.path, asked.id, number, BREAK_GLASS, who.person, who.assurance, wrong, reason
            )
            self._loop.record(refused)
        else:
            groups, open_now = sorted(who.groups), opens(asked, leaf.answers)
            said = (now, leaf.path, asked.id, number, who.person, groups, who.assurance, reason)
            self._loop.record(BreakGlass(*said, BREAK_GLASS, open_now))
        self._loop.commit()
        self.look(leaf)

    def _who(self, answer: Answer, question: Question) -> Who:
        people = self._project.people
        if not people.by_name:
            return Who(answer.person, answer.assurance, answer.person, frozenset(question.groups))
        person = people.by_name.get(plain(answer.person))
        if person is None:
            return Who(plain(answer.person), answer.assurance, answer.person, known=False)
        login = next(iter(person.os_users), person.name)
        return Who(person.name, answer.assurance, login, person.groups)


def _strangers(question: Question) -> Iterator[str]:
    who = f"somebody of {question.groups[0]}" if question.groups else "somebody"
    return itertools.chain([who], (f"{who} {number}" for number in itertools.count(2)))


def _lacking(leaf: Leaf, question: Question) -> str:
    answer = f"answer: {question.choices[0]}"
    said = f"failed: …, answers: [{{{answer}}}]" if question.kind == INTERVENTION else answer
    return (
        f"{leaf.path} asks: {question.title} ({' or '.join(question.choices)}); "
        f"the scenario does not say what is answered: add '{leaf.path}: {{{said}}}' under steps"
    )
