# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People in the loop of a run: the inbox becomes events, open questions are judged, nobody's silence goes on for ever. For the engine's thread."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ansible_collections.netops.changerail.plugins.module_utils.durations import seconds
from ansible_collections.netops.changerail.plugins.module_utils.failures import UNKNOWN
from ansible_collections.netops.changerail.plugins.module_utils.operation import Verdict
from ansible_collections.netops.changerail.plugins.module_utils.question import INTERVENTION, Question
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    ActionRefused,
    Answered,
    AnswerRefused,
    BreakGlass,
    BreakGlassReviewAsked,
    BreakGlassReviewed,
    CancelRequested,
    Escalated,
    EvidenceAdded,
    InterventionAsked,
    InterventionDecided,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.core.state import Leaf, State
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.escalation import Notice, of_level, of_word
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.loop import Loop
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.people import break_glass, inbox
from ansible_collections.netops.changerail.plugins.plugin_utils.people.answering import (
    to_break_glass,
    to_cancel,
    to_event,
    to_evidence,
    to_refusal,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.people.policy import (
    Level,
    due_escalations,
    judge,
    next_time,
    words,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import REVIEW_WITHIN, Project

_LOG = logging.getLogger("changerail")
_INBOX_EVERY = 30.0
"""Seconds after which the inbox is looked into without having been told to."""


@dataclass
class _Watch:
    """A question this engine watches: ``asked_at`` by the wall clock, ``since`` is the same moment by the monotonic one. ``looks`` counts,
    ``words`` are those of break-glass that people were told of."""

    question: str
    asked_at: float
    since: float
    looks: int = 0
    words: int = 0


class Questions:
    """The open questions of a run. ``decided`` is told what people decided on a step; ``tell`` gives people a notice of one.

    How long a question has been open is measured by the monotonic clock while an engine watches it: a wall clock that jumps neither ends nor prolongs it.
    """

    def __init__(
        self,
        loop: Loop,
        folder: RunFolder,
        project: Project,
        decided: Callable[[str, Verdict], None],
        tell: Callable[[Leaf, Notice], None],
    ) -> None:
        self._loop = loop
        self._folder = folder
        self._project = project
        self._decided = decided
        self._tell = tell
        self._watched: dict[str, _Watch] = {}

    def read_inbox(self) -> None:
        """Record what lies in the inbox, one item after the other, and then judge the questions it answers.

        Not before all are recorded: of several that came in time while no engine ran, none may be cut off by the deadline.
        """
        answered: dict[str, Leaf] = {}
        for item in inbox.items(self._folder, _LOG.warning):
            if item.id in self._loop.state.seen:
                # Recorded before a crash that kept the file.
                inbox.done(self._folder, item.id)
                continue
            leaf = self._open_leaf(item)
            if leaf is not None:
                answered[leaf.path] = leaf
            self._loop.record(self._event_of(item, leaf), partial(inbox.done, self._folder, item.id))
            self._loop.commit()
            self._loop.meter.arrived(max(0.0, self._loop.clock.now() - item.arrived))
        for leaf in answered.values():
            self.look(leaf)
        self._loop.commit()

    def watch_inbox(self) -> None:
        """Read the inbox now, and again and again."""
        self.read_inbox()
        self._loop.timers.after(_INBOX_EVERY, self.watch_inbox)

    def look(self, leaf: Leaf) -> None:
        """Judge the leaf's open question now, and look again when its time comes."""
        if leaf.question is None or self._loop.state.live.get(leaf.path) is not leaf:
            return
        question = Question.from_dict(leaf.question)
        watch = self._watch(leaf, question)
        watch.looks += 1
        now = self._time(watch)
        levels = self._levels(leaf)
        told = leaf.told
        if watch.looks == 1:
            # Recorded by an engine that may have ended before it had told them.
            for number, level in enumerate(levels[:told], start=1):
                self._tell(leaf, of_level(number, level, question.kind))
        for word in words(question, leaf.answers)[watch.words :]:
            watch.words += 1
            self._tell(leaf, of_word(word))
        verdict = judge(question, leaf.answers, now)
        if verdict is not None:
            self._conclude(leaf, verdict)
            return
        for number, level in due_escalations(levels, leaf.asked_at, leaf.told, now):
            told = number
            event = Escalated(self._loop.clock.now(), leaf.path, question.id, number, list(level.to))
            self._loop.record(event, partial(self._tell, leaf, of_level(number, level, question.kind)))
        moment = next_time(question, levels, leaf.asked_at, told)
        if moment is not None:
            self._look_again(leaf, watch, moment - now)

    def ask(self, leaf: Leaf) -> None:
        """Ask how to go on after the leaf's failure; or whether it was right to open it by break-glass."""
        now = self._loop.clock.now()
        event: InterventionAsked | BreakGlassReviewAsked
        if leaf.opened is not None:
            within = seconds(self._project.defaults.get("break_glass_review") or REVIEW_WITHIN)
            review = break_glass.review(leaf.opened, now + within)
            event = BreakGlassReviewAsked(now, leaf.path, review.as_dict())
        else:
            question = intervention(leaf, self._loop.state)
            event = InterventionAsked(now, leaf.path, leaf.attempt, question.as_dict())
        self._loop.record(event, lambda: self.look(leaf))

    def _open_leaf(self, item: inbox.Item) -> Leaf | None:
        """The live step whose question the item may answer."""
        if item.document["kind"] not in (inbox.ANSWER, inbox.BREAK_GLASS):
            return None
        leaf = self._loop.state.live.get(item.document["path"])
        return leaf if isinstance(leaf, Leaf) and leaf.question is not None and not leaf.stop else None

    def _event_of(
        self, item: inbox.Item, leaf: Leaf | None
    ) -> Answered | AnswerRefused | BreakGlass | CancelRequested | ActionRefused | EvidenceAdded:
        now = self._loop.clock.now()
        if item.document["kind"] == inbox.CANCEL:
            return to_cancel(item.document, item.owner_uid, self._project.people, now)
        if item.document["kind"] == inbox.REFUSED:
            return to_refusal(item.document, item.owner_uid, self._project.people, now)
        if item.document["kind"] == inbox.EVIDENCE:
            return to_evidence(item.document, item.owner_uid, self._project.people, now)
        question, arrived = None, item.arrived
        if leaf is not None and leaf.question is not None:
            question = Question.from_dict(leaf.question)
            arrived = self._time(self._watch(leaf, question)) - max(0.0, now - item.arrived)
        answers = leaf.answers if leaf is not None else ()
        common = (item.document, item.owner_uid, self._folder.run, question, answers, self._project, now, arrived)
        if item.document["kind"] == inbox.BREAK_GLASS:
            return to_break_glass(*common)
        started = self._loop.state.started
        return to_event(
            *common,
            started.requester.get("os_user", "") if started is not None else "",
        )

    def _conclude(self, leaf: Leaf, verdict: Verdict) -> None:
        if leaf.phase == "running":
            self._decided(leaf.path, verdict)
            return
        if leaf.opened is not None and leaf.question is not None:
            outcome, message = break_glass.outcome(verdict)
            self._loop.record(
                BreakGlassReviewed(self._loop.clock.now(), leaf.path, leaf.question["id"], outcome, message)
            )
            return
        names = ", ".join(str(answer["person"]) for answer in verdict.answers)
        comments = "; ".join(str(answer["comment"]) for answer in verdict.answers if answer["comment"])
        reason = f"{names}: {comments}" if comments else names
        self._loop.record(
            InterventionDecided(
                self._loop.clock.now(), leaf.path, leaf.attempt, verdict.choice, reason or verdict.reason
            )
        )

    def _watch(self, leaf: Leaf, question: Question) -> _Watch:
        """The watch over the leaf's question; begun anew when something else is asked there."""
        watch = self._watched.get(leaf.path)
        if watch is None or (watch.question, watch.asked_at) != (question.id, leaf.asked_at):
            clock = self._loop.clock
            open_for = max(0.0, clock.now() - leaf.asked_at)
            watch = self._watched[leaf.path] = _Watch(question.id, leaf.asked_at, clock.monotonic() - open_for)
        return watch

    def _time(self, watch: _Watch) -> float:
        """What the wall clock would say now had it not jumped since the question is watched."""
        return watch.asked_at + self._loop.clock.monotonic() - watch.since

    def _look_again(self, leaf: Leaf, watch: _Watch, seconds: float) -> None:
        look = watch.looks

        def action() -> None:
            if watch.looks == look and leaf.question is not None and leaf.question["id"] == watch.question:
                # An answer that is there already came before the deadline.
                self.read_inbox()
                self.look(leaf)

        self._loop.timers.after(seconds, action)

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
        kind=INTERVENTION,
        title=f"{leaf.step.name} failed ({failure}) in attempt {leaf.attempt}: how to go on?",
        choices=choices,
        approving=choices,
        four_eyes=False,
        requester=str(started.requester.get("name", "")) if started is not None else "",
        text=leaf.message,
        subject={"step": leaf.path, "attempt": str(leaf.attempt)},
    )
