# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workflow as it was read: each value of the model beside the nodes it came from, so that checks can say where. For the reader and the checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.actions import Named
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.document import Node, Table
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Step


@dataclass(frozen=True, slots=True)
class Draft:
    """A step with its nodes by keyword. ``named`` is None when its action is not known; ``args`` is the node of its options.

    ``key`` is the file it stands in. ``defaults`` are the variables of an imported workflow, as nodes.
    """

    step: Step
    key: str
    named: Named | None
    args: Node | None
    nodes: Mapping[str, Node]
    steps: tuple[Draft, ...] = ()
    rescue: tuple[Draft, ...] = ()
    always: tuple[Draft, ...] = ()
    defaults: tuple[Table, ...] = ()

    def children(self) -> Iterator[Draft]:
        """The drafts directly inside, in the order written."""
        yield from self.steps
        yield from self.rescue
        yield from self.always


@dataclass(frozen=True, slots=True)
class FileDraft:
    """A workflow file: its steps, its keywords' values and nodes, and its variables (``vars``, then ``vars_files``), merged and as nodes."""

    key: str
    steps: tuple[Draft, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
    vars: Mapping[str, Any] = field(default_factory=dict)
    variables: tuple[Table, ...] = ()


def walk(drafts: tuple[Draft, ...]) -> Iterator[Draft]:
    """Every draft in and below ``drafts``, in the order written."""
    stack = list(reversed(drafts))
    while stack:
        draft = stack.pop()
        yield draft
        stack.extend(reversed(list(draft.children())))
