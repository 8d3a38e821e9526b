# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation ``window``: go on only inside a change window and outside of freezes, with enough time left.

The engine, the module and any other driver find it with ``operation.find``. It changes nothing anywhere, so there is nothing to adopt.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ansible_collections.netops.changerail.plugins.module_utils import calendars, http
from ansible_collections.netops.changerail.plugins.module_utils.calendars import DAYS, Hours, Span
from ansible_collections.netops.changerail.plugins.module_utils.durations import seconds
from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, OperationError
from ansible_collections.netops.changerail.plugins.module_utils.failures import CANCELLED, FAILED, TRANSIENT
from ansible_collections.netops.changerail.plugins.module_utils.operation import (
    JSON,
    Call,
    Context,
    Done,
    Failed,
    Operation,
    Outcome,
    Waiting,
)

HORIZON = timedelta(days=366)
"""How far ahead a window is looked for."""
LOOK_AGAIN = 900.0
"""Seconds after which the calendars are read again, because somebody may have changed them."""
UNREACHABLE_AGAIN = 60.0
CALENDAR_LIMIT = 4 * 1024 * 1024


class Window(Operation):
    """Wait for a change window, or refuse outside of one. Windows and freezes come from calendars, weekly hours or both."""

    name = "window"
    options: Mapping[str, Mapping[str, Any]] = {
        "calendar": {"type": "list", "elements": "str", "default": []},
        "windows": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": {"type": "str", "default": ""},
                "days": {"type": "list", "elements": "str", "choices": list(DAYS), "default": list(DAYS)},
                "from": {"type": "raw", "required": True},
                "to": {"type": "raw", "required": True},
            },
        },
        "freezes": {"type": "list", "elements": "str", "default": []},
        "timezone": {"type": "str", "default": "UTC"},
        "outside": {"type": "str", "choices": ["wait", "fail"], "default": "wait"},
        "duration": {"type": "raw", "default": 0},
    }

    def start(self, call: Call) -> Outcome:
        """Look at the calendars and the clock."""
        return _look(call)

    def poll(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        """Look again."""
        return _look(call)

    def cancel(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        """There is nothing to stop."""
        return Failed(CANCELLED, "no longer waited for a change window")


OPERATION = Window()


@dataclass(frozen=True)
class _Times:
    """When work is allowed: ``open`` without the freezes; ``frozen`` is the freeze that holds now."""

    open: Sequence[Span]
    frozen: Span | None


def _look(call: Call) -> Outcome:
    now, zone, needed = datetime.fromtimestamp(call.context.clock(), UTC), _zone(call), _needed(call)
    try:
        times = _times(call, now, zone)
    except OperationError as error:
        if error.failure != TRANSIENT or call.args["outside"] == "fail":
            raise
        return Waiting(
            {},
            error.retry_after or UNREACHABLE_AGAIN,
            f"cannot tell whether a change window is open: {error}",
            long=True,
        )
    window = next((span for span in times.open if now < span.end and span.end - max(now, span.start) >= needed), None)
    is_open = window is not None and window.start <= now
    if is_open or call.context.check:
        return Done({"open": is_open, **_result(window, now, zone)})
    why = f"frozen by {times.frozen.name or 'a freeze'} until {_time(times.frozen.end, zone)}; " if times.frozen else ""
    if window is None:
        return Failed(FAILED, f"{why}no change window{_length(needed)} opens within {HORIZON.days} days")
    name = f"the change window {window.name}".rstrip()
    opens = f"{why}{name}{_length(needed)} opens {_time(window.start, zone)}"
    if call.args["outside"] == "fail":
        return Failed(FAILED, f"outside of the change window: {opens}", _result(window, now, zone))
    return Waiting({}, min((window.start - now).total_seconds(), LOOK_AGAIN), f"waiting: {opens}", long=True)


def _zone(call: Call) -> ZoneInfo:
    try:
        return ZoneInfo(call.args["timezone"])
    except (KeyError, ValueError, OSError):
        raise OperationError(
            f"timezone: {call.args['timezone']!r} is unknown; expected a name such as 'Europe/Amsterdam' or 'UTC'"
        ) from None


def _needed(call: Call) -> timedelta:
    try:
        return timedelta(seconds=seconds(call.args["duration"]))
    except (AuthorError, OverflowError) as error:
        raise OperationError(f"duration: {error}") from None


def _times(call: Call, now: datetime, zone: ZoneInfo) -> _Times:
    """Spans are those that touch the time from now to the horizon; without any window given, all of it is open."""
    args, end = call.args, now + HORIZON
    if not (args["calendar"] or args["windows"] or args["freezes"]):
        raise OperationError("expected at least one of calendar, windows and freezes")
    spans = list(calendars.weekly(hours_of(args["windows"]), zone, now, end))
    for name in args["calendar"]:
        spans += calendars.events(*calendar_text(name, call.context), zone, now, end)
    if not (args["calendar"] or args["windows"]):
        spans = [Span(now, end)]
    freezes = [
        span
        for name in args["freezes"]
        for span in calendars.events(*calendar_text(name, call.context), zone, now, end)
    ]
    frozen = next((span for span in calendars.united(freezes) if span.start <= now < span.end), None)
    return _Times(calendars.without(calendars.united(spans), freezes), frozen)


def hours_of(rows: Sequence[Mapping[str, Any]]) -> list[Hours]:
    """The option ``windows``. Raises OperationError."""
    return [
        Hours(row["days"], _minutes(row["from"], "from"), _minutes(row["to"], "to"), row.get("name") or "")
        for row in rows
    ]


def _minutes(value: Any, option: str) -> int:
    """Minutes since midnight of ``22:00``; YAML reads that without quotes as the number 1320."""
    if isinstance(value, int) and 60 <= value <= 1440:
        return value
    found = re.fullmatch(r"(\d{1,2}):(\d\d)", str(value).strip())
    if found and int(found[2]) < 60 and (minutes := int(found[1]) * 60 + int(found[2])) <= 1440:
        return minutes
    raise OperationError(f"windows: {option}: {value!r} is no time of day; expected one such as '22:00'")


def calendar_text(name: str, context: Context) -> tuple[bytes, str]:
    """The text of a calendar and what to call it: one that the project file names, an address, or a path. Raises OperationError."""
    named: Mapping[str, JSON] = context.settings.get("calendars") or {}
    place = str(named.get(name, name))
    if "://" in place:
        url = place.replace("webcal://", "https://", 1)
        reply = http.Client(http.Peer(basic=http.credentials_in(url)), CALENDAR_LIMIT).send("GET", url, redirects="all")
        reply.raise_for_status()
        return reply.body, f"calendar {http.redacted(url)}"
    path = context.base / Path(place)
    try:
        # Without waiting: of a pipe nobody writes into, opening it would be the end of whoever looks.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OperationError(f"calendar {name!r}: {path} is no regular file")
            content = file.read(CALENDAR_LIMIT + 1)
    except OSError as error:
        known = ", ".join(sorted(named)) or "none"
        raise OperationError(f"calendar {name!r}: {path}: {error.strerror}; the project file names: {known}") from None
    if len(content) > CALENDAR_LIMIT:
        raise OperationError(f"calendar {path}: larger than {CALENDAR_LIMIT} bytes")
    return content, f"calendar {path}"


def _result(window: Span | None, now: datetime, zone: ZoneInfo) -> dict[str, JSON]:
    """The window as ISO 8601 in the step's zone; ``end`` is null when it lies beyond the horizon, and all is null without a window."""
    if window is None:
        return {"name": "", "start": None, "end": None, "timezone": zone.key}
    far = window.end >= now + HORIZON
    return {
        "name": window.name,
        "start": window.start.astimezone(zone).isoformat(),
        "end": None if far else window.end.astimezone(zone).isoformat(),
        "timezone": zone.key,
    }


def _time(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%a %Y-%m-%d %H:%M %Z} ({zone.key})"


def _length(needed: timedelta) -> str:
    return f" of at least {needed}" if needed else ""
