# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages of change windows and freezes: those of the project file, and those of one run's steps. ``web.pages`` has the routes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.netops.changerail.plugins.module_utils.operations import window
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import History
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.project import of_run
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.row import Row, RowWait
from ansible_collections.netops.changerail.plugins.plugin_utils.views.calendar import Calendar, agenda, cut
from ansible_collections.netops.changerail.plugins.plugin_utils.views.detail import details
from ansible_collections.netops.changerail.plugins.plugin_utils.web.answers import NotFound
from ansible_collections.netops.changerail.plugins.plugin_utils.web.calendars import AHEAD, Calendars, local_zone
from ansible_collections.netops.changerail.plugins.plugin_utils.web.door import Visit
from ansible_collections.netops.changerail.plugins.plugin_utils.web.server import Server
from ansible_collections.netops.changerail.plugins.plugin_utils.web.workflows import WINDOW
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.scenario import without_labels

if TYPE_CHECKING:
    from starlette.responses import Response

_FEW_WEEKS = 4
_MOST_WEEKS = AHEAD.days // 7
_MOST = 500
"""Entries, and waiting runs, that a page shows."""


class CalendarPages:
    """The handlers; they share what was read of calendars."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._zone = local_zone(server.around.environment)
        self._calendars = Calendars(server.around.environment, self._zone)

    def all(self, visit: Visit) -> Response:
        """The calendars of the project file, and the runs that wait for a window."""
        project = self._server.around.project
        found = list(self._calendars.of_project(project, visit.actions.freezes(visit.by), _now()))
        return self._page(visit, found, list(_waiting(visit.actions.rows(visit.by))), "", "")

    def of_run(self, visit: Visit) -> Response:
        """What the steps of one run go by that wait, or have waited, for a window."""
        past = visit.actions.past(visit.by, visit.run)
        steps = _window_steps(past)
        if not steps:
            raise NotFound(f"run {visit.run}: none of its steps has come to a change window yet")
        project = of_run(past)
        found: dict[tuple[str, bool], Calendar] = {}
        for path, args in steps.items():
            for calendar in self._calendars.of_step(path, args, project, Path(past.workflow.folder), _now()):
                found.setdefault((calendar.name, calendar.freeze), calendar)
        row = self._server.scheduler.row(visit.run)
        waiting = list(_waiting([row])) if row is not None else []
        return self._page(visit, list(found.values()), waiting, past.folder.run, past.started.name)

    def _page(
        self, visit: Visit, found: Sequence[Calendar], waiting: Sequence[tuple[Row, RowWait]], run: str, name: str
    ) -> Response:
        weeks = _weeks(visit.query.get("weeks", ""))
        days, left = cut(agenda(found, _now(), self._zone, weeks * 7), _MOST)
        return visit.render(
            "calendar.html",
            run=run,
            name=name,
            zone=self._zone.key,
            now=_now().astimezone(self._zone).strftime("%a %Y-%m-%d %H:%M"),
            calendars=found,
            days=days,
            left=left,
            current=[entry for entry in days[0].entries if entry.now] if days else [],
            waiting=waiting[:_MOST],
            more=max(0, len(waiting) - _MOST),
            weeks=weeks,
            choices=(1, _FEW_WEEKS, _MOST_WEEKS),
        )


def _now() -> datetime:
    return datetime.now(UTC)


def _weeks(given: str) -> int:
    return (
        min(max(1, int(given)), _MOST_WEEKS) if given.isascii() and given.isdigit() and len(given) < 4 else _FEW_WEEKS
    )


def _waiting(rows: Iterator[Row] | Sequence[Row]) -> Iterator[tuple[Row, RowWait]]:
    """The runs that wait for a change window, with what each says of it."""
    for row in rows:
        for wait in row.waits:
            if wait.kind == window.OPERATION.name:
                yield row, wait


def _window_steps(past: History) -> dict[str, Mapping[str, Any]]:
    """The options of each step of the run that came to a window, as it was started last."""
    windows = {path for path, step in past.workflow.walk() if step.action is not None and step.action.name == WINDOW}
    return {
        path: step.attempts[-1].args
        for path, step in details(past.events).items()
        if without_labels(path) in windows and step.attempts and step.attempts[-1].args
    }
