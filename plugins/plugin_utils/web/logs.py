# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's log: a line for each record of each run and for each request, as text for people or as JSON with run and step for machines.

Nothing secret is in it: records are masked before they are made, and of a request neither the query nor a header is logged.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import UTC, datetime
from typing import Any, TextIO

from ansible_collections.netops.changerail.plugins.module_utils.text import harmless
from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import Record
from ansible_collections.netops.changerail.plugins.plugin_utils.web.asgi import (
    Application,
    Message,
    Receive,
    Scope,
    Send,
)

TEXT, JSON = "text", "json"
FIELDS = ("run", "step", "attempt", "event", "seq", "person", "outcome", "method", "path", "status", "client", "ms")
"""What a line may carry beside its time, level, logger and message."""
_RUNS = logging.getLogger("changerail.run")
_ACCESS = logging.getLogger("changerail.access")
_LONGEST = 500


def set_up(form: str, level: str, stream: TextIO | None = None) -> None:
    """Log to ``stream`` (standard error) in ``form``, from ``level`` on. Replaces what was set up before."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == JSON else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("changerail").setLevel(level.upper())
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``at`` (ISO 8601, UTC), ``level``, ``logger``, ``message``, those of FIELDS there are, ``trace`` of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        document: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            document["trace"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=True, default=str)


class TextFormatter(logging.Formatter):
    """For people: time, level, message and the fields. Control characters from outside do nothing in a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        fields = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        text = harmless(f"{at} {record.levelname.lower():7} {record.getMessage()}{'  ' + fields if fields else ''}")
        return f"{text}\n{harmless(self.formatException(record.exc_info))}" if record.exc_info else text


def log_record(run: str, record: Record) -> None:
    """Log a new record of a run."""
    event = record.event
    failed = isinstance(event, e.StepFinished) and bool(event.failure)
    fields = {"run": run, "event": e.NAMES[type(event)], "seq": record.seq}
    for field, attribute in (("step", "path"), ("attempt", "attempt"), ("person", "person")):
        value = getattr(event, attribute, None)
        if value not in (None, ""):
            fields[field] = value
    if isinstance(event, e.StepFinished):
        fields["outcome"] = event.failure or "done"
    elif isinstance(event, e.RunFinished):
        fields["outcome"] = event.status
    _RUNS.log(logging.WARNING if failed else logging.INFO, "%s", _said(event), extra=fields)


class AccessLog:
    """Logs each request when it is over, without its query."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            client = scope.get("client")
            fields = {
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "client": client[0] if client else "",
                "ms": round((time.monotonic() - began) * 1000, 1),
            }
            _ACCESS.info("%s %s %s", scope["method"], scope["path"], status, extra=fields)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}


def _said(event: e.Event) -> str:
    text = e.NAMES[type(event)].replace("_", " ")
    detail = getattr(event, "message", "") or getattr(event, "reason", "") or getattr(event, "choice", "")
    return f"{text}: {detail[:_LONGEST]}" if detail else text
