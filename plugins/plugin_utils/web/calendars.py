# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the calendars that the project file or a run's steps name, for the calendar pages. What was read is kept a while, as it may lie far away."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ansible_collections.netops.changerail.plugins.module_utils import calendars
from ansible_collections.netops.changerail.plugins.module_utils.errors import ChangerailError
from ansible_collections.netops.changerail.plugins.module_utils.operation import Context
from ansible_collections.netops.changerail.plugins.module_utils.operations.window import (
    LOOK_AGAIN,
    UNREACHABLE_AGAIN,
    calendar_text,
    hours_of,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.templating import Templating
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project, Resolver
from ansible_collections.netops.changerail.plugins.plugin_utils.views.calendar import Calendar

AHEAD = timedelta(weeks=13)
"""How far ahead calendars are read."""
_MOST_KEPT = 200


@dataclass(frozen=True)
class _Kept:
    """What a calendar held; good until ``until`` of the steady clock."""

    until: float
    calendar: Calendar


class Calendars:
    """Calendars as they are now, or were at most LOOK_AGAIN seconds ago; one that cannot be read is one with an error."""

    def __init__(
        self, environment: Mapping[str, str], zone: ZoneInfo, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._environment = environment
        self._zone = zone
        self._steady = steady
        self._kept: dict[tuple[str, str, str, str, bool], _Kept] = {}

    def of_project(self, project: Project, freezes: frozenset[str], now: datetime) -> Iterator[Calendar]:
        """All that the project file names; ``freezes`` are the names of those which workflows take for freezes."""
        context = self._context(project, Path())
        for name in project.calendars:
            yield self._read(name, name in freezes, project, context, self._zone, now)

    def of_step(
        self, path: str, args: Mapping[str, Any], project: Project, base: Path, now: datetime
    ) -> Iterator[Calendar]:
        """What the step ``window`` at ``path`` goes by: ``args`` are its options, ``base`` is the folder of its workflow."""
        own = f"hours of {path}"
        context = self._context(project, base)
        try:
            zone = ZoneInfo(str(args.get("timezone") or "UTC"))
            hours = hours_of(args.get("windows") or [])
        except (ChangerailError, KeyError, ValueError, OSError) as error:
            yield Calendar(own, False, error=str(error))
            return
        if hours:
            yield Calendar(own, False, tuple(calendars.weekly(hours, zone, _midnight(now, zone), now + AHEAD)))
        for option, freeze in (("calendar", False), ("freezes", True)):
            for name in args.get(option) or []:
                yield self._read(str(name), freeze, project, context, zone, now)

    def _read(
        self, name: str, freeze: bool, project: Project, context: Context, zone: ZoneInfo, now: datetime
    ) -> Calendar:
        # Another project file may mean another calendar by the same name.
        key = (name, str(project.path), str(context.base), zone.key, freeze)
        kept = self._kept.get(key)
        if kept is not None and self._steady() < kept.until:
            return kept.calendar
        try:
            text, where = calendar_text(name, context)
            spans = calendars.events(
                text, where, zone, _midnight(now, zone), now + AHEAD + timedelta(seconds=LOOK_AGAIN)
            )
            found, good = Calendar(name, freeze, tuple(spans)), LOOK_AGAIN
        except ChangerailError as error:
            found, good = Calendar(name, freeze, error=str(error)), UNREACHABLE_AGAIN
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[key] = _Kept(self._steady() + good, found)
        return found

    def _context(self, project: Project, base: Path) -> Context:
        folder = str(project.path.parent if project.path else ".")
        resolver = Resolver(self._environment, Templating(folder, ()).decrypt)
        dummy, settings = project.context_parts(resolver)
        return Context("", "", "", 0, Path(), base=base, settings=settings, environment=self._environment)


def local_zone(environment: Mapping[str, str], link: Path = Path("/etc/localtime")) -> ZoneInfo:
    """The time zone of this machine: $TZ, else what ``link`` leads to, else UTC."""
    named = environment.get("TZ", "").lstrip(":")
    if not named:
        named = os.path.realpath(link).rpartition("zoneinfo/")[2]
    try:
        return ZoneInfo(named)
    except (ValueError, OSError, KeyError):
        return ZoneInfo("UTC")


def _midnight(now: datetime, zone: ZoneInfo) -> datetime:
    """A day before ``now``'s: whatever zone a page is drawn in, its first day is there."""
    return now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC) - timedelta(days=1)
