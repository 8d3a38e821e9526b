# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's metrics for Prometheus: what is counted as it happens, and how things stand when somebody asks. docs/serve.md lists them.

Labels come from a small set: states, kinds, groups, operations and providers; never a run, a step or a person.
"""

from __future__ import annotations

import threading
import time
from collections import Counter as Count
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.meter import Called, Meter
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.run import versions
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import Record
from ansible_collections.netops.changerail.plugins.plugin_utils.people.break_glass import ACCEPTED, REFUSED, UNREVIEWED
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.row import Row, RowWait
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.scheduler import Load

if TYPE_CHECKING:
    from prometheus_client.core import Metric

AGES = ((3600.0, "1h"), (14400.0, "4h"), (86400.0, "1d"), (259200.0, "3d"), (604800.0, "7d"))
"""Ages in seconds and what they are called; what is older is "older"."""
STATES = ("running", "waiting", "interrupted", "unreadable", "succeeded", "failed", "cancelled")
ANYBODY, PERSON = "anybody", "named people"
"""What stands in the place of a group where a question names none."""
_CALLS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_SYNCS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
_LAGS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 60, 300, 3600)
_STEPS = (0.1, 1, 5, 15, 60, 300, 900, 3600, 14400, 86400, 259200, 604800)
_MOST_STEPS = 100_000
"""Steps under way whose beginning is remembered; of more the time is not measured."""


class Runs(Protocol):
    """How runs stand; the scheduler tells."""

    def rows(self) -> Sequence[Row]: ...

    @property
    def load(self) -> Load: ...


class Metrics(Meter):
    """Give ``meter`` to ``Surround`` (it is one) and ``record`` to the scheduler as an observer; then ``attach`` it. Safe in any thread."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram, Info
        from prometheus_client.gc_collector import GCCollector
        from prometheus_client.platform_collector import PlatformCollector
        from prometheus_client.process_collector import ProcessCollector

        self._registry = kept = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=kept)
        PlatformCollector(registry=kept)
        GCCollector(registry=kept)
        Info("changerail_build", "Versions of what the server is made of.", registry=kept).info(
            {name.replace("-", "_"): version for name, version in versions().items()}
        )
        self._records = Counter("changerail_records", "Records written to journals.", ["event"], registry=kept)
        self._ended = Counter("changerail_runs_ended", "Runs that came to their end.", ["status"], registry=kept)
        self._answers = Counter("changerail_answers", "Answers of people.", ["result"], registry=kept)
        self._broken = Counter("changerail_break_glass", "Words and reviews of break-glass.", ["result"], registry=kept)
        for result in ("said", "opened", ACCEPTED, REFUSED, UNREVIEWED):
            # There from the start, or the first of each would be no increase.
            self._broken.labels(result)
        self._retries = Counter("changerail_step_retries", "Attempts after the first.", ["operation"], registry=kept)
        self._steps = Histogram(
            "changerail_step_seconds",
            "From an attempt's start to its end, waiting included; of attempts that began in this process.",
            ["operation", "outcome"],
            buckets=_STEPS,
            registry=kept,
        )
        self._calls = Histogram(
            "changerail_call_seconds",
            "Calls into operations and the providers behind them.",
            ["operation", "provider", "verb", "outcome"],
            buckets=_CALLS,
            registry=kept,
        )
        self._syncs = Histogram(
            "changerail_journal_sync_seconds", "Writing and syncing events.", buckets=_SYNCS, registry=kept
        )
        self._lag = Histogram(
            "changerail_inbox_lag_seconds",
            "From an answer or cancel put into an inbox to its record.",
            buckets=_LAGS,
            registry=kept,
        )
        self._lock = threading.Lock()
        self._begun: dict[tuple[str, str], tuple[float, str]] = {}

    def attach(self, runs: Runs) -> None:
        """Show how the runs stand too."""
        self._registry.register(_Standing(runs))

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """All metrics in the form the ``Accept`` header asks for, and its content type."""
        from prometheus_client.exposition import choose_encoder

        encoder, kind = choose_encoder(accept)
        return encoder(self._registry), kind

    def record(self, run: str, record: Record) -> None:
        """Count a new record of a run."""
        event = record.event
        self._records.labels(e.NAMES[type(event)]).inc()
        match event:
            case e.StepStarted():
                self._began(run, event)
            case e.StepFinished():
                self._finished(run, event)
            case e.RunFinished():
                self._ended.labels(event.status).inc()
                with self._lock:
                    for key in [key for key in self._begun if key[0] == run]:
                        del self._begun[key]
            case e.Answered():
                self._answers.labels("counted").inc()
            case e.AnswerRefused():
                self._answers.labels("refused").inc()
            case e.BreakGlass():
                self._broken.labels("opened" if event.opens else "said").inc()
            case e.BreakGlassReviewed():
                self._broken.labels(event.outcome).inc()
            case _:
                pass

    def called(self, call: Called) -> None:
        self._calls.labels(call.operation, call.provider, call.verb, call.outcome).observe(call.seconds)

    def synced(self, seconds: float) -> None:
        self._syncs.observe(seconds)

    def arrived(self, lag: float) -> None:
        self._lag.observe(lag)

    def _began(self, run: str, event: e.StepStarted) -> None:
        if event.attempt > 1:
            self._retries.labels(event.operation or "unknown").inc()
        with self._lock:
            if len(self._begun) < _MOST_STEPS:
                self._begun[run, event.path] = (event.at, event.operation)

    def _finished(self, run: str, event: e.StepFinished) -> None:
        with self._lock:
            began = self._begun.pop((run, event.path), None)
        if began is not None:
            at, operation = began
            self._steps.labels(operation or "unknown", event.failure or "done").observe(max(0.0, event.at - at))


