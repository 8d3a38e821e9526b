# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks every template and expression of a workflow: that Jinja can read it, and that somebody defines the variables it names.

Visible to a step are, outermost first: the workflow's variables, those of imported workflows and of the steps around it, what earlier steps registered or set
as facts, and the loop's variables. What a looped container's steps register is visible in the same iteration only; a branch of a parallel does not see
what its siblings register, later steps do. Attributes are not checked: nobody knows what a playbook's ``set_stats`` will hold.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.actions import SET_FACT, options_of
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.document import (
    Items,
    Node,
    Scalar,
    Table,
    scalars,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.draft import Draft, FileDraft, walk
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.expressions import (
    PROVIDED,
    BadTemplate,
    Names,
    expression_names,
    template_names,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.keywords import LEAVES, MODULE, PARALLEL
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.kinds import is_template
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.mistake import Mistakes, nearest
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Position

_TEMPLATES = (
    "name", "timeout", "ignore_errors", "no_log", "retries", "delay", "backoff", "max_delay", "loop_control",
)  # fmt: skip
_AFTER = ("until", "failed_when")
_ANSIBLE = (
    "group_names", "groups", "hostvars", "inventory_dir", "inventory_file", "inventory_hostname",
    "inventory_hostname_short", "play_hosts", "playbook_dir",
)  # fmt: skip
"""Ansible's special variables that a task of a one-task playbook has, from its documentation; beside those whose names begin with ``ansible_``."""


class _Scope:
    """Names visible at a place. ``opens`` says that what is registered here stays here until ``leave``."""

    __slots__ = ("_names", "_opens", "_parent")

    def __init__(self, parent: _Scope | None, names: Iterable[str], opens: bool) -> None:
        self._parent = parent
        self._names = set(names)
        self._opens = opens or parent is None

    def __contains__(self, name: str) -> bool:
        scope: _Scope | None = self
        while scope is not None:
            if name in scope._names:
                return True
            scope = scope._parent
        return False

    def __iter__(self) -> Iterator[str]:
        scope: _Scope | None = self
        while scope is not None:
            yield from scope._names
            scope = scope._parent

    def inner(self, names: Iterable[str]) -> _Scope:
        """A scope with more names; what is registered in it is registered here."""
        return _Scope(self, names, opens=False)

    def own(self) -> _Scope:
        """A scope that keeps what is registered in it."""
        return _Scope(self, (), opens=True)

    def register(self, names: Iterable[str]) -> None:
        """Make names visible from now on."""
        scope = self
        while not scope._opens and scope._parent is not None:
            scope = scope._parent
        scope._names.update(names)

    def kept(self) -> frozenset[str]:
        """The names of this scope alone."""
        return frozenset(self._names)


def check_names(file: FileDraft, extra: Collection[str], mistakes: Mistakes) -> None:
    """Report every template that cannot be read and every variable nobody defines. ``extra`` are names known from elsewhere."""
    _Checker(file, extra, mistakes).workflow(file)


class _TaskScope(_Scope):
    """What a task sees that Ansible itself evaluates: Ansible's own variables too."""

    __slots__ = ()

    def __contains__(self, name: str) -> bool:
        return name.startswith("ansible_") or name in _ANSIBLE or super().__contains__(name)


class _Checker:
    def __init__(self, file: FileDraft, extra: Collection[str], mistakes: Mistakes) -> None:
        self._mistakes = mistakes
        self._extra = extra
        self._defined: dict[str, Position] = dict(_definitions(file))

    def workflow(self, file: FileDraft) -> None:
        scope = _Scope(None, (*file.vars, *self._extra), opens=True)
        anywhere = scope.inner((*self._defined, "failed_step"))
        for node in (*file.variables, file.nodes.get("name")):
            self._values(node, anywhere)
        self._steps(file.steps, scope)

    def _steps(self, drafts: Iterable[Draft], scope: _Scope) -> None:
        for draft in drafts:
            self._step(draft, scope)

    def _step(self, draft: Draft, outer: _Scope) -> None:
        step = draft.step
        scope = outer.inner((*step.vars, *step.defaults, *self._guarded(draft.nodes.get("when"))))
        self._values(draft.nodes.get("loop"), scope)
        loop = step.loop
        if loop is not None:
            scope = scope.inner(name for name in (loop.loop_var, loop.index_var) if name)
        self._keywords(draft, scope)
        if draft.named is None or draft.named.place in LEAVES:
            self._options(draft, scope)
            outer.register(_facts(draft))
        else:
            self._inside(draft, scope.own() if loop is not None else scope)
        own = [step.register] if step.register else []
        for name in _AFTER:
            self._conditions(draft.nodes.get(name), scope.inner(own))
        outer.register(own)

    def _keywords(self, draft: Draft, scope: _Scope) -> None:
        nodes = draft.nodes
        self._conditions(nodes.get("when"), scope)
        for name in _TEMPLATES:
            self._values(nodes.get(name), scope)
        # Variables are evaluated where they are used, so they may name what the steps inside register.
        lazily = scope.inner(self._defined) if list(draft.children()) else scope
        for node in (nodes.get("vars"), *draft.defaults):
            self._values(node, lazily)

    def _inside(self, draft: Draft, scope: _Scope) -> None:
        if draft.named is not None and draft.named.place == PARALLEL:
            branches = [scope.own() for child in draft.steps]
            for branch, child in zip(branches, draft.steps, strict=True):
                self._step(child, branch)
            for branch in branches:
                scope.register(branch.kept())
        else:
            self._steps(draft.steps, scope)
        after_failure = scope.inner(("failed_step",))
        self._steps(draft.rescue, after_failure)
        self._steps(draft.always, after_failure)

    def _options(self, draft: Draft, scope: _Scope) -> None:
        if draft.args is None:
            return
        options = options_of(draft.named.name) if draft.named else None
        raw = options.raw if options else ()
        if options is None and draft.named is not None and draft.named.place == MODULE and draft.named.name != SET_FACT:
            scope = _TaskScope(scope, (), opens=False)
        if not isinstance(draft.args, Table):
            self._values(draft.args, scope)
            return
        for entry in draft.args.entries:
            if options and entry.key.value in options.conditions:
                self._conditions(entry.node, scope)
            elif entry.key.value not in raw:
                self._values(entry.node, scope)

    # Texts

    def _values(self, node: Node | None, scope: _Scope) -> None:
        """Every template in a value."""
        for scalar in scalars(node) if node is not None else ():
            if is_template(scalar.value):
                self._check(scalar, template_names, scope)

    def _conditions(self, node: Node | None, scope: _Scope) -> None:
        """Every expression in a condition or a list of them."""
        for scalar in _expressions(node):
            self._check(scalar, expression_names, scope)

    def _check(self, scalar: Scalar, names_in: Callable[[str], Names], scope: _Scope) -> None:
        try:
            names = names_in(scalar.value)
        except BadTemplate as error:
            self._mistakes.add(scalar.at, f"template error: {error}", "what Jinja can read")
            return
        for name in sorted(names.used - PROVIDED):
            if name not in scope:
                self._report(name, scalar, scope)

    def _report(self, name: str, scalar: Scalar, scope: _Scope) -> None:
        def hint() -> str:
            if name == "failed_step":
                return "it exists in rescue and always only"
            if name in self._defined:
                return f"it is defined at {self._defined[name]}, which this step does not see"
            return nearest(name, {*scope, "changerail", "ok"}) or "declare it in vars, even if -e gives its value"

        what = f"variable {name!r} is not defined"
        self._mistakes.add(scalar.at, what, "a variable of vars or of an earlier step", hint)

    def _guarded(self, node: Node | None) -> set[str]:
        """Names a step's ``when`` tests for existence: the step and what is inside may use them."""
        guarded: set[str] = set()
        for scalar in _expressions(node):
            try:
                guarded |= expression_names(scalar.value).guarded
            except BadTemplate:
                continue  # reported where the condition itself is checked
        return guarded


def _expressions(node: Node | None) -> Iterator[Scalar]:
    for item in node.items if isinstance(node, Items) else (node,):
        if (
            isinstance(item, Scalar)
            and isinstance(item.value, str)
            and item.value.strip()
            and "{{" not in item.value
            and "{%" not in item.value
        ):
            yield item


def _facts(draft: Draft) -> Iterator[str]:
    """The names a set_fact step sets."""
    if draft.named is not None and draft.named.name == SET_FACT and isinstance(draft.args, Table):
        yield from (entry.key.text for entry in draft.args.entries if entry.key.value != "cacheable")


def _definitions(file: FileDraft) -> Iterator[tuple[str, Position]]:
    """Every name that a step defines anywhere, with its place."""
    for draft in walk(file.steps):
        step = draft.step
        yield from _vars_of(draft.nodes.get("vars"))
        for table in draft.defaults:
            yield from _vars_of(table)
        if step.register:
            yield step.register, draft.nodes["register"].at
        if step.loop is not None:
            place = draft.nodes["loop"].at
            yield from ((name, place) for name in (step.loop.loop_var, step.loop.index_var) if name)
        yield from ((name, step.at) for name in _facts(draft))


def _vars_of(node: Node | None) -> Iterator[tuple[str, Position]]:
    if isinstance(node, Table):
        yield from ((entry.key.text, entry.key.at) for entry in node.entries)
