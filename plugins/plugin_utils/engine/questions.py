# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People in the loop of a run: the inbox becomes events, open questions are judged, nobody's silence goes on for ever. For the engine's thread."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from ansible_collections.netops.changerail.plugins.module_utils.failures import UNKNOWN
from ansible_collections.netops.changerail.plugins.module_utils.operation import Verdict
from ansible_collections.netops.changerail.plugins.module_utils.question import Question
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    Escalated,
    InterventionAsked,
    InterventionDecided,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.core.state import Leaf, State
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.loop import Loop
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.people import inbox
from ansible_collections.netops.changerail.plugins.plugin_utils.people.answering import to_cancel, to_event
from ansible_collections.netops.changerail.plugins.plugin_utils.people.policy import (
    Level,
    due_escalations,
    judge,
    next_time,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project

_LOG = logging.getLogger("changerail")


class Questions:
    """The open questions of a run. ``decided`` is told what people decided on a step; ``tell`` notifies people of an escalation level."""

    def __init__(
        self,
        loop: Loop,
        folder: RunFolder,
        project: Project,
        decided: Callable[[str, Verdict], None],
        tell: Callable[[Leaf, int, Level], None],
    ) -> None:
        self._loop = loop
        self._folder = folder
        self._project = project
        self._decided = decided
        self._tell = tell

    def read_inbox(self) -> None:
        """Record what lies in the inbox, one item after the other, and judge the questions it answers."""
        for item in inbox.items(self._folder, _LOG.warning):
            if item.id in self._loop.state.answer_ids:
                # Recorded before a crash that kept the file.
                inbox.done(self._folder, item.id)
                continue
            self._loop.record(*self._event_of(item))
            self._loop.commit()

    def look(self, leaf: Leaf) -> None:
        """Judge the leaf's open question now, and look again when its time comes."""
        if leaf.question is None or self._loop.state.live.get(leaf.path) is not leaf:
            return
        question = Question.from_dict(leaf.question)
        now = self._loop.clock.now()
        verdict = judge(question, leaf.answers, now)
        if verdict is not None:
            self._conclude(leaf, verdict)
            return
        levels = self._levels(leaf)
        told = leaf.told
        for number, level in due_escalations(levels, leaf.asked_at, leaf.told, now):
            told = number
            event = Escalated(now, leaf.path, question.id, number, list(level.to))
            self._loop.record(event, lambda number=number, level=level: self._tell(leaf, number, level))
        moment = next_time(question, levels, leaf.asked_at, told)
        if moment is not None:
            self._loop.timers.at(moment, lambda: self._look_if_open(leaf, question.id))

    def ask(self, leaf: Leaf) -> None:
        """Ask a person how to go on after the leaf's failure."""
        question = intervention(leaf, self._loop.state)
        event = InterventionAsked(self._loop.clock.now(), leaf.path, leaf.attempt, question.as_dict())
        self._loop.record(event, lambda: self.look(leaf))

    def _event_of(self, item: inbox.Item) -> tuple[object, Callable[[], None]]:
        now = self._loop.clock.now()
        state = self._loop.state
        if item.document["kind"] == inbox.CANCEL:
            event = to_cancel(item.document, item.owner_uid, self._project.people, now)
            return event, lambda: inbox.done(self._folder, item.id)
        leaf = state.live.get(item.document["path"])
        open_leaf = leaf if isinstance(leaf, Leaf) and leaf.question is not None and not leaf.stop else None
        question = Question.from_dict(open_leaf.question) if open_leaf is not None and open_leaf.question else None
        answers = open_leaf.answers if open_leaf is not None else ()
        requester = state.started.requester if state.started is not None else {}
        answer = to_event(
            item.document,
            item.owner_uid,
            self._folder.run,
            question,
            answers,
            self._project,
            now,
            item.arrived,
            requester.get("os_user", ""),
        )

        def recorded() -> None:
            inbox.done(self._folder, item.id)
            if open_leaf is not None:
                self.look(open_leaf)

        return answer, recorded

    def _conclude(self, leaf: Leaf, verdict: Verdict) -> None:
        if leaf.phase != "asking":
            self._decided(leaf.path, verdict)
            return
        names = ", ".join(str(answer["person"]) for answer in verdict.answers)
        comments = "; ".join(str(answer["comment"]) for answer in verdict.answers if answer["comment"])
        reason = f"{names}: {comments}" if comments else names
        self._loop.record(
            InterventionDecided(
                self._loop.clock.now(), leaf.path, leaf.attempt, verdict.choice, reason or verdict.reason
            )
        )

    def _look_if_open(self, leaf: Leaf, question: str) -> None:
        if leaf.question is not None and leaf.question["id"] == question:
            self.look(leaf)

    def _levels(self, leaf: Leaf) -> Sequence[Level]:
        written = leaf.step.escalate
        return [Level.from_mapping(level) for level in written] if written else self._project.escalation


def intervention(leaf: Leaf, state: State) -> Question:
    """The question how to go on after a failure. ``done`` is offered only where nobody can tell whether it happened."""
    failure = leaf.last.failure if leaf.last is not None else ""
    choices = (
        ("retry", "done", "skip", "rollback", "abort") if failure == UNKNOWN else ("retry", "skip", "rollback", "abort")
    )
    started = state.started
    return Question(
        kind="intervention",
        title=f"{leaf.step.name} failed ({failure}) in attempt {leaf.attempt}: how to go on?",
        choices=choices,
        approving=choices,
        four_eyes=False,
        requester=str(started.requester.get("name", "")) if started is not None else "",
        text=leaf.message,
        subject={"step": leaf.path, "attempt": str(leaf.attempt)},
    )
