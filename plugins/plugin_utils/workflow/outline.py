# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From trees of nodes to drafts of steps: what each word is, how steps nest, what is imported. For the reader alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.actions import Named
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.arguments import arguments, default_name
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.document import (
    Entry,
    Items,
    Node,
    Scalar,
    Table,
    described,
    parse,
    plain,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.draft import Draft, FileDraft
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.files import Files, is_outside, resolved
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.keywords import (
    LEAVES,
    PARALLEL,
    STEP,
    TOP,
    WORKFLOW,
    read_table,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.kinds import STATIC_TEXT, STEPS, VARIABLES
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.mistake import Mistakes
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import (
    Action,
    Loop,
    Position,
    Retry,
    Step,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.slug import slug
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.words import Words, sorted_words

MAX_STEPS = 100_000
MAX_DEPTH = 100
"""How many steps a workflow may have and how deep they may nest, its imports included."""

_AS_READ = (
    "name", "id", "when", "vars", "register", "timeout", "ignore_errors", "no_log", "until", "failed_when", "escalate", "on_interrupt",
    "throttle", "fail_fast",
)  # fmt: skip
_RETRY = ("retries", "delay", "backoff", "max_delay", "retry_on")
_RETRIES = 3
_OF_PLAYBOOKS = frozenset(("gather_facts", "handlers", "hosts", "post_tasks", "pre_tasks", "roles", "tasks"))
_RUN_IT = "a playbook is run by a step: import_playbook: FILE"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where steps stand: the file's key, the files that import it (itself last), and how deep."""

    key: str
    chain: tuple[str, ...]
    depth: int = 0


class Outliner:
    """Reads one workflow. ``sources`` gathers the texts of all its files by key."""

    def __init__(self, files: Files, mistakes: Mistakes) -> None:
        self.sources: dict[str, str] = {}
        self._files = files
        self._mistakes = mistakes
        self._trees: dict[str, Node | None] = {}
        self._steps_left = MAX_STEPS

    def file(self, key: str, at: Position) -> FileDraft:
        """The main file; ``at`` is where a mistake about the file as a whole is reported."""
        return self._file(_Place(key, (key,)), at)

    # Files

    def _file(self, place: _Place, at: Position) -> FileDraft:
        root = self._tree(place.key, at)
        if not isinstance(root, Table):
            if root is not None:
                self._mistakes.add(
                    root.at,
                    described(root),
                    f"a mapping with {', '.join(TOP)}",
                    _RUN_IT if isinstance(root, Items) else "",
                )
            return FileDraft(place.key)
        table = self._without_plays(root)
        values = read_table(table, TOP, self._mistakes)
        nodes = {entry.key.text: entry.node for entry in table.entries}
        merged = dict(values.get("vars") or {})
        own = nodes.get("vars")
        variables = [own] if isinstance(own, Table) else []
        for found in self._vars_files(nodes.get("vars_files"), place.key):
            merged.update(VARIABLES.read(found, self._mistakes))
            variables.append(found)
        steps = self._steps(nodes["steps"], place) if "steps" in nodes else ()
        return FileDraft(place.key, _with_ids(steps, self._mistakes), values, nodes, merged, tuple(variables))

    def _without_plays(self, root: Table) -> Table:
        """The table without words that only a play has; each is a mistake."""
        for entry in root.entries:
            if entry.key.text in _OF_PLAYBOOKS:
                self._mistakes.add(
                    entry.key.at, f"{entry.key.text!r} is a word of playbooks", f"one of {', '.join(TOP)}", _RUN_IT
                )
        return Table(root.at, tuple(entry for entry in root.entries if entry.key.text not in _OF_PLAYBOOKS))

    def _tree(self, key: str, at: Position) -> Node | None:
        if key not in self._trees:
            text = self._files.text(key, at, self._mistakes)
            if text is not None:
                self.sources[key] = text
            self._trees[key] = None if text is None else parse(text, self._files.shown(key), self._mistakes)
        return self._trees[key]

    def _vars_files(self, node: Node | None, key: str) -> list[Table]:
        tables = []
        for item in node.items if isinstance(node, Items) else () if node is None else (node,):
            target = self._target(item, key)
            root = None if target is None else self._tree(target, item.at)
            if isinstance(root, Table):
                tables.append(root)
            elif isinstance(root, Scalar) and root.text.startswith("$ANSIBLE_VAULT;"):
                hint = "encrypt its values one by one: ansible-vault encrypt_string"
                self._mistakes.add(
                    item.at, "a file that is encrypted as a whole", "one whose variable names can be read", hint
                )
            elif root is not None:
                self._mistakes.add(root.at, described(root), VARIABLES.expected)
        return tables

    def _target(self, node: Node, key: str) -> str | None:
        """The key of a file that is named in the file ``key``, or None and a mistake."""
        path = STATIC_TEXT.read(node, self._mistakes)
        if path is None:
            return None
        target = resolved(key, path)
        if not is_outside(target):
            return target
        expected = "a path relative to this file"
        self._mistakes.add(
            node.at, f"{path!r} is not below the main file's folder", expected, f"keep it below {self._files.folder}"
        )
        return None

    # Steps

    def _steps(self, node: Node, place: _Place) -> tuple[Draft, ...]:
        if not isinstance(node, Items) or not node.items:
            self._mistakes.add(node.at, "an empty list" if isinstance(node, Items) else described(node), STEPS.expected)
            return ()
        if place.depth > MAX_DEPTH:
            self._mistakes.add(node.at, f"steps nest deeper than {MAX_DEPTH} levels", "a flatter workflow")
            return ()
        drafts = []
        for item in node.items:
            self._steps_left -= 1
            if self._steps_left < 0:
                self._mistakes.add(
                    item.at,
                    f"more than {MAX_STEPS} steps, imported ones included",
                    "fewer steps",
                    "loop over items instead",
                )
                break
            if isinstance(item, Table):
                drafts.append(self._step(item, place))
            else:
                self._mistakes.add(item.at, described(item), "a step, which is a mapping with an action")
        return tuple(drafts)

    def _step(self, table: Table, place: _Place) -> Draft:
        words = sorted_words(table, self._mistakes)
        given = self._keywords(table, words)
        if words.action is None:
            return Draft(Step(**given), place.key, None, None, words.keywords)
        action, entry = words.action
        if action.place in LEAVES:
            return self._leaf(given, words, action, entry, place)
        if action.place == WORKFLOW:
            return self._import(given, words, action, entry, place)
        return self._container(given, words, action, entry, place)

    def _keywords(self, table: Table, words: Words) -> dict[str, Any]:
        """The fields of the step that its keywords give; name and id are "" where they are not written."""
        values = {name: STEP[name].kind.read(node, self._mistakes) for name, node in words.keywords.items()}
        given = {name: values[name] for name in _AS_READ if values.get(name) is not None}
        return {
            "id": "",
            "name": "",
            **given,
            "at": table.at,
            "loop": self._loop(values, words),
            "retry": _retry(values),
        }

    def _leaf(self, given: dict[str, Any], words: Words, action: Named, entry: Entry, place: _Place) -> Draft:
        args, node = arguments(action, entry.node, place.key, self._mistakes)
        task = {name: plain(value) for name, value in words.task.items()}
        given["name"] = given["name"] or default_name(action, args)
        step = Step(**given, action=Action(action.name, args, entry.key.at, task))
        return Draft(step, place.key, action, node, words.keywords)

    def _container(self, given: dict[str, Any], words: Words, action: Named, entry: Entry, place: _Place) -> Draft:
        inside = replace(place, depth=place.depth + 1)
        sections = [entry.node, words.keywords.get("rescue"), words.keywords.get("always")]
        lists = [self._steps(node, inside) if node is not None else () for node in sections]
        numbered = iter(_with_ids([child for drafts in lists for child in drafts], self._mistakes))
        steps, rescue, always = (tuple(next(numbered) for dummy in drafts) for drafts in lists)
        given["name"] = given["name"] or action.short
        step = Step(
            **given,
            parallel=action.place == PARALLEL,
            steps=_values(steps),
            rescue=_values(rescue),
            always=_values(always),
        )
        return Draft(step, place.key, action, None, words.keywords, steps, rescue, always)

    def _import(self, given: dict[str, Any], words: Words, action: Named, entry: Entry, place: _Place) -> Draft:
        target = self._target(entry.node, place.key)
        file = FileDraft(place.key)
        if target is not None and target in place.chain:
            circle = " → ".join((*place.chain[place.chain.index(target) :], target))
            self._mistakes.add(
                entry.node.at,
                f"import cycle: {circle}",
                "imports that come to an end",
                "repeat steps with loop or retries",
            )
        elif target is not None:
            file = self._file(_Place(target, (*place.chain, target), place.depth + 1), entry.node.at)
        given["name"] = given["name"] or PurePosixPath(file.key).stem
        step = Step(**given, steps=_values(file.steps), defaults=file.vars)
        return Draft(step, place.key, action, None, words.keywords, file.steps, defaults=file.variables)

    def _loop(self, values: Mapping[str, Any], words: Words) -> Loop | None:
        control = {name: value for name, value in (values.get("loop_control") or {}).items() if value is not None}
        if "loop" not in values:
            if "loop_control" in values:
                self._mistakes.add(
                    words.keywords["loop_control"].at, "loop_control without loop", "a loop on the same step"
                )
            return None
        at_once = control.pop("parallel", 1)
        return Loop(items=values["loop"], at_once=at_once, **control)


def _values(drafts: Sequence[Draft]) -> tuple[Step, ...]:
    return tuple(draft.step for draft in drafts)


def _retry(values: Mapping[str, Any]) -> Retry | None:
    given = {name: values[name] for name in _RETRY if values.get(name) is not None}
    return Retry(**{"retries": _RETRIES, **given}) if given else None


def _with_ids(drafts: Sequence[Draft], mistakes: Mistakes) -> tuple[Draft, ...]:
    """The siblings with their ids: those given, which must differ, then those made from names, numbered where they would not."""
    taken: dict[str, Position] = {}
    for draft in drafts:
        given = draft.step.id
        if not given:
            continue
        at = draft.nodes["id"].at
        if given in taken:
            mistakes.add(at, f"id {given!r} is taken by the step at {taken[given]}", "an id that no sibling has")
        taken.setdefault(given, at)
    numbers: dict[str, int] = {}
    return tuple(draft if draft.step.id else _with_default_id(draft, taken, numbers) for draft in drafts)


def _with_default_id(draft: Draft, taken: dict[str, Position], numbers: dict[str, int]) -> Draft:
    base = slug(draft.step.name) or slug(draft.named.short if draft.named else "") or "step"
    unique = base
    while unique in taken:
        numbers[base] = numbers.get(base, 1) + 1
        unique = f"{base}-{numbers[base]}"
    taken[unique] = draft.step.at
    return replace(draft, step=replace(draft.step, id=unique))
