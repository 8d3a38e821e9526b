# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The heart: history in, commands out. Pure: no clock, no disk, no network, no chance; the engine and the rehearsal drive it.

``apply`` changes a state by one event and returns the commands that follow from it; ``fold`` applies a whole history; ``pending`` says what is
outstanding from the state alone, which is all that recovery needs. Late, repeated and wrong-attempt events are no-ops by rule.

An event changes a leaf, the change goes up to the parents: the cost is the depth, not the size. Work is a queue and never recursion, so fifty thousand
skipped steps cost no stack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.failures import FAILED, TIMEOUT
from ansible_collections.netops.changerail.plugins.plugin_utils.core import events
from ansible_collections.netops.changerail.plugins.plugin_utils.core.commands import (
    Ask,
    Command,
    Evaluate,
    Expand,
    Finish,
    Perform,
    SetTimer,
    Stop,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.core.progress import (
    Change,
    advance,
    advance_loop,
    container_entered,
    failure_info,
    leaf_entered,
    leaf_judged,
    next_attempt,
    over,
    over_failed,
    reviewed,
    settle_attempt,
    stop,
    stop_section,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.core.state import (
    BODY,
    Container,
    Leaf,
    Looped,
    Opened,
    Scope,
    State,
    walk,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Position, Step, Workflow

RULES = 1
"""The version of these rules; the first record of a journal names the one it was written under."""


def fold(workflow: Workflow, history: Iterable[events.Event]) -> State:
    """The state after ``history``."""
    state = State(workflow)
    for event in history:
        apply(state, event)
    return state


def decide(workflow: Workflow, history: Iterable[events.Event]) -> list[Command]:
    """What is to be done after ``history``: every command that no event has answered yet."""
    return list(pending(fold(workflow, history)))


def apply(state: State, event: events.Event) -> list[Command]:
    """Change ``state`` by ``event`` and return the new commands. Events that no longer fit change nothing."""
    state.over.clear()
    handler = _HANDLERS.get(type(event))
    if handler is None:
        return []
    step = Change(state, event.at)
    handler(step, event)
    step.settle()
    return step.commands


def pending(state: State) -> Iterator[Command]:
    """What is outstanding, from the state alone."""
    if state.status != "running":
        return
    if state.ending is not None and not state.opened:
        yield Finish(*state.ending)
        return
    for node in walk(state.root):
        if isinstance(node, Leaf):
            yield from _pending_leaf(node)
        elif isinstance(node, Looped):
            if node.phase == "expanding":
                yield Expand(node.path)
            elif node.pause_due is not None:
                yield SetTimer(node.path, node.cursor, "pause", node.pause_due)
        elif node.phase == "entering":
            yield Evaluate(node.path, 0, "enter")
        elif node.timeout_due is not None:
            yield SetTimer(node.path, 0, "timeout", node.timeout_due)


def _pending_leaf(leaf: Leaf) -> Iterator[Command]:
    if leaf.phase == "entering":
        yield Evaluate(leaf.path, leaf.attempt, "enter")
    elif leaf.phase == "judging":
        yield Evaluate(leaf.path, leaf.attempt, "result")
    elif leaf.phase == "delayed":
        if leaf.retry_due is not None:
            yield SetTimer(leaf.path, leaf.attempt, "retry", leaf.retry_due)
    elif leaf.phase in ("asking", "reviewing"):
        if leaf.question is None:
            yield Ask(leaf.path, leaf.attempt)
    elif leaf.stop:
        yield Stop(leaf.path, leaf.attempt, leaf.stop)
    else:
        yield Perform(leaf.path, leaf.attempt)
        if leaf.timeout_due is not None:
            yield SetTimer(leaf.path, leaf.attempt, "timeout", leaf.timeout_due)


# Events of the run


def _run_started(now: Change, event: events.RunStarted) -> None:
    state = now.state
    if state.status != "new":
        return
    state.status = "running"
    state.started = event
    workflow = state.workflow
    step = Step(id="", name=workflow.name, at=Position(workflow.main, 1, 1), steps=workflow.steps)
    root = Container(step, "", None, Scope(None), None)
    state.root = root
    state.live[""] = root
    advance(now, root)


def _run_finished(now: Change, event: events.RunFinished) -> None:
    if now.state.status == "running":
        now.state.status = event.status


def _cancel_requested(now: Change, event: events.CancelRequested) -> None:
    state = now.state
    state.seen.add(event.item)
    if state.status != "running" or state.root is None or (state.cancel is not None and not event.force):
        return
    if state.ending is not None and state.opened:
        # All is over but a review, which nobody gets round by cancelling.
        return
    state.cancel = event
    stop(now, state.root, event.force)


def _evidence_added(now: Change, event: events.EvidenceAdded) -> None:
    now.state.seen.add(event.item)


# Events of a step


def _evaluated(now: Change, event: events.Evaluated) -> None:
    node = now.state.live.get(event.path)
    if isinstance(node, Container) and node.phase == "entering" and event.purpose == "enter":
        container_entered(now, node, event)
    elif isinstance(node, Leaf) and node.attempt == event.attempt:
        if node.phase == "entering" and event.purpose == "enter":
            leaf_entered(now, node, event)
        elif node.phase == "judging" and event.purpose == "result":
            leaf_judged(now, node, event)


def _expanded(now: Change, event: events.Expanded) -> None:
    loop = now.state.live.get(event.path)
    if not isinstance(loop, Looped) or loop.phase != "expanding":
        return
    if event.error:
        over_failed(now, loop, failure_info(loop, event.error, FAILED, {}))
        return
    loop.phase = "running"
    loop.items = tuple(event.items)
    loop.labels = tuple(event.labels)
    advance_loop(now, loop)


def _step_started(now: Change, event: events.StepStarted) -> None:
    leaf = _running(now, event.path, event.attempt)
    if leaf is not None:
        leaf.started = True


def _step_waiting(now: Change, event: events.StepWaiting) -> None:
    leaf = _running(now, event.path, event.attempt)
    if leaf is None:
        return
    asked_before = leaf.question["id"] if leaf.question else None
    leaf.noted_at = event.at
    leaf.handle, leaf.message, leaf.question, leaf.long = event.handle, event.message, event.question, event.long
    if event.question is None or event.question["id"] != asked_before:
        _ask_anew(leaf, event.at)


def _step_finished(now: Change, event: events.StepFinished) -> None:
    leaf = _running(now, event.path, event.attempt)
    if leaf is None:
        return
    leaf.last = event
    leaf.question = None
    leaf.timeout_due = None
    if leaf.stop and event.failure:
        _leaf_stopped(now, leaf, event)
    elif leaf.stop == "cancel":
        over(now, leaf, "ok", None)
    elif (leaf.step.until or leaf.step.failed_when) and event.failure in ("", FAILED):
        leaf.phase = "judging"
        now.commands.append(Evaluate(leaf.path, leaf.attempt, "result"))
    else:
        settle_attempt(now, leaf, event.failure, event.message)


def _leaf_stopped(now: Change, leaf: Leaf, event: events.StepFinished) -> None:
    if leaf.stop == "cancel":
        over(now, leaf, "cancelled", None)
    else:
        leaf.stop = ""
        limit = leaf.entry.get("timeout", leaf.step.timeout)
        settle_attempt(now, leaf, TIMEOUT, f"not done within {limit} s; {event.message}")


def _timer_fired(now: Change, event: events.TimerFired) -> None:
    node = now.state.live.get(event.path)
    if isinstance(node, Leaf):
        _leaf_timer(now, node, event)
    elif isinstance(node, Looped):
        if event.timer == "pause" and event.attempt == node.cursor and node.pause_due is not None:
            node.pause_due = None
            advance_loop(now, node)
    elif node is not None and event.timer == "timeout" and node.timeout_due is not None:
        node.timeout_due = None
        if node.section == BODY and not node.stop:
            stop_section(now, node, "timeout")


def _leaf_timer(now: Change, leaf: Leaf, event: events.TimerFired) -> None:
    if event.attempt != leaf.attempt:
        return
    if event.timer == "retry" and leaf.phase == "delayed":
        next_attempt(now, leaf)
    elif event.timer == "timeout" and leaf.phase == "running" and not leaf.stop and leaf.timeout_due is not None:
        leaf.timeout_due = None
        leaf.stop = "timeout"
        now.commands.append(Stop(leaf.path, leaf.attempt, "timeout"))


def _answered(now: Change, event: events.Answered) -> None:
    leaf = now.state.live.get(event.path)
    fresh = event.answer not in now.state.seen
    now.state.seen.add(event.answer)
    if fresh and isinstance(leaf, Leaf) and leaf.question is not None and leaf.question["id"] == event.question:
        leaf.answers += (event,)


def _break_glass(now: Change, event: events.BreakGlass) -> None:
    leaf = _running(now, event.path)
    fresh = event.answer not in now.state.seen
    now.state.seen.add(event.answer)
    if not fresh or leaf is None or leaf.question is None or leaf.question["id"] != event.question:
        return
    leaf.answers += (event,)
    if event.opens:
        words = tuple(answer for answer in leaf.answers if isinstance(answer, events.BreakGlass))
        now.state.opened.append(Opened(leaf.step, leaf.path, leaf.attempt, leaf.question, words))


def _break_glass_review_asked(now: Change, event: events.BreakGlassReviewAsked) -> None:
    leaf = now.state.live.get(event.path)
    if isinstance(leaf, Leaf) and leaf.phase == "reviewing" and leaf.question is None:
        leaf.question = event.question
        _ask_anew(leaf, event.at)


def _break_glass_reviewed(now: Change, event: events.BreakGlassReviewed) -> None:
    leaf = now.state.live.get(event.path)
    if isinstance(leaf, Leaf) and leaf.phase == "reviewing" and leaf.question and leaf.question["id"] == event.question:
        reviewed(now, leaf, event.outcome, event.message)


def _answer_refused(now: Change, event: events.AnswerRefused) -> None:
    now.state.seen.add(event.answer)


def _action_refused(now: Change, event: events.ActionRefused) -> None:
    now.state.seen.add(event.item)


def _intervention_asked(now: Change, event: events.InterventionAsked) -> None:
    leaf = now.state.live.get(event.path)
    if isinstance(leaf, Leaf) and leaf.phase == "asking" and leaf.attempt == event.attempt and leaf.question is None:
        leaf.question = event.question
        _ask_anew(leaf, event.at)


def _ask_anew(leaf: Leaf, at: float) -> None:
    leaf.answers = ()
    leaf.asked_at = at
    leaf.told = 0


def _escalated(now: Change, event: events.Escalated) -> None:
    leaf = now.state.live.get(event.path)
    if isinstance(leaf, Leaf) and leaf.question is not None and leaf.question["id"] == event.question:
        leaf.told = max(leaf.told, event.level)


def _intervention_decided(now: Change, event: events.InterventionDecided) -> None:
    leaf = now.state.live.get(event.path)
    if not isinstance(leaf, Leaf) or leaf.phase != "asking" or leaf.attempt != event.attempt or leaf.last is None:
        return
    leaf.question = None
    failure = failure_info(leaf, leaf.last.message, leaf.last.failure or FAILED, leaf.last.result)
    if event.choice == "retry":
        leaf.granted += 1
        next_attempt(now, leaf)
    elif event.choice == "done":
        over(now, leaf, "ok", None)
    elif event.choice == "skip":
        over(now, leaf, "ignored", failure)
    elif event.choice == "abort" and now.state.root is not None:
        over(now, leaf, "cancelled", None)
        now.state.cancel = events.CancelRequested(event.at, "", event.reason or f"aborted at {leaf.path}")
        now.later(stop, now.state.root, False)
    else:
        over_failed(now, leaf, failure)


def _running(now: Change, path: str, attempt: int | None = None) -> Leaf | None:
    leaf = now.state.live.get(path)
    if isinstance(leaf, Leaf) and leaf.phase == "running" and attempt in (None, leaf.attempt):
        return leaf
    return None


_HANDLERS: Mapping[type, Callable[[Change, Any], None]] = {
    events.RunStarted: _run_started,
    events.RunFinished: _run_finished,
    events.CancelRequested: _cancel_requested,
    events.EvidenceAdded: _evidence_added,
    events.Evaluated: _evaluated,
    events.Expanded: _expanded,
    events.StepStarted: _step_started,
    events.StepWaiting: _step_waiting,
    events.StepFinished: _step_finished,
    events.TimerFired: _timer_fired,
    events.Answered: _answered,
    events.AnswerRefused: _answer_refused,
    events.BreakGlass: _break_glass,
    events.BreakGlassReviewAsked: _break_glass_review_asked,
    events.BreakGlassReviewed: _break_glass_reviewed,
    events.ActionRefused: _action_refused,
    events.Escalated: _escalated,
    events.InterventionAsked: _intervention_asked,
    events.InterventionDecided: _intervention_decided,
}
