# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the value of a keyword may be: how it is read, how it is described, and how an editor checks it. For the keyword table alone.

``read`` turns a node into the value the model holds and reports what is wrong; after a mistake its result is not used.
Where a kind allows a template, the template's text is the value; it is evaluated by the engine when the step is entered.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.durations import seconds
from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.document import (
    Items,
    Node,
    Scalar,
    Table,
    described,
    plain,
    scalars,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.mistake import Mistakes, nearest, shown
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Vaulted

RESERVED = ("changerail", "failed_step", "ok", "omit")
"""Variables changerail provides; nobody may define one of that name."""
NAME_PATTERN = "^[A-Za-z_][A-Za-z0-9_]*$"
ID_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
TEMPLATE_SCHEMA: Mapping[str, Any] = {"type": "string", "pattern": r"\{[{%#]"}
"""A text that is a template, in a JSON Schema."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_TRUE = frozenset(("y", "yes", "on", "1", "true", "t"))
_FALSE = frozenset(("n", "no", "off", "0", "false", "f"))


@dataclass(frozen=True, slots=True)
class Kind:
    """``expected`` completes "expected …" in a mistake; ``schema`` is a JSON Schema (2020-12)."""

    expected: str
    schema: Mapping[str, Any]
    read: Callable[[Node, Mistakes], Any] = field(repr=False)


def is_template(value: object) -> bool:
    """Whether a value is a text with something for Jinja in it."""
    return isinstance(value, str) and ("{{" in value or "{%" in value or "{#" in value)


def has_template(node: Node) -> bool:
    """Whether any text in the node is a template or ciphertext: what it comes to is not known before it runs."""
    return any(is_template(scalar.value) or isinstance(scalar.value, Vaulted) for scalar in scalars(node))


class _Unfit(Exception):
    """The scalar does not fit; the text is a suggestion, or empty."""


def _scalar(expected: str, schema: Mapping[str, Any], read: Callable[[Scalar], Any]) -> Kind:
    """A kind for one scalar, read by a function that raises _Unfit."""

    def checked(node: Node, mistakes: Mistakes) -> Any:
        suggestion = ""
        if isinstance(node, Scalar):
            try:
                return read(node)
            except _Unfit as error:
                suggestion = str(error)
        mistakes.add(node.at, described(node), expected, suggestion)
        return None

    return Kind(expected, schema, checked)


def _or_template(read: Callable[[Scalar], Any]) -> Callable[[Scalar], Any]:
    return lambda node: node.value if is_template(node.value) else read(node)


def _number(node: Scalar, number: Callable[[Any], Any]) -> Any:
    """An int or float, also from text, as Ansible reads its options."""
    if isinstance(node.value, (int, float, str)) and not isinstance(node.value, bool):
        try:
            return number(node.value)
        except (ValueError, OverflowError):
            pass
    raise _Unfit


def _text(node: Scalar) -> str:
    if node.value is None or not isinstance(node.value, (str, bool, int, float)):
        raise _Unfit
    return node.text


def _static_text(node: Scalar) -> str:
    text = _text(node)
    if is_template(text):
        raise _Unfit("it must be known when the file is read")
    return text


def _variable(node: Scalar) -> str:
    if not isinstance(node.value, str) or not _NAME.match(node.value):
        raise _Unfit
    if keyword.iskeyword(node.value) or node.value in ("true", "false", "none"):
        raise _Unfit(f"{node.value!r} has a meaning in expressions: choose another name")
    if node.value in RESERVED:
        raise _Unfit(f"changerail itself provides {node.value!r}: choose another name")
    return node.value


def _id(node: Scalar) -> str:
    if node.value is None or not _ID.match(node.text):
        raise _Unfit
    return node.text


def _switch(node: Scalar) -> bool:
    word = node.text.strip().lower()
    if isinstance(node.value, (bool, str, int)) and word in _TRUE | _FALSE:
        return word in _TRUE
    raise _Unfit


def _count(node: Scalar) -> int:
    count: int = _number(node, int)
    if count < 0 or isinstance(node.value, float):
        raise _Unfit
    return count


def _duration(node: Scalar) -> float:
    try:
        return seconds(node.value)
    except AuthorError:
        raise _Unfit from None


def _factor(node: Scalar) -> float:
    factor: float = _number(node, float)
    if not 1 <= factor <= 1000:
        raise _Unfit
    return factor


def _at_once(node: Scalar) -> int:
    if isinstance(node.value, bool):
        return 0 if node.value else 1
    count = _count(node)
    if count < 1:
        raise _Unfit("true means no limit")
    return count


def choice(*choices: str) -> Kind:
    """One of a few words."""

    def read(node: Scalar) -> str:
        if node.text in choices:
            return node.text
        raise _Unfit(nearest(node.text, choices))

    return _scalar(f"one of {', '.join(choices)}", {"enum": list(choices)}, read)


_SWITCH_SCHEMA = {
    "anyOf": [
        {"type": "boolean"},
        {"enum": [0, 1]},
        {"type": "string", "pattern": "^([yY]|[yY]es|[nN]|[nN]o|[oO]n|[oO]ff|[tT]rue|[fF]alse)$"},
    ]
}
_COUNT_SCHEMA = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^\s*\d+\s*$"}]}
_DURATION_SCHEMA = {
    "anyOf": [
        {"type": "number", "minimum": 0},
        {"type": "string", "pattern": r"^\s*(\d+(\.\d+)?|((\d+(\.\d+)?)[wdhmsWDHMS]\s*)+)\s*$"},
    ]
}
_FACTOR_SCHEMA = {
    "anyOf": [{"type": "number", "minimum": 1, "maximum": 1000}, {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*$"}]
}
_TEXT_SCHEMA = {"type": ["string", "number", "boolean"]}


def _templated(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"anyOf": [schema, TEMPLATE_SCHEMA]}


TEXT = _scalar("text", _TEXT_SCHEMA, _text)
STATIC_TEXT = _scalar("text without a template", {**_TEXT_SCHEMA, "not": TEMPLATE_SCHEMA}, _static_text)
VARIABLE = _scalar(
    "a variable name: letters, digits and _, beginning with a letter or _",
    {"type": "string", "pattern": NAME_PATTERN, "not": {"enum": list(RESERVED)}},
    _variable,
)
ID = _scalar(
    "an id: letters, digits, '.', '_' and '-', at most 100, beginning with a letter or digit",
    {"anyOf": [{"type": "string", "pattern": ID_PATTERN}, {"type": ["number", "boolean"]}]},
    _id,
)
SWITCH = _scalar("true or false", _SWITCH_SCHEMA, _switch)
FLAG = _scalar("true, false or a template", _templated(_SWITCH_SCHEMA), _or_template(_switch))
STATIC_COUNT = _scalar("a whole number, 0 or more", _COUNT_SCHEMA, _count)
COUNT = _scalar("a whole number, 0 or more, or a template", _templated(_COUNT_SCHEMA), _or_template(_count))
STATIC_DURATION = _scalar("seconds, or a duration such as 15m, 2h30m or 1d", _DURATION_SCHEMA, _duration)
DURATION = _scalar(
    "seconds, a duration such as 15m, 2h30m or 1d, or a template", _templated(_DURATION_SCHEMA), _or_template(_duration)
)
FACTOR = _scalar("a number from 1 to 1000, or a template", _templated(_FACTOR_SCHEMA), _or_template(_factor))
AT_ONCE = _scalar(
    "true (all items at once), false, or how many items at most run at once",
    {"anyOf": [{"type": "integer", "minimum": 1}, _SWITCH_SCHEMA]},
    _at_once,
)


# Lists and mappings


def _each(node: Node) -> tuple[Node, ...]:
    return node.items if isinstance(node, Items) else (node,)


def one_or_more(kind: Kind, expected: str) -> Kind:
    """A value of ``kind`` or a list of such; read as a tuple."""

    def read(node: Node, mistakes: Mistakes) -> tuple[Any, ...]:
        if isinstance(node, Items) and not node.items:
            mistakes.add(node.at, "an empty list", expected)
        return tuple(kind.read(item, mistakes) for item in _each(node))

    return Kind(expected, {"anyOf": [kind.schema, {"type": "array", "items": kind.schema, "minItems": 1}]}, read)


STATIC_TEXTS = one_or_more(STATIC_TEXT, "text or a list of texts, without templates")
PATHS = one_or_more(STATIC_TEXT, "a path or a list of paths")

_CONDITIONS = "an expression without {{ }}, true, false, or a list of these"


def _read_conditions(node: Node, mistakes: Mistakes) -> tuple[str, ...]:
    return tuple(_conditions(node, mistakes))


def _conditions(node: Node, mistakes: Mistakes) -> Iterator[str]:
    for item in _each(node):
        value = item.value if isinstance(item, Scalar) else None
        if isinstance(value, bool):
            yield str(value).lower()
        elif not isinstance(value, str) or not value.strip():
            mistakes.add(item.at, described(item) if value != "" else "an empty text", _CONDITIONS)
        elif "{{" in value or "{%" in value:
            mistakes.add(item.at, f"a template in an expression: {shown(value)}", _CONDITIONS, _without_braces(value))
        else:
            yield value


def _without_braces(text: str) -> str:
    bare = re.sub(r"\{\{\s*|\s*\}\}", "", text).strip()
    quoted = re.search(r"""["']\s*\{\{""", text)
    return "name variables without braces and quotes" if quoted or "{%" in bare else f"write {shown(bare)}"


_CONDITION_SCHEMA = {"anyOf": [{"type": "boolean"}, {"type": "string", "minLength": 1, "not": {"pattern": r"\{[{%]"}}]}
CONDITIONS = Kind(
    _CONDITIONS, {"anyOf": [_CONDITION_SCHEMA, {"type": "array", "items": _CONDITION_SCHEMA}]}, _read_conditions
)


def _read_variables(node: Node, mistakes: Mistakes) -> dict[str, Any]:
    if isinstance(node, Scalar) and node.value is None:
        return {}
    if not isinstance(node, Table):
        mistakes.add(node.at, described(node), VARIABLES.expected)
        return {}
    for entry in node.entries:
        VARIABLE.read(entry.key, mistakes)
    return {entry.key.text: plain(entry.node) for entry in node.entries}


VARIABLES = Kind(
    "a mapping of variable names to values",
    {"type": ["object", "null"], "propertyNames": VARIABLE.schema},
    _read_variables,
)


def _read_loop(node: Node, mistakes: Mistakes) -> Any:
    if not isinstance(node, Items) and not (isinstance(node, Scalar) and is_template(node.value)):
        mistakes.add(node.at, described(node), LOOP.expected)
    return plain(node)


LOOP = Kind("a list, or a template that gives one", {"anyOf": [{"type": "array"}, TEMPLATE_SCHEMA]}, _read_loop)


def _read_nothing(_node: Node, _mistakes: Mistakes) -> None:
    """Steps are read by the reader itself."""


STEPS = Kind("a list of steps", {"$ref": "#/$defs/steps"}, _read_nothing)
