# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that a server has taken up: the engine of ``changerail run``, in turns that never wait. Only the scheduler calls it, one thread at a time.

Between two turns it holds no thread; put down, it holds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from ansible_collections.netops.changerail.plugins.plugin_utils.core import decide
from ansible_collections.netops.changerail.plugins.plugin_utils.core.commands import Due
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import EngineStopped
from ansible_collections.netops.changerail.plugins.plugin_utils.engine import recorded_vars
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.loop import Loop, Workers
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.run import (
    Surround,
    engine_of,
    engine_started,
    folded,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import Record
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import FileJournal
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling import entry
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.row import Row, row_of
from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import Summary


class Driven:
    """Takes the run up; ``notify`` is called in any thread when it wants a turn. ``project`` gives the project of the file its run names.

    Raises RunIsHeld, JournalDamaged, StorageError, RunError; nothing is held then.
    """

    def __init__(
        self,
        folder: RunFolder,
        around: Surround,
        workers: Workers,
        project: Callable[[str], Project],
        notify: Callable[[], None],
    ) -> None:
        self._folder = folder
        self._clock = around.clock
        self._observer = around.observer
        self._summary = Summary()
        began = self._clock.monotonic()
        self._journal = FileJournal(folder)
        try:
            state, workflow = folded(self._read(), folder)
            self._loop = Loop(state, self._journal, around.clock, self._observed, workers, around.meter)
            self._loop.notify = notify
            started = state.started
            own = project(started.project if started is not None else "")
            self._engine = engine_of(self._loop, folder, workflow, replace(around, project=own))
        except BaseException:
            self._journal.close()
            raise
        self.cost = self._clock.monotonic() - began

    def begin(self) -> None:
        """The first turn. Raises StorageError, JournalDamaged."""
        if self.over:
            return
        first = engine_started(self._clock.now(), self._journal.healed)
        if self._journal.healed:
            self._loop.record(first)
        else:
            # A look at something that has not moved leaves no trace.
            self._loop.preface = first
        self._engine.begin(decide.pending(self._loop.state))

    def turn(self) -> None:
        """Do what there is to do, without waiting for anything. Raises StorageError, JournalDamaged."""
        self._loop.advance()

    def inbox_changed(self) -> None:
        """Have the inbox read in the next turn."""
        self._engine.inbox_changed()

    def look(self, path: str) -> None:
        """Have the step at ``path`` ("": every step) looked at in the next turn."""
        self._engine.look(path)

    @property
    def over(self) -> bool:
        """Whether the run is over."""
        return self._loop.state.status != "running"

    @property
    def resting(self) -> bool:
        """Whether it may be put down: nothing is under way that only this process knows of."""
        return self._engine.resting

    @property
    def left(self) -> float | None:
        """Seconds until it wants a turn by itself; None when only somebody else can move it."""
        return self._loop.timers.left()

    @property
    def row(self) -> Row:
        """How the run stands."""
        return row_of(self._summary.current)

    def put_down(self) -> None:
        """Record that it was put down or is over, keep how it stands for whoever takes it up next, and let go of it. Raises StorageError."""
        left, over = self.left, self.over
        waits = self.resting or self._engine.only_long_waits()
        reason = "finished" if over else "waiting" if waits else "interrupted"
        if over:
            recorded_vars.forget(self._folder)
        # Nothing was recorded since an engine said that it put the run down: then that still holds.
        if self._summary.current.engine:
            self._loop.record(EngineStopped(self._clock.now(), reason))
            self._loop.commit()
        if over or waits:
            due = None if over or left is None else Due(self._clock.now() + left, left)
            entry.write(self._folder, self._summary.current, due)
        self.close()

    def abandon(self) -> int:
        """Go on no more; how many jobs are still under way, whose ends must be awaited before anybody takes the run up again."""
        return self._loop.abandon()

    def close(self) -> None:
        """Let go of the run."""
        self._journal.close()

    def _read(self) -> Iterator[Record]:
        for record in self._journal.read():
            self._summary.apply(record.event)
            yield record

    def _observed(self, record: Record) -> None:
        self._summary.apply(record.event)
        self._observer(record)
