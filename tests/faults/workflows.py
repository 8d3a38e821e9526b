"""Whole workflows from record to closed record, run by the engine in this process while both systems fail. For the fault test."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.servicenow import Person
from support.summary import summary

from ansible_collections.netops.changerail.plugins.plugin_utils.engine.run import Surround, create, drive
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import read
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder, StateFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.driving import evidence_of
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load
from ansible_collections.netops.changerail.tests.twins.kit.start import Running
from faults.steps import DOUBLED, FALSE_SUCCESS, HANG, LOST, OTHER, must
from faults.systems import Member, Systems

INSTANCE = "full"
PATIENCE = 180.0
"""Seconds a workflow may take."""
PEOPLE_LOOK = 0.1
APPROVERS = ("network.lead", "cab.member")
REJECTED = "to be rejected"

WORKFLOW = """\
name: Change {{ run_name }}
steps:
  - id: open
    netops.changerail.change_record:
      short_description: "{{ title }}"
      type: "{{ kind }}"
      assignment_group: network
    retries: 200
    delay: 0
    register: change
  - id: change
    block:
      - id: validate
        netops.changerail.pipeline:
          project: net/edge
          ref: main
          inputs: {attempt: "{{ run_name }}-validate", mode: "{{ validation }}"}
          artifacts: [edge.diff]
        retries: 200
        delay: 0
      - id: approval
        netops.changerail.approval: {from: "{{ change }}"}
        retries: 200
        delay: 0
      - id: begin
        netops.changerail.change_record: {record: "{{ change }}", state: implement}
        retries: 200
        delay: 0
        register: begun
      - id: deploy
        netops.changerail.pipeline:
          project: net/edge
          ref: main
          inputs: {attempt: "{{ run_name }}-deploy", mode: "{{ deployment }}"}
          artifacts: [edge.diff]
        retries: 200
        delay: 0
    always:
      - id: close
        netops.changerail.change_record:
          record: "{{ change }}"
          evidence: run
          state: "{{ 'closed' if begun is defined else 'canceled' }}"
          close_code: "{{ 'successful' if ok else 'unsuccessful' }}"
          work_notes: "{{ 'Done as planned' if ok else 'Not done' }}"
        retries: 200
        delay: 0
"""


@dataclass(frozen=True)
class Plan:
    """What shall become of a workflow: its pipelines by step and how they end, the record's state and close code."""

    name: str
    validation: str
    deployment: str
    title: str
    pipelines: tuple[str, ...]
    status: str
    state: str
    close_code: str


PLANS = (
    Plan("good", "plain", "plain", "Advertise", ("validate", "deploy"), "succeeded", "3", "successful"),
    Plan("deploy fails", "plain", "broken", "Advertise", ("validate", "deploy"), "failed", "3", "unsuccessful"),
    Plan("validation fails", "broken", "plain", "Advertise", ("validate",), "failed", "4", ""),
    Plan("rejected", "plain", "plain", REJECTED, ("validate",), "failed", "4", ""),
)
SHARES = (5, 3, 1, 1)


