# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change windows and freezes as a calendar shows them: day by day, each with where on the day it lies. Pure; the web pages call it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from ansible_collections.netops.changerail.plugins.module_utils.calendars import Span

_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class Entry:
    """A part of a span on one day. ``begins`` and ``minutes`` say where on a day of 24 hours it is drawn; the texts are the whole span's."""

    calendar: str
    freeze: bool
    name: str
    since: str
    until: str
    begins: int
    minutes: int
    now: bool


@dataclass(frozen=True, slots=True)
class Day:
    """One day of ``entries``; ``title`` is such as "Wed 25 November"."""

    date: str
    title: str
    today: bool
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Calendar:
    """What one calendar holds: ``error`` says why it could not be read."""

    name: str
    freeze: bool
    spans: tuple[Span, ...] = ()
    error: str = ""


def agenda(calendars: Iterable[Calendar], now: datetime, zone: ZoneInfo, days: int) -> tuple[Day, ...]:
    """The next ``days`` days by the clock of ``zone``, today first."""
    here = now.astimezone(zone)
    midnight = here.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    known = list(calendars)
    return tuple(_day(midnight + timedelta(days=number), known, here, zone) for number in range(days))


def _day(midnight: datetime, calendars: Sequence[Calendar], now: datetime, zone: ZoneInfo) -> Day:
    entries = []
    for calendar in calendars:
        for span in calendar.spans:
            # By the wall clock: a day is drawn with 24 hours, also when the clocks change.
            start, end = (moment.astimezone(zone).replace(tzinfo=None) for moment in (span.start, span.end))
            begins = max(0, int((start - midnight).total_seconds() // 60))
            ends = min(_MINUTES, int((end - midnight).total_seconds() // 60))
            if begins < ends:
                entries.append(
                    Entry(
                        calendar.name,
                        calendar.freeze,
                        span.name,
                        _said(start, midnight),
                        _said(end, midnight),
                        begins,
                        ends - begins,
                        span.start <= now < span.end,
                    )
                )
    entries.sort(key=lambda entry: (entry.begins, entry.calendar, entry.name))
    today = midnight.date() == now.date()
    return Day(midnight.date().isoformat(), f"{midnight:%a} {midnight.day} {midnight:%B}", today, tuple(entries))


def _said(moment: datetime, midnight: datetime) -> str:
    same = moment.date() == midnight.date()
    return f"{moment:%H:%M}" if same else f"{moment:%a} {moment.day} {moment:%b} {moment:%H:%M}"


def cut(days: Sequence[Day], most: int) -> tuple[tuple[Day, ...], int]:
    """The days with at most ``most`` entries, the first ones, and how many entries are left out."""
    kept, room = [], most
    for day in days:
        kept.append(replace(day, entries=day.entries[:room]))
        room -= len(kept[-1].entries)
    return tuple(kept), sum(len(day.entries) for day in days) - (most - room)
