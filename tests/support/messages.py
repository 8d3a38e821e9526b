"""The messages that a file's errors are made of, read from its source: what tests hold the tables of errors in the docs against."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

GAP = "…"
"""Stands where a message names something of the moment."""


def messages(path: Path, errors: Mapping[str, int], within: Collection[str] = ()) -> Iterator[tuple[int, str]]:
    """Line and text of each message given to one of ``errors``: names of what is called with a message, and which argument that is.
    With ``within`` only the functions of these names are looked at.

    Messages that are only handed on have no text of their own and are left out.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        if within and function.name not in within:
            continue
        assigned = [
            (node.lineno, target.id, node.value)
            for node in ast.walk(function)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        ]
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            called = _name(call.func)
            if called in errors and len(call.args) > errors[called]:
                # Of several assignments to a name, that which stands last before the call.
                names = {name: value for line, name, value in sorted(assigned, key=_line) if line <= call.lineno}
                text = _text(call.args[errors[called]], names)
                if text.replace(GAP, "").strip():
                    yield call.lineno, text


def _line(assigned: tuple[int, str, ast.expr]) -> int:
    return assigned[0]


def returned(path: Path, functions: Collection[str]) -> Iterator[tuple[int, str]]:
    """Line and text of each text that one of these functions returns."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name in functions):
        for statement in (node for node in ast.walk(function) if isinstance(node, ast.Return) and node.value):
            for text in _texts(statement.value):
                if text.replace(GAP, "").strip():
                    yield statement.lineno, text


def _name(called: ast.expr) -> str:
    """A function's or a method's own name."""
    return called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""


def _texts(node: ast.expr) -> Iterator[str]:
    """The text of an expression, or of each branch of a conditional one."""
    if isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)
    else:
        yield _text(node, {})


def _text(node: ast.expr, names: Mapping[str, ast.expr]) -> str:
    """The text of an expression, with gaps for what is known only when it is evaluated."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part, names) for part in parts)
        case ast.FormattedValue(value=ast.Name(id=name)) | ast.Name(id=name) if isinstance(
            names.get(name), (ast.JoinedStr, ast.Constant)
        ):
            return _text(names[name], {})
        case ast.BinOp(left=left, right=right):
            return _text(left, names) + _text(right, names)
    return GAP


def fits(row: str, text: str) -> bool:
    """Whether a message has a row's words, in order, with gaps where it names something; a row of few words must be all of it."""
    if len(re.findall(r"\w", row)) < 12:
        return row == re.sub(f"{GAP}+", GAP, text)
    return re.search(".*".join(re.escape(part) for part in row.split(GAP)), text) is not None
