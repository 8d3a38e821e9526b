# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run stands: the tree of its steps, each with its state. A fold over events; the doors and the other views call it.

The fold is incremental: an event costs the depth of the tree, and a new snapshot builds anew only what changed since the last one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.core.commands import Due
from ansible_collections.netops.changerail.plugins.plugin_utils.core.decide import apply
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    Event,
    Expanded,
    StepFinished,
    StepStarted,
    StepWaiting,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.core.retry import policy
from ansible_collections.netops.changerail.plugins.plugin_utils.core.state import (
    ALWAYS,
    BODY,
    RESCUE,
    Container,
    Leaf,
    Live,
    Looped,
    State,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.views.late import Late
from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import RunSummary, Summary
from ansible_collections.netops.changerail.plugins.plugin_utils.views.waiting import OpenQuestion
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Step, Workflow

PENDING, RUNNING, WAITING, ASKING, RETRYING = "pending", "running", "waiting", "asking", "retrying"
OK, CHANGED, RESCUED, SKIPPED, IGNORED, FAILED, CANCELLED, UNREACHED = (
    "ok", "changed", "rescued", "skipped", "ignored", "failed", "cancelled", "unreached",
)  # fmt: skip
LIVE = frozenset({RUNNING, WAITING, ASKING, RETRYING})
"""What may still change by itself or by people."""
STATES = (
    FAILED,
    ASKING,
    RUNNING,
    WAITING,
    RETRYING,
    CANCELLED,
    IGNORED,
    RESCUED,
    CHANGED,
    OK,
    SKIPPED,
    PENDING,
    UNREACHED,
)
"""All states of a step, the most urgent first."""
_SECTIONS = (BODY, RESCUE, ALWAYS)


@dataclass(frozen=True, slots=True)
class StepStatus:
    """One step. ``kind`` is step, block, parallel or loop; ``section`` is where in its parent it stands: body, rescue or always.

    ``label`` names the item when the step is one iteration of a loop. ``state`` is one of ``STATES``; a container's is that of the most
    urgent step in it while it lives. ``attempts`` is how many there may be, None when it is not known yet. ``failure`` is the class of its
    failure; a container that still lives has one when it is bound to fail. Times are seconds since the epoch: ``since`` the state's,
    ``next_try`` that of the next attempt, ``due`` when the step is stopped for taking too long. ``counts`` counts the leaves at and below by state.
    """

    path: str
    name: str
    label: str
    kind: str
    action: str
    section: str
    state: str
    began: float | None = None
    ended: float | None = None
    since: float | None = None
    attempt: int = 0
    attempts: int | None = None
    message: str = ""
    failure: str = ""
    next_try: float | None = None
    due: float | None = None
    question: OpenQuestion | None = None
    children: tuple[StepStatus, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)

    def walk(self) -> Iterator[StepStatus]:
        """The step and all below it, parents first."""
        stack = [self]
        while stack:
            step = stack.pop()
            yield step
            stack.extend(reversed(step.children))

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON, without what does not apply to the step."""
        document = {
            name: getattr(self, name) for name in self.__slots__ if name not in ("question", "children", "counts")
        }
        document = {name: value for name, value in document.items() if value not in (None, "")}
        if self.question is not None:
            document["question"] = self.question.as_dict()
        if self.kind != "step":
            document["counts"] = dict(self.counts)
            document["steps"] = [child.as_dict() for child in self.children]
        return document


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A whole run: the summary, and its steps in the order of the workflow."""

    summary: RunSummary
    steps: tuple[StepStatus, ...]
    counts: Mapping[str, int]

    def walk(self) -> Iterator[StepStatus]:
        """Every step of every depth."""
        for step in self.steps:
            yield from step.walk()

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON: the summary's fields, ``counts`` and ``steps``."""
        return {**self.summary.as_dict(), "counts": dict(self.counts), "steps": [step.as_dict() for step in self.steps]}


class _Node:
    """What the fold keeps of a step.

    ``outcome`` is "" until it is over, ``passed`` the section a container is in as far as was noticed, ``seen`` its status as long as nothing changed.
    """

    __slots__ = (
        "attempt", "began", "changed", "children", "ended", "failure", "label", "message", "name", "outcome", "parent", "passed", "path", "section",
        "seen", "since", "step",
    )  # fmt: skip

    def __init__(self, step: Step, path: str, parent: _Node | None, section: str, label: str | None = None) -> None:
        self.step = step
        self.name = step.name
        self.path = path
        self.parent = parent
        self.section = section
        self.label = label
        self.children: list[_Node] = []
        self.began: float | None = None
        self.ended: float | None = None
        self.since: float | None = None
        self.attempt = 0
        self.outcome = ""
        self.passed = BODY
        self.changed = False
        self.message = ""
        self.failure = ""
        self.seen: StepStatus | None = None

    @property
    def loop(self) -> bool:
        """Whether this is the loop itself and not one of its iterations."""
        return self.step.loop is not None and self.label is None

    def touch(self) -> None:
        """Forget the statuses of this node and of all it is part of."""
        node: _Node | None = self
        while node is not None and node.seen is not None:
            node.seen = None
            node = node.parent


class Status:
    """The fold: give it every event of one run in order, and take ``snapshot`` whenever it is to be shown."""

    def __init__(self, workflow: Workflow) -> None:
        self._state = State(workflow)
        self._summary = Summary()
        self._nodes: dict[str, _Node] = {}
        self._late = Late()
        self._tops = [self._plant(step, step.id, None, BODY) for step in workflow.steps]

    def apply(self, event: Event) -> None:
        """Take the next event of the run."""
        if self._late(event):
            return
        self._summary.apply(event)
        commands = apply(self._state, event)
        node = self._nodes.get(getattr(event, "path", ""))
        if node is not None:
            self._note(node, event)
        for command in commands:
            entered = self._nodes.get(getattr(command, "path", ""))
            if entered is not None:
                self._enter(entered, event.at)
        for live, outcome, failure in self._state.over:
            ended = self._nodes.get(live.path)
            if ended is not None:
                self._end(ended, live, outcome, failure, event.at)
            elif live.parent is None:
                _pass_by(self._tops)

    def snapshot(self) -> RunStatus:
        """The run after the events so far. Unchanged steps are the very objects of the snapshot before."""
        summary = self._summary.current
        questions = {question.path: question for question in summary.questions}
        steps = tuple(self._status(node, questions) for node in self._tops)
        return RunStatus(summary, steps, _count(steps))

    def _plant(self, step: Step, path: str, parent: _Node | None, section: str, label: str | None = None) -> _Node:
        """Nodes for ``step`` and what is in it; what a loop holds is planted once its items are known."""
        top = _Node(step, path, parent, section, label)
        work = [top]
        while work:
            node = work.pop()
            self._nodes[node.path] = node
            if node.loop:
                continue
            for part, steps in zip(_SECTIONS, (node.step.steps, node.step.rescue, node.step.always), strict=True):
                node.children.extend(_Node(child, f"{node.path}/{child.id}", node, part) for child in steps)
            work.extend(node.children)
        return top

    def _note(self, node: _Node, event: Event) -> None:
        match event:
            case Expanded():
                node.children = [
                    self._plant(node.step, f"{node.path}[{label}]", node, BODY, label) for label in event.labels
                ]
            case StepStarted():
                node.attempt = event.attempt
                node.name = event.name or node.name
                node.began = event.at if node.began is None else node.began
                node.since = event.at
            case StepWaiting():
                node.attempt = event.attempt
            case StepFinished():
                node.changed = event.changed
                node.message = event.message
                node.since = event.at
            case _:
                node.since = event.at
        self._enter(node, event.at)

    def _enter(self, node: _Node, at: float) -> None:
        """``node`` and all it is part of live now; steps of sections that were left behind will not be reached."""
        node.touch()
        parent = node.parent
        while parent is not None:
            if parent.began is None:
                parent.began = parent.since = at
            live = self._state.live.get(parent.path)
            if isinstance(live, Container) and live.section != parent.passed:
                parent.passed = live.section
                _pass_by(
                    child for child in parent.children if _SECTIONS.index(child.section) < _SECTIONS.index(live.section)
                )
            parent = parent.parent

    def _end(self, node: _Node, live: Live, outcome: str, failure: Mapping[str, Any] | None, at: float) -> None:
        node.outcome = outcome
        node.ended = node.since = at
        if failure is not None:
            node.message, node.failure = str(failure["message"]), str(failure["failure"])
        elif not isinstance(live, Leaf):
            node.message = ""
        if outcome == OK and isinstance(live, Container) and live.failure is not None:
            node.outcome, node.message = RESCUED, str(live.failure["message"])
        elif outcome == OK and isinstance(live, Leaf) and node.changed:
            node.outcome = CHANGED
        _pass_by(node.children)
        node.touch()

    def _status(self, node: _Node, questions: Mapping[str, OpenQuestion]) -> StepStatus:
        if node.seen is not None:
            return node.seen
        # Children first, without recursion: a tree may be deeper than Python's stack allows.
        order = [node]
        for current in order:
            order.extend(child for child in current.children if child.seen is None)
        for current in reversed(order):
            current.seen = built = self._build(current, questions.get(current.path))
        return built

    def _build(self, node: _Node, question: OpenQuestion | None) -> StepStatus:
        live = self._state.live.get(node.path)
        children = tuple(child.seen for child in node.children if child.seen is not None)
        state = node.outcome or _state_of(live, children)
        if node.outcome and _is_reviewed(live, children):
            state = ASKING
        kind = _kind(node)
        leaf = live if isinstance(live, Leaf) else None
        return StepStatus(
            path=node.path,
            name=node.name,
            label=node.label or "",
            kind=kind,
            action=node.step.action.name if node.step.action is not None else "",
            section=node.section,
            state=state,
            began=node.began,
            ended=node.ended,
            since=node.since,
            attempt=node.attempt if leaf is None else leaf.attempt,
            attempts=_attempts(node, leaf),
            message=node.message if node.outcome else _live_message(live),
            failure=node.failure if node.outcome else _live_failure(live),
            next_try=_moment(leaf.retry_due) if leaf is not None else None,
            due=_moment(getattr(live, "timeout_due", None)),
            question=question,
            children=children,
            counts={state: 1} if kind == "step" else _count(children),
        )


def _moment(due: Due | None) -> float | None:
    return None if due is None else due.moment


def status(workflow: Workflow, events: Iterable[Event]) -> RunStatus:
    """The run after all of ``events``."""
    fold = Status(workflow)
    for event in events:
        fold.apply(event)
    return fold.snapshot()


def _pass_by(nodes: Iterable[_Node]) -> None:
    """What has not been entered among ``nodes`` never will be."""
    work = [node for node in nodes if not node.outcome]
    while work:
        node = work.pop()
        node.outcome = UNREACHED
        node.touch()
        work.extend(child for child in node.children if not child.outcome)


def _is_reviewed(live: Live | None, children: tuple[StepStatus, ...]) -> bool:
    """Whether a step that is over, or one in it, is looked at after break-glass."""
    return (isinstance(live, Leaf) and live.phase == "reviewing") or any(child.state == ASKING for child in children)


def _state_of(live: Live | None, children: tuple[StepStatus, ...]) -> str:
    if live is None:
        return PENDING
    if isinstance(live, Leaf):
        return _leaf_state(live)
    present = {child.state for child in children} & LIVE
    return min(present, key=STATES.index) if present else RUNNING


def _leaf_state(leaf: Leaf) -> str:
    if leaf.phase == "delayed":
        return RETRYING
    if leaf.phase == "asking" or leaf.question is not None:
        return ASKING
    return WAITING if leaf.phase == "running" and leaf.long else RUNNING


def _kind(node: _Node) -> str:
    if node.loop:
        return "loop"
    if node.step.action is not None:
        return "step"
    return "parallel" if node.step.parallel else "block"


def _attempts(node: _Node, leaf: Leaf | None) -> int | None:
    if node.step.action is None or node.loop:
        return None
    rules = policy(node.step, leaf.entry if leaf is not None else {})
    granted = leaf.granted if leaf is not None else 0
    return None if isinstance(rules.retries, str) else max(rules.retries + 1 + granted, node.attempt)


def _live_message(live: Live | None) -> str:
    if live is None:
        return ""
    if isinstance(live, Leaf):
        return live.message
    failure = _failure_inside(live)
    return f"{failure['path']}: {failure['message']}" if failure is not None else ""


def _live_failure(live: Live | None) -> str:
    """The class of the failure a living container is bound to end with, "" while it may still end well."""
    if live is None or isinstance(live, Leaf) or not live.failed:
        return ""
    budget = live.step.loop.max_failures if isinstance(live, Looped) and live.step.loop is not None else 0
    rescued = isinstance(live, Container) and bool(live.step.rescue)
    return "" if rescued or len(live.failed) <= budget else str(live.failed[-1]["failure"])


def _failure_inside(live: Container | Looped) -> Mapping[str, Any] | None:
    if live.failed:
        return live.failed[-1]
    return live.failure if isinstance(live, Container) else None


def _count(steps: Iterable[StepStatus]) -> Mapping[str, int]:
    counts: Counter[str] = Counter()
    for step in steps:
        if step.kind == "step":
            counts[step.state] += 1
        else:
            counts.update(step.counts)
    return dict(counts)
