# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at runs from outside, without taking them up: which there are, whether one is over, whether something came. For the scheduler."""

from __future__ import annotations

import os
from collections.abc import Set

from ansible_collections.netops.changerail.plugins.module_utils.errors import ChangerailError
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import FileJournal
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import read as read_journal
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder, StateFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling import entry
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.row import Row, row_of
from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import INTERRUPTED, RunSummary, summary

_TAIL = 512
_FINISHED = b'"event":"engine_stopped",'


def runs(state: StateFolder) -> Set[str]:
    """The ids of all runs that have begun or may begin. Raises OSError."""
    if not state.runs.is_dir():
        return set()
    with os.scandir(state.runs) as there:
        return {run.name for run in there if not run.name.startswith(".") and run.is_dir()}


def marks(folder: RunFolder) -> tuple[int, int]:
    """The journal's size and when the inbox last changed; -1 for what is not there."""
    return _of(folder.journal)[0], _of(folder.inbox)[1]


def has_items(folder: RunFolder) -> bool:
    """Whether something lies in the inbox."""
    try:
        with os.scandir(folder.inbox) as there:
            return any(item.name.endswith(".json") and not item.name.startswith(".") for item in there)
    except OSError:
        return False


def finished(folder: RunFolder) -> RunSummary | None:
    """How the run ended, if its last engine said that it was over. Keeps it for the next who asks. Raises JournalDamaged, StorageError."""
    with open(folder.journal, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
        last = file.read().rstrip(b"\n").rpartition(b"\n")[2]
    if _FINISHED not in last or b'"reason":"finished"' not in last:
        return None
    with FileJournal(folder) as journal:
        seen = summary(record.event for record in journal.read())
        if seen.over:
            entry.write(folder, seen, None)
            return seen
    return None


def read(folder: RunFolder) -> Row:
    """How a run stands that somebody else drives, as far as its journal can be read."""
    try:
        return row_of(summary(record.event for record in read_journal(folder.journal)))
    except ChangerailError as error:
        return Row(folder.run, folder.run, INTERRUPTED, "", 0.0, 0.0, message=str(error))


def unknown(folder: RunFolder) -> Row:
    """A run of which nothing can be said but that it is there."""
    written = max(0, _of(folder.journal)[1]) / 1e9
    return Row(folder.run, folder.run, INTERRUPTED, "", written, written)


def _of(path: os.PathLike[str]) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns
