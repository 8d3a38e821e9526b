# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a value of the project file may be, and what is made of it: text, lists, paths, URLs, secrets as references. Only ``project_file.py`` uses it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import plain
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Reference
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.document import (
    Items,
    Node,
    Scalar,
    Table,
    described,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.mistake import Mistakes, nearest, shown
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Position, Unsafe, Vaulted

_SECRET_KEY = re.compile(r"(?i)(password|passwd|passphrase|secret|token|api[-_]?key|authorization)\Z")
_PASSWORD_IN_URL = re.compile(r"://[^/@\s:?#]*:[^/@\s?#]+@")
_SSH_KEY = re.compile(r"(ssh-|ecdsa-|sk-)[a-z0-9@.-]+ +[A-Za-z0-9+/=]{16,}( .*)?\Z")


class Values:
    """Makes values of nodes and reports what is wrong with them. A wrong one is left out, or stands for nothing."""

    def __init__(self, mistakes: Mistakes, path: Path) -> None:
        self._mistakes = mistakes
        self._path = path

    def _table(self, node: Node, what: str, known: Mapping[str, str]) -> Iterator[tuple[str, Node]]:
        """The entries of a mapping that may have only ``known`` keys."""
        if not isinstance(node, Table):
            self._mistakes.add(node.at, f"{what} is {described(node)}", f"a mapping with {', '.join(known)}")
            return
        for entry in node.entries:
            name = entry.key.text
            if name in known:
                yield name, entry.node
            else:
                self._mistakes.add(
                    entry.key.at, f"{what} has no {shown(name)}", f"one of {', '.join(known)}", nearest(name, known)
                )

    def _named(self, section: Node | None, what: str) -> Iterator[tuple[str, Node]]:
        """The entries of a mapping whose keys are names of the author's choice."""
        if section is None or nothing(section):
            return
        if not isinstance(section, Table):
            self._mistakes.add(section.at, f"{what} is {described(section)}", "a mapping by name")
            return
        for entry in section.entries:
            yield plain(entry.key.text), entry.node

    def _text(self, node: Node) -> str:
        if (
            isinstance(node, Scalar)
            and node.text
            and isinstance(node.value, (str, int, float))
            and not isinstance(node.value, bool)
        ):
            return node.text
        self._mistakes.add(node.at, described(node), "text")
        return ""

    def _texts(self, node: Node | None) -> Iterator[tuple[str, Position]]:
        """One text or a list of them, each with its place."""
        if node is None or nothing(node):
            return
        for inner in node.items if isinstance(node, Items) else (node,):
            if text := self._text(inner):
                yield text, inner.at

    def _keys(self, node: Node | None) -> Iterator[str]:
        for text, at in self._texts(node):
            if _SSH_KEY.match(text):
                yield text
            else:
                self._mistakes.add(
                    at,
                    f"{shown(text)} is no SSH public key",
                    "the line of a .pub file, such as 'ssh-ed25519 AAAA… comment'",
                )

    def _urls(self, node: Node) -> list[Any]:
        values = self._value(node)
        urls = values if isinstance(values, list) else [values]
        for url in urls:
            if not isinstance(url, Reference) and not (isinstance(url, str) and "://" in url):
                self._mistakes.add(
                    node.at,
                    described(node),
                    "an Apprise URL such as mailto://…, or a list of them, !vault or {env: NAME}",
                )
        return urls

    def _place(self, node: Node) -> Any:
        """A URL as it is; a path starts at the project file's folder."""
        value = self._value(node)
        if isinstance(value, Reference) or (isinstance(value, str) and "://" in value):
            return value
        return str(self._path.parent / Path(self._text(node)).expanduser())

    def _value(self, node: Node, key: str = "") -> Any:
        """A value with references in place of ``!vault`` and ``{env: NAME}``; a secret that is written out is a mistake."""
        if isinstance(node, Items):
            return [self._value(item, key) for item in node.items]
        if isinstance(node, Table):
            if [entry.key.text for entry in node.entries] == ["env"]:
                return Reference(self._text(node.entries[0].node), node.at)
            return {entry.key.text: self._value(entry.node, entry.key.text) for entry in node.entries}
        if isinstance(node.value, Vaulted):
            return Reference(node.value, node.at)
        written_out = isinstance(node.value, str) and (
            _PASSWORD_IN_URL.search(node.text) or (node.text and _SECRET_KEY.search(key))
        )
        if written_out:
            self._mistakes.add(
                node.at, f"a secret stands here in clear ({key or 'a password in a URL'})", "!vault, or {env: NAME}"
            )
        return node.value.text if isinstance(node.value, Unsafe) else node.value

    def _checked(self, node: Node, parse: Callable[[], float]) -> float:
        try:
            return parse()
        except AuthorError as error:
            self._mistakes.add(node.at, str(error))
            return 0.0


def nothing(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None
