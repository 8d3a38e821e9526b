# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who watches the runs of a server: the metrics, the log, the traces, and whoever else wants to hear of new records while it runs (open pages)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.plugin_utils.engine.meter import Called, Meter
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import Record
from ansible_collections.netops.changerail.plugins.plugin_utils.web.logs import log_record
from ansible_collections.netops.changerail.plugins.plugin_utils.web.metrics import Metrics
from ansible_collections.netops.changerail.plugins.plugin_utils.web.traces import Traces

if TYPE_CHECKING:
    from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.scheduler import Scheduler

_LOG = logging.getLogger("changerail.serve")
Listener = Callable[[str, Record], None]


class Observers(Meter):
    """``record`` is the scheduler's observer, the whole is its meter. With ``traces`` also OpenTelemetry is told."""

    def __init__(self, traces: bool) -> None:
        self.metrics = Metrics()
        self._scheduler: Scheduler | None = None
        self._traces = Traces(self._began) if traces else None
        self._lock = threading.Lock()
        self._listeners: tuple[Listener, ...] = ()

    def attach(self, scheduler: Scheduler) -> None:
        """The scheduler whose runs are watched."""
        self._scheduler = scheduler
        self.metrics.attach(scheduler)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with every new record, in any thread, until what is returned is called. It must not wait."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def leave() -> None:
            with self._lock:
                self._listeners = tuple(other for other in self._listeners if other is not listener)

        return leave

    def record(self, run: str, record: Record) -> None:
        """A run has a new record."""
        self.metrics.record(run, record)
        log_record(run, record)
        if self._traces is not None:
            self._traces.record(run, record)
        for listener in self._listeners:
            try:
                listener(run, record)
            except Exception:  # noqa: BLE001 - one page that fails must not keep the others from hearing of it
                _LOG.exception("a listener failed at run %s", run)

    def called(self, call: Called) -> None:
        self.metrics.called(call)
        if self._traces is not None:
            self._traces.called(call)

    def synced(self, seconds: float) -> None:
        self.metrics.synced(seconds)

    def arrived(self, lag: float) -> None:
        self.metrics.arrived(lag)

    def close(self) -> None:
        """Tell what has not been told yet."""
        if self._traces is not None:
            self._traces.close()

    def _began(self, run: str) -> float | None:
        row = self._scheduler.row(run) if self._scheduler is not None else None
        return row.began if row is not None else None
