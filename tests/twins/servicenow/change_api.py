# The Change Management API, /api/sn_chg_rest. Registered by the ServiceNow twin's instance.
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from werkzeug.wrappers import Response

from ansible_collections.netops.changerail.tests.twins.kit.web import Exchange, Refused, Router, answer, nothing
from ansible_collections.netops.changerail.tests.twins.servicenow import errors, models
from ansible_collections.netops.changerail.tests.twins.servicenow.access import may_delete, may_read
from ansible_collections.netops.changerail.tests.twins.servicenow.flow import Flow
from ansible_collections.netops.changerail.tests.twins.servicenow.records import Records, Write, Written
from ansible_collections.netops.changerail.tests.twins.servicenow.schema import CHANGE_STATES, TABLES
from ansible_collections.netops.changerail.tests.twins.servicenow.settings import Settings
from ansible_collections.netops.changerail.tests.twins.servicenow.shapes import Look
from ansible_collections.netops.changerail.tests.twins.servicenow.store import Row, Store, new_id
from ansible_collections.netops.changerail.tests.twins.servicenow.table_api import body, found_rows, paged

CHANGE, TASK = "change_request", "change_task"
KINDS = ("normal", "standard", "emergency")
_CI_RELATIONS = ("affected", "impacted", "offering")


