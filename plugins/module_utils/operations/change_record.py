# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation ``change_record``: open a change record, fill it, move it state by state, attach the evidence, close it.

The engine, the module and any other driver find it with ``operation.find``. It knows no system; see ``provider.RecordProvider``.

A record belongs to a run and a step, not to an attempt: every attempt of the step finds the same record by its correlation id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.failures import CANCELLED, FAILED, TRANSIENT
from ansible_collections.netops.changerail.plugins.module_utils.operation import (
    JSON,
    Artifact,
    Call,
    Context,
    Done,
    Failed,
    Operation,
    Outcome,
    Waiting,
)
from ansible_collections.netops.changerail.plugins.module_utils.provider import (
    FINAL_STATES,
    STATES,
    NoAnswer,
    Record,
    RecordProvider,
    chosen,
    correlation_id,
    next_state,
    records,
)
from ansible_collections.netops.changerail.plugins.module_utils.record_options import reference_of, utc

PLAIN_FIELDS = (
    "type",
    "short_description",
    "description",
    "risk",
    "impact",
    "priority",
    "assignment_group",
    "requested_by",
    "cmdb_ci",
    "affected_cis",
    "template",
    "on_hold",
    "hold_reason",
)
DATE_FIELDS = ("start_date", "end_date")
CLOSING_FIELDS = ("close_code", "close_notes")
OWN_FIELDS = (
    "state",
    "number",
    "sys_id",
    "approval",
    "correlation_id",
    "work_notes",
    *PLAIN_FIELDS,
    *DATE_FIELDS,
    *CLOSING_FIELDS,
)
"""What ``fields`` may not set, because an option does or the record system does."""
_PLANNING = ("new", "assess", "authorize")
MOST_LOOKS = 3
"""How often a record that may have been opened is searched for before it counts as not opened."""


@dataclass(frozen=True)
class _Wanted:
    """How the record shall be: its fields, those written when it is closed, its state ("" for as it is), attachments, and a work note
    with the marker by which it is found again. ``conflicts`` is "report", "forbid" or "" for not to look for any.
    """

    fields: Mapping[str, JSON]
    closing: Mapping[str, JSON]
    state: str
    note: str
    marker: str
    evidence: Sequence[Artifact]
    conflicts: str


