# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One engine's heart beat: events are written, then applied, then what follows is done. Everything but the work itself happens in one thread.

Workers hand back closures, which the engine's thread runs one after the other; so nothing here needs a lock.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from ansible_collections.netops.changerail.plugins.plugin_utils.core import decide
from ansible_collections.netops.changerail.plugins.plugin_utils.core.commands import Command
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import Event
from ansible_collections.netops.changerail.plugins.plugin_utils.core.state import State
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.meter import NOTHING, Meter
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.timers import Clock, Timers
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import Record

_LONGEST_NAP = 0.5
_BATCH = 256


class Writer(Protocol):
    """The half of a journal the engine needs."""

    def append(self, events: list[Event]) -> list[Record]: ...


class Workers(Protocol):
    """Threads that do the work of steps, of one run or of many; a job never raises. A step that only waits holds none of them."""

    def submit(self, job: Callable[[], None], /) -> object: ...


class Loop:
    """Events in, commands out, work handed to workers and taken back.

    ``dispatch`` is called for every new command, ``observer`` for every record, both in the engine's thread; ``notify`` in any thread when there is
    something to do. ``busy`` counts the jobs that have not come back. ``preface`` is written before the next event, if there ever is one.
    """

    def __init__(
        self,
        state: State,
        journal: Writer,
        clock: Clock,
        observer: Callable[[Record], None],
        workers: Workers,
        meter: Meter = NOTHING,
    ) -> None:
        self.meter = meter
        self.state = state
        self.clock = clock
        self.timers = Timers(clock)
        self.dispatch: Callable[[Command], None] = _not_connected
        self.notify: Callable[[], None] = lambda: None
        self.preface: Event | None = None
        self.busy = 0
        self._journal = journal
        self._observer = observer
        self._events: deque[tuple[Event, Callable[[], None] | None]] = deque()
        self._inbound: queue.SimpleQueue[_Inbound] = queue.SimpleQueue()
        self._workers = workers

    def record(self, event: Event, then: Callable[[], None] | None = None) -> None:
        """Have ``event`` written and applied at the next commit; ``then`` is called once it is durable."""
        self._events.append((event, then))

    def commit(self) -> None:
        """Write and sync what was recorded, apply it and do what follows, until nothing is left to write. Raises StorageError."""
        if self._events and self.preface is not None:
            self._events.appendleft((self.preface, None))
            self.preface = None
        while self._events:
            batch = [self._events.popleft() for dummy in range(min(_BATCH, len(self._events)))]
            began = self.clock.monotonic()
            records = self._journal.append([event for event, dummy in batch])
            self.meter.synced(self.clock.monotonic() - began)
            for record, (_event, then) in zip(records, batch, strict=True):
                commands = decide.apply(self.state, record.event)
                self._observer(record)
                if then is not None:
                    then()
                for command in commands:
                    self.dispatch(command)

    def work(self, job: Callable[[], Callable[[], None]]) -> None:
        """Have a worker do ``job``; what it returns is run in the engine's thread. ``job`` must not raise."""
        self.busy += 1
        self._workers.submit(lambda: self._put(_Inbound(_closing(job), True)))

    def wake(self, action: Callable[[], None]) -> None:
        """Have ``action`` run in the engine's thread; may be called from any thread."""
        self._put(_Inbound(action, False))

    def turn(self) -> None:
        """Wait for the next thing to happen (at most a few seconds), and do it and all that followed."""
        left = self.timers.left()
        nap = _LONGEST_NAP if left is None else min(left, _LONGEST_NAP)
        if nap > 0:
            with suppress(queue.Empty):
                self._take(self._inbound.get(timeout=nap))
        self.advance()

    def advance(self) -> None:
        """Do what there is to do now and all that follows, without waiting for anything."""
        while not self._inbound.empty():
            self._take(self._inbound.get_nowait())
        for action in self.timers.due():
            action()
        self.commit()

    @property
    def has_inbound(self) -> bool:
        """Whether something is there for the engine's thread."""
        return not self._inbound.empty()

    def abandon(self) -> int:
        """Throw away what comes back, as nobody goes on here; how many jobs are still under way."""
        while not self._inbound.empty():
            self.busy -= self._inbound.get_nowait().is_work
        return self.busy

    def _put(self, inbound: _Inbound) -> None:
        self._inbound.put(inbound)
        self.notify()

    def _take(self, inbound: _Inbound) -> None:
        self.busy -= inbound.is_work
        inbound.action()


class _Inbound(NamedTuple):
    """Something for the engine's thread: what a worker brings back, or what somebody else wants done."""

    action: Callable[[], None]
    is_work: bool


def _closing(job: Callable[[], Callable[[], None]]) -> Callable[[], None]:
    try:
        return job()
    except BaseException as error:  # noqa: BLE001 - carried to the engine's thread and raised there
        raised = error

        def fail() -> None:
            raise raised

        return fail


def _not_connected(command: Command) -> None:
    raise RuntimeError(f"nothing takes {command}")


@contextmanager
def listening(path: Path, woken: Callable[[], None]) -> Iterator[None]:
    """Call ``woken``, in a thread of its own, for what is written to the FIFO at ``path`` while the block runs."""
    # Opened for both ways: it neither waits for a writer nor ends when the last one leaves, and the end is a byte of our own.
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    over = threading.Event()

    def listen() -> None:
        while os.read(descriptor, 4096) and not over.is_set():
            woken()

    thread = threading.Thread(target=listen, name="changerail-wake", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        os.write(descriptor, b"\n")
        thread.join()
        os.close(descriptor)
