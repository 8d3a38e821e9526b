# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sorts the words of a step into its action, our keywords and Ansible's, and reports the others and the misplaced. For the outline alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.actions import Named, known_words, named
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.document import Entry, Node, Table
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.keywords import (
    BLOCK,
    CONTAINERS,
    MODULE,
    OPERATION,
    PARALLEL,
    PLAYBOOK,
    STEP,
    TASK,
    WORKFLOW,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.mistake import Mistakes, nearest

_ACTIONS = "an operation, a module by its full name (namespace.collection.module), block, parallel, import_playbook or import_workflow"
_PLACES = {
    OPERATION: "an operation",
    PLAYBOOK: "import_playbook",
    MODULE: "an Ansible module",
    BLOCK: "a block",
    PARALLEL: "a parallel",
    WORKFLOW: "import_workflow",
}
_OTHER_WAYS = dict.fromkeys(("action", "local_action"), "make the module's name the key")


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one step. ``action`` is None when none of them is a known action."""

    keywords: Mapping[str, Node] = field(default_factory=dict)
    task: Mapping[str, Node] = field(default_factory=dict)
    action: tuple[Named, Entry] | None = None


def sorted_words(table: Table, mistakes: Mistakes) -> Words:
    """Sort the words of a step; every mistake in them is reported."""
    ours: list[Entry] = []
    task: list[Entry] = []
    actions: list[tuple[Named, Entry]] = []
    unknown: list[Entry] = []
    unusable = False
    for entry in table.entries:
        word = entry.key.text
        if word in STEP:
            ours.append(entry)
        elif word in TASK:
            task.append(entry)
        else:
            try:
                action = named(word)
            except AuthorError as error:
                mistakes.add(entry.key.at, str(error))
                unusable = True
                continue
            if action is None:
                unknown.append(entry)
            else:
                actions.append((action, entry))
    _report_unknown(table, unknown, unusable or bool(actions), mistakes)
    for _action, entry in actions[1:]:
        first = actions[0][1].key
        mistakes.add(
            entry.key.at,
            f"a second action {entry.key.text!r} beside {first.text!r}",
            "one action in a step",
            "make it a step of its own",
        )
    if actions:
        _report_places(actions[0][0], ours, task, mistakes)
    return Words(
        {e.key.text: e.node for e in ours}, {e.key.text: e.node for e in task}, actions[0] if actions else None
    )


def _report_unknown(table: Table, unknown: list[Entry], has_action: bool, mistakes: Mistakes) -> None:
    if not unknown and not has_action:
        mistakes.add(table.at, "a step without an action", _ACTIONS)
    for entry in unknown:
        word = entry.key.text
        if has_action or word in _OTHER_WAYS or word.startswith("with_"):
            mistakes.add(entry.key.at, f"unknown keyword {word!r}", suggestion=partial(_suggested, word))
        else:
            mistakes.add(
                entry.key.at, f"{word!r} is neither a keyword nor an action", _ACTIONS, partial(_suggested, word)
            )


def _suggested(word: str) -> str:
    if word.startswith("with_"):
        return "use loop"
    return _OTHER_WAYS.get(word) or nearest(word, [*STEP, *TASK, *known_words()])


def _report_places(action: Named, ours: list[Entry], task: list[Entry], mistakes: Mistakes) -> None:
    place = _PLACES[action.place]
    for entry in ours:
        keyword = STEP[entry.key.text]
        if action.place not in keyword.places:
            mistakes.add(
                entry.key.at,
                f"{keyword.name!r} on {place}",
                f"it on {' or '.join(map(_PLACES.__getitem__, keyword.places))}",
                keyword.elsewhere,
            )
    for entry in task:
        if action.place != MODULE:
            hint = "put it on the steps inside" if action.place in CONTAINERS else ""
            mistakes.add(entry.key.at, f"{entry.key.text!r} on {place}", f"it on {_PLACES[MODULE]}", hint)
