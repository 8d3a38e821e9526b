# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML text as a tree that knows where everything stands; the reader and the extra vars are made from it.

The tree is built from PyYAML's events with a stack of our own: nothing recurses, so no nesting can exhaust the interpreter's stack (libyaml's
own composer does, and kills the process), and depth, size and aliases are counted while they come.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.mistake import Mistakes, shown
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Position, Unsafe, Vaulted
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.yaml_values import (
    check_tag_of_container,
    value_of,
)

MAX_BYTES = 10 * 1024 * 1024
MAX_DEPTH = 100
MAX_NODES = 1_000_000
"""How many nodes a file may have, with its aliases written out."""

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar: ``value`` is str, int, float, bool, None, ``Vaulted`` or ``Unsafe``; ``text`` is what is written."""

    at: Position
    value: Any
    text: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    at: Position
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A key with its value; a key is a plain scalar."""

    key: Scalar
    node: Node


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping: its entries in the order written, keys unique, merge keys (``<<``) resolved."""

    at: Position
    entries: tuple[Entry, ...]

    def get(self, name: str) -> Node | None:
        """The value of a key."""
        return next((entry.node for entry in self.entries if entry.key.value == name), None)


Node = Scalar | Items | Table


def plain(node: Node) -> Any:
    """The node as lists, dicts and scalars, without positions."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Items):
        return [plain(item) for item in node.items]
    return {entry.key.value: plain(entry.node) for entry in node.entries}


def scalars(node: Node) -> Iterator[Scalar]:
    """Every scalar in the node that is a value, in the order written."""
    stack = [node]
    while stack:
        current = stack.pop()
        if isinstance(current, Scalar):
            yield current
        elif isinstance(current, Items):
            stack.extend(reversed(current.items))
        else:
            stack.extend(entry.node for entry in reversed(current.entries))


def described(node: Node) -> str:
    """What the node is, for a message: "a list", "a mapping", "'abc'", "nothing"."""
    if isinstance(node, Items):
        return "a list"
    if isinstance(node, Table):
        return "a mapping"
    if isinstance(node.value, Vaulted):
        return "a vaulted value"
    if isinstance(node.value, Unsafe):
        return "an unsafe text"
    if node.value is None:
        return "nothing"
    return shown(node.text) if isinstance(node.value, str) else node.text


def decoded(content: bytes, file: str, mistakes: Mistakes) -> str | None:
    """The text of a file, or None and a mistake: too large, not UTF-8, or with characters YAML does not allow."""
    start = Position(file, 1, 1)
    if len(content) > MAX_BYTES:
        mistakes.add(
            start,
            f"more than {MAX_BYTES // 2**20} MB",
            "a workflow",
            "large data belong into files that playbooks read",
        )
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace")
        hint = (
            "it looks like UTF-16: save it as UTF-8"
            if content[:2] in (b"\xff\xfe", b"\xfe\xff")
            else "save it as UTF-8"
        )
        mistakes.add(_position_after(before, file), f"byte 0x{content[error.start]:02x} is not UTF-8", "UTF-8", hint)
        return None
    odd = _UNPRINTABLE.search(text)
    if odd is not None:
        hint = "it looks like UTF-16: save it as UTF-8" if odd.group() == "\0" else ""
        place = _position_after(text[: odd.start()], file)
        mistakes.add(place, f"character U+{ord(odd.group()):04X} is not allowed in YAML", "printable text", hint)
        return None
    return text


def parse(text: str, file: str, mistakes: Mistakes) -> Node | None:
    """The tree of a text that ``decoded`` let through, or None when mistakes make it unreadable."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    builder = _Builder(file, mistakes)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(event)
    except _Unreadable:
        return None
    except yaml.MarkedYAMLError as error:
        _report_syntax(error, text, file, mistakes)
        return None
    except (yaml.YAMLError, ValueError) as error:  # the pure Python scanner lets a bad \U escape through as ValueError
        mistakes.add(Position(file, 1, 1), f"not readable as YAML: {error}")
        return None
    if builder.root is None:
        mistakes.add(Position(file, 1, 1), "the file is empty", "YAML")
    return builder.root


class _Unreadable(Exception):
    """The text breaks a limit; the mistake is reported."""


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come. ``size`` and ``height`` count what is inside, aliases written out.

    In a mapping a value is due ``after_key``: of ``key``, or of ``<<`` when ``merging``, or of no use when neither.
    """

    at: Position
    anchor: str | None
    mapping: bool
    items: list[Any] = field(default_factory=list)
    key: Scalar | None = None
    after_key: bool = False
    merging: bool = False
    seen: dict[Any, Position] = field(default_factory=dict)
    merges: list[Node] = field(default_factory=list)
    size: int = 1
    height: int = 0


