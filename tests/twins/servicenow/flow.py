# What the platform does by itself, a while after its cause: approvals, states, tasks, conflict checks. For the ServiceNow twin's writes.
from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.netops.changerail.tests.twins.servicenow import models
from ansible_collections.netops.changerail.tests.twins.servicenow.clock import Clock
from ansible_collections.netops.changerail.tests.twins.servicenow.schema import (
    CANCELED,
    CLOSED,
    IMPLEMENT,
    NEW,
    OPEN_TASK_STATES,
    REVIEW,
)  # fmt: skip
from ansible_collections.netops.changerail.tests.twins.servicenow.settings import Settings
from ansible_collections.netops.changerail.tests.twins.servicenow.store import Row, Store

BY = "system"
FLOW_TASKS = (("Implement", "implementation"), ("Post implementation testing", "testing"))


class Flow:
    """Steps due at a time; the application runs the due ones before each request. ``settings`` gives the present ones."""

    def __init__(self, store: Store, clock: Clock, settings: Callable[[], Settings]) -> None:
        self._store, self._clock, self._settings = store, clock, settings
        self._due: list[tuple[float, int, str, str]] = []
        self._order = 0
        self._at: float | None = None
        # Approver rows of rounds that are over, and those that rest while their change is on hold.
        self._settled: set[str] = set()
        self._resting: set[str] = set()
        self._steps: Mapping[str, Callable[[Row], None]] = {
            "ask": self._ask,
            "judge": self._judge,
            "make_tasks": self._make_tasks,
            "review": self._review,
            "check_conflicts": self._check_conflicts,
        }

    def after(self, step: str, change: Row) -> None:
        """``step`` happens to the change after the flow's delay."""
        self._order += 1
        heapq.heappush(self._due, (self._moment() + self._settings().flow_delay, self._order, step, change["sys_id"]))

    def run_due(self) -> None:
        while self._due and self._due[0][0] <= self._clock.now():
            self._at, _order, step, sys_id = heapq.heappop(self._due)
            change = self._store.tables["change_request"].get(sys_id)
            if change:
                self._steps[step](change)
        self._at = None

    def _moment(self) -> float:
        """When the cause happened: a step's own time while it runs, however late that is."""
        return self._clock.now() if self._at is None else self._at

    def is_due(self, step: str, change: Row) -> bool:
        """Whether ``step`` is still to come for this change."""
        return any(entry[2:] == (step, change["sys_id"]) for entry in self._due)

    def as_dict(self) -> dict[str, Any]:
        return {"due": self._due, "settled": sorted(self._settled), "resting": sorted(self._resting)}

    def restore(self, document: Mapping[str, Any]) -> None:
        self._due = [(float(when), int(order), str(step), str(sys_id)) for when, order, step, sys_id in document["due"]]
        heapq.heapify(self._due)
        self._order = max((entry[1] for entry in self._due), default=0)
        self._settled, self._resting = set(document["settled"]), set(document["resting"])

    # What a write causes.

    def moved(self, change: Row, source: str) -> None:
        """The change has just got a new state."""
        state = change["state"]
        if state in models.ASKED_IN[change["type"]]:
            self.after("ask", change)
        elif state == NEW and source != NEW:
            self._close_approvals(change, "cancelled")
            self._settle(change)
            self._set(change, approval="not requested")
        elif change["type"] == "standard" and source == NEW and state != CANCELED:
            self._set(change, approval="approved")
        elif state == IMPLEMENT:
            self._set(change, work_start=change["work_start"] or self._clock.stamp())
            self.after("make_tasks", change)
        elif state == REVIEW:
            self._set(change, work_end=change["work_end"] or self._clock.stamp())
            self._cancel_tasks(change, created_from="workflow")
        elif state == CANCELED:
            self._close_approvals(change, "cancelled")
            self._cancel_tasks(change)
        if state in (CLOSED, CANCELED):
            self._set(change, active="false")

    def held(self, change: Row) -> None:
        """``on_hold`` has changed: open approvals rest while it lasts."""
        for row in self._approvals(change):
            if change["on_hold"] == "true" and row["state"] == "requested":
                self._resting.add(row["sys_id"])
                self._store.update("sysapproval_approver", row, {"state": "not_required"}, BY)
            elif change["on_hold"] != "true" and row["sys_id"] in self._resting:
                self._resting.remove(row["sys_id"])
                self._store.update("sysapproval_approver", row, {"state": "requested"}, BY)

    def decided(self, approval: Row) -> None:
        """Somebody has approved or rejected."""
        change = self._store.tables["change_request"].get(approval["sysapproval"])
        if change:
            self.after("judge", change)

    def task_closed(self, task: Row) -> None:
        change = self._store.tables["change_request"].get(task["change_request"])
        if change and change["state"] == IMPLEMENT and self._settings().auto_review:
            self.after("review", change)

    # The steps.

    def _ask(self, change: Row) -> None:
        """Creates the approver rows of the present state."""
        if change["state"] not in models.ASKED_IN[change["type"]]:
            return
        named = self._settings().approval_groups.get(change["state"])
        group = self._store.by_display("sys_user_group", named) if named else change["assignment_group"]
        members = self._store.find("sys_user_grmember", group=group or "")
        for member in members:
            values = {
                "approver": member["user"],
                "group": member["group"],
                "sysapproval": change["sys_id"],
                "document_id": change["sys_id"],
                "source_table": "change_request",
                "state": "requested",
            }
            self._store.insert("sysapproval_approver", values, BY)
        if members:
            self._set(change, approval="requested")

    def _judge(self, change: Row) -> None:
        """Looks at the answers of the present round and moves the change when they suffice."""
        states = [row["state"] for row in self._approvals(change) if row["sys_id"] not in self._settled]
        if change["state"] not in models.AFTER_APPROVAL:
            return
        if "rejected" in states:
            self._close_approvals(change, self._settings().rejected_others)
            self._move(change, NEW)
            self._set(change, approval="rejected")
            return
        if "approved" not in states or ("requested" in states and self._settings().approvals_needed == "all"):
            return
        self._close_approvals(change, "not_required")
        self._settle(change)
        self._set(change, approval="approved")
        self._move(change, models.AFTER_APPROVAL[change["state"]])

    def _make_tasks(self, change: Row) -> None:
        if change["state"] != IMPLEMENT or self._store.find(
            "change_task", change_request=change["sys_id"], created_from="workflow"
        ):
            return
        for title, kind in FLOW_TASKS:
            values = {
                "short_description": title,
                "change_task_type": kind,
                "change_request": change["sys_id"],
                "parent": change["sys_id"],
                "assignment_group": change["assignment_group"],
                "created_from": "workflow",
                "state": "1",
            }
            self._store.insert("change_task", values, BY)

    def _review(self, change: Row) -> None:
        if (
            change["state"] == IMPLEMENT
            and change["on_hold"] != "true"
            and not models.open_tasks(self._store, change["sys_id"])
        ):
            self._move(change, REVIEW)

    def _check_conflicts(self, change: Row) -> None:
        """Other changes of the same CI whose planned time overlaps."""
        for old in self._store.find("conflict", change=change["sys_id"]):
            self._store.delete("conflict", old["sys_id"])
        for other in self._store.find("change_request", cmdb_ci=change["cmdb_ci"]):
            if other is change or other["state"] in (CLOSED, CANCELED) or not other["start_date"]:
                continue
            if other["start_date"] < change["end_date"] and change["start_date"] < other["end_date"]:
                values = {
                    "change": change["sys_id"],
                    "conflicting_change": other["sys_id"],
                    "configuration_item": change["cmdb_ci"],
                    "type": "ci_already_scheduled",
                }
                self._store.insert("conflict", values, BY)
        # The platform says "Conflict" whether there are any or not.
        self._set(change, conflict_status="Conflict", conflict_last_run=self._clock.stamp())

    # Helpers.

    def _approvals(self, change: Row) -> list[Row]:
        return self._store.find("sysapproval_approver", sysapproval=change["sys_id"])

    def _settle(self, change: Row) -> None:
        """The present round is over: its answers do not count for the next."""
        self._settled |= {row["sys_id"] for row in self._approvals(change)}

    def _close_approvals(self, change: Row, state: str) -> None:
        for row in self._approvals(change):
            if row["state"] == "requested":
                self._store.update("sysapproval_approver", row, {"state": state}, BY)

    def _cancel_tasks(self, change: Row, **which: str) -> None:
        for task in self._store.find("change_task", change_request=change["sys_id"], **which):
            if task["state"] in OPEN_TASK_STATES:
                self._store.update("change_task", task, {"state": "4", "active": "false"}, BY)

    def _move(self, change: Row, state: str) -> None:
        source = change["state"]
        self._set(change, state=state)
        self.moved(change, source)

    def _set(self, change: Row, **values: str) -> None:
        self._store.update("change_request", change, values, BY)
