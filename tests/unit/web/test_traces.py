"""Traces of a run that two processes drove, as OpenTelemetry's own SDK hands them on."""

from __future__ import annotations

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.meter import Called
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import Record
from ansible_collections.netops.changerail.plugins.plugin_utils.web.traces import Traces


def record(event: e.Event) -> Record:
    return Record(1, event, "", 0)


def test_what_several_processes_tell_is_one_trace():
    exporter = InMemorySpanExporter()
    first, second = (Traces(lambda run: 100.0, exporter) for _process in range(2))
    first.record("run-1", record(e.StepStarted(101.0, "one", 1, "run-1/one/1", operation="change_record")))
    first.called(Called("run-1", "one", 1, "change_record", "servicenow", "start", "waiting", 0.5, 102.0))
    first.record("run-1", record(e.StepFinished(103.0, "one", 1, "failed", "no", False, {})))
    second.record("run-1", record(e.StepStarted(104.0, "two", 1, "run-1/two/1", operation="notify")))
    second.record("run-1", record(e.StepFinished(105.0, "two", 1, "", "", False, {})))
    second.record("run-1", record(e.RunFinished(106.0, "failed")))
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert set(spans) == {"change_record start", "one", "two", "run-1"}
    assert len({span.context.trace_id for span in spans.values()}) == 1
    root, one, two, call = (spans[name] for name in ("run-1", "one", "two", "change_record start"))
    assert root.parent is None
    assert one.parent.span_id == two.parent.span_id == root.context.span_id
    assert call.parent.span_id == one.context.span_id
    assert (one.start_time, one.end_time) == (101_000_000_000, 103_000_000_000)
    assert (root.start_time, root.end_time) == (100_000_000_000, 106_000_000_000)
    assert [span.status.is_ok for span in (root, one, two, call)] == [False, False, True, True]
    assert one.attributes["changerail.operation"] == "change_record"
    assert call.attributes["changerail.provider"] == "servicenow"


def test_other_runs_are_other_traces():
    exporter = InMemorySpanExporter()
    traces = Traces(lambda run: None, exporter)
    for run in ("run-1", "run-2"):
        traces.record(run, record(e.RunFinished(106.0, "succeeded")))
    assert len({span.context.trace_id for span in exporter.get_finished_spans()}) == 2
