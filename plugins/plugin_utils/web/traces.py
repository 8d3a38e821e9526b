# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traces for OpenTelemetry (extra [otel]): a run is a trace, its attempts at steps are spans, calls into operations are spans below these.

A run lasts days and outlives processes, so ids follow from the run's id, the step's path and the attempt: whichever process ends a thing tells of it, and what
several processes told fits together. Where to send them say the variables that OpenTelemetry defines (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME, …).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.meter import Called
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import Record

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

_NANOSECONDS = 1e9
_MOST_STEPS = 100_000


class Traces:
    """``exporter`` takes the spans (over HTTP when None); ``began`` tells when a run began, None when it does not know. Safe in any thread."""

    def __init__(self, began: Callable[[str], float | None], exporter: SpanExporter | None = None) -> None:
        self._began_at = began
        self._ids = threading.local()
        self._provider = _provider(self._ids, exporter)
        self._tracer = self._provider.get_tracer("changerail")
        self._lock = threading.Lock()
        self._begun: dict[tuple[str, str], e.StepStarted] = {}

    def record(self, run: str, record: Record) -> None:
        """Tell of what a new record of a run ends."""
        event = record.event
        match event:
            case e.StepStarted():
                with self._lock:
                    if len(self._begun) < _MOST_STEPS:
                        self._begun[run, event.path] = event
            case e.StepFinished():
                self._step_over(run, event)
            case e.RunFinished():
                began = self._began_at(run) or event.at
                words = {"changerail.run": run, "changerail.status": event.status}
                self._span(run, "", ("", run), run, began, event.at, words, failed=event.status == "failed")
            case _:
                pass

    def called(self, call: Called) -> None:
        """Tell of a call into an operation."""
        step = f"{call.path}/{call.attempt}"
        own = f"{step}/{call.verb}/{call.ended}"
        words = {
            "changerail.run": call.run,
            "changerail.step": call.path,
            "changerail.attempt": call.attempt,
            "changerail.operation": call.operation,
            "changerail.provider": call.provider,
            "changerail.outcome": call.outcome,
        }
        failed = call.outcome not in ("waiting", "done")
        name = f"{call.operation} {call.verb}"
        self._span(call.run, step, (own, name), name, call.ended - call.seconds, call.ended, words, failed)

    def close(self) -> None:
        """Send what is left; at most a few seconds."""
        self._provider.shutdown()

    def _step_over(self, run: str, event: e.StepFinished) -> None:
        with self._lock:
            started = self._begun.pop((run, event.path), None)
        # One that began in another process is told of with the end it has here.
        began = started.at if started is not None and started.attempt == event.attempt else event.at
        words = {
            "changerail.run": run,
            "changerail.step": event.path,
            "changerail.attempt": event.attempt,
            "changerail.operation": started.operation if started is not None else "",
            "changerail.outcome": event.failure or "done",
        }
        own = f"{event.path}/{event.attempt}"
        self._span(run, run, (own, event.path), event.path, began, event.at, words, bool(event.failure))

    def _span(
        self,
        run: str,
        parent: str,
        own: tuple[str, str],
        name: str,
        began: float,
        ended: float,
        words: Mapping[str, Any],
        failed: bool,
    ) -> None:
        from opentelemetry.context import Context
        from opentelemetry.trace import (
            NonRecordingSpan,
            SpanContext,
            Status,
            StatusCode,
            TraceFlags,
            set_span_in_context,
        )

        trace = _number(run, 16)
        context = Context()
        if parent:
            above = SpanContext(trace, _span_id(run, parent), True, TraceFlags(TraceFlags.SAMPLED))
            context = set_span_in_context(NonRecordingSpan(above), context)
        self._ids.trace, self._ids.span = trace, _span_id(run, own[0] or run)
        span = self._tracer.start_span(
            name, context=context, start_time=int(began * _NANOSECONDS), attributes=dict(words)
        )
        if failed:
            span.set_status(Status(StatusCode.ERROR))
        span.end(int(ended * _NANOSECONDS))


def _provider(ids: threading.local, exporter: SpanExporter | None) -> TracerProvider:
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
    from opentelemetry.sdk.trace.id_generator import IdGenerator

    class Ids(IdGenerator):
        """The ids that the span to be made was given, in its thread."""

        def generate_span_id(self) -> int:
            return int(ids.span)

        def generate_trace_id(self) -> int:
            return int(ids.trace)

    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: "changerail"}), id_generator=Ids())
    if exporter is not None:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        return provider
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _span_id(run: str, part: str) -> int:
    return _number(f"{run}\n{part}", 8)


def _number(text: str, length: int) -> int:
    # Zero is no id.
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:length], "big") or 1
