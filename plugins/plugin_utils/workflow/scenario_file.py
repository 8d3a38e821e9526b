# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a scenario file, with every mistake in it and in its workflow at once. For the doors."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import CheckError
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.document import (
    Items,
    Node,
    Scalar,
    Table,
    parse,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.files import Disk, file_problem, near_files
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.keywords import read_table
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.mistake import Mistake, Mistakes, nearest
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Position, Step, Workflow
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load as load_workflow
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.scenario import (
    ASKS,
    EVALUATED,
    Expectation,
    Outcome,
    Scenario,
    matches,
    without_labels,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.scenario_words import SCENARIO

_BEGINS = datetime(2030, 1, 7, 8, tzinfo=UTC).timestamp()
_REQUESTER = "requester"
_ASKING = ("netops.changerail.approval", "netops.changerail.review", "ansible.builtin.pause")


def load(path: str | Path, workflow: str | None = None, variables: Mapping[str, Any] | None = None) -> Scenario:
    """The scenario in the file at ``path``. ``workflow`` is used instead of the one it names, ``variables`` beside and before its own.

    Raises CheckError with all mistakes.
    """
    mistakes = Mistakes()
    disk = Disk(path)
    start = Position(disk.shown(disk.main), 1, 1)
    text = disk.text(disk.main, start, mistakes)
    tree = parse(text, start.file, mistakes) if text is not None else None
    values = read_table(tree, SCENARIO, mistakes) if tree is not None else {}
    nodes = {entry.key.text: entry.node for entry in tree.entries} if isinstance(tree, Table) else {}
    known = {**(values.get("vars") or {}), **(variables or {})}
    project = _named_file(values.get("project"), nodes.get("project"), disk, "a project file", mistakes)
    named = _named_file(values.get("workflow"), nodes.get("workflow"), disk, "a workflow", mistakes)
    place = workflow or named
    if place is None and "workflow" not in values and tree is not None:
        mistakes.add(start, "'workflow' is missing", "the workflow's path", "or name it on the command line")
    flow = _workflow(place, known, mistakes) if place is not None else None
    if flow is not None:
        _Places(flow, mistakes).check(nodes, values.get("steps") or {})
    mistakes.raise_if_any()
    if flow is None:
        raise CheckError([Mistake(start, "no workflow")])
    return Scenario(
        name=values.get("name") or Path(disk.main).stem,
        workflow=flow,
        variables=known,
        begins=values.get("now", _BEGINS),
        requester=values.get("requester") or _REQUESTER,
        project=None if project is None else Path(project),
        outcomes=values.get("steps") or {},
        default_answer=values.get("default_answer") or "",
        cancel=values.get("cancel"),
        expect=Expectation(**(values.get("expect") or {})),
    )


def _named_file(written: Any, node: Node | None, disk: Disk, expected: str, mistakes: Mistakes) -> str | None:
    """The path of a file that the scenario names, as it is shown to people; None when it names none or that is not there."""
    if not isinstance(written, str) or node is None:
        return None
    path = os.path.normpath(disk.shown(os.path.expanduser(written)))
    problem = file_problem(path)
    if problem:
        mistakes.add(node.at, f"{path}: {problem}", expected, near_files(os.path.abspath(path)))
        return None
    return path


def _workflow(path: str, known: Collection[str], mistakes: Mistakes) -> Workflow | None:
    """The workflow, or None with its mistakes among ``mistakes``."""
    try:
        return load_workflow(path, known)
    except CheckError as error:
        for mistake in error.mistakes:
            if isinstance(mistake, Mistake):
                mistakes.add(mistake.at, mistake.what, mistake.expected, mistake.suggestion)
        return None


class _Places:
    """Checks the step paths of a scenario against its workflow."""

    def __init__(self, flow: Workflow, mistakes: Mistakes) -> None:
        self._mistakes = mistakes
        self._steps: dict[str, Step] = dict(flow.walk())
        self._leaves = [path for path, step in self._steps.items() if step.action is not None]

    def check(self, nodes: Mapping[str, Node], outcomes: Mapping[str, tuple[Outcome, ...]]) -> None:
        """Report unknown paths, and outcomes that a step cannot have."""
        for entry in _entries(nodes.get("steps")):
            found = self._meant(entry.key)
            if found:
                self._check_outcomes(entry.key, found, outcomes[entry.key.text])
        expect = nodes.get("expect")
        for name in ("steps", "includes", "excludes"):
            for item in _scalars(expect.get(name) if isinstance(expect, Table) else None):
                if name == "steps":
                    self._check_exact(item)
                else:
                    self._meant(item)

    def _meant(self, written: Scalar) -> list[str]:
        """The steps that a pattern means, by their static paths."""
        pattern = without_labels(written.text)
        found = [path for path in self._leaves if matches(pattern, path)]
        if not found:
            self._report_unknown(written, pattern)
        elif "*" not in written.text:
            for path, labelled in _parts(written.text):
                if labelled and self._steps[path].loop is None:
                    self._mistakes.add(written.at, f"{path} is no loop", "its path without brackets")
        return found

    def _check_exact(self, written: Scalar) -> None:
        """A path of ``expect: steps``, which names one attempt."""
        if without_labels(written.text) not in self._leaves:
            self._report_unknown(written, without_labels(written.text))
            return
        for path, labelled in _parts(written.text):
            if labelled != (self._steps[path].loop is not None):
                hint = "its path without brackets" if labelled else f"the item in brackets, as in {path}[…]"
                self._mistakes.add(written.at, f"{path} is {'no' if labelled else 'a'} loop", hint)

    def _report_unknown(self, written: Scalar, path: str) -> None:
        if path in self._steps:
            self._mistakes.add(written.at, f"{path} holds steps and does nothing itself", f"a step in it, or {path}/*")
        else:
            self._mistakes.add(written.at, f"no step {written.text!r}", "a step's path", nearest(path, self._leaves))

    def _check_outcomes(self, written: Scalar, found: list[str], outcomes: tuple[Outcome, ...]) -> None:
        actions = [action.name for path in found if (action := self._steps[path].action) is not None]
        if all(action in EVALUATED for action in actions):
            self._mistakes.add(written.at, f"{actions[0]} is done as in a run", "no outcome for it")
        elif not any(action in _ASKING for action in actions) and any(outcome.kind == ASKS for outcome in outcomes):
            self._mistakes.add(
                written.at,
                f"{actions[0]} asks nobody",
                "an outcome such as done or failed",
                "answers beside failed are for the question how to go on",
            )


def _entries(node: Node | None) -> Iterator[Any]:
    if isinstance(node, Table):
        yield from node.entries


def _scalars(node: Node | None) -> Iterator[Scalar]:
    for item in node.items if isinstance(node, Items) else (node,):
        if isinstance(item, Scalar):
            yield item


def _parts(path: str) -> Iterator[tuple[str, bool]]:
    """The static path of every part of ``path``, and whether that part has a label."""
    static = ""
    for part in path.split("/"):
        static = f"{static}/{without_labels(part)}".lstrip("/")
        yield static, part.endswith("]")
