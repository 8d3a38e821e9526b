# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a change record's options are columns of ServiceNow's table ``change_request``, and back. Pure; only servicenow/records.py uses it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.operation import JSON
from ansible_collections.netops.changerail.plugins.module_utils.provider import STATES, Approval
from ansible_collections.netops.changerail.plugins.module_utils.servicenow.api import Row

STATE_CODES: Mapping[str, str] = dict(zip(STATES, ("-5", "-4", "-3", "-2", "-1", "0", "3", "4"), strict=True))
STATE_NAMES: Mapping[str, str] = {code: name for name, code in STATE_CODES.items()}
CODES: Mapping[str, Mapping[str, str]] = {
    "risk": {"high": "2", "moderate": "3", "low": "4"},
    "impact": {"high": "1", "medium": "2", "low": "3"},
    "priority": {"critical": "1", "high": "2", "moderate": "3", "low": "4"},
}
"""Choices: our word → ServiceNow's number."""
RENAMED: Mapping[str, str] = {"hold_reason": "on_hold_reason"}
"""Option → column, where they differ."""


REFERENCES = ("assignment_group", "requested_by", "cmdb_ci")
"""Columns that refer to another record: people give and see its name."""
TEMPLATE_COLUMN = "std_change_producer_version"
APPROVALS = ("not requested", "requested", "approved", "rejected")
_APPROVAL_STATES: Mapping[str, str] = {
    "not requested": "requested",
    "requested": "requested",
    "approved": "approved",
    "rejected": "rejected",
    "cancelled": "cancelled",
}


def raw(row: Row, column: str) -> str:
    """A column's stored value; "" when it is empty or hidden."""
    cell = row.get(column)
    return str(cell.get("value") or "") if isinstance(cell, dict) else str(cell or "")


def shown(row: Row, column: str) -> str:
    """What people see of a column; the stored value when nothing is shown."""
    cell = row.get(column)
    return str(cell.get("display_value") or "") or raw(row, column) if isinstance(cell, dict) else str(cell or "")


def column_of(option: str) -> str:
    return RENAMED.get(option, option)


def to_column(option: str, value: JSON) -> str:
    """An option's value as ServiceNow stores it; references are resolved elsewhere."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return CODES.get(option, {}).get(str(value), "" if value is None else str(value))


def to_fields(row: Row) -> dict[str, JSON]:
    """All columns as options' values: choices in our words, references as people see them, the rest as it is stored."""
    fields: dict[str, JSON] = {name: raw(row, name) for name in row if not name.startswith("sys_")}
    for option, codes in CODES.items():
        words = {code: word for word, code in codes.items()}
        fields[option] = words.get(raw(row, option), raw(row, option))
    fields |= {option: shown(row, option) for option in REFERENCES}
    fields |= {option: raw(row, column) for option, column in RENAMED.items()}
    fields["on_hold"] = raw(row, "on_hold") == "true"
    fields["template"] = shown(row, TEMPLATE_COLUMN)
    return fields


def state_of(row: Row) -> str:
    """The state's name. Raises OperationError for a state of a model we do not know."""
    code = raw(row, "state")
    if code not in STATE_NAMES:
        raise OperationError(
            f"{raw(row, 'number')}: its state {shown(row, 'state')!r} ({code}) is none of ServiceNow's own change states; "
            "records of a model with other states cannot be moved from here"
        )
    return STATE_NAMES[code]


def approval_of(row: Row) -> str:
    value = raw(row, "approval")
    return value if value in APPROVALS else "not requested"


def to_approval(row: Row, gate: str) -> Approval:
    """An approver's row as evidence. A state of the platform's own that asks nobody counts as no longer required."""
    state = _APPROVAL_STATES.get(raw(row, "state"), "not_required")
    decided = state in ("approved", "rejected")
    return Approval(
        id=raw(row, "sys_id"),
        gate=gate,
        state=state,
        group=shown(row, "group"),
        person=shown(row, "approver"),
        by=shown(row, "approver") if decided else "",
        at=None if state == "requested" else seconds(raw(row, "sys_updated_on")),
        comment=shown(row, "comments").strip(),
    )


def seconds(text: str) -> float | None:
    """Seconds since the epoch of a stored date, None when there is none."""
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