class ChangeRecord(Operation):
    """Open or change a change record. Without ``record`` it opens one, or adopts the one this step has opened."""

    name = "change_record"
    options: Mapping[str, Mapping[str, Any]] = {
        "provider": {"type": "str"},
        "record": {"type": "raw"},
        "state": {"type": "str", "choices": list(STATES)},
        "type": {"type": "str", "choices": ["normal", "standard", "emergency"]},
        "short_description": {"type": "str"},
        "description": {"type": "str"},
        "risk": {"type": "str", "choices": ["high", "moderate", "low"]},
        "impact": {"type": "str", "choices": ["high", "medium", "low"]},
        "priority": {"type": "str", "choices": ["critical", "high", "moderate", "low"]},
        "assignment_group": {"type": "str"},
        "requested_by": {"type": "str"},
        "start_date": {"type": "str"},
        "end_date": {"type": "str"},
        "cmdb_ci": {"type": "str"},
        "affected_cis": {"type": "list", "elements": "str"},
        "template": {"type": "str"},
        "on_hold": {"type": "bool"},
        "hold_reason": {"type": "str"},
        "close_code": {"type": "str", "choices": ["successful", "successful_issues", "unsuccessful"]},
        "close_notes": {"type": "str"},
        "work_notes": {"type": "str"},
        "evidence": {"type": "str", "choices": ["run"]},
        "conflicts": {"type": "str", "choices": ["report", "forbid"]},
        "fields": {"type": "dict", "default": {}},
    }
    constraints: Mapping[str, Any] = {
        "required_one_of": [("record", "short_description")],
        "required_if": [
            ("state", "closed", ("close_code",)),
            ("state", "closed", ("close_notes", "evidence"), True),
            ("state", "canceled", ("work_notes",)),
            ("on_hold", True, ("hold_reason",)),
        ],
    }

    def start(self, call: Call) -> Outcome:
        """Adopt, or open; then bring the record to what is wanted."""
        name, reference = _addressed(call)
        provider = records(name, call.context)
        if call.context.check:
            return _planned(call, name, provider, reference)
        record = _adopted(provider, call) if reference is None else provider.read(reference)
        if record is not None:
            return _Worker(name, provider, _wanted(call), record, [], _state_and_fields(record)).bring()
        return _open(call, name, provider)

    def poll(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        """Look at the record and go on with it; never opens one."""
        name = handle["provider"]
        provider = records(name, call.context)
        try:
            record = provider.read(handle["record"]) if handle["record"] else _adopted(provider, call)
        except OperationError as error:
            if error.failure != TRANSIENT:
                raise
            return Waiting(handle, error.retry_after or provider.interval, f"waiting: {error}")
        if record is None:
            return _not_opened(provider, handle)
        return _Worker(name, provider, _wanted(call), record, handle["changed"], handle["before"]).bring()

    def cancel(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        """Nothing is taken back: the record stays as it is, for ``always`` or a person to cancel or close."""
        return Failed(CANCELLED, f"change record {handle.get('number') or '(being opened)'} was left as it is")


OPERATION = ChangeRecord()


def _addressed(call: Call) -> tuple[str, str | None]:
    """The provider's name and the number or sys_id of the record that ``record`` names, None when one shall be opened."""
    record, given = call.args["record"], call.args["provider"]
    said, reference = (None, None) if record is None else reference_of("record", record)
    return chosen(given or said, "records", call.context), reference


def _wanted(call: Call) -> _Wanted:
    """The options as what the record shall be; how a change was closed is left out when it is cancelled. Raises OperationError."""
    args = call.args
    misplaced = sorted(set(args["fields"]) & set(OWN_FIELDS))
    if misplaced:
        raise OperationError(
            f"fields: {', '.join(misplaced)}: these are options of their own or set by the record system"
        )
    fields = {name: args[name] for name in PLAIN_FIELDS if args[name] is not None}
    fields |= {name: utc(name, args[name]) for name in DATE_FIELDS if args[name] is not None}
    if fields.get("start_date", "") > fields.get("end_date", "9"):
        raise OperationError(f"end_date {args['end_date']!r} is before start_date {args['start_date']!r}")
    evidence = call.context.evidence() if args["evidence"] and not call.context.check else ()
    closing = {name: args[name] for name in CLOSING_FIELDS if args[name] is not None}
    if args["state"] == "closed" and "close_notes" not in closing:
        closing["close_notes"] = _closing_notes(call.context.run, evidence)
    if args["state"] == "canceled":
        closing = {}
    elif args["state"] != "closed":
        fields, closing = {**fields, **closing}, {}
    note = args["work_notes"] or ""
    return _Wanted(
        {**args["fields"], **fields},
        closing,
        args["state"] or "",
        note,
        _marker(call.context, note),
        evidence,
        args["conflicts"] or "",
    )


def _marker(context: Context, note: str) -> str:
    """Tells this step's note from others: the same text again is the same note, whatever the attempt."""
    return f"[changerail {correlation_id(context)} {hashlib.sha256(note.encode()).hexdigest()[:8]}]"


def _closing_notes(run: str, evidence: Sequence[Artifact]) -> str:
    names = ", ".join(artifact.name for artifact in evidence) or "none"
    return f"Coordinated by changerail, run {run}. Evidence attached: {names}."


def _adopted(provider: RecordProvider, call: Call) -> Record | None:
    """The record this step has opened before: the oldest that was not cancelled since.

    A system may open two for one request (a gateway that sends it again); the younger ones are cancelled.
    """
    correlation = correlation_id(call.context)
    found = [record for record in provider.find(correlation) if record.state != "canceled"]
    for double in (record for record in found[1:] if record.state == "new"):
        note = f"Opened twice by one request. The change is {found[0].number}."
        try:
            provider.note_once(double, note, f"[changerail {correlation} double]")
            provider.move(double, "canceled", {})
        except NoAnswer as error:
            # Nothing is lost by doing it again.
            raise OperationError(str(error), TRANSIENT) from None
    return found[0] if found else None


def _open(call: Call, name: str, provider: RecordProvider) -> Outcome:
    """Open a record; when no answer comes, search for it instead of opening another."""
    wanted = _wanted(call)
    requester = provider.requester(call.context.requester)
    fields = {"type": "normal", **({"requested_by": requester} if requester else {}), **wanted.fields}
    try:
        opened = provider.create(fields, correlation_id(call.context))
        record = _adopted(provider, call) or opened
    except NoAnswer as error:
        handle = {"provider": name, "record": "", "number": "", "changed": [], "before": {}, "looks": 0}
        return Waiting(handle, provider.interval, f"searching for the change record that may have been opened: {error}")
    ignored = provider.differences(record, fields)
    if ignored:
        return _ignored(name, record, ignored)
    return _Worker(name, provider, wanted, record, changed=["number", "state", *fields], before={}).bring()


def _not_opened(provider: RecordProvider, handle: Mapping[str, JSON]) -> Outcome:
    looks = handle["looks"] + 1
    if looks >= MOST_LOOKS:
        return Failed(TRANSIENT, f"the change record was not opened: none was found in {looks} looks")
    return Waiting(
        {**handle, "looks": looks}, provider.interval, "searching for the change record that may have been opened"
    )


class _Worker:
    """Brings one record to what is wanted. Whatever is so already is left alone, so all of it can be repeated at any time."""

    def __init__(
        self,
        name: str,
        provider: RecordProvider,
        wanted: _Wanted,
        record: Record,
        changed: Sequence[str],
        before: Mapping[str, JSON],
    ) -> None:
        self._name = name
        self._provider = provider
        self._wanted = wanted
        self._record = record
        self._changed = list(changed)
        self._before = before
        self._conflicts: Sequence[str] = ()
        self._there_already = record.state == wanted.state and wanted.state in FINAL_STATES

    def bring(self) -> Outcome:
        """Do what is left to do. A write without an answer is looked at again later, not repeated blindly."""
        # Evidence and note come before the last move, because a closed record takes no more.
        try:
            for part in (
                self._check_ending,
                self._write_fields,
                self._look_for_conflicts,
                self._approach,
                self._document,
                self._arrive,
            ):
                outcome = part()
                if outcome is not None:
                    return outcome
        except NoAnswer as error:
            return self._waiting(f"looking again at {self._record.number}: {error}")
        message = f"{self._record.number} is {self._record.state}"
        return Done(self._shown(), changed=bool(self._changed), message=message)

    def _shown(self) -> dict[str, JSON]:
        result = _result(self._name, self._record, self._changed, self._before)
        return {**result, "conflicts": list(self._conflicts)} if self._wanted.conflicts else result

    def _check_ending(self) -> Outcome | None:
        """A record that somebody closed otherwise is not what is wanted, and cannot be made so."""
        code = {name: value for name, value in self._wanted.closing.items() if name == "close_code"}
        if self._there_already and self._provider.differences(self._record, code):
            is_so, should = self._record.fields.get("close_code"), code["close_code"]
            return self._failed(f"{self._record.number} was closed as {is_so!r} by somebody else; expected {should!r}")
        return None

    def _write_fields(self) -> Outcome | None:
        fields = self._provider.differences(self._record, self._wanted.fields)
        if fields:
            self._record = self._provider.update(self._record, fields)
            self._note_changes(*fields)
        ignored = self._provider.differences(self._record, fields)
        return _ignored(self._name, self._record, ignored) if ignored else None

    def _look_for_conflicts(self) -> Outcome | None:
        """What is in the way is worth knowing as long as the time can still be changed."""
        if not self._wanted.conflicts or self._record.state not in _PLANNING:
            return None
        self._conflicts = self._provider.conflicts(self._record)
        if self._conflicts and self._wanted.conflicts == "forbid":
            return self._failed(f"{self._record.number} is in conflict: {'; '.join(self._conflicts)}")
        return None

    def _approach(self) -> Outcome | None:
        """Walk to the state before the wanted one."""
        for _step in STATES:
            if self._record.state == self._wanted.state or self._next() == self._wanted.state:
                return None
            outcome = self._step()
            if outcome is not None:
                return outcome
        return None

    def _arrive(self) -> Outcome | None:
        return self._step() if self._wanted.state and self._record.state != self._wanted.state else None

    def _next(self) -> str:
        return (
            next_state(self._record, self._wanted.state, self._provider.moves(self._record))
            if self._wanted.state
            else ""
        )

    def _step(self) -> Outcome | None:
        """Move one state on and read back."""
        number, here, wanted = self._record.number, self._record.state, self._wanted.state
        moves = self._provider.moves(self._record)
        state = next_state(self._record, wanted, moves)
        if state in moves.automatic and state not in moves.open:
            return self._waiting(f"waiting for {number} to go from {here} to {state} by itself")
        if state not in moves.open:
            reason = (
                moves.blocked.get(state)
                or f"from there it can go to {', '.join(sorted(moves.open)) or 'no other state'}"
            )
            return self._failed(f"{number} is in state {here} and cannot go to {wanted}: {reason}")
        closing = self._wanted.closing if state == wanted else {}
        self._record = self._provider.move(self._record, state, closing)
        if self._record.state == here:
            return self._failed(
                f"{number} took the move to {state} without complaint and is still in {here}: a rule of the system undid it"
            )
        self._note_changes("state", *closing)
        ignored = self._provider.differences(self._record, closing)
        return _ignored(self._name, self._record, ignored) if ignored else None

    def _document(self) -> Outcome | None:
        """Attach the evidence and add the work note, each once."""
        if self._there_already:
            return None
        # Evidence grows while we look: what was attached before the last wait stays as it was.
        if self._wanted.evidence and "attachments" not in self._changed:
            self._attach_missing()
        if self._wanted.note and self._provider.note_once(self._record, self._wanted.note, self._wanted.marker):
            self._note_changes("work_notes")
        return None

    def _attach_missing(self) -> None:
        kept = {(attachment.name, attachment.sha256) for attachment in self._provider.attachments(self._record)}
        missing = [artifact for artifact in self._wanted.evidence if (artifact.name, artifact.sha256) not in kept]
        for artifact in missing:
            self._provider.attach(self._record, artifact)
        if missing:
            self._note_changes("attachments")

    def _note_changes(self, *names: str) -> None:
        self._changed += [name for name in names if name not in self._changed]

    def _waiting(self, message: str) -> Waiting:
        handle = {
            "provider": self._name,
            "record": self._record.sys_id,
            "number": self._record.number,
            "changed": list(self._changed),
            "before": dict(self._before),
        }
        return Waiting(handle, self._provider.interval, message)

    def _failed(self, message: str) -> Failed:
        return Failed(FAILED, message, self._shown())


def _ignored(name: str, record: Record, ignored: Mapping[str, JSON]) -> Failed:
    """The failure of a write that was taken without complaint and did not happen."""
    fields = ", ".join(f"{field} is {record.fields.get(field)!r} and not {value!r}" for field, value in ignored.items())
    return Failed(
        FAILED,
        f"{record.number} took a write without complaint, yet {fields}: a rule of the system or a missing right undid it",
    )


def _result(name: str, record: Record, changed: Sequence[str], before: Mapping[str, JSON]) -> dict[str, JSON]:
    now = {"number": record.number, "state": record.state, **record.fields}
    shown = [field for field in changed if field in now]
    return {
        "provider": name,
        "number": record.number,
        "sys_id": record.sys_id,
        "state": record.state,
        "type": record.type,
        "approval": record.approval,
        "url": record.url,
        "fields": dict(record.fields),
        "changed_fields": list(changed),
        "diff": {
            "before": {field: before[field] for field in shown if field in before},
            "after": {field: now[field] for field in shown},
        },
    }


def _state_and_fields(record: Record) -> dict[str, JSON]:
    return {"state": record.state, **record.fields}


def _planned(call: Call, name: str, provider: RecordProvider, reference: str | None) -> Outcome:
    """What would be done, without doing it: an existing record is read, nothing is written."""
    wanted = _wanted(call)
    if not reference:
        record = Record("", "", "new", wanted.fields.get("type", "normal"), "not requested", "", {})
        planned = {"type": "normal", **wanted.fields}
    else:
        record = provider.read(reference)
        planned = provider.differences(record, wanted.fields)
    if wanted.state and wanted.state != record.state:
        planned |= wanted.closing
    after = replace(record, state=wanted.state or record.state, fields={**record.fields, **planned})
    changed = [*planned, *(["state"] if after.state != record.state or not reference else [])]
    return Done(
        _result(name, after, changed, _state_and_fields(record) if reference else {}),
        changed=bool(changed) or bool(wanted.note),
    )
