# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which variables a step's templates need, picked from what the step sees. For the engine; the picking is pure and costs no more than what is picked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Unsafe, Vaulted

Layers = Iterable[tuple[bool, Mapping[str, Any]]]
ANY = "*"
"""Stands among the names of a template that may reach every variable, such as one with ``lookup('template', …)``."""


@dataclass(frozen=True)
class Variables:
    """``author`` holds the author's own text, which may be templates; ``data`` what is never evaluated: results, items, extra vars."""

    author: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)


def needed(trees: Iterable[Any], layers: Layers, names_of: Callable[[str], Iterable[str]]) -> Variables:
    """The variables that the templates in ``trees`` name, and those that these name in turn. ``names_of`` gives the names in one template."""
    seen = list(layers)
    author: dict[str, Any] = {}
    data: dict[str, Any] = {}
    todo = [name for tree in trees for text in texts(tree) for name in names_of(text)]
    asked: set[str] = set()
    while todo:
        name = todo.pop()
        if name in asked:
            continue
        if name == ANY:
            return everything(seen)
        asked.add(name)
        for is_author, mapping in seen:
            if name not in mapping:
                continue
            value = mapping[name]
            if is_author:
                author[name] = value
                todo.extend(inner for text in texts(value) for inner in names_of(text))
            else:
                data[name] = value
            break
    return Variables(author, data)


def everything(layers: Layers) -> Variables:
    """All variables a step sees, as a playbook receives them."""
    author: dict[str, Any] = {}
    data: dict[str, Any] = {}
    for is_author, mapping in layers:
        for name, value in mapping.items():
            if name not in author and name not in data:
                (author if is_author else data)[name] = value
    return Variables(author, data)


def texts(tree: Any) -> Iterator[str]:
    """Every string in ``tree`` that may be a template, keys included."""
    stack = [tree]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, (Vaulted, Unsafe)):
            continue
        elif isinstance(value, Mapping):
            stack.extend(value.keys())
            stack.extend(value.values())
        elif isinstance(value, (list, tuple)):
            stack.extend(value)
