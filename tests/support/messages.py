"""The messages that a file's errors are made of, read from its source: what tests hold the tables of errors in the docs against."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

GAP = "…"
"""Stands where a message names something of the moment."""


def messages(path: Path, errors: Mapping[str, int]) -> Iterator[tuple[int, str]]:
    """Line and text of each message given to one of ``errors``: names of what is called with a message, and which argument that is.

    Messages that are only handed on have no text of their own and are left out.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        names = {
            target.id: node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            called = call.func.id if isinstance(call.func, ast.Name) else ""
            if called in errors and len(call.args) > errors[called]:
                text = _text(call.args[errors[called]], names)
                if text.replace(GAP, "").strip():
                    yield call.lineno, text


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
