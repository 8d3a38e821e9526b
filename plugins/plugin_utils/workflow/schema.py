# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON Schema (2020-12) of workflow files, for editors. Made from the keyword table and the options of the operations that are installed.

It knows the structure: words, where they may stand, types of values. What needs a look at the whole (ids, variables, files, what options demand of
each other) only ``reader.load`` finds. Of two modules in one step it cannot tell either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.actions import (
    ENGINE_OPTIONS,
    FULL_NAME_PATTERN,
    PLAYBOOK_OPTIONS,
    STRUCTURE,
    Options,
    builtin_modules,
    options_of,
    ours,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.keywords import (
    MODULE,
    OPERATION,
    PLAYBOOK,
    STEP,
    TASK,
    TOP,
    WORKFLOW,
    Keyword,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.kinds import STEPS, TEMPLATE_SCHEMA

_MODULE = FULL_NAME_PATTERN.replace("^", r"^(?!netops\.changerail\.)", 1)
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SCALAR = {"type": ["string", "number", "boolean"]}
_NUMBER_TEXT = {"type": "string", "pattern": r"^\s*[-+]?\d+(\.\d+)?\s*$"}
_ANY: Mapping[str, Any] = {}
_TYPES: Mapping[str, Mapping[str, Any]] = {
    "str": _SCALAR,
    "path": _SCALAR,
    "int": {"anyOf": [{"type": "integer"}, _NUMBER_TEXT]},
    "float": {"anyOf": [{"type": "number"}, _NUMBER_TEXT]},
    "bool": {"type": ["boolean", "string", "integer"]},
    "list": {"type": ["array", "string", "number"]},
    "dict": {"type": ["object", "string"]},
}
"""What Ansible accepts for the types of an argument_spec: some also as text."""


def schema() -> dict[str, Any]:
    """The schema as plain JSON."""
    return {
        "$schema": _DIALECT,
        "title": "changerail workflow",
        **_object(TOP.values()),
        "$defs": {
            "steps": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/step"}},
            "step": _step(),
            **{f"options_{name}": _options(options_of(f"netops.changerail.{name}")) for name in ours("operations")},
            "options_import_playbook": _options(PLAYBOOK_OPTIONS),
        },
    }


def _object(keywords: Iterable[Keyword]) -> dict[str, Any]:
    keywords = list(keywords)
    return {
        "type": "object",
        "properties": {keyword.name: _property(keyword) for keyword in keywords},
        "required": [keyword.name for keyword in keywords if keyword.required],
        "additionalProperties": False,
    }


def _property(keyword: Keyword) -> dict[str, Any]:
    return {"description": keyword.doc, **keyword.kind.schema}


def _step() -> dict[str, Any]:
    """A step: at most one action that is known by name, and only the words that its kind of step takes."""
    actions = _actions()
    every_word = [*STEP, *TASK]
    of_modules = {
        "propertyNames": {
            "anyOf": [{"enum": _words_on(MODULE)}, {"pattern": _MODULE}, {"enum": sorted(builtin_modules())}]
        }
    }
    rules: list[dict[str, Any]] = [
        {"if": {"required": [word]}, "then": {"propertyNames": {"enum": [word, *_words_on(place)]}}}
        for word, (place, _value) in actions.items()
    ]
    no_known_action = {"not": {"anyOf": [{"required": [word]} for word in actions]}}
    rules.append({"if": no_known_action, "then": {**of_modules, "not": {"propertyNames": {"enum": every_word}}}})
    return {
        "type": "object",
        "properties": {
            **{keyword.name: _property(keyword) for keyword in STEP.values()},
            **{word: {"description": "Ansible's task keyword."} for word in TASK},
            **{word: value for word, (_place, value) in actions.items()},
            **{word: _module(word) for word in sorted(builtin_modules())},
        },
        "patternProperties": {_MODULE: _ANY},
        "additionalProperties": False,
        "allOf": rules,
    }


def _module(name: str) -> dict[str, Any]:
    """What a module of ansible.builtin takes; only of those the engine does itself it is known. Any takes the short form ``key=value``."""
    known = ENGINE_OPTIONS.get(name)
    options = _options(known) if known else {"type": ["object", "null"]}
    return {"anyOf": [{"type": "string"}, options]}


def _actions() -> dict[str, tuple[str, dict[str, Any]]]:
    """The actions with a name of their own: the kind of step each makes and the schema of its value."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for word, (_name, place) in STRUCTURE.items():
        value: dict[str, Any] = {"type": "string", "minLength": 1} if place == WORKFLOW else dict(STEPS.schema)
        if place == PLAYBOOK:
            value = {"anyOf": [{"type": "string", "minLength": 1}, {"$ref": "#/$defs/options_import_playbook"}]}
        found[word] = (place, value)
    for name in ours("operations"):
        for word in (name, f"netops.changerail.{name}"):
            found[word] = (OPERATION, {"$ref": f"#/$defs/options_{name}"})
    return found


def _words_on(place: str) -> list[str]:
    """The keywords a kind of step takes."""
    return [keyword.name for keyword in STEP.values() if place in keyword.places] + (
        list(TASK) if place == MODULE else []
    )


def _options(options: Options | None) -> dict[str, Any]:
    spec = options.spec if options else {}
    value = _spec(spec)
    # An operation without required options may stand alone.
    return value if "allOf" in value else {**value, "type": ["object", "null"]}


def _spec(spec: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """An argument_spec as a schema. A required option may be given under an alias."""
    properties = {}
    required = []
    for name, option in spec.items():
        names = (name, *option.get("aliases", ()))
        properties.update(dict.fromkeys(names, _option(option)))
        if option.get("required"):
            required.append({"anyOf": [{"required": [one]} for one in names]})
    rules = {"allOf": required} if required else {}
    return {"type": "object", "properties": properties, "additionalProperties": False, **rules}


def _option(option: Mapping[str, Any]) -> dict[str, Any]:
    kind = option.get("type", "str")
    inner = option.get("options")
    value: Mapping[str, Any] = _TYPES.get(kind, _ANY)
    if kind == "dict" and inner:
        value = _spec(inner)
    elif kind == "list" and inner:
        value = {"type": "array", "items": {"anyOf": [_spec(inner), TEMPLATE_SCHEMA]}}
    elif option.get("choices"):
        choices = {"enum": list(option["choices"])}
        value = (
            {"anyOf": [choices, {"type": "array", "items": {"anyOf": [choices, TEMPLATE_SCHEMA]}}]}
            if kind == "list"
            else choices
        )
    return {"anyOf": [value, TEMPLATE_SCHEMA, {"type": "null"}]} if value else {}