class _Builder:
    """Takes YAML events and builds the tree."""

    def __init__(self, file: str, mistakes: Mistakes) -> None:
        self.root: Node | None = None
        self._file = file
        self._mistakes = mistakes
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int, int] | None] = {}
        self._documents = 0
        self._nodes = 0
        self._handlers = {
            "DocumentStartEvent": self._document,
            "ScalarEvent": self._scalar,
            "AliasEvent": self._alias,
            "SequenceStartEvent": self._open,
            "MappingStartEvent": self._open,
            "SequenceEndEvent": self._close,
            "MappingEndEvent": self._close,
        }

    def take(self, event: Any) -> None:
        handler = self._handlers.get(type(event).__name__)
        if handler is not None:
            handler(event)

    def _at(self, event: Any) -> Position:
        mark = event.start_mark
        return Position(self._file, mark.line + 1, mark.column + 1)

    def _refuse(self, at: Position, what: str, expected: str = "", suggestion: str = "") -> None:
        self._mistakes.add(at, what, expected, suggestion)
        raise _Unreadable

    def _document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            self._refuse(self._at(event), "a second document begins here", "one document in a file")

    def _scalar(self, event: Any) -> None:
        at = self._at(event)
        node = Scalar(at, value_of(event, at, self._mistakes), event.value)
        if event.anchor:
            self._anchors[event.anchor] = (node, 1, 0)
        self._put(node, 1, 0, event)

    def _alias(self, event: Any) -> None:
        at = self._at(event)
        if event.anchor not in self._anchors:
            self._refuse(at, f"alias *{event.anchor} without an anchor &{event.anchor} before it")
        target = self._anchors[event.anchor]
        if target is None:
            self._refuse(at, f"alias *{event.anchor} stands inside what it names, which has no end")
        else:
            self._put(*target, event)

    def _open(self, event: Any) -> None:
        at = self._at(event)
        if len(self._stack) >= MAX_DEPTH:
            self._refuse(
                at,
                f"nested deeper than {MAX_DEPTH} levels",
                "a flatter file",
                "move inner steps to a file and use import_workflow",
            )
        mapping = type(event).__name__ == "MappingStartEvent"
        check_tag_of_container(event.tag, at, self._mistakes)
        if event.anchor:
            self._anchors[event.anchor] = None
        self._stack.append(_Open(at, event.anchor, mapping))

    def _close(self, event: Any) -> None:
        frame = self._stack.pop()
        node: Node
        node = Table(frame.at, tuple(self._merged(frame))) if frame.mapping else Items(frame.at, tuple(frame.items))
        if frame.anchor:
            self._anchors[frame.anchor] = (node, frame.size, frame.height)
        self._put(node, frame.size, frame.height, event)

    def _put(self, node: Node, size: int, height: int, event: Any) -> None:
        """Place a finished node into what is open around it."""
        if not self._stack:
            self.root = node
            return
        frame = self._stack[-1]
        frame.size += size
        frame.height = max(frame.height, height + 1)
        self._nodes += 1
        if max(frame.size, self._nodes) > MAX_NODES:
            self._refuse(
                self._at(event), f"more than {MAX_NODES} values when aliases are written out", "a smaller file"
            )
        if len(self._stack) + height > MAX_DEPTH:
            self._refuse(
                self._at(event), f"nested deeper than {MAX_DEPTH} levels when aliases are written out", "a flatter file"
            )
        if not frame.mapping:
            frame.items.append(node)
        elif frame.after_key:
            frame.after_key = False
            if frame.merging:
                frame.merges.append(node)
            elif frame.key is not None:
                frame.items.append(Entry(frame.key, node))
        else:
            frame.after_key = True
            frame.key = self._key(frame, node)
            frame.merging = frame.key is not None and node.at == self._at(event) and _is_merge_key(event)

    def _key(self, frame: _Open, node: Node) -> Scalar | None:
        """The key if it is usable; None, with a mistake, if its value is to be left out."""
        if not isinstance(node, Scalar) or node.value is None or isinstance(node.value, (Vaulted, Unsafe)):
            hint = 'text that begins with { needs quotes: "{{ … }}"' if not isinstance(node, Scalar) else ""
            self._mistakes.add(node.at, f"{described(node)} as a key", "a plain word as key", hint)
            return None
        first = frame.seen.get(node.value)
        if first is not None:
            what = f"key {shown(node.text)} stands twice in this mapping, first at {first}"
            self._mistakes.add(node.at, what, "each key once", "remove one of them")
            return None
        frame.seen[node.value] = node.at
        return node

    def _merged(self, frame: _Open) -> list[Entry]:
        """The entries with those of ``<<`` added: a key of the mapping itself wins, then the first that brings it, as YAML 1.1 has it."""
        entries: list[Entry] = frame.items
        known = {entry.key.value for entry in entries} if frame.merges else set()
        for merge in frame.merges:
            for table in merge.items if isinstance(merge, Items) else (merge,):
                if not isinstance(table, Table):
                    self._mistakes.add(
                        table.at, f"<< with {described(table)}", "a mapping or a list of mappings, by alias"
                    )
                    continue
                for entry in table.entries:
                    if entry.key.value not in known:
                        known.add(entry.key.value)
                        entries.append(entry)
        return entries


def _is_merge_key(event: Any) -> bool:
    return getattr(event, "value", "") == "<<" and event.tag is None and bool(event.implicit[0])


def _position_after(text: str, file: str) -> Position:
    return Position(file, text.count("\n") + 1, len(text) - text.rfind("\n"))


def _report_syntax(error: Any, text: str, file: str, mistakes: Mistakes) -> None:
    """One mistake for a YAML syntax error; after the first nothing more can be read."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    what = " ".join(
        part for part in (error.problem or "not readable as YAML", error.context and f"({error.context})") if part
    )
    lines = text.splitlines()
    written = lines[line] if line < len(lines) else ""
    mistakes.add(Position(file, line + 1, column + 1), what, suggestion=_syntax_hint(what, written))


def _syntax_hint(what: str, written: str) -> str:
    if "\t" in written[: len(written) - len(written.lstrip())] or "tab" in what:
        return "indent with spaces, not tabs"
    if "{{" in written:
        return 'a value with {{ … }} needs quotes: "{{ … }}"'
    if "mapping values are not allowed" in what:
        return 'text with ": " inside needs quotes'
    return ""
