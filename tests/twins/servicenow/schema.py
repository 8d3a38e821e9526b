# The tables and columns the ServiceNow twin knows, with labels, choices and references. Values only.
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

NEW, ASSESS, AUTHORIZE, SCHEDULED, IMPLEMENT, REVIEW, CLOSED, CANCELED = "-5", "-4", "-3", "-2", "-1", "0", "3", "4"
CHANGE_STATES = {
    NEW: "New",
    ASSESS: "Assess",
    AUTHORIZE: "Authorize",
    SCHEDULED: "Scheduled",
    IMPLEMENT: "Implement",
    REVIEW: "Review",
    CLOSED: "Closed",
    CANCELED: "Canceled",
}
TASK_STATES = {"-5": "Pending", "1": "Open", "2": "In Progress", "3": "Closed", "4": "Canceled"}
OPEN_TASK_STATES = ("-5", "1", "2")
CLOSE_CODES = {
    "successful": "Successful",
    "successful_issues": "Successful with issues",
    "unsuccessful": "Unsuccessful",
}
APPROVAL_STATES = {
    "not requested": "Not Yet Requested",
    "requested": "Requested",
    "approved": "Approved",
    "rejected": "Rejected",
    "cancelled": "Cancelled",
    "not_required": "No Longer Required",
    "duplicate": "Duplicate",
}
_ONE_TO_THREE = {"1": "1 - High", "2": "2 - Medium", "3": "3 - Low"}


@dataclass(frozen=True)
class Column:
    """``kind``: string, integer, boolean, datetime, choice, reference (to ``table``) or journal (write-only, appended to)."""

    label: str
    kind: str = "string"
    table: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    default: str = ""
    read_only: bool = False


@dataclass(frozen=True)
class Table:
    """``prefix`` starts a record's ``number``; ``display`` is the column shown where the record is referred to."""

    label: str
    columns: Mapping[str, Column]
    prefix: str = ""
    display: str = "name"


def _text(*names: str) -> dict[str, Column]:
    return {name: Column(name.replace("_", " ").capitalize()) for name in names}


def _dates(*names: str) -> dict[str, Column]:
    return {name: Column(name.replace("_", " ").capitalize(), "datetime") for name in names}


def _references(**tables: str) -> dict[str, Column]:
    return {name: Column(name.replace("_", " ").capitalize(), "reference", table) for name, table in tables.items()}


def _flag(label: str, default: str = "false") -> Column:
    return Column(label, "boolean", default=default)