class ChangeApi:
    """Changes of every type with their tasks, next states, approvals, CIs and conflicts."""

    def __init__(self, store: Store, records: Records, flow: Flow, settings: Callable[[], Settings]) -> None:
        self._store, self._records, self._flow, self._settings = store, records, flow, settings

    def register(self, router: Router) -> None:
        for prefix in ("/api/sn_chg_rest/change", "/api/sn_chg_rest/v1/change"):
            for method, path, handler in self._routes():
                router.add(method, prefix + path, handler)

    def _routes(self) -> list[tuple[str, str, Callable[[Exchange], Response]]]:
        one = "/{change}"
        return [
            ("GET", "", self.list),
            ("POST", "", self.create),
            ("GET", "/model", self.models),
            ("GET", "/model/{sys_id}", self.model),
            ("GET", "/standard/template", self.templates),
            ("GET", "/standard/template/{sys_id}", self.template),
            ("POST", "/standard/{template}", self.create_standard),
            *((method, f"/{kind}{path}", handler) for kind in KINDS for method, path, handler in self._of_kind(kind)),
            ("GET", one, self.read),
            ("PATCH", one, self.update),
            ("DELETE", one, self.delete),
            ("GET", one + "/nextstates", self.next_states),
            ("PATCH", one + "/approvals", self.decide),
            ("POST", one + "/approvals", self.decide),
            ("GET", one + "/task", self.tasks),
            ("POST", one + "/task", self.create_task),
            ("GET", one + "/task/{task}", self.read_task),
            ("PATCH", one + "/task/{task}", self.update_task),
            ("DELETE", one + "/task/{task}", self.delete_task),
            ("GET", one + "/ci", self.cis),
            ("POST", one + "/ci", self.add_cis),
            ("POST", one + "/conflict", self.check_conflicts),
            ("GET", one + "/conflict", self.conflicts),
            ("DELETE", one + "/conflict", self.stop_check),
        ]

    def _of_kind(self, kind: str) -> list[tuple[str, str, Callable[[Exchange], Response]]]:
        def listed(exchange: Exchange) -> Response:
            return self._list(exchange, kind)

        def created(exchange: Exchange) -> Response:
            return self._create(exchange, {"type": kind})

        routes = [
            ("GET", "", listed),
            ("GET", "/{change}", self.read),
            ("PATCH", "/{change}", self.update),
            ("DELETE", "/{change}", self.delete),
        ]
        return routes if kind == "standard" else [*routes, ("POST", "", created)]

    # Changes.

    def list(self, exchange: Exchange) -> Response:
        return self._list(exchange, "")

    def _list(self, exchange: Exchange, kind: str) -> Response:
        self._installed()
        rows = [
            row
            for row in found_rows(self._store, self._settings(), exchange, CHANGE)
            if not kind or row["type"] == kind
        ]
        page, _headers = paged(exchange, rows, self._settings())
        look = self._look(exchange)
        visible = [row for row in page if may_read(exchange.account, CHANGE, row, self._settings())]
        return answer({"result": [look.change_row(CHANGE, row) for row in visible]})

    def read(self, exchange: Exchange) -> Response:
        return answer({"result": self._look(exchange).change_row(CHANGE, self._change(exchange))})

    def create(self, exchange: Exchange) -> Response:
        return self._create(exchange, {})

    def _create(self, exchange: Exchange, fixed: Mapping[str, str]) -> Response:
        self._installed()
        values = self._values(exchange) | fixed
        return self._written(
            exchange, CHANGE, lambda: self._records.create(CHANGE, values, self._write(exchange)), "created"
        )

    def create_standard(self, exchange: Exchange) -> Response:
        """From a published template, whose locked columns cannot be given."""
        self._installed()
        template = self._store.tables["std_change_record_producer"].get(exchange.path["template"])
        if template is None:
            raise errors.refused(404, "Template not found", None)
        locked = set(self._settings().standard_locked_fields)
        given = self._values(exchange)
        values = {name: value for name, value in given.items() if name not in locked}
        columns = TABLES["std_change_record_producer"].columns
        from_template = {name: template[name] for name in (*locked, "short_description") if name in columns}
        values = {**from_template, **values, "type": "standard", "std_change_producer_version": template["sys_id"]}

        def create() -> Written:
            written = self._records.create(CHANGE, values, self._write(exchange))
            return Written(written.row, (*written.ignored, *(name for name in given if name in locked)))

        return self._written(exchange, CHANGE, create, "created")

    def update(self, exchange: Exchange) -> Response:
        change, values = self._change(exchange), self._values(exchange)
        return self._written(
            exchange, CHANGE, lambda: self._records.update(CHANGE, change, values, self._write(exchange)), "updated"
        )

    def delete(self, exchange: Exchange) -> Response:
        change = self._change(exchange)
        if not may_delete(exchange.account, CHANGE):
            raise errors.acl("Delete")
        self._store.delete(CHANGE, change["sys_id"])
        return nothing()

    def models(self, exchange: Exchange) -> Response:
        return self._catalogue(exchange, "chg_model")

    def model(self, exchange: Exchange) -> Response:
        return self._catalogue_entry(exchange, "chg_model")

    def templates(self, exchange: Exchange) -> Response:
        return self._catalogue(exchange, "std_change_record_producer")

    def template(self, exchange: Exchange) -> Response:
        return self._catalogue_entry(exchange, "std_change_record_producer")

    def _catalogue(self, exchange: Exchange, table: str) -> Response:
        self._installed()
        rows = found_rows(self._store, self._settings(), exchange, table)
        return answer({"result": [self._look(exchange).change_row(table, row) for row in rows]})

    def _catalogue_entry(self, exchange: Exchange, table: str) -> Response:
        self._installed()
        row = self._store.tables[table].get(exchange.path["sys_id"])
        if row is None:
            raise errors.no_record()
        return answer({"result": self._look(exchange).change_row(table, row)})

    # States and approvals.

    def next_states(self, exchange: Exchange) -> Response:
        change = self._change(exchange)
        by_target: dict[str, list[dict[str, Any]]] = {}
        available = [change["state"]]
        for transition in models.transitions(change):
            passes = models.passes(self._store, change, transition)
            by_target.setdefault(transition.target, []).append(self._transition(transition, change, passes))
            if passes and not transition.by_flow and transition.target not in available:
                available.append(transition.target)
        result = {
            "available_states": available,
            "state_label": {state: CHANGE_STATES[state] for state in (change["state"], *by_target)},
        }
        if not self._settings().legacy_state_model:
            result["state_transitions"] = list(by_target.values())
        return answer({"result": result})

    def _transition(self, transition: models.Transition, change: Row, passes: bool) -> dict[str, Any]:
        return {
            "sys_id": new_id(),
            "display_value": f"{CHANGE_STATES[transition.source]} to {CHANGE_STATES[transition.target]}",
            "from_state": transition.source,
            "to_state": transition.target,
            "transition_available": passes,
            "automatic_transition": transition.by_flow,
            "conditions": [
                {
                    "passed": condition.holds(self._store, change),
                    "condition": {"name": condition.name, "description": condition.text, "sys_id": new_id()},
                }
                for condition in transition.conditions
            ],
        }

    def decide(self, exchange: Exchange) -> Response:
        """The caller decides their own approval of the change."""
        change, values = self._change(exchange), body(exchange)
        rows = self._store.find(
            "sysapproval_approver", sysapproval=change["sys_id"], approver=exchange.account.sys_id, state="requested"
        )
        if values.get("state") not in ("approved", "rejected"):
            raise errors.refused(400, "State must be approved or rejected", None)
        if values["state"] == "rejected" and not values.get("comments"):
            raise errors.refused(400, "Comments are mandatory when rejecting an approval", None)
        if not rows:
            raise errors.refused(400, "User does not have the authority to approve or reject", None)
        for row in rows:
            self._records.update("sysapproval_approver", row, values, self._write(exchange))
        return answer({"result": [self._look(exchange).change_row(CHANGE, change)]})

    # Tasks.

    def tasks(self, exchange: Exchange) -> Response:
        change, look = self._change(exchange), self._look(exchange)
        rows = self._store.find(TASK, change_request=change["sys_id"])
        return answer({"result": [look.change_row(TASK, row) for row in rows]})

    def read_task(self, exchange: Exchange) -> Response:
        return answer({"result": self._look(exchange).change_row(TASK, self._task(exchange))})

    def create_task(self, exchange: Exchange) -> Response:
        change = self._change(exchange)
        values = self._values(exchange) | {"change_request": change["sys_id"]}
        return self._written(
            exchange, TASK, lambda: self._records.create(TASK, values, self._write(exchange)), "created"
        )

    def update_task(self, exchange: Exchange) -> Response:
        task, values = self._task(exchange), self._values(exchange)
        return self._written(
            exchange, TASK, lambda: self._records.update(TASK, task, values, self._write(exchange)), "updated"
        )

    def delete_task(self, exchange: Exchange) -> Response:
        self._store.delete(TASK, self._task(exchange)["sys_id"])
        return nothing()

    # CIs and conflicts.

    def cis(self, exchange: Exchange) -> Response:
        change, look = self._change(exchange), self._look(exchange)
        rows = self._store.find("task_ci", task=change["sys_id"])
        return answer({"result": [look.change_row("task_ci", row) for row in rows]})

    def add_cis(self, exchange: Exchange) -> Response:
        change = self._change(exchange)
        document = exchange.request.get_json(silent=True) or {}
        if document.get("association_type") not in _CI_RELATIONS:
            raise errors.refused(400, "association_type must be affected, impacted or offering", None)
        given = document.get("cmdb_ci_sys_ids", [])
        wanted = given.split(",") if isinstance(given, str) else given
        for sys_id in wanted:
            if sys_id in self._store.tables["cmdb_ci"] and not self._store.find(
                "task_ci", task=change["sys_id"], ci_item=sys_id
            ):
                self._store.insert("task_ci", {"task": change["sys_id"], "ci_item": sys_id}, exchange.account.user_name)
        worker = new_id()
        result = {
            "worker": {"sysId": worker, "link": f"{exchange.base}/api/sn_chg_rest/change/worker/{worker}"},
            "state": {"value": 3, "display_value": "Complete"},
            "messages": {"errorMessages": [], "infoMessages": [], "warningMessages": []},
        }
        return answer({"result": result}, 202)

    def check_conflicts(self, exchange: Exchange) -> Response:
        change = self._change(exchange)
        if not (change["cmdb_ci"] and change["start_date"] and change["end_date"]):
            raise errors.refused(
                400, "Conflict detection could not be started", "A configuration item and planned dates are needed"
            )
        self._flow.after("check_conflicts", change)
        return answer({"result": new_id()})

    def conflicts(self, exchange: Exchange) -> Response:
        change, look = self._change(exchange), self._look(exchange)
        rows = self._store.find("conflict", change=change["sys_id"])
        result = {
            "status": change["conflict_status"],
            "last_run": change["conflict_last_run"],
            "record_count": len(rows),
            "job_status": "1" if self._flow.is_due("check_conflicts", change) else "2",
            "conflicts": [look.change_row("conflict", row) for row in rows],
        }
        return answer({"result": result})

    def stop_check(self, exchange: Exchange) -> Response:
        self._change(exchange)
        raise errors.refused(400, "The conflict check could not be cancelled", None)

    # Helpers.

    def _installed(self) -> None:
        if not self._settings().change_api:
            raise errors.refused(400, "Requested URI does not represent any resource", None)

    def _change(self, exchange: Exchange) -> Row:
        self._installed()
        row = self._store.tables[CHANGE].get(exchange.path["change"])
        if row is None or not may_read(exchange.account, CHANGE, row, self._settings()):
            raise errors.no_record()
        return row

    def _task(self, exchange: Exchange) -> Row:
        change = self._change(exchange)
        row = self._store.tables[TASK].get(exchange.path["task"])
        if row is None or row["change_request"] != change["sys_id"]:
            raise errors.no_record()
        return row

    def _values(self, exchange: Exchange) -> dict[str, str]:
        """URL parameters and body together; the body wins."""
        given = {name: value for name, value in exchange.query.items() if not name.startswith("sysparm_")}
        return given | (body(exchange) if exchange.request.get_data() else {})

    def _write(self, exchange: Exchange) -> Write:
        return Write(exchange.account, self._settings(), True, exchange.fault)

    def _look(self, exchange: Exchange) -> Look:
        return Look(self._store, self._settings(), exchange.account, exchange.base)

    def _written(self, exchange: Exchange, table: str, write: Callable[[], Written], verb: str) -> Response:
        """Does a write and shows the record with what was dropped; an abort is worded in ``message``, unlike the Table API's."""
        try:
            written = write()
        except errors.Aborted as abort:
            message = f"{TABLES[table].label} record could not be {verb}. {abort.text}"
            raise Refused(errors.envelope(self._settings().change_api_abort_status, message, "")) from None
        document: dict[str, Any] = self._look(exchange).change_row(table, written.row)
        if self._settings().change_api_reports_ignored:
            document["__meta"] = {"ignoredFields": list(written.ignored)}
        return answer({"result": document})
