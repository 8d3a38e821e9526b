# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run stood when it was put down, in a file beside its journal: what saves reading ten thousand journals at a start, or for a list.

It is a cache and never the truth: one that does not belong to the journal as it is now, or cannot be read, is as good as none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ansible_collections.netops.changerail.plugins.plugin_utils.core.commands import Due
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder, storage_error
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.row import Row, row_of
from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import RunSummary, from_dict

_T = TypeVar("_T")
_FORM = 2
"""The version of the file's form."""
_TAIL = 68
"""Bytes at a journal's end that hold the SHA-256 of its last line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """``row`` is how the run stood, ``due`` when it must be looked at again by itself (None: only when somebody wakes it)."""

    row: Row
    due: Due | None


def write(folder: RunFolder, seen: RunSummary, due: Due | None) -> None:
    """Keep how the run stands for the journal as it is now; whoever calls holds the run. Raises StorageError."""
    document = {
        "form": _FORM,
        "journal": _mark(folder),
        "due": due,
        "row": row_of(seen).as_list(),
        "seen": seen.as_dict(),
    }
    # Not synced: after a power cut it may be torn or old, and is then as good as none.
    draft = folder.entry.with_name(".entry.json")
    try:
        with open(draft, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        os.replace(draft, folder.entry)
    except OSError as error:
        raise storage_error(folder.entry, error) from None


def read(folder: RunFolder) -> Entry | None:
    """The entry that belongs to the journal as it is now, or None."""

    def made(document: Mapping[str, Any]) -> Entry:
        due = document["due"]
        return Entry(Row.from_list(document["row"]), None if due is None else Due(float(due[0]), float(due[1])))

    return _believed(folder, made)


def read_summary(folder: RunFolder) -> RunSummary | None:
    """The whole summary that was kept for the journal as it is now, or None."""
    return _believed(folder, lambda document: from_dict(document["seen"]))


def _believed(folder: RunFolder, made: Callable[[Mapping[str, Any]], _T]) -> _T | None:
    try:
        with open(folder.entry, "rb") as file:
            document = json.loads(file.read().decode("utf-8", "surrogatepass"))
        if not isinstance(document, Mapping) or document.get("form") != _FORM or document["journal"] != _mark(folder):
            return None
        return made(document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _mark(folder: RunFolder) -> list[Any]:
    """What tells this journal from what it was before and after: its size and the digest in its last line, which covers all before it."""
    descriptor = os.open(folder.journal, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        return [size, os.pread(descriptor, _TAIL, max(0, size - _TAIL)).decode("ascii", "replace")]
    finally:
        os.close(descriptor)
