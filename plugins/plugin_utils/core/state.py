# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a run: one small object per *live* node. Only ``decide`` changes it; the engine and the views read it.

Finished nodes are dropped; what later steps need of them lives on in the scopes. Everything here follows from the events alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.core.commands import Due
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    Answered,
    BreakGlass,
    CancelRequested,
    RunStarted,
    StepFinished,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Step, Workflow

BODY, RESCUE, ALWAYS = "body", "rescue", "always"


class Scope:
    """Registered results and facts visible together: one for the run, one for each iteration of a looped container."""

    __slots__ = ("parent", "values")

    def __init__(self, parent: Scope | None) -> None:
        self.parent = parent
        self.values: dict[str, Any] = {}


class Item:
    """The place of an iteration in its loop: variables it adds and where its result goes."""

    __slots__ = ("index", "label", "value")

    def __init__(self, index: int, value: Any, label: str) -> None:
        self.index = index
        self.value = value
        self.label = label


class Leaf:
    """A live step that does something.

    ``phase`` is "entering" (its ``when`` is being evaluated), "running", "judging" (``until``/``failed_when`` are being evaluated), "delayed", "asking",
    or "reviewing": the run is over but for the review of what was ``opened`` here by break-glass.
    ``granted`` counts attempts people granted beyond the policy; ``started`` says that this attempt's ``StepStarted`` is recorded.
    ``asked_at`` is when the open question was first asked, ``told`` the highest escalation level told of it; ``noted_at`` when it was last recorded
    what is waited for.
    """

    __slots__ = (
        "answers", "asked_at", "attempt", "entry", "granted", "handle", "item", "last", "long", "message", "noted_at", "opened", "parent", "path", "phase",
        "question", "retry_due", "scope", "started", "step", "stop", "timeout_due", "told",
    )  # fmt: skip

    def __init__(self, step: Step, path: str, parent: Parent, scope: Scope, item: Item | None) -> None:
        self.step = step
        self.path = path
        self.parent = parent
        self.scope = scope
        self.item = item
        self.asked_at = 0.0
        self.told = 0
        self.noted_at = 0.0
        self.phase = "running"
        self.attempt = 1
        self.granted = 0
        self.started = False
        self.entry: Mapping[str, Any] = {}
        self.handle: Mapping[str, Any] | None = None
        self.question: Mapping[str, Any] | None = None
        self.answers: tuple[Answered | BreakGlass, ...] = ()
        self.opened: Opened | None = None
        self.message = ""
        self.long = False
        self.stop = ""
        self.last: StepFinished | None = None
        self.timeout_due: Due | None = None
        self.retry_due: Due | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A gate that was opened by break-glass: the ``question`` that was open in the step's attempt, and what was said."""

    step: Step
    path: str
    attempt: int
    question: Mapping[str, Any]
    words: tuple[BreakGlass, ...]


class Container:
    """A live block, parallel, imported workflow, or the whole run.

    ``section`` is "body", "rescue" or "always"; ``cursor`` is the next child to enter there. ``stop`` is why the section is being stopped:
    "timeout" and "fail_fast" are the container's own (rescue may follow), "cancel" comes from outside. ``failure`` is the info of the failure
    that ended the body (and then the rescue); ``ok`` is False once something in it failed and was not rescued.
    """

    __slots__ = (
        "children", "cursor", "entry", "failed", "failure", "item", "ok", "parent", "path", "phase", "scope", "section", "step", "stop",
        "timeout_due", "verdict",
    )  # fmt: skip

    def __init__(self, step: Step, path: str, parent: Parent | None, scope: Scope, item: Item | None) -> None:
        self.step = step
        self.path = path
        self.parent = parent
        self.scope = scope
        self.item = item
        self.phase = "running"
        self.section = BODY
        self.cursor = 0
        self.children: dict[str, Live] = {}
        self.failed: list[Mapping[str, Any]] = []
        self.failure: Mapping[str, Any] | None = None
        self.verdict = "ok"
        self.ok = True
        self.stop = ""
        self.entry: Mapping[str, Any] = {}
        self.timeout_due: Due | None = None


