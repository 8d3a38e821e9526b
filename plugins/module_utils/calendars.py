# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spans of time from weekly hours and iCalendar texts, and what is left of them; for the operation ``window``. Pure.

All moments are computed in UTC, so a span has its true length on the days when the clocks change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MOST_A_DAY = 24
"""How often an event may be repeated a day; more is no change window, and takes hours to work out."""
_TOO_FREQUENT = ("SECONDLY", "MINUTELY", "HOURLY")


@dataclass(frozen=True)
class Span:
    """From ``start`` up to ``end`` (both in UTC)."""

    start: datetime
    end: datetime
    name: str = ""


@dataclass(frozen=True)
class Hours:
    """Hours of some days of the week by the wall clock; ``until`` at or before ``since`` means the next day. Minutes since midnight."""

    days: Sequence[str]
    since: int
    until: int
    name: str = ""


def weekly(hours: Sequence[Hours], zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[Span]:
    """The spans of these hours between ``begin`` and ``end``. A time that the clocks skip or repeat means its first hour."""
    first, last = begin.astimezone(zone).date() - timedelta(days=1), end.astimezone(zone).date()
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        for row in hours:
            if DAYS[day.weekday()] not in row.days:
                continue
            span = Span(
                _at(day, row.since, zone), _at(day, row.until + (1440 if row.until <= row.since else 0), zone), row.name
            )
            if begin < span.end and span.start < end:
                yield span


def _at(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    days, minutes = divmod(minutes, 1440)
    return datetime.combine(day + timedelta(days=days), time(minutes // 60, minutes % 60), zone).astimezone(UTC)


def events(content: bytes, where: str, zone: ZoneInfo, begin: datetime, end: datetime) -> list[Span]:
    """The spans of an iCalendar text's events between ``begin`` and ``end``, cancelled ones left out.

    Whole days and times without a zone are of ``zone``. ``where`` names the calendar in errors. Raises OperationError.
    """
    import icalendar
    import recurring_ical_events

    try:
        calendar = icalendar.Calendar.from_ical(content)
        for event in calendar.walk("VEVENT"):
            _check(event, where)
        found = recurring_ical_events.of(calendar).between(begin, end)
        spans = [_span(event, zone) for event in found if str(event.get("STATUS", "")).upper() != "CANCELLED"]
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise OperationError(f"{where}: this is no usable iCalendar: {reason}") from None
    return [span for span in spans if begin < span.end and span.start < end]


def _check(event: Any, where: str) -> None:
    """Refuse what would be misread without a word, or read for hours."""
    name = str(event.get("SUMMARY", "")) or "an event without a name"
    for field in ("DTSTART", "DTEND"):
        when = event.get(field)
        if when is not None and "TZID" in when.params and isinstance(when.dt, datetime) and when.dt.tzinfo is None:
            raise OperationError(
                f"{where}: {name}: time zone {when.params['TZID']!r} is unknown and the calendar does not define it"
            )
    rules = event.get("RRULE") or []
    for rule in rules if isinstance(rules, list) else [rules]:
        daily = 1
        for part in ("BYHOUR", "BYMINUTE", "BYSECOND"):
            daily *= max(1, len(rule.get(part, ())))
        if rule.get("FREQ", [""])[0] in _TOO_FREQUENT or daily > MOST_A_DAY:
            raise OperationError(
                f"{where}: {name}: it is repeated more than {MOST_A_DAY} times a day ({rule.to_ical().decode()})"
            )


def _span(event: Any, zone: ZoneInfo) -> Span:
    start, end = _moment(event["DTSTART"].dt, zone), _moment(event["DTEND"].dt, zone)
    return Span(start, end, str(event.get("SUMMARY", "")))


def _moment(value: date | datetime, zone: ZoneInfo) -> datetime:
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)


def united(spans: Iterable[Span]) -> list[Span]:
    """The spans in order, with those that touch or overlap made one, under the first one's name."""
    made: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        if made and span.start <= made[-1].end:
            made[-1] = replace(made[-1], end=max(made[-1].end, span.end))
        elif span.start < span.end:
            made.append(span)
    return made


def without(spans: Sequence[Span], freezes: Iterable[Span]) -> list[Span]:
    """What is left of ``spans`` when nothing may be done during ``freezes``."""
    left = list(spans)
    for freeze in united(freezes):
        cut = []
        for span in left:
            parts = (replace(span, end=min(span.end, freeze.start)), replace(span, start=max(span.start, freeze.end)))
            cut += [part for part in parts if part.start < part.end]
        left = cut
    return left
