# Writes as the platform does them: ACLs, business rules, data policies, the silent drops, and then the flow. For the twin's three APIs.
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.netops.changerail.tests.twins.servicenow import errors, models
from ansible_collections.netops.changerail.tests.twins.servicenow.access import Account, may_write
from ansible_collections.netops.changerail.tests.twins.servicenow.errors import Aborted
from ansible_collections.netops.changerail.tests.twins.servicenow.flow import Flow
from ansible_collections.netops.changerail.tests.twins.servicenow.schema import (
    CANCELED,
    CLOSED,
    NEW,
    OPEN_TASK_STATES,
    TABLES,
    referred,
)  # fmt: skip
from ansible_collections.netops.changerail.tests.twins.servicenow.settings import Settings
from ansible_collections.netops.changerail.tests.twins.servicenow.store import Row, Store


@dataclass(frozen=True)
class Written:
    """The row after a write, and the columns that were dropped without a word."""

    row: Row
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Write:
    """One write: who, with which settings, whether the values are display values, and which fault to commit ("old_state", "duplicate")."""

    by: Account
    settings: Settings
    display_input: bool = False
    fault: str = ""


class Records:
    """Creates and changes rows; raises ``errors.Aborted`` for a business rule and ``Refused`` for ACLs and data policies."""

    def __init__(self, store: Store, flow: Flow) -> None:
        self._store, self._flow = store, flow

    def create(self, table: str, values: Mapping[str, str], write: Write) -> Written:
        if not may_write(write.by, table):
            raise errors.acl("Insert")
        kept, ignored = self._keep(table, values, write)
        if table == "change_request":
            kept = self._complete(kept, write)
        elif table == "change_task":
            kept.setdefault("parent", kept.get("change_request", ""))
            kept.setdefault("state", "1")
        self._data_policy(table, kept, write.settings)
        for dummy in range(2 if write.fault == "duplicate" else 1):
            row = self._store.insert(table, kept, write.by.user_name)
        return Written(row, ignored)

    def update(self, table: str, row: Row, values: Mapping[str, str], write: Write) -> Written:
        if not may_write(write.by, table):
            raise errors.acl("Update")
        if write.fault == "old_state":
            return Written(row)
        kept, ignored = self._keep(table, values, write)
        check = {
            "change_request": self._check_change,
            "change_task": self._check_task,
            "sysapproval_approver": self._check_approval,
        }.get(table)
        if check:
            kept, more = check(row, kept, write)
            ignored += more
        self._data_policy(table, row | kept, write.settings)
        before = dict(row)
        self._store.update(table, row, kept, write.by.user_name)
        self._cause(table, row, before)
        return Written(row, ignored)

    def _cause(self, table: str, row: Row, before: Row) -> None:
        """Tells the flow what has changed."""
        moved = row.get("state") != before.get("state")
        if table == "change_request":
            if row["on_hold"] != before["on_hold"]:
                self._flow.held(row)
            if moved:
                self._flow.moved(row, before["state"])
        elif table == "change_task" and moved and row["state"] not in OPEN_TASK_STATES:
            self._store.update(table, row, {"active": "false"}, row["sys_updated_by"])
            self._flow.task_closed(row)
        elif table == "sysapproval_approver" and moved and row["state"] in ("approved", "rejected"):
            self._flow.decided(row)

    def _keep(self, table: str, values: Mapping[str, str], write: Write) -> tuple[dict[str, str], tuple[str, ...]]:
        """What the platform takes of ``values``, and the names it drops: unknown, read-only, or closed to this caller."""
        kept: dict[str, str] = {}
        ignored: list[str] = []
        for name, value in values.items():
            column = TABLES[table].columns.get(name)
            role = write.settings.field_write_roles.get(f"{table}.{name}")
            if column is None or column.read_only or (role and not write.by.has(role)):
                ignored.append(name)
            elif column.kind == "reference" and value:
                kept[name] = self._reference(referred(column), value, write)
            elif column.kind == "choice" and write.display_input:
                kept[name] = next((raw for raw, label in column.choices.items() if label == value), value)
            else:
                kept[name] = value
        return kept, tuple(ignored)

    def _reference(self, table: str, value: str, write: Write) -> str:
        if value in self._store.tables[table] or not write.display_input:
            return value
        unknown = value if write.settings.wrong_display_value == "keep" else ""
        return self._store.by_display(table, value) or unknown

    def _complete(self, values: dict[str, str], write: Write) -> dict[str, str]:
        """What the platform fills in when a change is created. A change starts in New whatever the caller says."""
        model = values.get("chg_model", "")
        named = self._store.tables["chg_model"].get(model) or self._store.one("chg_model", name=model.capitalize())
        kind = named["name"].lower() if named else values.get("type") or write.settings.default_type
        own = self._store.one("chg_model", name=kind.capitalize())
        people = {"requested_by": write.by.sys_id, "opened_by": write.by.sys_id}
        return {**people, **values, "type": kind, "chg_model": own["sys_id"] if own else "", "state": NEW}

    def _check_change(self, row: Row, values: dict[str, str], write: Write) -> tuple[dict[str, str], tuple[str, ...]]:
        settings, ignored = write.settings, []
        changed = {name: value for name, value in values.items() if row.get(name) != value}
        for name in ("type", "chg_model"):
            if name in changed and row["state"] != NEW:
                del values[name]
                ignored.append(name)
        if row["type"] == "standard" and any(name in changed for name in settings.standard_locked_fields):
            raise Aborted("change_request", "Restrict fields from Standard Change")
        if row["state"] in (CLOSED, CANCELED) and set(changed) - {"work_notes", "comments"}:
            raise Aborted("change_request", "Make Change read-only when closed")
        if changed.get("on_hold") == "true" and row["state"] in (NEW, CLOSED, CANCELED):
            del values["on_hold"]
            ignored.append("on_hold")
        if "state" in changed:
            self._check_move(row | values, row, values, settings)
        return values, tuple(ignored)

    def _check_move(self, after: Row, row: Row, values: dict[str, str], settings: Settings) -> None:
        """A forbidden move ends here in one of three ways; a legal one passes."""
        target = values["state"]
        # Releasing the hold and moving may be one write: conditions see the row as it will be, in its old state.
        legal = models.allowed(self._store, after | {"state": row["state"]}, target)
        asks = target in models.ASKED_IN[row["type"]] and not after["assignment_group"]
        if legal and asks and settings.missing_group == "abort":
            raise Aborted("change_request", "Change Model: Check State Transition")
        if legal:
            return
        if settings.illegal_move == "silent":
            values["state"] = row["state"]
        elif settings.illegal_move == "data_policy":
            raise errors.data_policy(["Close code", "Close notes"])
        else:
            raise Aborted("change_request", "Change Model: Check State Transition")

    def _check_task(self, row: Row, values: dict[str, str], write: Write) -> tuple[dict[str, str], tuple[str, ...]]:
        if row["state"] not in OPEN_TASK_STATES and values.get("state", row["state"]) != row["state"]:
            raise Aborted("change_task", "Change Task: Check State Transition")
        return values, ()

    def _check_approval(self, row: Row, values: dict[str, str], write: Write) -> tuple[dict[str, str], tuple[str, ...]]:
        if write.by.sys_id != row["approver"] and not write.by.has("approval_admin"):
            if write.settings.foreign_approval == "refuse":
                raise errors.acl("Update")
            return {}, tuple(values)
        if row["state"] != "requested":
            values.pop("state", None)
            return values, ("state",)
        return values, ()

    def _data_policy(self, table: str, row: Mapping[str, str], settings: Settings) -> None:
        if table != "change_request":
            return
        needed = settings.mandatory.get(row.get("state", NEW), ())
        missing = [TABLES[table].columns[name].label for name in needed if not row.get(name)]
        if missing:
            raise errors.data_policy(missing)
