# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs as people name them, and their histories as doors read them. Every door calls it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ansible_collections.netops.changerail.plugins.module_utils.errors import (
    ChangerailError,
    JournalDamaged,
    UnknownRun,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import Event, RunStarted
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import Record, records
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import holder, read
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import (
    RunFolder,
    StateFolder,
    storage_error,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling import entry
from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import RunStatus, status
from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import RunSummary, summary, unattended
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Workflow

NEWEST = "last"
"""How the newest run may be called."""
_LOOK_AGAIN = 0.25
"""Seconds between two looks at a journal that is followed."""


@dataclass(frozen=True)
class History:
    """A run as it stands in its journal: the workflow it was started with and everything that happened."""

    folder: RunFolder
    started: RunStarted
    workflow: Workflow
    records: tuple[Record, ...]

    @property
    def events(self) -> Iterator[Event]:
        """What happened, in order."""
        return (record.event for record in self.records)


def state_folder() -> StateFolder:
    """Where this user's runs are."""
    return StateFolder.of_environment(os.environ)


def find(name: str, state: StateFolder | None = None) -> RunFolder:
    """The run called ``name``: its id, a beginning or an end of it that no other run has, or "last". Raises UnknownRun.

    ``state`` is where it is looked for, this user's state folder without it.
    """
    state = state or state_folder()
    if name == NEWEST:
        newest = max(state.all(), key=_begun, default=None)
        if newest is None:
            raise UnknownRun(f"there are no runs under {state.path / 'runs'} yet")
        return newest
    found = [folder for folder in state.all() if folder.run.startswith(name) or folder.run.endswith(name)]
    exact = [folder for folder in found if folder.run == name]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        raise UnknownRun(f"run {name!r}: could be: {', '.join(folder.run for folder in found[:10])}")
    return state.open(name)


def history(folder: RunFolder) -> History:
    """The run's workflow and events. Raises JournalDamaged, StorageError; a run without its first record is an UnknownRun."""
    from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load_sources

    found = tuple(read(folder.journal))
    first = found[0].event if found else None
    if not isinstance(first, RunStarted):
        raise UnknownRun(f"run {folder.run}: its journal {folder.journal} holds no run yet")
    return History(folder, first, load_sources(first.main, first.sources, first.folder), found)


def current(folder: RunFolder) -> RunSummary:
    """How the run stands, as the history and the lock tell it, or what was kept of them. Raises like ``history``."""
    kept = entry.read_summary(folder)
    if kept is not None and not kept.engine:
        return kept
    seen = summary(record.event for record in read(folder.journal))
    return seen if holder(folder) else unattended(seen)


def current_status(past: History) -> RunStatus:
    """The run as the history and the lock tell it."""
    seen = status(past.workflow, past.events)
    return seen if holder(past.folder) else replace(seen, summary=unattended(seen.summary))


def summaries(
    state: StateFolder | None = None,
) -> Iterator[tuple[RunFolder, RunSummary | ChangerailError]]:
    """Every run with its summary, the newest first; for a run that cannot be read the error."""
    found: list[tuple[float, RunFolder, RunSummary | ChangerailError]] = []
    for folder in (state or state_folder()).all():
        try:
            seen: RunSummary | ChangerailError = current(folder)
        except ChangerailError as error:
            seen = error
        found.append((_begun(folder) if isinstance(seen, ChangerailError) else seen.began, folder, seen))
    for _began, folder, seen in sorted(found, key=lambda entry: (entry[0], entry[1].run), reverse=True):
        yield folder, seen


def _begun(folder: RunFolder) -> float:
    """When the run was started; when its journal cannot be read, when that was last written."""
    try:
        return next(iter(read(folder.journal))).event.at
    except (StopIteration, JournalDamaged):
        return _written(folder.journal)


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def follow(
    folder: RunFolder, seen: tuple[Record, ...], going_on: Callable[[], bool] = lambda: True
) -> Iterator[Record]:
    """The records after ``seen`` as they are written; waits for more as long as ``going_on`` says so. Raises JournalDamaged, StorageError."""
    for record in records(_growing(folder.journal, going_on)):
        if record.seq > len(seen):
            yield record


def _growing(path: Path, going_on: Callable[[], bool]) -> Iterator[bytes]:
    """The whole lines of a file that grows."""
    begun = b""
    try:
        with open(path, "rb") as stream:
            while True:
                begun += stream.readline()
                if begun.endswith(b"\n"):
                    yield begun
                    begun = b""
                elif going_on():
                    time.sleep(_LOOK_AGAIN)
                else:
                    return
    except OSError as error:
        raise storage_error(path, error) from None
