# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run stood when it was put down, in a file beside its journal: what saves reading ten thousand journals at a start, or for a list.

It is a cache and never the truth: one that does not belong to the journal as it is now, or cannot be read, is as good as none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.core.commands import Due
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder, storage_error
from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import RunSummary, from_dict

_FORM = 1
"""The version of the file's form."""
_TAIL = 68
"""Bytes at a journal's end that hold the SHA-256 of its last line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """``seen`` is the run as it stood, ``due`` when it must be looked at again by itself (None: only when somebody wakes it)."""

    seen: RunSummary
    due: Due | None


def write(folder: RunFolder, entry: Entry) -> None:
    """Keep ``entry`` for the journal as it is now; whoever calls holds the run. Raises StorageError."""
    document = {
        "form": _FORM,
        "journal": _mark(folder),
        "due": None if entry.due is None else list(entry.due),
        "seen": entry.seen.as_dict(),
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
    try:
        document = json.loads(folder.entry.read_bytes().decode("utf-8", "surrogatepass"))
        if not isinstance(document, Mapping) or document.get("form") != _FORM:
            return None
        return _entry(document) if document["journal"] == _mark(folder) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _entry(document: Mapping[str, Any]) -> Entry:
    due = document["due"]
    return Entry(from_dict(document["seen"]), None if due is None else Due(float(due[0]), float(due[1])))


def _mark(folder: RunFolder) -> list[Any]:
    """What tells this journal from what it was before and after: its size and the digest in its last line, which covers all before it."""
    descriptor = os.open(folder.journal, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        return [size, os.pread(descriptor, _TAIL, max(0, size - _TAIL)).decode("ascii", "replace")]
    finally:
        os.close(descriptor)
