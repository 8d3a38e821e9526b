# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The threads of a server that do the work of steps, shared by all runs: no run gets more than half of them, and all take turns.

Scheduler makes it; each run is given a ``Share``, which is what ``engine.loop.Workers`` asks for.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

Job = Callable[[], None]


class Workers:
    """``count`` threads, which begin with the first job. A job must not raise."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._most = max(1, count // 2)
        self._changed = threading.Condition()
        self._waiting: deque[Share] = deque()
        self._threads: list[threading.Thread] = []
        self._stopped = False
        self.busy = 0
        self.queued = 0

    @property
    def count(self) -> int:
        """How many threads there may be."""
        return self._count

    def share(self) -> Share:
        """A run's own way to the threads."""
        return Share(self)

    def stop(self) -> None:
        """Begin no further job. Those under way end by their own time limits; their threads keep no process alive."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def add(self, share: Share, job: Job) -> None:
        """Have ``job`` done when it is the turn of ``share``."""
        with self._changed:
            share.jobs.append(job)
            self.queued += 1
            self._line_up(share)
            if self.queued > len(self._threads) - self.busy and len(self._threads) < self._count:
                thread = threading.Thread(target=self._work, name=f"changerail-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _line_up(self, share: Share) -> None:
        if share.jobs and not share.in_line and share.running < self._most:
            share.in_line = True
            self._waiting.append(share)
            self._changed.notify()

    def _work(self) -> None:
        while (taken := self._next()) is not None:
            share, job = taken
            try:
                job()
            finally:
                # What the job holds must not live until the next one.
                del job
                with self._changed:
                    self.busy -= 1
                    share.running -= 1
                    self._line_up(share)

    def _next(self) -> tuple[Share, Job] | None:
        with self._changed:
            while not self._waiting and not self._stopped:
                self._changed.wait()
            if self._stopped:
                return None
            share = self._waiting.popleft()
            share.in_line = False
            share.running += 1
            self.busy += 1
            self.queued -= 1
            job = share.jobs.popleft()
            self._line_up(share)
            return share, job


class Share:
    """One run's jobs: those that wait for a thread, and how many have one."""

    __slots__ = ("_workers", "in_line", "jobs", "running")

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self.jobs: deque[Job] = deque()
        self.running = 0
        self.in_line = False

    def submit(self, job: Job, /) -> None:
        """Have ``job`` done by one of the threads."""
        self._workers.add(self, job)
