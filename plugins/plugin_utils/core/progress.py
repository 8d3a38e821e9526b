# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run goes on: nodes are entered, attempts settled, sections and loops left, what is live is stopped. Pure; only ``decide`` calls it.

Each function changes the state of one node and hands what follows to the change's queue; none waits and none recurses into siblings.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.failures import (
    CANCELLED,
    FAILED,
    REJECTED,
    TIMEOUT,
    UNKNOWN,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.core import retry
from ansible_collections.netops.changerail.plugins.plugin_utils.core.commands import (
    Ask,
    Command,
    Due,
    Evaluate,
    Expand,
    Finish,
    Perform,
    SetTimer,
    Stop,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import Evaluated, StepFinished
from ansible_collections.netops.changerail.plugins.plugin_utils.core.state import (
    ALWAYS,
    BODY,
    RESCUE,
    Container,
    Item,
    Leaf,
    Live,
    Looped,
    Parent,
    Scope,
    State,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Loop, Step

SKIPPED = {"skipped": True, "changed": False, "failed": False}
_MESSAGE_LIMIT = 2000


class Change:
    """One application of one event: the state, the time of the event, the commands so far and the work still to do."""

    __slots__ = ("at", "commands", "state", "work")

    def __init__(self, state: State, at: float) -> None:
        self.state = state
        self.at = at
        self.commands: list[Command] = []
        self.work: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()

    def later(self, what: Callable[..., None], *args: Any) -> None:
        self.work.append((what, args))

    def due_in(self, seconds: float) -> Due:
        return Due(self.at + seconds, seconds)

    def settle(self) -> None:
        while self.work:
            what, args = self.work.popleft()
            what(self, *args)


# Entering


def _enter(now: Change, step: Step, path: str, parent: Parent, scope: Scope, item: Item | None) -> None:
    node: Live
    if step.loop is not None and item is None:
        node = Looped(step, path, parent, scope)
        now.commands.append(Expand(path))
    elif step.action is not None:
        node = Leaf(step, path, parent, scope, item)
    else:
        node = Container(step, path, parent, Scope(scope) if item is not None else scope, item)
    parent.children[path] = node
    now.state.live[path] = node
    if isinstance(node, Looped):
        return
    if _needs_entry(step):
        node.phase = "entering"
        now.commands.append(Evaluate(path, 1 if isinstance(node, Leaf) else 0, "enter"))
    elif isinstance(node, Leaf):
        _perform(now, node)
    else:
        _open(now, node)


def _needs_entry(step: Step) -> bool:
    if step.when or isinstance(step.timeout, str) or isinstance(step.ignore_errors, str):
        return True
    rules = step.retry
    return rules is not None and any(
        isinstance(value, str) for value in (rules.retries, rules.delay, rules.backoff, rules.max_delay)
    )


def container_entered(now: Change, node: Container, event: Evaluated) -> None:
    node.phase = "running"
    node.entry = event.values
    if event.error:
        over_failed(now, node, failure_info(node, event.error, FAILED, {}))
    elif not event.values.get("when", True):
        over(now, node, "skipped", None)
    else:
        _open(now, node)


def _open(now: Change, node: Container) -> None:
    node.timeout_due = _due(now, node)
    if node.timeout_due is not None:
        now.commands.append(SetTimer(node.path, 0, "timeout", node.timeout_due))
    advance(now, node)


def leaf_entered(now: Change, leaf: Leaf, event: Evaluated) -> None:
    leaf.phase = "running"
    leaf.entry = event.values
    if event.error:
        _end_failed(now, leaf, event.error, FAILED, {})
    elif not event.values.get("when", True):
        over(now, leaf, "skipped", None)
    else:
        _perform(now, leaf)


def _perform(now: Change, leaf: Leaf) -> None:
    leaf.timeout_due = _due(now, leaf)
    now.commands.append(Perform(leaf.path, leaf.attempt))
    if leaf.timeout_due is not None:
        now.commands.append(SetTimer(leaf.path, leaf.attempt, "timeout", leaf.timeout_due))


def _due(now: Change, node: Leaf | Container) -> Due | None:
    limit = node.entry.get("timeout", node.step.timeout) if node.entry else node.step.timeout
    return None if limit is None else now.due_in(float(limit))


# Attempts


def leaf_judged(now: Change, leaf: Leaf, event: Evaluated) -> None:
    last = leaf.last
    leaf.phase = "running"
    if last is None:
        return
    if event.error:
        _end_failed(now, leaf, event.error, FAILED, last.result)
        return
    failure, message = last.failure, last.message
    if "failed" in event.values:
        failed = bool(event.values["failed"])
        if failed and not failure:
            message = "failed_when holds"
        failure = FAILED if failed else ""
    if not event.values.get("until", True):
        _try_again(
            now, leaf, failure or FAILED, message if failure else f"until does not hold after attempt {leaf.attempt}"
        )
    else:
        settle_attempt(now, leaf, failure, message)


def settle_attempt(now: Change, leaf: Leaf, failure: str, message: str) -> None:
    if not failure:
        over(now, leaf, "ok", None)
        return
    rules = retry.policy(leaf.step, leaf.entry)
    if failure in rules.retry_on and failure not in (REJECTED, CANCELLED):
        _try_again(now, leaf, failure, message)
    elif (
        failure == UNKNOWN
        and leaf.step.on_interrupt == "retry"
        and leaf.attempt <= retry.INTERRUPT_RETRIES + leaf.granted
    ):
        next_attempt(now, leaf)
    else:
        _give_up(now, leaf, failure, message)


def _try_again(now: Change, leaf: Leaf, failure: str, message: str) -> None:
    started = now.state.started
    key = f"{started.run if started else ''}/{leaf.path}"
    retry_after = leaf.last.retry_after if leaf.last is not None else None
    delay = retry.next_delay(retry.policy(leaf.step, leaf.entry), leaf.attempt - leaf.granted, key, retry_after)
    if delay is None:
        _give_up(now, leaf, failure, message)
        return
    leaf.phase = "delayed"
    leaf.message = message
    leaf.retry_due = now.due_in(delay)
    now.commands.append(SetTimer(leaf.path, leaf.attempt, "retry", leaf.retry_due))


def next_attempt(now: Change, leaf: Leaf) -> None:
    leaf.attempt += 1
    leaf.phase = "running"
    leaf.stop = ""
    leaf.started = False
    leaf.handle = None
    leaf.question = None
    leaf.answers = ()
    leaf.message = ""
    leaf.long = False
    leaf.retry_due = None
    _perform(now, leaf)


def _give_up(now: Change, leaf: Leaf, failure: str, message: str) -> None:
    asks = failure == UNKNOWN or (bool(leaf.step.escalate) and failure not in (REJECTED, CANCELLED))
    result = leaf.last.result if leaf.last is not None else {}
    if not asks:
        _end_failed(now, leaf, message, failure, result)
        return
    last = leaf.last
    leaf.last = StepFinished(now.at, leaf.path, leaf.attempt, failure, message, bool(last and last.changed), result)
    leaf.phase = "asking"
    leaf.question = None
    leaf.message = message
    now.commands.append(Ask(leaf.path, leaf.attempt))


def _end_failed(now: Change, leaf: Leaf, message: str, failure: str, result: Mapping[str, Any]) -> None:
    over_failed(now, leaf, failure_info(leaf, message, failure, result))


# Leaving


def over_failed(now: Change, node: Live, failure: Mapping[str, Any]) -> None:
    ignore: Any = node.step.ignore_errors
    if not isinstance(node, Looped):
        ignore = node.entry.get("ignore_errors", ignore)
    over(now, node, "ignored" if ignore is True else "failed", failure)


def over(now: Change, node: Live, status: str, failure: Mapping[str, Any] | None) -> None:
    """``node`` has ended: register its result, drop it and tell its parent."""
    parent = node.parent
    del now.state.live[node.path]
    now.state.over.append((node, status, failure))
    if parent is None:
        _root_over(now, status, failure)
        return
    del parent.children[node.path]
    in_loop = not isinstance(node, Looped) and node.item is not None
    if in_loop or node.step.register or _sets_facts(node):
        result = _result(node, status, failure)
        if isinstance(node, Leaf) and status == "ok" and _sets_facts(node):
            node.scope.values.update(result.get("ansible_facts", {}))
        if node.step.register and not in_loop:
            node.scope.values[node.step.register] = result
    else:
        result = SKIPPED
    if isinstance(parent, Looped):
        now.later(_iteration_over, parent, node, status, failure, result)
    else:
        now.later(_child_over, parent, node, status, failure)


def _sets_facts(node: Live) -> bool:
    return (
        isinstance(node, Leaf) and node.step.action is not None and node.step.action.name == "ansible.builtin.set_fact"
    )


def _root_over(now: Change, status: str, failure: Mapping[str, Any] | None) -> None:
    state = now.state
    if state.cancel is not None:
        state.ending = ("cancelled", state.cancel.reason)
    elif status == "failed" and failure is not None:
        state.ending = ("failed", f"{failure['path']}: {failure['message']}")
    else:
        state.ending = ("succeeded", "")
    _review_or_finish(now)


def _review_or_finish(now: Change) -> None:
    """The end, or before it the reviews of what was opened by break-glass: at each step one after the other."""
    state = now.state
    if state.root is None or state.ending is None:
        return
    for opened in state.opened:
        if opened.path not in state.live:
            leaf = Leaf(opened.step, opened.path, state.root, state.root.scope, None)
            leaf.phase, leaf.attempt, leaf.opened = "reviewing", opened.attempt, opened
            state.root.children[leaf.path] = state.live[leaf.path] = leaf
            now.commands.append(Ask(leaf.path, leaf.attempt))
    if not state.opened:
        now.commands.append(Finish(*state.ending))


def reviewed(now: Change, leaf: Leaf, outcome: str, message: str) -> None:
    """What was opened by break-glass at ``leaf`` has been looked at: unless it was accepted the run ends failed, whatever it came to."""
    state = now.state
    if leaf.opened is None or state.ending is None:
        return
    del state.live[leaf.path]
    del leaf.parent.children[leaf.path]
    state.opened.remove(leaf.opened)
    if outcome != "accepted":
        status, before = state.ending
        verdict = f"{leaf.path}: break-glass was not {'accepted' if outcome == 'refused' else 'reviewed'} afterwards"
        came = "" if status == "succeeded" else before if status == "failed" else f"{status}: {before}"
        state.ending = ("failed", "; ".join(filter(None, (f"{verdict}: {message}", came))))
    _review_or_finish(now)


def _child_over(now: Change, parent: Container, child: Live, status: str, failure: Mapping[str, Any] | None) -> None:
    if now.state.live.get(parent.path) is not parent:
        return
    if status == "ignored" or (isinstance(child, Container) and not child.ok):
        parent.ok = False
    if status == "failed" and failure is not None:
        parent.ok = False
        parent.failed.append(failure)
        if _is_parallel(parent) and parent.step.fail_fast and not parent.stop:
            stop_section(now, parent, "fail_fast")
    advance(now, parent)


def _is_parallel(node: Container) -> bool:
    return node.step.parallel and node.section == BODY


def advance(now: Change, node: Container) -> None:
    """Enter what may be entered next in the section, or leave it when nothing is left."""
    if now.state.live.get(node.path) is not node:
        return
    steps = getattr(node.step, "steps" if node.section == BODY else node.section)
    parallel = _is_parallel(node)
    width = (node.step.throttle or len(steps)) if parallel else 1
    while node.cursor < len(steps) and len(node.children) < width and not node.stop and (parallel or not node.failed):
        step = steps[node.cursor]
        node.cursor += 1
        _enter(now, step, f"{node.path}/{step.id}" if node.path else step.id, node, node.scope, None)
    if not node.children:
        _section_over(now, node)


def _section_over(now: Change, node: Container) -> None:
    failure = _section_failure(node)
    node.failed = []
    node.cursor = 0
    stopped, node.stop = node.stop, ""
    node.timeout_due = None
    if stopped == "cancel" and node.section != ALWAYS:
        node.verdict, failure = "cancelled", node.failure
    elif failure is not None or stopped:
        node.verdict = "failed"
        if stopped == "timeout":
            limit = node.entry.get("timeout", node.step.timeout)
            failure = failure_info(node, f"not done within {limit} s", TIMEOUT, {})
    elif node.section == RESCUE:
        node.verdict = "ok"
    if failure is not None and node.failure is not None and failure is not node.failure:
        failure = {**failure, "previous": node.failure}
    node.failure = failure if failure is not None else node.failure
    if node.section == BODY and node.verdict == "failed" and node.step.rescue:
        _go_to(now, node, RESCUE)
    elif node.section != ALWAYS and node.step.always:
        _go_to(now, node, ALWAYS)
    else:
        _leave(now, node, stopped)


def _go_to(now: Change, node: Container, section: str) -> None:
    node.section = section
    now.later(advance, node)


def _leave(now: Change, node: Container, stopped: str) -> None:
    if node.verdict == "failed" and node.failure is not None:
        over_failed(now, node, node.failure)
    elif node.verdict == "cancelled" or (stopped == "cancel" and node.section == ALWAYS):
        over(now, node, "cancelled", None)
    else:
        if node.section == RESCUE or (node.section == ALWAYS and node.failure is not None):
            node.ok = True
        over(now, node, "ok", None)


def _section_failure(node: Container) -> Mapping[str, Any] | None:
    if not node.failed:
        return None
    if not _is_parallel(node):
        return node.failed[-1]
    return _several(node, node.failed, len(node.step.steps))


def advance_loop(now: Change, loop: Looped) -> None:
    rules = loop.step.loop
    if rules is None or now.state.live.get(loop.path) is not loop:
        return
    over_budget = len(loop.failed) > rules.max_failures
    width = rules.at_once or len(loop.items)
    enough = over_budget and (rules.at_once == 1 or rules.fail_fast)
    while (
        loop.cursor < len(loop.items)
        and len(loop.children) < width
        and not loop.stop
        and not enough
        and loop.pause_due is None
    ):
        index = loop.cursor
        loop.cursor += 1
        label = loop.labels[index]
        _enter(now, loop.step, f"{loop.path}[{label}]", loop, loop.scope, Item(index, loop.items[index], label))
    if not loop.children and loop.pause_due is None:
        _loop_over(now, loop)


def _iteration_over(
    now: Change,
    loop: Looped,
    node: Leaf | Container,
    status: str,
    failure: Mapping[str, Any] | None,
    result: Mapping[str, Any],
) -> None:
    rules = loop.step.loop
    if rules is None or node.item is None or now.state.live.get(loop.path) is not loop:
        return
    loop.done += 1
    loop.skipped += status == "skipped"
    loop.changed = loop.changed or bool(result.get("changed"))
    if loop.step.register:
        loop.results[node.item.index] = {**result, rules.loop_var: node.item.value, "ansible_loop_var": rules.loop_var}
    if status == "failed" and failure is not None:
        loop.failed.append(failure)
        if len(loop.failed) > rules.max_failures and rules.fail_fast and not loop.stop:
            _stop_children(now, loop, "fail_fast")
    if rules.pause and rules.at_once == 1 and status != "skipped" and _goes_on(loop, rules):
        loop.pause_due = now.due_in(rules.pause)
        now.commands.append(SetTimer(loop.path, loop.cursor, "pause", loop.pause_due))
    else:
        advance_loop(now, loop)


def _goes_on(loop: Looped, rules: Loop) -> bool:
    return loop.cursor < len(loop.items) and not loop.stop and len(loop.failed) <= rules.max_failures


def _loop_over(now: Change, loop: Looped) -> None:
    rules = loop.step.loop
    if rules is None:
        return
    if loop.stop == "cancel":
        over(now, loop, "cancelled", None)
    elif len(loop.failed) > rules.max_failures:
        over_failed(now, loop, _several(loop, loop.failed, len(loop.items)))
    elif loop.skipped == len(loop.items):
        over(now, loop, "skipped", None)
    else:
        over(now, loop, "ok", None)


# Stopping


def stop(now: Change, node: Live, force: bool) -> None:
    """Stop what is live at and below ``node`` from outside; what runs under ``always`` goes on unless forced."""
    if isinstance(node, Leaf):
        _stop_leaf(now, node)
    elif isinstance(node, Looped):
        _stop_children(now, node, "cancel", force)
        if node.phase == "expanding" or not node.children:
            node.pause_due = None
            over(now, node, "cancelled", None)
    elif node.section != ALWAYS or force:
        if node.phase == "entering":
            over(now, node, "cancelled", None)
        else:
            stop_section(now, node, "cancel", force)


def stop_section(now: Change, node: Container, reason: str, force: bool = False) -> None:
    node.stop = reason
    for child in list(node.children.values()):
        stop(now, child, force)
    now.later(advance, node)


def _stop_children(now: Change, loop: Looped, reason: str, force: bool = False) -> None:
    loop.stop = reason
    for child in list(loop.children.values()):
        stop(now, child, force)


def _stop_leaf(now: Change, leaf: Leaf) -> None:
    if leaf.phase != "running":
        leaf.stop = "cancel"
        over(now, leaf, "cancelled", None)
    elif leaf.stop != "cancel":
        leaf.stop = "cancel"
        now.commands.append(Stop(leaf.path, leaf.attempt, "cancel"))


# Values


def failure_info(node: Live, message: str, failure: str, result: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"path": node.path, "name": node.step.name, "message": message, "failure": failure, "result": result}


def _several(node: Live, failures: list[Mapping[str, Any]], total: int) -> Mapping[str, Any]:
    if len(failures) == 1:
        return {**failures[0], "failures": [failures[0]]}
    texts = "; ".join(f"{failure['path']}: {failure['message']}" for failure in failures)
    message = f"{len(failures)} of {total} failed: {texts}"
    kinds = {failure["failure"] for failure in failures}
    kind = kinds.pop() if len(kinds) == 1 else FAILED
    return {**failure_info(node, message[:_MESSAGE_LIMIT], kind, {}), "failures": failures}


def _result(node: Live, status: str, failure: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """What ``register`` gives to later steps."""
    outcome = {"changed": False, "failed": status in ("failed", "ignored", "cancelled"), "skipped": status == "skipped"}
    if failure is not None:
        outcome["msg"] = failure["message"]
        outcome["failure"] = failure["failure"]
    if isinstance(node, Looped):
        results = [node.results[index] for index in sorted(node.results)]
        empty = not node.items
        return {**outcome, "results": results, "changed": node.changed, "skipped": outcome["skipped"] or empty}
    if isinstance(node, Container):
        return {**node.scope.values, **outcome} if node.item is not None else outcome
    if status == "skipped" or node.last is None:
        return outcome
    return {**attempt_result(node), **outcome, "changed": node.last.changed}


def attempt_result(leaf: Leaf) -> Mapping[str, Any]:
    """The result of the leaf's last attempt under the names that ``register`` gives it; ``until`` and ``failed_when`` see it."""
    last = leaf.last
    if last is None:
        return {"failed": False, "changed": False, "attempts": leaf.attempt}
    return {
        "msg": last.message,
        **last.result,
        "failed": bool(last.failure),
        "changed": last.changed,
        "attempts": leaf.attempt,
    }
