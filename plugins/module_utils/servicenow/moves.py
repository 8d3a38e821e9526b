# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a ServiceNow change can go, and what stands in its way; only servicenow/records.py uses it. Reads, and writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.provider import Approval, Moves, Record
from ansible_collections.netops.changerail.plugins.module_utils.servicenow.api import CHANGE, Api, NoSuchApi, Row
from ansible_collections.netops.changerail.plugins.module_utils.servicenow.fields import (
    STATE_CODES,
    STATE_NAMES,
    raw,
    shown,
    to_approval,
)
from ansible_collections.netops.changerail.plugins.module_utils.servicenow.names import has

GATES = ("assess", "authorize")
"""States that are left by approval only."""
_APPROVAL_FIELDS = (
    "sys_id", "state", "approver", "group", "comments", "sys_updated_on", "sysapproval", "document_id",
)  # fmt: skip
_OPEN_TASKS = ("-5", "1", "2")
_ONWARD: Mapping[str, Mapping[str, str]] = {
    "normal": {"new": "assess", "assess": "authorize", "authorize": "scheduled"},
    "emergency": {"new": "authorize", "authorize": "scheduled"},
    "standard": {"new": "scheduled"},
}
_WORK: Mapping[str, str] = {"scheduled": "implement", "implement": "review", "review": "closed"}
"""With ``_ONWARD`` the way of each type, for instances that do not tell it."""
_CANCELABLE = ("new", "assess", "authorize", "scheduled", "implement")


def moves(api: Api, record: Record) -> Moves:
    """Where the record can go now: as the platform's ``nextstates`` says, or by the way of its type where it says nothing."""
    try:
        told = api.get(f"{CHANGE}/{record.sys_id}/nextstates")
    except NoSuchApi:
        return _usual(api, record)
    codes = [str(code) for code in told.get("available_states") or ()]
    here = STATE_CODES[record.state]
    allowed = frozenset(STATE_NAMES[code] for code in codes if code in STATE_NAMES and code != here)
    if told.get("state_transitions"):
        automatic, blocked = _judged(api, record, told["state_transitions"])
    else:
        usual = _usual(api, record)
        automatic, blocked = set(usual.automatic), dict(usual.blocked)
    closed = {state: why for state, why in blocked.items() if state not in allowed | automatic}
    return Moves(allowed, frozenset(automatic), closed)


def approvals(api: Api, record: Record) -> list[Approval]:
    """One for each approver. The platform does not say which gate a row belongs to: an open one belongs to the record's state, of the
    others those of the assignment group to Assess.
    """

    def ours(row: Row) -> bool:
        return record.sys_id in (raw(row, "sysapproval"), raw(row, "document_id"))

    query = f"sysapproval={record.sys_id}^ORdocument_id={record.sys_id}^ORDERBYsys_created_on"
    rows = api.rows("sysapproval_approver", query, ours, _APPROVAL_FIELDS)
    return [to_approval(row, _gate(record, row)) for row in rows]


def _gate(record: Record, row: Row) -> str:
    if raw(row, "state") == "requested" and record.state in GATES:
        return record.state
    if record.type == "emergency":
        return "authorize"
    return "assess" if shown(row, "group") == record.fields.get("assignment_group") else "authorize"


def _judged(api: Api, record: Record, transitions: Any) -> tuple[set[str], dict[str, str]]:
    """Which states the platform will go to by itself, and what stands before the others."""
    automatic: set[str] = set()
    blocked: dict[str, str] = {}
    for transition in (entry for entries in transitions for entry in entries):
        state = STATE_NAMES.get(str(transition.get("to_state")))
        conditions = transition.get("conditions") or ()
        unmet = [entry["condition"]["name"] for entry in conditions if not entry.get("passed")]
        if state is None:
            continue
        if transition.get("automatic_transition") and not unmet:
            automatic.add(state)
        elif unmet:
            blocked[state] = _why(api, record, unmet)
    return automatic, blocked


def _why(api: Api, record: Record, unmet: Sequence[str]) -> str:
    """Why a way is closed: the platform's conditions by name, with who or what is still open."""
    if record.fields.get("on_hold"):
        return f"it is on hold: {record.fields.get('hold_reason')}"
    if record.state in GATES:
        return _missing_approval(api, record)
    rows = api.rows("change_task", f"change_request={record.sys_id}", has("change_request", record.sys_id))
    tasks = [
        f"{raw(row, 'number')} {raw(row, 'short_description')}" for row in rows if raw(row, "state") in _OPEN_TASKS
    ]
    detail = f"; open: {', '.join(tasks)}" if tasks else ""
    return f"the condition {', '.join(repr(name) for name in unmet)} is not met{detail}"


def _missing_approval(api: Api, record: Record) -> str:
    rows = [row for row in approvals(api, record) if row.gate == record.state]
    waited = sorted({row.group or row.person for row in rows if row.state == "requested"})
    if waited:
        return f"the approval of {', '.join(waited)} is missing"
    return (
        "the platform has not drawn its conclusion from the approvals yet"
        if rows
        else "nobody has been asked to approve it yet"
    )


def _usual(api: Api, record: Record) -> Moves:
    """The way of the record's type, for an instance that does not tell it."""
    cancel = {"canceled"} if record.state in _CANCELABLE else set()
    onward = {**_ONWARD.get(record.type, {}), **_WORK}.get(record.state)
    if onward is None:
        return Moves(frozenset(cancel))
    if record.fields.get("on_hold") or (record.state in GATES and record.approval != "approved"):
        return Moves(frozenset(cancel), blocked={onward: _why(api, record, ())})
    if record.state in GATES:
        return Moves(frozenset(cancel), frozenset({onward}))
    return Moves(frozenset({onward, *cancel}))
