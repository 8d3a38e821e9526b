# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the options of a step against what its action declares, as far as they are known before anything runs. For the checker alone.

Types and choices are judged by Ansible's own ``ArgumentSpecValidator``, one option at a time, so that each mistake has its place. Options with a template
or a vaulted value are left to the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.actions import SET_FACT, options_of
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.document import (
    Entry,
    Items,
    Node,
    Table,
    described,
    plain,
    scalars,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.draft import Draft
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.kinds import CONDITIONS, VARIABLE, has_template
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.mistake import Mistakes, nearest
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Unsafe

CONSTRAINTS = ("mutually_exclusive", "required_together", "required_one_of", "required_if", "required_by")
TYPES = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a mapping",
    "path": "a path",
    "json": "JSON",
    "bytes": "a size such as 10M",
    "bits": "a size such as 10Mb",
}
"""How messages name the types of an argument_spec."""

Spec = Mapping[str, Mapping[str, Any]]


def check_options(draft: Draft, mistakes: Mistakes) -> None:
    """Report every option of the step that its action would refuse."""
    if draft.named is None or not isinstance(draft.args, Table):
        return
    if draft.named.name == SET_FACT:
        for entry in draft.args.entries:
            VARIABLE.read(entry.key, mistakes)
        return
    options = options_of(draft.named.name)
    if options is None:
        return
    for entry in draft.args.entries:
        if entry.key.value in options.conditions:
            CONDITIONS.read(entry.node, mistakes)
    _Checker(mistakes, options.raw).table(draft.args, options.spec, options.constraints, draft.named.short)


class _Checker:
    """Checks the options of one action; ``raw`` names those that are taken as they are written."""

    def __init__(self, mistakes: Mistakes, raw: Sequence[str]) -> None:
        self._mistakes = mistakes
        self._raw = raw

    def table(self, table: Table, spec: Spec, constraints: Mapping[str, Any], owner: str) -> None:
        """Check a mapping of options; ``owner`` is the action, or the option they stand in."""
        names = {alias: name for name, option in spec.items() for alias in (name, *option.get("aliases", ()))}
        given: dict[str, Entry] = {}
        for entry in table.entries:
            name = names.get(str(entry.key.value))
            if name is None:
                hint = nearest(entry.key.text, names) or f"known are {', '.join(sorted(spec))}"
                self._mistakes.add(entry.key.at, f"unknown option {entry.key.text!r} of {owner}", suggestion=hint)
                continue
            given[name] = entry
            self._option(name, entry, spec[name], owner)
        self._together(table, given, spec, constraints, owner)

    def _option(self, name: str, entry: Entry, option: Mapping[str, Any], owner: str) -> None:
        inner = option.get("options")
        if inner is not None:
            constraints = {key: option[key] for key in CONSTRAINTS if option.get(key)}
            for item in entry.node.items if isinstance(entry.node, Items) else (entry.node,):
                if isinstance(item, Table):
                    self.table(item, inner, constraints, f"{owner}.{name}")
        if not self._is_open(name, entry.node) or (inner is not None and isinstance(entry.node, Table)):
            self._typed(name, entry.node, option, owner)

    def _is_open(self, name: str, node: Node) -> bool:
        """Whether the value is known only when the step runs."""
        if name in self._raw:
            return False
        return has_template(node) or any(isinstance(scalar.value, Unsafe) for scalar in scalars(node))

    def _typed(self, name: str, node: Node, option: Mapping[str, Any], owner: str) -> None:
        from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
        from ansible.module_utils.errors import ArgumentValueError

        alone = {key: option[key] for key in ("type", "elements", "choices") if key in option}
        result = ArgumentSpecValidator({name: alone}).validate({name: plain(node)})
        for error in result.errors:
            choices = [str(choice) for choice in option.get("choices") or ()]
            what = "a value that does not fit" if option.get("no_log") else described(node)
            if isinstance(error, ArgumentValueError) and choices:
                hint = "" if option.get("no_log") else nearest(str(plain(node)), choices)
                self._mistakes.add(node.at, f"option {name!r} of {owner}: {what}", f"one of {', '.join(choices)}", hint)
            else:
                self._mistakes.add(node.at, f"option {name!r} of {owner}: {what}", _type_of(option))

    def _together(
        self, table: Table, given: Mapping[str, Entry], spec: Spec, constraints: Mapping[str, Any], owner: str
    ) -> None:
        """What is required, and what the options demand of each other."""
        from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

        maybe = {name for name, entry in given.items() if self._may_be_omitted(entry.node)}
        for name, option in spec.items():
            if option.get("required") and name not in given:
                expected = f"{name}: {_type_of(option)}"
                self._mistakes.add(table.at, f"{owner} lacks its option {name!r}", expected)
        loose = {
            name: {"type": "raw", **({"default": option["default"]} if "default" in option else {})}
            for name, option in spec.items()
        }
        certain = {kind: _without(maybe, rules) for kind, rules in constraints.items()}
        values = {name: plain(entry.node) for name, entry in given.items() if name not in maybe}
        result = ArgumentSpecValidator(loose, **certain).validate(values)
        for message in result.error_messages:
            self._mistakes.add(table.at, f"{owner}: {message}")

    def _may_be_omitted(self, node: Node) -> bool:
        return has_template(node) and any("omit" in scalar.text for scalar in scalars(node))


def _type_of(option: Mapping[str, Any]) -> str:
    kind = str(option.get("type", "str"))
    named = TYPES.get(kind, kind)
    if kind == "list" and option.get("elements") in TYPES:
        return f"{named}, each of it {TYPES[option['elements']]}"
    return named


def _without(names: set[str], rules: Any) -> Any:
    """A constraint without the rules that mention any of ``names``. Its rules are a list, one rule alone, or a mapping (``required_by``)."""
    if isinstance(rules, Mapping):
        return {name: others for name, others in rules.items() if not names & _named_in([name, others])}
    single = rules and all(isinstance(name, str) for name in rules)
    return [rule for rule in ([rules] if single else rules or ()) if not names & _named_in(rule)]


def _named_in(rule: Any) -> set[str]:
    """The names a rule mentions, at any depth."""
    if isinstance(rule, (list, tuple, set)):
        return {name for part in rule for name in _named_in(part)}
    return {rule} if isinstance(rule, str) else set()
