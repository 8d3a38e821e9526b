# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the texts of a workflow come from: the disk, or the first record of a journal. For the reader and the checker.

A *key* names a file by its path relative to the main file's folder, with ``/``; nothing outside that folder is ever read as a workflow.
"""

from __future__ import annotations

import difflib
import os
import posixpath
import stat
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.document import MAX_BYTES, decoded
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.mistake import Mistakes
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Position


class Disk:
    """The files around a main file on disk. ``folder`` is absolute; messages show paths the way the main file's was given."""

    def __init__(self, path: str | Path) -> None:
        given, name = os.path.split(os.fspath(path))
        self.main = name
        self.folder = os.path.abspath(given)
        self._given = given

    def shown(self, key: str) -> str:
        """How messages name the file."""
        return os.path.join(self._given, key)

    def text(self, key: str, at: Position, mistakes: Mistakes) -> str | None:
        """The file's text, or None and a mistake ``at`` the place that names it."""
        path = os.path.join(self.folder, key)
        problem = file_problem(path)
        if problem:
            mistakes.add(at, f"{self.shown(key)}: {problem}", "a YAML file", near_files(path))
            return None
        try:
            with open(path, "rb") as file:
                content = file.read(MAX_BYTES + 1)
        except OSError as error:
            mistakes.add(at, f"{self.shown(key)}: {error.strerror or error}", "a YAML file this user may read")
            return None
        return decoded(content, self.shown(key), mistakes)


class Kept:
    """Texts that a journal kept; no disk is touched."""

    def __init__(self, main: str, sources: Mapping[str, str], folder: str) -> None:
        self.main = main
        self.folder = folder
        self._sources = sources

    def shown(self, key: str) -> str:
        """How messages name the file."""
        return key

    def text(self, key: str, at: Position, mistakes: Mistakes) -> str | None:
        """The kept text, or None and a mistake ``at`` the place that names it."""
        if key not in self._sources:
            mistakes.add(at, f"{key}: not among the sources the run was started with")
        return self._sources.get(key)


Files = Disk | Kept


def resolved(key: str, path: str) -> str:
    """The key of a file that the file ``key`` names by ``path``; it begins with ``..`` or ``/`` when it lies outside the main file's folder."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(key), path))


def is_outside(key: str) -> bool:
    """Whether a resolved path leaves the main file's folder."""
    return key.startswith(("/", "../")) or key in ("..", ".")


def file_problem(path: str) -> str:
    """Why ``path`` is no file that can be read, or ""."""
    try:
        kind = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    if stat.S_ISDIR(kind):
        return "is a directory"
    return "" if stat.S_ISREG(kind) else "is no regular file"


def near_files(path: str) -> str:
    """A suggestion from the names in the same folder."""
    try:
        names = {Path(name).stem: name for name in os.listdir(os.path.dirname(path))}
    except (OSError, ValueError):
        return ""
    near = [stem for stem in difflib.get_close_matches(Path(path).stem, names, n=1) if names[stem] != Path(path).name]
    return f"did you mean {names[near[0]]!r}?" if near else ""
