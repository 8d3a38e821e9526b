# The conditions of `rules:if` and the expansion of variables. Pure. For the GitLab twin's reading of CI files.
from __future__ import annotations

import re
from collections.abc import Mapping

_TOKEN = re.compile(
    r"""\s*(?:(?P<op>==|!=|=~|!~|&&|\|\||\(|\))|\$\{?(?P<var>\w+)\}?|"(?P<dq>[^"]*)"|'(?P<sq>[^']*)'"""
    r"""|/(?P<rx>(?:\\/|[^/])+)/(?P<flags>[i]*)|(?P<null>null\b))"""
)
_REFERENCE = re.compile(r"\$(?:\{(\w+)\}|(\w+)|(\$))")


class BadExpression(ValueError):
    """The condition cannot be read."""


def expand(text: str, variables: Mapping[str, str]) -> str:
    """``$NAME`` and ``${NAME}`` replaced; unknown ones become empty, ``$$`` stays a dollar."""
    return _REFERENCE.sub(lambda m: "$" if m[3] else variables.get(m[1] or m[2], ""), text)


def holds(expression: str, variables: Mapping[str, str]) -> bool:
    """Whether a ``rules:if`` condition is true."""
    reader = _Reader(_tokens(expression), variables)
    value = reader.either()
    if reader.rest:
        raise BadExpression(f"invalid expression syntax: {expression}")
    return value


def _tokens(expression: str) -> list[tuple[str, str]]:
    tokens, place = [], 0
    while expression[place:].strip():
        found = _TOKEN.match(expression, place)
        if not found:
            raise BadExpression(f"invalid expression syntax: {expression}")
        place = found.end()
        kind = found.lastgroup or ""
        if found["rx"] is not None:
            tokens.append(("rx", ("(?i)" if found["flags"] else "") + found["rx"].replace(r"\/", "/")))
        else:
            tokens.append(("text" if kind in ("dq", "sq") else kind, found[kind]))
    return tokens


class _Reader:
    """Recursive descent: either := both (|| both)*; both := one (&& one)*; one := ( either ) | operand [comparison operand]."""

    def __init__(self, tokens: list[tuple[str, str]], variables: Mapping[str, str]) -> None:
        self.rest, self._variables = tokens, variables

    def either(self) -> bool:
        value = self._both()
        while self._take("||"):
            value = self._both() or value
        return value

    def _both(self) -> bool:
        value = self._one()
        while self._take("&&"):
            value = self._one() and value
        return value

    def _one(self) -> bool:
        if self._take("("):
            value = self.either()
            if not self._take(")"):
                raise BadExpression("a parenthesis is not closed")
            return value
        left = self._operand()
        for operator in ("==", "!=", "=~", "!~"):
            if self._take(operator):
                return self._compare(left, operator)
        return bool(left)

    def _compare(self, left: str | None, operator: str) -> bool:
        if operator in ("==", "!="):
            return (left == self._operand()) == (operator == "==")
        pattern = self._operand() or ""
        return bool(re.search(pattern, left or "")) == (operator == "=~")

    def _operand(self) -> str | None:
        if not self.rest:
            raise BadExpression("the expression ends too early")
        kind, value = self.rest.pop(0)
        if kind == "op":
            raise BadExpression(f"{value} is out of place")
        if kind == "null":
            return None
        return self._variables.get(value) if kind == "var" else value

    def _take(self, operator: str) -> bool:
        if self.rest and self.rest[0] == ("op", operator):
            self.rest.pop(0)
            return True
        return False