SYSTEM = {
    "sys_id": Column("Sys ID", read_only=True),
    "sys_created_on": Column("Created", "datetime", read_only=True),
    "sys_created_by": Column("Created by", read_only=True),
    "sys_updated_on": Column("Updated", "datetime", read_only=True),
    "sys_updated_by": Column("Updated by", read_only=True),
    "sys_mod_count": Column("Updates", "integer", default="0", read_only=True),
    "sys_class_name": Column("Class", read_only=True),
}
_TASK = {
    "number": Column("Number", read_only=True),
    "short_description": Column("Short description"),
    "active": _flag("Active", "true"),
    "approval": Column("Approval", "choice", choices=APPROVAL_STATES, default="not requested"),
    "priority": Column(
        "Priority",
        "choice",
        choices={"1": "1 - Critical", "2": "2 - High", "3": "3 - Moderate", "4": "4 - Low"},
        default="4",
    ),
    "work_notes": Column("Work notes", "journal"),
    "comments": Column("Additional comments", "journal"),
    "close_code": Column("Close code", "choice", choices=CLOSE_CODES),
    "close_notes": Column("Close notes"),
    "on_hold": _flag("On hold"),
    "on_hold_reason": Column("On hold reason"),
    **_text("description", "correlation_id", "correlation_display"),
    **_references(
        assignment_group="sys_user_group",
        assigned_to="sys_user",
        cmdb_ci="cmdb_ci",
        parent="task",
        opened_by="sys_user",
    ),
}
TABLES: Mapping[str, Table] = {
    "change_request": Table(
        "Change Request",
        {
            **SYSTEM,
            **_TASK,
            "state": Column("State", "choice", choices=CHANGE_STATES, default=NEW),
            "type": Column(
                "Type", "choice", choices={"normal": "Normal", "standard": "Standard", "emergency": "Emergency"}
            ),
            "risk": Column(
                "Risk", "choice", choices={"1": "Very High", "2": "High", "3": "Moderate", "4": "Low"}, default="3"
            ),
            "impact": Column("Impact", "choice", choices=_ONE_TO_THREE, default="3"),
            "urgency": Column("Urgency", "choice", choices=_ONE_TO_THREE, default="3"),
            "cab_required": _flag("CAB required"),
            "conflict_status": Column("Conflict status", default="Not Run"),
            "phase": Column("Phase", default="requested"),
            **_text(
                "justification",
                "implementation_plan",
                "risk_impact_analysis",
                "backout_plan",
                "test_plan",
                "category",
                "cab_delegate",
            ),
            **_dates("start_date", "end_date", "work_start", "work_end", "conflict_last_run", "cab_date"),
            **_references(
                requested_by="sys_user",
                business_service="cmdb_ci",
                chg_model="chg_model",
                std_change_producer_version="std_change_record_producer",
            ),
        },
        "CHG",
        "number",
    ),
    "change_task": Table(
        "Change Task",
        {
            **SYSTEM,
            **_TASK,
            "state": Column("State", "choice", choices=TASK_STATES, default="-5"),
            "change_task_type": Column("Type", default="planning"),
            "created_from": Column("Created from", default="manual"),
            **_dates("planned_start_date", "planned_end_date"),
            **_references(change_request="change_request"),
        },
        "CTASK",
        "number",
    ),
    "sysapproval_approver": Table(
        "Approval",
        {
            **SYSTEM,
            "state": Column("State", "choice", choices=APPROVAL_STATES, default="not requested"),
            "comments": Column("Comments"),
            **_dates("due_date", "expected_start"),
            **_text("document_id", "source_table"),
            **_references(approver="sys_user", sysapproval="change_request", group="sys_user_group"),
        },
        display="sys_id",
    ),
    "sys_journal_field": Table(
        "Journal Entry",
        {**SYSTEM, **_text("element", "element_id", "name"), "value": Column("Value")},
        display="sys_id",
    ),
    "sys_attachment": Table(
        "Attachment",
        {
            **SYSTEM,
            **_text(
                "file_name",
                "content_type",
                "size_bytes",
                "table_name",
                "table_sys_id",
                "hash",
                "state",
                "download_link",
            ),
        },
        display="file_name",
    ),
    "sys_user": Table("User", {**SYSTEM, **_text("user_name", "name", "email"), "active": _flag("Active", "true")}),
    "sys_user_group": Table("Group", {**SYSTEM, **_text("name", "description"), **_references(manager="sys_user")}),
    "sys_user_grmember": Table(
        "Group Member", {**SYSTEM, **_references(user="sys_user", group="sys_user_group")}, display="sys_id"
    ),
    "cmdb_ci": Table("Configuration Item", {**SYSTEM, **_text("name", "maintenance_schedule", "operational_status")}),
    "task_ci": Table(
        "CIs Affected", {**SYSTEM, **_references(task="change_request", ci_item="cmdb_ci")}, display="sys_id"
    ),
    "conflict": Table(
        "Conflict",
        {
            **SYSTEM,
            "type": Column(
                "Type",
                "choice",
                choices={
                    "ci_already_scheduled": "CI Already Scheduled",
                    "not_in_maintenance_window": "Not In Maintenance Window",
                },
            ),
            **_references(change="change_request", conflicting_change="change_request", configuration_item="cmdb_ci"),
        },
        display="sys_id",
    ),
    "chg_model": Table("Change Model", {**SYSTEM, **_text("name", "description"), "active": _flag("Active", "true")}),
    "std_change_record_producer": Table(
        "Standard Change Template",
        {
            **SYSTEM,
            **_text("name", "short_description", *("description", "backout_plan", "test_plan", "implementation_plan")),
        },
    ),
}
"""``parent`` refers to the table ``task``: looked up in change_request."""


def referred(column: Column) -> str:
    """The table whose records ``column`` refers to."""
    return "change_request" if column.table == "task" else column.table
