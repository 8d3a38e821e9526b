# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change tasks in ServiceNow; providers/servicenow.py offers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.operation import JSON, Context
from ansible_collections.netops.changerail.plugins.module_utils.provider import Record, Task, TaskProvider
from ansible_collections.netops.changerail.plugins.module_utils.servicenow.api import CHANGE, TABLE, Api, NoSuchApi, Row
from ansible_collections.netops.changerail.plugins.module_utils.servicenow.fields import raw, shown
from ansible_collections.netops.changerail.plugins.module_utils.servicenow.login import interval, login
from ansible_collections.netops.changerail.plugins.module_utils.servicenow.names import (
    REFERENCES,
    Names,
    has,
    is_sys_id,
    refuse_unmarked,
)

_TABLE = "change_task"
_COLUMNS: Mapping[str, str] = {
    "type": "change_task_type",
    "start_date": "planned_start_date",
    "end_date": "planned_end_date",
}
"""Option → column, where they differ."""
_STATES: Mapping[str, str] = {"pending": "-5", "open": "1", "in_progress": "2", "closed": "3", "canceled": "4"}
_NAMES: Mapping[str, str] = {code: name for name, code in _STATES.items()}


class ServiceNowTasks(TaskProvider):
    """The change tasks of ``connections.servicenow``."""

    def __init__(self, context: Context) -> None:
        way_in = login(context)
        self._url = way_in.peer.url.rstrip("/")
        self._api = Api(way_in)
        self._names = Names(self._api, self._url)
        self._rows: dict[str, Row] = {}
        self.interval = interval(context)

    def find(self, record: Record, correlation: str) -> Sequence[Task]:
        query = f"change_request={record.sys_id}^correlation_id={correlation}^ORDERBYsys_created_on"
        ours = has("correlation_id", correlation)
        rows = self._api.rows(_TABLE, query, lambda row: ours(row) and raw(row, "change_request") == record.sys_id)
        return [self._task(row) for row in rows]

    def read(self, reference: str) -> Task:
        column = "sys_id" if is_sys_id(reference) else "number"
        rows = self._api.rows(_TABLE, f"{column}={reference}", has(column, reference)) if "^" not in reference else []
        if not rows:
            raise OperationError(
                f"change task {reference!r}: {self._url} has none of that {column}, or hides it from this account"
            )
        return self._task(rows[0])

    def create(self, record: Record, fields: Mapping[str, JSON], correlation: str) -> Task:
        document = {**self._document(fields), "correlation_id": correlation, "correlation_display": "changerail"}
        try:
            result = self._api.write("POST", f"{CHANGE}/{record.sys_id}/task", document)
        except NoSuchApi:
            result = self._api.write("POST", f"{TABLE}/{_TABLE}", {**document, "change_request": record.sys_id})
        cell = result["sys_id"]
        task = self.read(str(cell["value"] if isinstance(cell, dict) else cell))
        refuse_unmarked(task.number, self._rows[task.sys_id], correlation)
        return task

    def update(self, task: Task, fields: Mapping[str, JSON]) -> Task:
        self._api.write("PATCH", f"{TABLE}/{_TABLE}/{task.sys_id}", self._document(fields))
        return self.read(task.sys_id)

    def differences(self, task: Task, fields: Mapping[str, JSON]) -> dict[str, JSON]:
        row = self._rows[task.sys_id]
        wanted = self._document(fields)
        return {
            name: value
            for name, value in fields.items()
            if wanted[_COLUMNS.get(name, name)]
            not in (raw(row, _COLUMNS.get(name, name)), shown(row, _COLUMNS.get(name, name)))
        }

    def _document(self, fields: Mapping[str, JSON]) -> dict[str, str]:
        document = {}
        for option, value in fields.items():
            text = _STATES[str(value)] if option == "state" else str(value)
            document[_COLUMNS.get(option, option)] = (
                self._names.resolved(option, text) if option in REFERENCES else text
            )
        return document

    def _task(self, row: Row) -> Task:
        self._rows[raw(row, "sys_id")] = row
        fields: dict[str, JSON] = {
            name: raw(row, name) for name in ("short_description", "description", "close_code", "close_notes")
        }
        fields |= {option: raw(row, column) for option, column in _COLUMNS.items()}
        fields |= {option: shown(row, option) for option in ("assignment_group", "assigned_to")}
        state = _NAMES.get(raw(row, "state"))
        if state is None:
            raise OperationError(
                f"{raw(row, 'number')}: its state {shown(row, 'state')!r} is none of ServiceNow's own task states"
            )
        link = f"{self._url}/nav_to.do?uri=change_task.do%3Fsys_id%3D{raw(row, 'sys_id')}"
        return Task(raw(row, "sys_id"), raw(row, "number"), state, link, fields)
