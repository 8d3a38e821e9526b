# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which variables a Jinja template or expression names, found without evaluating it; the checker and the engine's templating ask.

Jinja's own parser does it, so what it cannot read Ansible cannot either. Whether filters and tests exist is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

PROVIDED = frozenset(
    (
        *("changerail", "ok", "omit"),
        *("lookup", "now", "q", "query", "undef"),
        *("cycler", "dict", "joiner", "lipsum", "namespace", "range"),
        *("caller", "kwargs", "loop", "self", "super", "varargs"),
    )
)
"""Names that have a meaning without anybody defining them: changerail's own, Ansible's functions, Jinja's functions and those of its blocks."""

_LOOKUPS = ("lookup", "query", "q")
_READS_VARIABLES = ("template", "varnames", "vars")
_GUARDS = ("default", "d")
_GUARD_TESTS = ("defined", "undefined")


class BadTemplate(Exception):
    """Jinja cannot read it; the text says why."""


@dataclass(frozen=True, slots=True)
class Names:
    """``used`` must exist; ``guarded`` need not, because ``default()`` or ``is defined`` looks after them.

    ``any`` says that a lookup in it may reach variables that are not named.
    """

    used: frozenset[str] = frozenset()
    guarded: frozenset[str] = frozenset()
    any: bool = False


@lru_cache(maxsize=16384)
def template_names(text: str) -> Names:
    """The names in a template. Raises BadTemplate."""
    return _names(text, lambda environment: environment.parse(text))


@lru_cache(maxsize=16384)
def expression_names(text: str) -> Names:
    """The names in an expression without braces, as ``when`` has it. Raises BadTemplate."""
    return _names(text, lambda environment: _expression(environment, text))


def _names(text: str, parse: Any) -> Names:
    from jinja2 import TemplateError

    try:
        tree = parse(_environment())
        found = list(_walk(tree))
        locals_ = _locals(tree, found)
    except TemplateError as error:
        raise BadTemplate(str(error.message or error)) from None
    except RecursionError:
        raise BadTemplate("it nests too deep") from None
    except (ValueError, OverflowError) as error:  # a number with thousands of digits
        raise BadTemplate(str(error)) from None
    guarded = {name for node in found for name in _guarded(node)} - locals_
    used = {node.name for node in found if type(node).__name__ == "Name"} - locals_
    return Names(frozenset(used - guarded), frozenset(guarded), any(map(_reaches_any, found)))


@lru_cache(maxsize=1)
def _environment() -> Any:
    from jinja2 import Environment

    environment = Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"], trim_blocks=True)
    environment.filters, environment.tests = _Whatever(), _Whatever()
    return environment


class _Whatever(dict[str, Any]):
    """Filters or tests of which every name exists: which ones there are only Ansible knows."""

    def get(self, name: str, default: Any = None) -> Any:
        return str


def _expression(environment: Any, text: str) -> Any:
    from jinja2 import TemplateSyntaxError, nodes
    from jinja2.parser import Parser

    parser = Parser(environment, text, state="variable")
    expression = parser.parse_expression()
    if not parser.stream.eos:
        raise TemplateSyntaxError(
            f"unexpected {parser.stream.current.value!r} after the expression", parser.stream.current.lineno
        )
    return nodes.Template([nodes.Output([expression], lineno=1)], lineno=1).set_environment(environment)


def _walk(tree: Any) -> Iterator[Any]:
    stack = [tree]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(node.iter_child_nodes())


def _locals(tree: Any, found: list[Any]) -> set[str]:
    """Names the template itself defines (``for``, ``set``, macros) and does not also take from outside."""
    from jinja2 import meta

    names = [node for node in found if type(node).__name__ == "Name"]
    if all(node.ctx == "load" for node in names):
        return set()
    return {node.name for node in names} - meta.find_undeclared_variables(tree)


def _reaches_any(node: Any) -> bool:
    """Whether the node is a lookup that reads variables by itself, or one whose name is not known."""
    if type(node).__name__ != "Call" or getattr(node.node, "name", "") not in _LOOKUPS:
        return False
    plugin = getattr(node.args[0], "value", None) if node.args else None
    return not isinstance(plugin, str) or plugin.rpartition(".")[2] in _READS_VARIABLES


def _guarded(node: Any) -> Iterator[str]:
    kind = type(node).__name__
    if (kind == "Filter" and node.name in _GUARDS) or (kind == "Test" and node.name in _GUARD_TESTS):
        inner = node.node
        while type(inner).__name__ in ("Getattr", "Getitem", "Filter", "Call"):
            inner = inner.node
        if type(inner).__name__ == "Name":
            yield inner.name