class _Standing:
    """How the runs stand, counted when it is asked for."""

    def __init__(self, runs: Runs) -> None:
        self._all = runs

    def collect(self) -> Iterator[Metric]:
        now, rows = time.time(), self._all.rows()
        yield from _runs(rows)
        waits = [wait for row in rows if not row.over for wait in row.waits]
        yield from _aged("changerail_waits", "What runs wait for.", ("kind",), [((w.kind,), w) for w in waits], now)
        asked = [((group, w.kind), w) for w in waits if w.asks for group in _asked(w)]
        yield from _aged("changerail_questions", "Questions that wait for people.", ("group", "kind"), asked, now)
        yield from _load(self._all.load)


def _asked(wait: RowWait) -> Sequence[str]:
    return wait.groups or ((PERSON,) if wait.people else (ANYBODY,))


def _runs(rows: Sequence[Row]) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    counted = Count(row.state for row in rows)
    runs = GaugeMetricFamily("changerail_runs", "Runs by state.", labels=["state"])
    for state in STATES:
        runs.add_metric([state], counted[state])
    yield runs
    trouble = sum(bool(row.problem) and not row.over for row in rows)
    yield GaugeMetricFamily("changerail_runs_in_trouble", "Runs that do not go on here; their pages say why.", trouble)


def _aged(
    name: str, text: str, labels: Sequence[str], waits: Iterable[tuple[tuple[str, ...], RowWait]], now: float
) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    counted: Count[tuple[str, ...]] = Count()
    oldest: dict[tuple[str, ...], float] = {}
    for key, wait in waits:
        age = max(0.0, now - wait.since)
        counted[(*key, next((called for limit, called in AGES if age < limit), "older"))] += 1
        oldest[key] = max(oldest.get(key, 0.0), age)
    number = GaugeMetricFamily(name, f"{text} ``age`` is below what it says.", labels=[*labels, "age"])
    for found, count in sorted(counted.items()):
        number.add_metric(list(found), count)
    yield number
    eldest = GaugeMetricFamily(f"{name}_oldest_seconds", f"{text} Age of the oldest.", labels=list(labels))
    for found, seconds in sorted(oldest.items()):
        eldest.add_metric(list(found), seconds)
    yield eldest


def _load(load: Load) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    figures: dict[str, tuple[str, Any]] = {
        "changerail_runs_held": ("Runs that are held in memory, as they are at work.", load.held),
        "changerail_runs_parked": ("Runs that only wait and hold nothing.", load.parked),
        "changerail_turns_wanted": ("Runs that have something to do and wait for a turn.", load.turns_wanted),
        "changerail_workers": ("Threads that may work on steps.", load.workers),
        "changerail_workers_busy": ("Threads that work on a step.", load.workers_busy),
        "changerail_jobs_waiting": ("Work of steps that waits for a thread.", load.jobs_waiting),
    }
    for name, (text, value) in figures.items():
        yield GaugeMetricFamily(name, text, value)
