# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workflow as a graph: which step follows which, and why. Pure; exports draw it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import STATES, RunStatus
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Step, Workflow

START, END, STEP, PEOPLE, WAIT, JOIN = "start", "end", "step", "people", "wait", "join"
_PEOPLE = frozenset(f"netops.changerail.{name}" for name in ("approval", "review"))
_WAITS = frozenset([*(f"netops.changerail.{name}" for name in ("dependency", "window")), "ansible.builtin.pause"])


@dataclass(frozen=True, slots=True)
class Node:
    """``path`` is the step's static path ("" for start, end and joins); ``shape`` one of the constants above; ``state`` as in status.py or ""."""

    id: str
    path: str
    label: str
    shape: str
    state: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """From one node to another; ``label`` says when, "" means always."""

    source: str
    target: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A block, a parallel, a loop, a rescue or an always: what is drawn inside one frame."""

    id: str
    label: str
    nodes: tuple[Node, ...]
    clusters: tuple[Cluster, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """``root`` holds everything; ``edges`` connect nodes anywhere in it."""

    name: str
    root: Cluster
    edges: tuple[Edge, ...]


def graph(workflow: Workflow, states: Mapping[str, str] | None = None) -> Graph:
    """The graph of ``workflow``; ``states`` gives the states of a run by static path."""
    drawing = _Drawing(states or {})
    start, end = drawing.node("", "start", START), drawing.node("", "end", END)
    frame = _Frame()
    exits = drawing.sequence(workflow.steps, "", [_Exit(start.id)], frame)
    drawing.connect(exits, end.id)
    root = Cluster("root", workflow.name, (start, *frame.nodes, end), tuple(frame.clusters))
    return Graph(workflow.name, root, tuple(drawing.edges))


def states_of(run: RunStatus) -> Mapping[str, str]:
    """The state of every step by static path; of the iterations of a loop the most urgent one."""
    states: dict[str, str] = {}
    work = [("", "", step) for step in run.steps]
    while work:
        parent, static_parent, step = work.pop()
        if step.label:
            static = static_parent
        else:
            own = step.path[len(parent) + 1 :] if parent else step.path
            static = f"{static_parent}/{own}" if static_parent else own
        known = states.get(static, step.state)
        states[static] = min(known, step.state, key=STATES.index)
        work.extend((step.path, static, child) for child in step.children)
    return states


@dataclass(frozen=True, slots=True)
class _Exit:
    """A node something may follow, and under which condition."""

    node: str
    label: str = ""


class _Frame:
    """A cluster while it is being filled."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.clusters: list[Cluster] = []


class _Drawing:
    """Numbers nodes and collects edges. Every method that draws takes the exits it follows and returns its own."""

    def __init__(self, states: Mapping[str, str]) -> None:
        self.edges: list[Edge] = []
        self._states = states
        self._count = 0

    def node(self, path: str, label: str, shape: str) -> Node:
        self._count += 1
        return Node(f"n{self._count}", path, label, shape, self._states.get(path, "") if path else "")

    def connect(self, exits: Iterable[_Exit], target: str) -> None:
        self.edges.extend(Edge(leaving.node, target, leaving.label) for leaving in exits)

    def sequence(self, steps: Iterable[Step], prefix: str, exits: list[_Exit], frame: _Frame) -> list[_Exit]:
        for step in steps:
            exits = self.step(step, f"{prefix}/{step.id}" if prefix else step.id, exits, frame)
        return exits

    def step(self, step: Step, path: str, exits: list[_Exit], frame: _Frame) -> list[_Exit]:
        if step.action is not None:
            node = self.node(path, title(step), _shape(step.action.name))
            frame.nodes.append(node)
            self.connect(exits, node.id)
            return [_Exit(node.id)]
        inner = _Frame()
        leaving = (
            self._parallel(step, path, exits, inner) if step.parallel else self.sequence(step.steps, path, exits, inner)
        )
        leaving = self._sections(step, path, leaving, inner)
        self._count += 1
        frame.clusters.append(Cluster(f"c{self._count}", title(step), tuple(inner.nodes), tuple(inner.clusters)))
        return leaving

    def _parallel(self, step: Step, path: str, exits: list[_Exit], frame: _Frame) -> list[_Exit]:
        join = self.node("", "all over", JOIN)
        for branch in step.steps:
            self.connect(self.step(branch, f"{path}/{branch.id}", exits, frame), join.id)
        frame.nodes.append(join)
        return [_Exit(join.id)]

    def _sections(self, step: Step, path: str, exits: list[_Exit], frame: _Frame) -> list[_Exit]:
        """``rescue`` follows the body's exits on failure; ``always`` follows whatever came before it."""
        if step.rescue:
            failed = [_Exit(leaving.node, "failed") for leaving in exits]
            exits = exits + self._section("rescue", step.rescue, path, failed, frame)
        if step.always:
            exits = self._section("always", step.always, path, exits, frame)
        return exits

    def _section(self, word: str, steps: Iterable[Step], path: str, exits: list[_Exit], frame: _Frame) -> list[_Exit]:
        inner = _Frame()
        leaving = self.sequence(steps, path, exits, inner)
        self._count += 1
        frame.clusters.append(Cluster(f"c{self._count}", word, tuple(inner.nodes), tuple(inner.clusters)))
        return leaving


def _shape(action: str) -> str:
    if action in _PEOPLE:
        return PEOPLE
    return WAIT if action in _WAITS else STEP


def title(step: Step) -> str:
    """What to write at a step: its name, whether it is repeated or at once, its condition; one a line."""
    words = [step.name]
    if step.loop is not None:
        words.append("(for each item, at once)" if step.loop.at_once != 1 else "(for each item)")
    if step.parallel:
        words.append("(at once)")
    if step.when:
        words.append("when " + " and ".join(step.when))
    return "\n".join(words)