class Workflow:
    """One run of ``WORKFLOW`` in a folder of its own."""

    calls = 0
    """Its calls are the engine's, and not counted."""

    def __init__(self, folder: Path, systems: Systems, number: int, chance: random.Random) -> None:
        self._folder, self._systems, self._name = folder, systems, f"workflow-{number}"
        self._plan = PLANS[number] if number < len(PLANS) else chance.choices(PLANS, SHARES)[0]
        self._kind = chance.choice(("normal", "emergency"))

    def live(self) -> None:
        """Run it, and look what became of it. Raises Wrong."""
        folder = self._begun()
        stop = threading.Event()
        over = threading.Timer(PATIENCE, stop.set)
        over.start()
        project = Project(
            connections=self._systems.connections(INSTANCE),
            defaults={"records": "servicenow", "pipelines": "gitlab"},
        )
        try:
            drive(folder, Surround(project, environment={}, evidence=evidence_of), stop=stop)
        finally:
            over.cancel()
            over.join()
        must(not stop.is_set(), HANG, f"{self._what()}: no end after {PATIENCE:.0f} s: {self._told(folder)}")
        self._check(folder)

    def _begun(self) -> RunFolder:
        self._folder.mkdir(parents=True)
        path = self._folder / "change.yml"
        path.write_text(WORKFLOW, encoding="utf-8")
        variables = {
            "run_name": self._name, "title": self._plan.title, "kind": self._kind,
            "validation": self._plan.validation, "deployment": self._plan.deployment,
        }  # fmt: skip
        return create(
            load(path, variables.keys()),
            state=StateFolder(self._folder / "state"),
            variables=variables,
            options={},
            requester={"name": "network.engineer", "assurance": "os_user", "os_user": "network.engineer"},
            run=self._name,
        )

    def _check(self, folder: RunFolder) -> None:
        """The run ended as planned, and so did its record and its pipelines."""
        status = self._told(folder)["status"]
        kind = FALSE_SUCCESS if status == "succeeded" else OTHER
        must(status == self._plan.status, kind, f"{self._what()}: {self._told(folder)}")
        admin = Person(self._systems.servicenow[INSTANCE])
        rows = admin.rows("change_request", f"correlation_id={self._name}/open")
        oldest = min(rows, key=lambda row: row["number"])
        so = (oldest["state"], oldest["close_code"])
        wanted = (self._plan.state, self._plan.close_code)
        must(so == wanted, FALSE_SUCCESS, f"{self._what()}: the record is {so}, expected {wanted}")
        live = [row for row in rows if row is not oldest and row["state"] != "4"]
        must(not live, DOUBLED, f"{self._what()}: {len(live) + 1} records")
        self._check_evidence(admin, str(oldest["sys_id"]), folder)
        self._check_pipelines()

    def _check_evidence(self, admin: Person, record: str, folder: RunFolder) -> None:
        rows = admin.rows("sys_attachment", f"table_sys_id={record}")
        # What the run recorded as attached last is what the closing step was given; every piece of it must be there.
        there = {row["file_name"] for row in rows}
        written = sorted((folder.path / "evidence").iterdir(), key=lambda path: int(path.name))
        pieces = [path for path in written[0].rglob("*") if path.is_file()]
        must(bool(pieces), LOST, f"{self._what()}: no evidence was collected")
        missing = {path.name for path in pieces} - {Path(name).name for name in there}
        must(not missing, LOST, f"{self._what()}: not attached: {', '.join(sorted(missing))}")
        notes = [row["value"] for row in admin.rows("sys_journal_field", f"element_id={record}")]
        text = "Done as planned" if self._plan.status == "succeeded" else "Not done"
        found = [note for note in notes if note.startswith(f"{text}\n")]
        must(bool(found), LOST, f"{self._what()}: the note {text!r}")
        must(len(found) == 1, DOUBLED, f"{self._what()}: the note {text!r}, {len(found)} times")

    def _check_pipelines(self) -> None:
        pipelines = Member(self._systems.gitlab).all("pipelines")
        names = [str(entry["name"]).split()[1] for entry in pipelines]
        for step in ("validate", "deploy"):
            started = f"{self._name}-{step}" in names
            must(started == (step in self._plan.pipelines), OTHER, f"{self._what()}: pipeline {step}: {started}")

    def _told(self, folder: RunFolder) -> dict[str, Any]:
        told = summary([record.event for record in read(folder.journal)])
        return {"status": told["status"], "ending": told["ending"], "ended": told["ended"]}

    def _what(self) -> str:
        return f"{self._name} ({self._plan.name}, {self._kind})"


@contextmanager
def people(twin: Running) -> Iterator[None]:
    """Whoever is asked in ServiceNow decides while the block runs: no for what is to be rejected, yes for all else."""
    admin, approvers = Person(twin), [Person(twin, name) for name in APPROVERS]
    over = threading.Event()

    def decide() -> None:
        while not over.wait(PEOPLE_LOOK):
            asked = {row["sysapproval"] for row in admin.rows("sysapproval_approver", "state=requested")}
            for row in admin.rows("change_request", "active=true"):
                if row["sys_id"] in asked:
                    answer = "rejected" if row["short_description"] == REJECTED else "approved"
                    for person in approvers:
                        person.decide(row["sys_id"], answer, "as planned")

    thread = threading.Thread(target=decide)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
