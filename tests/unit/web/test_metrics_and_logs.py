"""What the metrics count and what the log says, of records as runs make them."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.meter import Called
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import Record
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.row import Row, RowWait
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.scheduler import Load
from ansible_collections.netops.changerail.plugins.plugin_utils.web import logs
from ansible_collections.netops.changerail.plugins.plugin_utils.web.metrics import Metrics


class Standing:
    """Runs that stand as they are told to."""

    load = Load(1, 2, 0, 3, 32, 4, 5)

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def rows(self) -> list[Row]:
        return self._rows


def values(metrics: Metrics) -> dict[str, float]:
    text = metrics.exposition("text/plain")[0].decode()
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_happens_is_counted():
    metrics = Metrics()
    for number, event in enumerate(
        [
            e.StepStarted(10.0, "one", 1, "k", operation="pipeline"),
            e.StepFinished(12.0, "one", 1, "transient", "", False, {}),
            e.StepStarted(15.0, "one", 2, "k", operation="pipeline"),
            e.StepFinished(75.0, "one", 2, "", "", False, {}),
            e.Answered(80.0, "ask", "q", "a", "approve", "ann", [], "os_user"),
            e.AnswerRefused(80.0, "ask", "q", "b", "approve", "bob", "os_user", "twice"),
            e.RunFinished(90.0, "succeeded"),
        ]
    ):
        metrics.record("run-1", Record(number, event, "", 0))
    metrics.called(Called("run-1", "one", 1, "pipeline", "gitlab", "start", "waiting", 0.2, 11.0))
    metrics.synced(0.001)
    metrics.arrived(0.5)
    seen = values(metrics)
    assert seen["changerail_step_retries_total[('operation', 'pipeline')]"] == 1
    assert seen["changerail_step_seconds_sum[('operation', 'pipeline'), ('outcome', 'done')]"] == 60
    assert seen["changerail_step_seconds_sum[('operation', 'pipeline'), ('outcome', 'transient')]"] == 2
    assert seen["changerail_answers_total[('result', 'counted')]"] == 1
    assert seen["changerail_answers_total[('result', 'refused')]"] == 1
    assert seen["changerail_runs_ended_total[('status', 'succeeded')]"] == 1
    labels = "[('operation', 'pipeline'), ('outcome', 'waiting'), ('provider', 'gitlab'), ('verb', 'start')]"
    assert seen[f"changerail_call_seconds_sum{labels}"] == 0.2
    assert seen["changerail_journal_sync_seconds_count[]"] == seen["changerail_inbox_lag_seconds_count[]"] == 1


def test_how_things_stand_is_counted_by_kind_group_and_age():
    long_ago = 1000.0
    asked = RowWait("ask", "approval", "?", long_ago, "q", groups=("netsec", "cab"))
    personal = RowWait("fix", "intervention", "?", long_ago, "q", people=("ann",))
    window = RowWait("w", "window", "a window", long_ago)
    elsewhere = RowWait("g", "approval", "a record", long_ago)
    rows = [
        Row("a", "a", "waiting", "ann", 0, 0, waits=(asked, window, elsewhere)),
        Row("b", "b", "waiting", "ann", 0, 0, waits=(personal,)),
        Row("c", "c", "succeeded", "ann", 0, 0, waits=()),
        Row("d", "d", "unreadable", "ann", 0, 0, problem="line 3"),
    ]
    metrics = Metrics()
    metrics.attach(Standing(rows))
    seen = values(metrics)
    assert seen["changerail_runs[('state', 'waiting')]"] == 2
    assert seen["changerail_runs[('state', 'failed')]"] == 0
    assert seen["changerail_runs_in_trouble[]"] == 1
    assert seen["changerail_waits[('age', 'older'), ('kind', 'window')]"] == 1
    assert seen["changerail_waits[('age', 'older'), ('kind', 'approval')]"] == 2
    for group, kind in (("netsec", "approval"), ("cab", "approval"), ("named people", "intervention")):
        assert seen[f"changerail_questions[('age', 'older'), ('group', '{group}'), ('kind', '{kind}')]"] == 1
        assert seen[f"changerail_questions_oldest_seconds[('group', '{group}'), ('kind', '{kind}')]"] > 1e9
    assert (seen["changerail_workers[]"], seen["changerail_jobs_waiting[]"]) == (32, 5)


@pytest.fixture
def logged():
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    logging.getLogger("changerail").setLevel(logging.NOTSET)


def test_a_line_of_json_names_run_and_step(logged):
    logs.set_up(logs.JSON, "info", logged)
    event = e.StepFinished(75.0, "deploy[ams1]/verify", 2, "failed", "no route\n\x1b[2J", False, {"secret": "x"})
    logs.log_record("run-1", Record(7, event, "", 0))
    line = json.loads(logged.getvalue())
    assert {name: line[name] for name in ("run", "step", "attempt", "event", "seq", "outcome", "level")} == {
        "run": "run-1",
        "step": "deploy[ams1]/verify",
        "attempt": 2,
        "event": "step_finished",
        "seq": 7,
        "outcome": "failed",
        "level": "warning",
    }
    assert logged.getvalue().count("\n") == 1 and "secret" not in logged.getvalue()


def test_a_line_of_text_does_nothing_in_a_terminal(logged):
    logs.set_up(logs.TEXT, "info", logged)
    event = e.StepFinished(75.0, "one", 1, "failed", "a\x1b[2Jb", False, {})
    logs.log_record("run-1", Record(7, event, "", 0))
    assert "\x1b" not in logged.getvalue() and "run=run-1 step=one" in logged.getvalue()


def test_every_metric_of_ours_is_documented():
    metrics = Metrics()
    metrics.attach(Standing([]))
    text = metrics.exposition("text/plain")[0].decode()
    names = {family.name for family in text_string_to_metric_families(text) if family.name.startswith("changerail_")}
    docs = (Path(__file__).resolve().parents[3] / "docs" / "serve.md").read_text(encoding="utf-8")
    told = docs.replace("`…_oldest_seconds{kind}`", "`changerail_waits_oldest_seconds`").replace(
        "`…_oldest_seconds{group,kind}`", "`changerail_questions_oldest_seconds`"
    )
    unsaid = {name for name in names if f"`{name}" not in told}
    assert {name for name in unsaid if not name.endswith("_created")} == set()