class Looped:
    """A live loop over a leaf or a container; its children are the iterations. ``pause_due`` is when the next item may start."""

    __slots__ = (
        "changed", "children", "cursor", "done", "failed", "items", "labels", "parent", "path", "pause_due", "phase", "results", "scope", "skipped",
        "step", "stop",
    )  # fmt: skip

    def __init__(self, step: Step, path: str, parent: Parent, scope: Scope) -> None:
        self.step = step
        self.path = path
        self.parent = parent
        self.scope = scope
        self.phase = "expanding"
        self.items: tuple[Any, ...] = ()
        self.labels: tuple[str, ...] = ()
        self.cursor = 0
        self.done = 0
        self.skipped = 0
        self.changed = False
        self.children: dict[str, Live] = {}
        self.failed: list[Mapping[str, Any]] = []
        self.results: dict[int, Mapping[str, Any]] = {}
        self.pause_due: Due | None = None
        self.stop = ""


Live = Leaf | Container | Looped
Parent = Container | Looped


class State:
    """A run, folded from its history.

    ``status`` is "new", "running", then that of ``RunFinished``; ``ending`` is what ``Finish`` asks for once the root is over.
    ``live`` has every live node by path (the root's path is "").
    ``seen`` are the ids of the inbox items that were recorded. ``opened`` is what was opened by break-glass and is not reviewed yet.
    ``over`` is what ended through the last event, for views: each node with its status (ok, skipped, ignored, failed, cancelled) and failure.
    """

    __slots__ = ("cancel", "ending", "live", "opened", "over", "root", "seen", "started", "status", "workflow")

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self.status = "new"
        self.started: RunStarted | None = None
        self.root: Container | None = None
        self.live: dict[str, Live] = {}
        self.over: list[tuple[Live, str, Mapping[str, Any] | None]] = []
        self.cancel: CancelRequested | None = None
        self.ending: tuple[str, str] | None = None
        self.seen: set[str] = set()
        self.opened: list[Opened] = []

    def leaves(self) -> Iterator[Leaf]:
        """Every live leaf, in the order of the workflow as far as it was entered."""
        for node in walk(self.root):
            if isinstance(node, Leaf):
                yield node

    def questions(self) -> Iterator[Leaf]:
        """Live leaves with an open question."""
        return (
            leaf
            for leaf in self.leaves()
            if leaf.question is not None and leaf.phase in ("running", "asking", "reviewing") and not leaf.stop
        )


def walk(node: Live | None) -> Iterator[Live]:
    """The live nodes at and below ``node``, parents first."""
    stack: list[Live] = [] if node is None else [node]
    while stack:
        current = stack.pop()
        yield current
        if not isinstance(current, Leaf):
            stack.extend(reversed(current.children.values()))


def layers(state: State, node: Live) -> Iterator[tuple[bool, Mapping[str, Any]]]:
    """The variables a step sees, strongest first, as ``(is author's text, mapping)``; author's text may hold templates, the rest is data.

    Order: extra vars, the vars of the step and of what encloses it (innermost first) with the items of its loops,
    registered results and facts, the defaults of imported workflows, the workflow's vars.
    """
    if state.started is not None:
        yield False, state.started.variables
    current: Live | None = node
    while current is not None:
        if current.step.vars and (current is node or not isinstance(current, Looped)):
            yield True, current.step.vars
        if not isinstance(current, Looped) and current.item is not None:
            yield False, _item_variables(current.step, current.item)
        current = current.parent
    yield False, outcome_variables(node)
    scope: Scope | None = node.scope
    while scope is not None:
        yield False, scope.values
        scope = scope.parent
    current = node
    while current is not None:
        if current.step.defaults:
            yield True, current.step.defaults
        current = current.parent
    yield True, state.workflow.vars


def outcome_variables(node: Live) -> Mapping[str, Any]:
    """``ok`` and, inside rescue and always, ``failed_step``, as the step sees them."""
    variables: dict[str, Any] = {"ok": True}
    current: Live | None = node.parent
    while current is not None:
        if isinstance(current, Container):
            variables["ok"] = variables["ok"] and current.ok
            if current.section != BODY:
                variables["ok"] = current.verdict == "ok"
                if current.failure is not None:
                    variables["failed_step"] = current.failure
                return variables
        current = current.parent
    return variables


def _item_variables(step: Step, item: Item) -> Mapping[str, Any]:
    loop = step.loop
    if loop is None:
        return {}
    variables = {loop.loop_var: item.value}
    if loop.index_var:
        variables[loop.index_var] = item.index
    return variables
