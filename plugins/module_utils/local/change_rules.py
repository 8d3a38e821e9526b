# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a local change record: ServiceNow's states, approvals and what each transition needs. Pure; only local/records.py calls it.

A document is the JSON of one record (see ``opened``). The functions that change one change it in place, write what they did into its
audit trail, and raise OperationError before they have changed anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.operation import JSON
from ansible_collections.netops.changerail.plugins.module_utils.provider import FINAL_STATES, Moves

Document = dict[str, Any]

PATHS: Mapping[str, tuple[str, ...]] = {
    "normal": ("new", "assess", "authorize", "scheduled", "implement", "review", "closed"),
    "standard": ("new", "scheduled", "implement", "review", "closed"),
    "emergency": ("new", "authorize", "scheduled", "implement", "review", "closed"),
}
GATES = ("assess", "authorize")
"""States that are left by approval only."""
REVERTIBLE = {"normal": "assess", "emergency": "authorize"}
"""The state of each type from which a record can be taken back to new."""
CANCELABLE = ("new", "assess", "authorize", "scheduled", "implement")
CLOSE_CODES = ("successful", "successful_issues", "unsuccessful")


@dataclass(frozen=True)
class Writer:
    """Who changes a record, and when (seconds since the epoch)."""

    by: str
    at: float

    @property
    def time(self) -> str:
        """The time as records carry it: ISO 8601 in UTC, to the second."""
        return datetime.fromtimestamp(self.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def opened(number: str, sys_id: str, correlation: str, fields: Mapping[str, JSON], writer: Writer) -> Document:
    """A new record."""
    document: Document = {
        "number": number,
        "sys_id": sys_id,
        "state": "new",
        "approval": "not requested",
        "correlation_id": correlation,
        "correlation_display": "changerail",
        "opened_by": writer.by,
        "opened_at": writer.time,
        "fields": {"type": "normal", "on_hold": False, **fields},
        "approvals": [],
        "work_notes": [],
        "attachments": [],
        "audit": [],
    }
    _audit(document, "state", None, "new", writer)
    return document


def moves(document: Document) -> Moves:
    """Where the record can go from its state."""
    state, path = document["state"], PATHS[document["fields"]["type"]]
    open_states = {"canceled"} if state in CANCELABLE else set()
    onward = path[path.index(state) + 1 : path.index(state) + 2] if state in path else ()
    if document["fields"].get("on_hold"):
        return Moves(
            frozenset(open_states),
            blocked=dict.fromkeys(onward, f"it is on hold: {document['fields'].get('hold_reason')}"),
        )
    if REVERTIBLE.get(document["fields"]["type"]) == state:
        open_states.add("new")
    if state in GATES:
        groups = ", ".join(row["group"] for row in open_approvals(document))
        return Moves(frozenset(open_states), blocked=dict.fromkeys(onward, f"the approval of {groups} is missing"))
    return Moves(frozenset(open_states | set(onward)))


def move(
    document: Document, state: str, fields: Mapping[str, JSON], groups: Mapping[str, Sequence[str]], writer: Writer
) -> None:
    """Move the record one state on. ``groups`` are those that must approve, by the gate that asks them."""
    reachable = moves(document)
    if state not in reachable.open:
        reason = (
            reachable.blocked.get(state)
            or f"from there it can go to {', '.join(sorted(reachable.open)) or 'no other state'}"
        )
        raise OperationError(f"{document['number']} is in state {document['state']} and cannot go to {state}: {reason}")
    if state == "closed":
        _check_closing(document, {**document["fields"], **fields})
    _write(document, fields, writer)
    _enter(document, state, groups, writer)


def update(document: Document, fields: Mapping[str, JSON], writer: Writer) -> None:
    """Write fields, as far as the record's state allows it."""
    changed = {name: value for name, value in fields.items() if document["fields"].get(name) != value}
    if not changed:
        return
    number, state = document["number"], document["state"]
    if state in FINAL_STATES:
        raise OperationError(f"{number} is {state}: its fields can no longer be changed ({', '.join(sorted(changed))})")
    if "type" in changed and state != "new":
        raise OperationError(f"{number} is in state {state}: its type can be changed in state new only")
    if changed.get("on_hold") and state == "new":
        raise OperationError(f"{number} is in state new: it cannot be put on hold before its approval is requested")
    _write(document, changed, writer)
    if "on_hold" in changed:
        _hold_approvals(document, bool(changed["on_hold"]))


def decide(
    document: Document, group: str, decision: str, comment: str, groups: Mapping[str, Sequence[str]], writer: Writer
) -> None:
    """Record a decision for the open approval of ``group`` and let the record go on, or back to new when it was rejected.

    The same decision by the same person again changes nothing.
    """
    if decision not in ("approved", "rejected"):
        raise OperationError(f"{document['number']}: {decision!r} is no decision; expected 'approved' or 'rejected'")
    row = next((row for row in open_approvals(document) if row["group"] == group), None)
    if row is None:
        given = [
            row
            for row in document["approvals"]
            if (row["group"], row["state"], row["by"]) == (group, decision, writer.by)
        ]
        if given:
            return
        waiting = ", ".join(row["group"] for row in open_approvals(document)) or "nobody"
        raise OperationError(f"{document['number']}: no approval of {group} is asked for; it waits for {waiting}")
    row.update(state=decision, by=writer.by, at=writer.time, comment=comment)
    _audit(document, f"approval of {group}", "requested", decision, writer)
    if decision == "rejected":
        _close_approvals(document, "not_required")
        document["approval"] = "rejected"
        _set_state(document, "new", writer)
    elif not open_approvals(document):
        _pass(document, groups, writer)


def open_approvals(document: Document) -> list[Document]:
    """The rows somebody still has to decide."""
    return [row for row in document["approvals"] if row["state"] == "requested"]


def _enter(document: Document, state: str, groups: Mapping[str, Sequence[str]], writer: Writer) -> None:
    """Set the state and what comes with entering it."""
    if state in GATES:
        document["approval"] = "requested"
        document["approvals"] += [
            _approval(document, state, group, number) for number, group in enumerate(groups[state], 1)
        ]
    elif state == "scheduled":
        document["approval"] = "approved"
    elif state in ("new", "canceled"):
        _close_approvals(document, "cancelled")
        if state == "new":
            document["approval"] = "not requested"
    elif state == "implement":
        _write(document, {"work_start": writer.time}, writer)
    elif state == "review":
        _write(document, {"work_end": writer.time}, writer)
    _set_state(document, state, writer)
    if state in GATES and not groups[state]:
        _pass(document, groups, writer)


def _pass(document: Document, groups: Mapping[str, Sequence[str]], writer: Writer) -> None:
    """Leave a gate at which nobody has to approve any more."""
    path = PATHS[document["fields"]["type"]]
    _enter(document, path[path.index(document["state"]) + 1], groups, writer)


def _approval(document: Document, gate: str, group: str, number: int) -> Document:
    name = f"{gate}-{len(document['approvals']) + number}"
    return {"id": name, "gate": gate, "group": group, "state": "requested", "by": "", "at": "", "comment": ""}


def _close_approvals(document: Document, state: str) -> None:
    for row in open_approvals(document):
        row["state"] = state


def _hold_approvals(document: Document, held: bool) -> None:
    """While a record is on hold nobody is asked; on release those who had been asked are asked again."""
    for row in document["approvals"]:
        if held and row["state"] == "requested":
            row.update(state="not_required", held=True)
        elif not held and row.pop("held", False):
            row["state"] = "requested"


def _check_closing(document: Document, fields: Mapping[str, JSON]) -> None:
    code, notes = fields.get("close_code"), str(fields.get("close_notes") or "")
    if code not in CLOSE_CODES or not notes.strip():
        raise OperationError(
            f"{document['number']} cannot be closed: it needs close_notes and a close_code of {', '.join(CLOSE_CODES)}; it has close_code {code!r}"
        )


def _set_state(document: Document, state: str, writer: Writer) -> None:
    _audit(document, "state", document["state"], state, writer)
    document["state"] = state


def _write(document: Document, fields: Mapping[str, JSON], writer: Writer) -> None:
    for name, value in fields.items():
        before = document["fields"].get(name)
        if before != value:
            _audit(document, name, before, value, writer)
            document["fields"][name] = value


def _audit(document: Document, what: str, before: JSON, after: JSON, writer: Writer) -> None:
    document["audit"].append({"at": writer.time, "by": writer.by, "what": what, "before": before, "after": after})
