# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JMESPath: expressions over something observed or sent, and conditions; for operations, the checker of workflows and the server. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, OperationError
from ansible_collections.netops.changerail.plugins.module_utils.operation import JSON


class Expression:
    """A compiled expression. Raises AuthorError, with the column, when it is no JMESPath or calls a function that does not exist."""

    def __init__(self, text: str) -> None:
        import jmespath
        from jmespath.exceptions import JMESPathError

        try:
            self._compiled = jmespath.compile(text)
        except JMESPathError as error:
            column = getattr(error, "lex_position", None)
            at = "" if column is None else f" at column {column + 1}"
            raise AuthorError(
                f"{text!r} is no JMESPath expression{at}: {_first_line(error)}; write it like: state == 'active'"
            ) from None
        self.text = text
        nodes = list(_nodes(self._compiled.parsed))
        _check_functions(text, nodes)
        self._fields = dict.fromkeys(node["value"] for node in nodes if node["type"] == "field")

    def of(self, value: JSON) -> JSON:
        """What it gives of ``value``. Raises AuthorError where a function meets a value that it does not take."""
        from jmespath.exceptions import JMESPathError

        try:
            return self._compiled.search(value)
        except (JMESPathError, TypeError) as error:
            raise AuthorError(f"{self.text} cannot be evaluated: {_first_line(error)}") from None


class Condition(Expression):
    """An expression that holds or does not."""

    def judge(self, value: JSON) -> tuple[bool, str]:
        """Whether the condition holds for ``value``, and if that cannot be told (yet), why.

        Null counts as no, because what is waited for may not be there yet. Raises OperationError for any other result that is
        neither true nor false: then the expression is wrong.
        """
        try:
            result = self.of(value)
        except AuthorError as error:
            return False, str(error)
        if result is None or isinstance(result, bool):
            return bool(result), ""
        raise OperationError(
            f"until: {self.text} gives {result!r:.100}; expected true or false, as from: state == 'active'"
        )

    def relevant(self, value: JSON) -> JSON:
        """That part of ``value`` which the expression names, for messages; all of it when it names nothing of it."""
        if not isinstance(value, Mapping):
            return value
        named = {name: value[name] for name in self._fields if name in value}
        return named or value


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in node["children"]:
        if isinstance(child, Mapping):
            yield from _nodes(child)


def _check_functions(text: str, nodes: list[Mapping[str, Any]]) -> None:
    """JMESPath would find a wrong call only when it gets there, days after the start."""
    from jmespath.functions import Functions

    for node in nodes:
        if node["type"] != "function_expression":
            continue
        function = Functions.FUNCTION_TABLE.get(node["value"])
        if function is None:
            raise AuthorError(
                f"{text!r}: JMESPath has no function {node['value']!r}; it has {', '.join(sorted(Functions.FUNCTION_TABLE))}"
            )
        signature, given = function["signature"], len(node["children"])
        variadic = bool(signature) and signature[-1].get("variadic", False)
        if given < len(signature) or (given > len(signature) and not variadic):
            raise AuthorError(f"{text!r}: {node['value']}() takes {len(signature)} arguments, not {given}")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(":")
