"""The life of one change record in ServiceNow: calls in an order by chance, each checked in ServiceNow itself. For the fault test."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from support.servicenow import Person

from ansible_collections.netops.changerail.plugins.module_utils.operation import Artifact
from ansible_collections.netops.changerail.plugins.module_utils.operations.approval import OPERATION as APPROVAL
from ansible_collections.netops.changerail.plugins.module_utils.operations.change_record import (
    OPERATION as CHANGE_RECORD,
)
from ansible_collections.netops.changerail.plugins.module_utils.operations.change_task import OPERATION as CHANGE_TASK
from ansible_collections.netops.changerail.tests.twins.kit.start import Running
from ansible_collections.netops.changerail.tests.twins.servicenow.people import CIS, TEMPLATE
from faults.steps import FALSE_SUCCESS, LOST, OTHER, Steps, failed, must, succeeded

STATES = {"new": "-5", "assess": "-4", "authorize": "-3", "scheduled": "-2", "implement": "-1", "closed": "3"}
CODES = ("successful", "successful_issues", "unsuccessful")
RISKS = {"high": "2", "moderate": "3", "low": "4"}
APPROVERS = ("network.lead", "cab.member")
MOST_BESIDE = 4
"""Calls beside the way between two steps of it."""


class Change:
    """``number`` tells it from others; ``has_api`` says that the instance has the Change Management API."""

    def __init__(self, steps: Steps, twin: Running, folder: Path, number: int, chance: random.Random) -> None:
        self._steps, self._folder, self._number, self._chance = steps, folder, number, chance
        self._has_api = bool(twin.administer("GET", "settings")["change_api"])
        self._admin = Person(twin)
        self._people = [Person(twin, name) for name in APPROVERS]
        self._kind = chance.choice(("normal", "standard", "emergency"))
        self._state = "new"
        self._record: Mapping[str, Any] = {}
        self._files: list[Artifact] = []
        self._notes: list[str] = []
        self._tasks: list[Mapping[str, Any]] = []
        self._paths = 0

    @property
    def calls(self) -> int:
        return self._steps.calls

    def live(self) -> None:
        """From opening to closing or cancelling. Raises Wrong."""
        self._open()
        self._beside()
        if self._chance.random() < 0.1:
            self._end("canceled")
            return
        if self._kind != "standard":
            self._ask()
            self._beside()
            if self._chance.random() < 0.15:
                self._reject()
                self._end("canceled")
                return
            self._approve()
        self._move("scheduled")
        self._beside()
        self._move("implement")
        self._beside()
        for task in self._tasks:
            self._close_task(task)
        self._end("closed")

    # The way.

    def _open(self) -> None:
        day = 1 + self._number % 28
        month = 1 + self._number // 28 % 12
        self._planned = {
            "cmdb_ci": self._chance.choice(CIS),
            "start_date": f"{2031 + self._number // 336}-{month:02}-{day:02} 22:00:00",
            "end_date": f"{2031 + self._number // 336}-{month:02}-{day:02} 23:00:00",
        }
        more = {"template": TEMPLATE["name"]} if self._kind == "standard" else {}
        self._opening = {
            "provider": "servicenow", "short_description": f"Change {self._number}", "type": self._kind,
            "assignment_group": "network", **self._planned, **more,
        }  # fmt: skip
        self._record = succeeded(self._steps.do(CHANGE_RECORD, "open", self._opening), self._what("open"))
        self._check({"short_description": f"Change {self._number}", "start_date": self._planned["start_date"]})

    def _ask(self) -> None:
        self._move("authorize" if self._kind == "emergency" else "assess")

    def _approve(self) -> None:
        outcome = self._do(APPROVAL, between=lambda: self._decide("approved", "go ahead"), **{"from": self._record})
        result = succeeded(outcome, self._what("approval"))
        self._state = "scheduled"
        self._check({"approval": "approved"})
        said = [row for row in result["approvals"] if row["state"] == "approved"]
        gates = {"authorize"} if self._kind == "emergency" else {"assess", "authorize"}
        must({row["gate"] for row in said} == gates, LOST, f"{self._what('approval')}: approvals {result['approvals']}")
        must(all(row["by"] and row["comment"] == "go ahead" for row in said), LOST, f"{self._what('approval')}: {said}")

    def _reject(self) -> None:
        said = "not this week"
        outcome = self._do(APPROVAL, between=lambda: self._decide("rejected", said), **{"from": self._record})
        failed(outcome, "rejected", said, self._what("approval"))
        self._state = "new"
        self._check({"approval": "rejected"})

    def _decide(self, state: str, comments: str) -> None:
        for person in self._people:
            decide = person.decide if self._has_api else person.decide_row
            decide(self._record["sys_id"], state, comments)

    def _move(self, state: str) -> None:
        succeeded(self._do(CHANGE_RECORD, state=state, record=self._record), self._what(state))
        self._state = state
        self._check({})

    def _end(self, state: str) -> None:
        """With evidence and a note; done twice, since the second must find nothing to do."""
        self._files.append(self._file())
        note = self._note_text()
        code = self._chance.choice(CODES)
        closing = {"close_code": code} if state == "closed" else {}
        path = self._path()
        for again in (False, True):
            outcome = self._steps.do(
                CHANGE_RECORD, path,
                {"record": self._record, "state": state, "evidence": "run", "work_notes": note, **closing},
                files=self._files,
            )  # fmt: skip
            succeeded(outcome, self._what(state))
            must(not (again and outcome.changed), OTHER, f"{self._what(state)}: done again, it changed something")
        row = self._row()
        expected = {"state": "3" if state == "closed" else "4", "close_code": code if state == "closed" else ""}
        so = {name: row[name] for name in expected}
        must(so == expected, FALSE_SUCCESS, f"{self._what(state)}: {so} instead of {expected}")
        self._check_evidence()

    # Beside the way.

    def _beside(self) -> None:
        calls = [self._again, self._describe, self._note, self._attach, self._add_task, self._hold]
        if self._state == "new":
            calls += [self._affect, *([self._conflicts] if self._has_api and self._chance.random() < 0.2 else [])]
        for dummy in range(self._chance.randint(0, MOST_BESIDE)):
            self._chance.choice(calls)()

    def _again(self) -> None:
        """The step that opened it, once more: an engine that was killed does this."""
        outcome = self._steps.do(CHANGE_RECORD, "open", self._opening)
        result = succeeded(outcome, self._what("adopt"))
        must(result["sys_id"] == self._record["sys_id"], "doubled", f"{self._what('adopt')}: another record")

    def _describe(self) -> None:
        risk, text = self._chance.choice(list(RISKS)), f"described {self._chance.random()}"
        values = {"risk": risk, "fields": {"justification": text}}
        succeeded(self._do(CHANGE_RECORD, record=self._record, **values), self._what("update"))
        self._check({"risk": RISKS[risk], "justification": text})

    def _note(self) -> None:
        self._do_note(self._note_text())

    def _do_note(self, text: str) -> None:
        succeeded(self._do(CHANGE_RECORD, record=self._record, work_notes=text), self._what("note"))
        must(any(text in note for note in self._noted()), LOST, f"{self._what('note')}: {text!r} is not there")

    def _attach(self) -> None:
        self._files.append(self._file())
        outcome = self._do(CHANGE_RECORD, record=self._record, evidence="run", files=self._files)
        succeeded(outcome, self._what("attach"))
        self._check_evidence()

    def _affect(self) -> None:
        items = self._chance.sample(CIS, 2)
        succeeded(self._do(CHANGE_RECORD, record=self._record, affected_cis=items), self._what("affected CIs"))
        rows = self._admin.rows("task_ci", f"task={self._record['sys_id']}")
        must(len(rows) >= len(items), FALSE_SUCCESS, f"{self._what('affected CIs')}: {len(rows)} rows for {items}")

    def _conflicts(self) -> None:
        """Somebody plans the same device at the same time."""
        other = self._admin.open_change()
        (row,) = self._admin.rows("change_request", f"number={other}")
        item = self._row()["cmdb_ci"]
        self._admin.set(row["sys_id"], **{**self._planned, "cmdb_ci": item})
        result = succeeded(self._do(CHANGE_RECORD, record=self._record, conflicts="report"), self._what("conflicts"))
        found = " ".join(result["conflicts"])
        must(other in found, FALSE_SUCCESS, f"{self._what('conflicts')}: {other} is not among {found!r}")
        self._admin.set(row["sys_id"], state="4")

    def _hold(self) -> None:
        if self._state == "new":
            return
        held = self._do(CHANGE_RECORD, record=self._record, on_hold=True, hold_reason="parts are late")
        succeeded(held, self._what("hold"))
        self._check({"on_hold": "true", "on_hold_reason": "parts are late"})
        succeeded(self._do(CHANGE_RECORD, record=self._record, on_hold=False), self._what("release"))
        self._check({"on_hold": "false"})

    def _add_task(self) -> None:
        args = {"record": self._record, "short_description": f"Task {len(self._tasks)}"}
        task = succeeded(self._do(CHANGE_TASK, **args), self._what("task"))
        self._tasks.append(task)
        self._check_task(task, {"state": "1", "change_request": self._record["sys_id"]})

    def _close_task(self, task: Mapping[str, Any]) -> None:
        closing = {"state": "closed", "close_code": "successful", "close_notes": "done"}
        if self._chance.random() < 0.5:
            succeeded(self._do(CHANGE_TASK, task=task, **closing), self._what("close task"))
        else:
            # Somebody else closes it while it is followed.
            values = {**closing, "state": "3"}
            followed = self._do(
                CHANGE_TASK, task=task, wait_for="closed",
                between=lambda: self._admin.set(task["sys_id"], "change_task", **values),
            )  # fmt: skip
            succeeded(followed, self._what("follow task"))
        self._check_task(task, {"state": "3", "close_code": "successful"})

    # What must be so.

    def _check(self, expected: Mapping[str, str]) -> None:
        """The record as ServiceNow has it, the state among it."""
        row = self._row()
        wanted = {"state": STATES[self._state], **expected}
        so = {name: row[name] for name in wanted}
        must(so == wanted, FALSE_SUCCESS, f"{self._what('check')}: {so} instead of {wanted}")

    def _check_task(self, task: Mapping[str, Any], wanted: Mapping[str, str]) -> None:
        rows = self._admin.rows("change_task", f"sys_id={task['sys_id']}")
        so = [{name: row[name] for name in wanted} for row in rows]
        must(so == [wanted], FALSE_SUCCESS, f"{self._what('task')}: {so} instead of {wanted}")

    def _check_evidence(self) -> None:
        """Every file is there; that none is there twice by our doing is told at the end, by the requests that attached them."""
        rows = self._admin.rows("sys_attachment", f"table_sys_id={self._record['sys_id']}")
        there = {(row["file_name"], row["size_bytes"]) for row in rows}
        digests = {row["hash"] for row in rows if row.get("hash")}
        for file in self._files:
            whole = not digests or file.sha256 in digests
            must((file.name, str(file.size)) in there and whole, LOST, f"{self._what('evidence')}: {file.name}")
        noted = self._noted()
        for text in self._notes:
            found = [note for note in noted if note.startswith(f"{text}\n")]
            must(bool(found), LOST, f"{self._what('evidence')}: the note {text!r}")
            must(len(found) == 1, "doubled", f"{self._what('evidence')}: the note {text!r}, {len(found)} times")

    # Means.

    def _do(self, operation: Any, *, files: Sequence[Artifact] = (), between: Any = None, **args: Any) -> Any:
        return self._steps.do(operation, self._path(), args, files=files, **({"between": between} if between else {}))

    def _path(self) -> str:
        self._paths += 1
        return f"step-{self._paths}"

    def _what(self, call: str) -> str:
        return f"{self._steps.run} ({self._kind} {self._record.get('number', '')}) {call}"

    def _row(self) -> Mapping[str, Any]:
        (row,) = self._admin.rows("change_request", f"sys_id={self._record['sys_id']}")
        return row

    def _noted(self) -> list[str]:
        return [row["value"] for row in self._admin.rows("sys_journal_field", f"element_id={self._record['sys_id']}")]

    def _note_text(self) -> str:
        self._notes.append(f"Milestone {len(self._notes)}")
        return self._notes[-1]

    def _file(self) -> Artifact:
        name = f"{len(self._files)}-timeline.txt"
        content = f"{name} of {self._steps.run}: ".encode() + self._chance.randbytes(self._chance.randint(1, 4000))
        path = self._folder / name
        path.write_bytes(content)
        return Artifact(name, str(path), hashlib.sha256(content).hexdigest(), len(content))
