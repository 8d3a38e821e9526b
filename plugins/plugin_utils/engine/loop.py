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
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from ansible_collections.netops.changerail.plugins.plugin_utils.core import decide
from ansible_collections.netops.changerail.plugins.plugin_utils.core.commands import Command
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import Event
from ansible_collections.netops.changerail.plugins.plugin_utils.core.state import State
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.timers import Clock, Timers
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import Record

WORKERS = 32
"""Operations that may be busy at once. A step that only waits holds no worker."""
_LONGEST_NAP = 0.5
_BATCH = 256


class Writer(Protocol):
    """The half of a journal the engine needs."""

    def append(self, events: list[Event]) -> list[Record]: ...


class Loop:
    """Events in, commands out, work handed to workers and taken back.

    ``dispatch`` is called for every new command, ``observer`` for every record, both in the engine's thread.
    """

    def __init__(self, state: State, journal: Writer, clock: Clock, observer: Callable[[Record], None]) -> None:
        self.state = state
        self.clock = clock
        self.timers = Timers(clock)
        self.dispatch: Callable[[Command], None] = _not_connected
        self.busy = 0
        self._journal = journal
        self._observer = observer
        self._events: deque[tuple[Event, Callable[[], None] | None]] = deque()
        self._inbound: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="changerail")

    def record(self, event: Event, then: Callable[[], None] | None = None) -> None:
        """Have ``event`` written and applied at the next commit; ``then`` is called once it is durable."""
        self._events.append((event, then))

    def commit(self) -> None:
        """Write and sync what was recorded, apply it and do what follows, until nothing is left to write. Raises StorageError."""
        while self._events:
            batch = [self._events.popleft() for dummy in range(min(_BATCH, len(self._events)))]
            for record, (_event, then) in zip(
                self._journal.append([event for event, dummy in batch]), batch, strict=True
            ):
                commands = decide.apply(self.state, record.event)
                self._observer(record)
                if then is not None:
                    then()
                for command in commands:
                    self.dispatch(command)

    def work(self, job: Callable[[], Callable[[], None]]) -> None:
        """Have a worker do ``job``; what it returns is run in the engine's thread. ``job`` must not raise."""
        self.busy += 1
        self._pool.submit(lambda: self._inbound.put(_closing(job)))

    def wake(self, action: Callable[[], None]) -> None:
        """Have ``action`` run in the engine's thread; may be called from any thread."""
        self._inbound.put(action)

    def work_done(self) -> None:
        """A worker's closure was taken back."""
        self.busy -= 1

    def turn(self) -> None:
        """Wait for the next thing to happen (at most a few seconds), and do it and all that followed."""
        left = self.timers.left()
        nap = _LONGEST_NAP if left is None else min(left, _LONGEST_NAP)
        try:
            action = self._inbound.get(timeout=nap) if nap > 0 else self._inbound.get_nowait()
            while True:
                action()
                action = self._inbound.get_nowait()
        except queue.Empty:
            pass
        for action in self.timers.due():
            action()
        self.commit()

    def close(self) -> None:
        """Let the workers go; those busy end by their own time limits."""
        self._pool.shutdown(wait=False, cancel_futures=True)


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
