# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change records in ServiceNow; providers/servicenow.py offers it.

Writes go through the Change Management API where the instance has it, because only that one tells which fields it dropped, and through the
Table API otherwise. Every write is followed by a read: what counts is what is there afterwards.
"""

from __future__ import annotations

import hashlib
import mimetypes
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.failures import FAILED, TRANSIENT
from ansible_collections.netops.changerail.plugins.module_utils.operation import JSON, Artifact, Context
from ansible_collections.netops.changerail.plugins.module_utils.provider import (
    Approval,
    Attachment,
    Moves,
    Record,
    RecordProvider,
)
from ansible_collections.netops.changerail.plugins.module_utils.servicenow import fields as columns
from ansible_collections.netops.changerail.plugins.module_utils.servicenow.api import (
    CHANGE,
    TABLE,
    Api,
    NoSuchApi,
    Row,
)
from ansible_collections.netops.changerail.plugins.module_utils.servicenow.fields import raw, shown
from ansible_collections.netops.changerail.plugins.module_utils.servicenow.login import interval, login
from ansible_collections.netops.changerail.plugins.module_utils.servicenow.moves import GATES, approvals, moves
from ansible_collections.netops.changerail.plugins.module_utils.servicenow.names import (
    Names,
    has,
    is_sys_id,
    refuse_unmarked,
)

_CONFLICT_DONE, _CONFLICT_LOOKS, _CONFLICT_PAUSE = "2", 30, 1.0


class ServiceNowRecords(RecordProvider):
    """The change requests of ``connections.servicenow`` (see login.py); ``interval`` there is how many seconds to wait between two looks."""

    def __init__(self, context: Context) -> None:
        way_in = login(context)
        self._url = way_in.peer.url.rstrip("/")
        self._api = Api(way_in)
        self._people: Mapping[str, Mapping[str, JSON]] = context.settings.get("people") or {}
        self._names = Names(self._api, self._url)
        self.interval = interval(context)
        # What was read last, with the stored value beside the shown one.
        self._rows: dict[str, Row] = {}
        self._has_change_api = True

    def find(self, correlation: str) -> Sequence[Record]:
        query = f"correlation_id={correlation}^ORDERBYsys_created_on"
        rows = self._api.rows("change_request", query, has("correlation_id", correlation))
        return [self._record(row) for row in rows]

    def read(self, reference: str) -> Record:
        column = "sys_id" if is_sys_id(reference) else "number"
        if "^" in reference:
            raise OperationError(f"change record {reference!r}: this is neither a number nor a sys_id")
        rows = self._api.rows("change_request", f"{column}={reference}", has(column, reference))
        if not rows:
            raise OperationError(
                f"change record {reference!r}: {self._url} has none of that {column}, or hides it from this account"
            )
        return self._record(rows[0])

    def requester(self, name: str) -> str | None:
        """The user of that user_name, mail or name; the mail the project file has for the person counts too."""
        mail = str((self._people.get(name) or {}).get("mail") or "")
        for text in filter(None, (name, mail)):
            if "^" not in text and self._names.look_up("requested_by", text):
                return text
        return None

    def create(self, fields: Mapping[str, JSON], correlation: str) -> Record:
        kind = str(fields.get("type") or "normal")
        document = {**self._document(fields), "correlation_id": correlation, "correlation_display": "changerail"}
        template = fields.get("template")
        if kind == "standard" and not template:
            raise OperationError(
                "a standard change in ServiceNow is made of a published template: name it as 'template'"
            )
        result = self._created(kind, str(template or ""), document)
        sys_id = _plain(result.get("sys_id"))
        self._associate(sys_id, fields.get("affected_cis"))
        self._refuse_ignored(result, document)
        record = self.read(sys_id)
        refuse_unmarked(record.number, self._rows[record.sys_id], correlation)
        return record

    def update(self, record: Record, fields: Mapping[str, JSON]) -> Record:
        document = self._document(fields)
        self._associate(record.sys_id, fields.get("affected_cis"))
        if document:
            self._refuse_ignored(self._patched(record, document), document)
        return self.read(record.sys_id)

    def moves(self, record: Record) -> Moves:
        return moves(self._api, record)

    def move(self, record: Record, state: str, fields: Mapping[str, JSON]) -> Record:
        document = self._document(fields)
        self._check_move(record, state, document)
        self._refuse_ignored(self._patched(record, {**document, "state": columns.STATE_CODES[state]}), document)
        return self.read(record.sys_id)

    def attachments(self, record: Record) -> Sequence[Attachment]:
        """Where the instance tells no digest, the file is read and its digest taken."""
        query = f"table_name=change_request^table_sys_id={record.sys_id}^ORDERBYsys_created_on"
        rows = self._api.attachments(query, lambda row: row.get("table_sys_id") == record.sys_id)
        return [
            Attachment(str(row["file_name"]), str(row.get("hash") or "") or self._digest(str(row["sys_id"])))
            for row in rows
        ]

    def attach(self, record: Record, artifact: Artifact) -> None:
        content = Path(artifact.path).read_bytes()
        if hashlib.sha256(content).hexdigest() != artifact.sha256:
            raise OperationError(
                f"{artifact.path}: the file is not the artifact {artifact.name!r} any more: its SHA-256 changed"
            )
        kind = mimetypes.guess_type(artifact.name)[0] or "application/octet-stream"
        place = {"table_name": "change_request", "table_sys_id": record.sys_id, "file_name": artifact.name}
        self._api.upload(place, content, kind)

    def note_once(self, record: Record, text: str, marker: str) -> bool:
        if self._has_note(record, marker):
            return False
        self._patched(record, {"work_notes": f"{text}\n{marker}"})
        if not self._has_note(record, marker):
            raise OperationError(
                f"{record.number} took a work note without complaint and does not have it: a rule of the system dropped it, or this account may "
                "read neither sys_journal_field nor work_notes"
            )
        return True

    def approvals(self, record: Record) -> Sequence[Approval]:
        return approvals(self._api, record)

    def conflicts(self, record: Record) -> Sequence[str]:
        """Has the platform look, which takes it a moment. Its word "Conflict" means nothing: what counts is the list."""
        path = f"{CHANGE}/{record.sys_id}/conflict"
        before = str(self._api.get(path).get("last_run") or "")
        if before:
            # The time of the last look is in whole seconds: the next must not fall into the same one.
            time.sleep(_CONFLICT_PAUSE)
        # Without an answer to this the error goes up, and the step looks anew: that does no harm.
        self._api.write("POST", path, {})
        for _look in range(_CONFLICT_LOOKS):
            seen = self._api.get(path)
            if str(seen.get("last_run") or "") != before and str(seen.get("job_status")) == _CONFLICT_DONE:
                return [_conflict(entry) for entry in seen.get("conflicts") or ()]
            time.sleep(_CONFLICT_PAUSE)
        raise OperationError(
            f"{record.number}: ServiceNow has not come to the end of its look for conflicts", TRANSIENT
        )

    def differences(self, record: Record, fields: Mapping[str, JSON]) -> dict[str, JSON]:
        """A reference may be written by name or sys_id, a choice by word or number: the same value is no difference."""
        return {name: value for name, value in fields.items() if not self._is_so(record, name, value)}

    # Reading.

    def _record(self, row: Row) -> Record:
        sys_id = raw(row, "sys_id")
        self._rows[sys_id] = row
        return Record(
            sys_id=sys_id,
            number=raw(row, "number"),
            state=columns.state_of(row),
            type=raw(row, "type"),
            approval=columns.approval_of(row),
            url=f"{self._url}/nav_to.do?uri={quote(f'change_request.do?sys_id={sys_id}', safe='')}",
            fields=columns.to_fields(row),
        )

    def _is_so(self, record: Record, option: str, value: JSON) -> bool:
        row = self._rows[record.sys_id]
        if option == "affected_cis":
            return set(self._resolved_cis(value)) <= self._affected(record.sys_id)
        if option == "template":
            return bool(raw(row, columns.TEMPLATE_COLUMN))
        column, wanted = columns.column_of(option), columns.to_column(option, value)
        if wanted in (raw(row, column), shown(row, column)):
            return True
        return option in columns.REFERENCES and self._names.resolved(option, str(value)) == raw(row, column)

    def _affected(self, sys_id: str) -> set[str]:
        rows = self._api.rows("task_ci", f"task={sys_id}", has("task", sys_id))
        return {raw(row, "ci_item") for row in rows}

    def _digest(self, sys_id: str) -> str:
        return hashlib.sha256(self._api.download(sys_id)).hexdigest()

    def _has_note(self, record: Record, marker: str) -> bool:
        """Looks in the journal, and in what the record shows: an account may well see only one of them."""
        query = f"element_id={record.sys_id}^element=work_notes^valueLIKE{marker}"
        if self._api.rows("sys_journal_field", query, lambda row: marker in raw(row, "value")):
            return True
        params = {"sysparm_display_value": "true", "sysparm_fields": "work_notes"}
        return marker in str(self._api.get(f"{TABLE}/change_request/{record.sys_id}", params).get("work_notes") or "")

    def _check_move(self, record: Record, state: str, document: Mapping[str, str]) -> None:
        """What the instance's forms would ask for; over REST it would take the write and go wrong later."""
        row = self._rows[record.sys_id]
        if record.state == "new" and state in GATES and not raw(row, "assignment_group"):
            raise OperationError(
                f"{record.number}: it needs an assignment_group before it goes to {state}, or nobody is asked to approve it"
            )
        missing = [name for name in ("close_code", "close_notes") if not (document.get(name) or raw(row, name))]
        if state == "closed" and missing:
            raise OperationError(f"{record.number}: it needs {' and '.join(missing)} to be closed")

    # Writing.

    def _document(self, fields: Mapping[str, JSON]) -> dict[str, str]:
        """The columns to write. Raises OperationError for a name that stands for nothing, or for more than one thing."""
        document = {}
        for option, value in fields.items():
            if option in ("affected_cis", "template"):
                continue
            text = columns.to_column(option, value)
            document[columns.column_of(option)] = (
                self._names.resolved(option, text) if option in columns.REFERENCES and text else text
            )
        return document

    def _created(self, kind: str, template: str, document: Mapping[str, str]) -> Mapping[str, JSON]:
        version = self._template(template) if kind == "standard" else ""
        if self._has_change_api:
            try:
                path = f"{CHANGE}/standard/{version}" if version else f"{CHANGE}/{kind}"
                return dict(self._api.write("POST", path, document))
            except NoSuchApi:
                self._has_change_api = False
        more = {columns.TEMPLATE_COLUMN: version} if version else {}
        return dict(self._api.write("POST", f"{TABLE}/change_request", {**document, **more, "type": kind}))

    def _template(self, name: str) -> str:
        if is_sys_id(name):
            return name
        rows = self._api.rows("std_change_record_producer", f"name={name}", has("name", name), ("sys_id", "name"))
        if len(rows) != 1:
            raise OperationError(
                f"template {name!r}: {self._url} has {len(rows)} published templates of that name; expected one"
            )
        return raw(rows[0], "sys_id")

    def _patched(self, record: Record, document: Mapping[str, str]) -> Mapping[str, JSON]:
        if self._has_change_api:
            try:
                return dict(self._api.write("PATCH", f"{CHANGE}/{record.sys_id}", document))
            except NoSuchApi:
                self._has_change_api = False
        return dict(self._api.write("PATCH", f"{TABLE}/change_request/{record.sys_id}", document))

    @staticmethod
    def _refuse_ignored(result: Mapping[str, JSON], document: Mapping[str, str]) -> None:
        """The Change API says which fields it dropped; the Table API does not, and the operation finds out by reading."""
        meta = result.get("__meta") or {}
        ignored = sorted(set(meta.get("ignoredFields") or ()) & set(document))
        if ignored:
            raise OperationError(
                f"{_plain(result.get('number'))}: ServiceNow ignored {', '.join(ignored)}: no such column, one that is locked on this kind of "
                "change, or one this account may not write",
                FAILED,
            )

    def _associate(self, sys_id: str, wanted: JSON) -> None:
        """Make the configuration items affected ones of the change, those that are not yet."""
        missing = sorted(set(self._resolved_cis(wanted or ())) - (self._affected(sys_id) if wanted else set()))
        if not missing:
            return
        document = {"association_type": "affected", "cmdb_ci_sys_ids": missing}
        try:
            self._api.write("POST", f"{CHANGE}/{sys_id}/ci", document)
        except NoSuchApi:
            for item in missing:
                self._api.write("POST", f"{TABLE}/task_ci", {"task": sys_id, "ci_item": item})
        if not set(missing) <= self._affected(sys_id):
            raise OperationError("affected_cis: ServiceNow has taken them and has not associated them yet", TRANSIENT)

    def _resolved_cis(self, names: JSON) -> list[str]:
        return [self._names.resolved("cmdb_ci", str(name)) for name in names]


def _conflict(entry: Mapping[str, Any]) -> str:
    """A conflict in one line: with what, of which kind, at which configuration item."""

    def text(name: str) -> str:
        cell = entry.get(name)
        return str(cell.get("display_value") or cell.get("value") or "") if isinstance(cell, dict) else str(cell or "")

    where = f" ({text('configuration_item')})" if text("configuration_item") else ""
    return f"{text('conflicting_change') or text('schedule') or 'the calendar'}: {text('type')}{where}"


def _plain(value: JSON) -> str:
    """A value of either API: plain in the one, ``{"value", "display_value"}`` in the other."""
    return str(value.get("value") if isinstance(value, dict) else value)
