# change_record and approval against a ServiceNow that fails at random, from opening to closing: one record, all evidence, the right end.
# Run by pytest; prints what it counted. CHANGERAIL_FAULT_RUNS sets how many changes go through (9).
from __future__ import annotations

import collections
import hashlib
import os

import pytest
from support.servicenow import Person

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.operation import Artifact, Done, Failed, Waiting
from ansible_collections.netops.changerail.plugins.module_utils.operations.approval import OPERATION as APPROVAL
from ansible_collections.netops.changerail.plugins.module_utils.operations.change_record import (
    OPERATION as CHANGE_RECORD,
)
from ansible_collections.netops.changerail.plugins.module_utils.provider import correlation_id
from ansible_collections.netops.changerail.tests.twins.servicenow.people import TEMPLATE

RUNS = int(os.environ.get("CHANGERAIL_FAULT_RUNS", "9"))
RATE = 0.25
MOST_ATTEMPTS, MOST_LOOKS = 60, 2000
KINDS = (
    "cut_before", "cut_after", "html", "rate_limit", "server_error", "gateway_timeout", "expire_token",
    "error_body", "empty_body", "lost_answer", "duplicate", "slow",
)  # fmt: skip


@pytest.fixture
def counts():
    return collections.Counter()


@pytest.fixture
def drive(call, counts):
    """Does a step as the engine does it: transient failures are tried again, a waiting step is looked at again."""

    def attempts(operation, between=lambda outcome: None, **args):
        for attempt in range(1, MOST_ATTEMPTS):
            counts["attempts"] += 1
            outcome = _finished(operation, call(operation, attempt=attempt, **args), between, counts)
            if not (isinstance(outcome, Failed) and outcome.failure == "transient"):
                return outcome
        raise AssertionError(f"{operation.name} did not end in {MOST_ATTEMPTS} attempts")

    return attempts


def _finished(operation, made, between, counts):
    try:
        outcome = operation.start(made)
        for _look in range(MOST_LOOKS):
            if not isinstance(outcome, Waiting):
                return outcome
            counts["looks"] += 1
            between(outcome)
            outcome = operation.poll(made, outcome.handle)
    except OperationError as error:
        return Failed(error.failure, str(error))
    raise AssertionError(f"still waiting after {MOST_LOOKS} looks: {outcome.message}")


@pytest.mark.timeout(900)
def test_every_change_ends_closed_once_with_all_its_evidence(twin, drive, call, counts, tmp_path):
    admin, people = Person(twin), [Person(twin, name) for name in ("network.lead", "cab.member")]
    twin.faults_at_random(20, RATE, kinds=KINDS, seconds=0.02)
    for number in range(RUNS):
        kind = ("normal", "standard", "emergency")[number % 3]
        sys_id = whole_change(drive, people, kind, f"run-{number}", evidence(tmp_path, number))
        correlation = correlation_id(call(run=f"run-{number}", path="open", short_description="x").context)
        live = admin.rows("change_request", f"correlation_id={correlation}^state!=4")
        assert [row["sys_id"] for row in live] == [sys_id]
        assert (live[0]["state"], live[0]["close_code"]) == ("3", "successful_issues")
        files = {(file["file_name"], file["hash"]) for file in admin.rows("sys_attachment", f"table_sys_id={sys_id}")}
        assert files == {(file.name, file.sha256) for file in evidence(tmp_path, number)}
        notes = [note["value"] for note in admin.rows("sys_journal_field", f"element_id={sys_id}")]
        assert len([note for note in notes if note.startswith("Deployed")]) == 1
    counts["requests"] = len(twin.received())
    counts["faults"] = sum(1 for entry in twin.received() if entry["fault"])
    counts["doubles cancelled"] = len(admin.rows("change_request", "state=4"))
    print(f"\nServiceNow: {RUNS} changes, {dict(counts)}")
    assert counts["faults"] > RUNS


def whole_change(drive, people, kind, run, files):
    """Opens, has approved and closes one change; its sys_id."""
    template = {"template": TEMPLATE["name"]} if kind == "standard" else {"assignment_group": "network"}
    opened = drive(
        CHANGE_RECORD, run=run, path="open", short_description="Advertise", type=kind, risk="high", **template
    )
    assert isinstance(opened, Done), opened

    def decide(outcome):
        for person in people:
            person.decide(opened.result["sys_id"])

    approved = drive(APPROVAL, decide, run=run, path="approval", **{"from": opened.result})
    assert isinstance(approved, Done), approved
    closed = drive(
        CHANGE_RECORD,
        run=run,
        path="close",
        record=opened.result,
        state="closed",
        close_code="successful_issues",
        evidence="run",
        work_notes="Deployed with a retry.",
        files=files,
    )
    assert isinstance(closed, Done), closed
    assert closed.result["state"] == "closed"
    return opened.result["sys_id"]


def evidence(folder, number):
    artifacts = []
    for name in ("edge.diff", "timeline.txt"):
        content = f"{name} of change {number}".encode()
        path = folder / f"{number}-{name}"
        path.write_bytes(content)
        artifacts.append(Artifact(name, str(path), hashlib.sha256(content).hexdigest(), len(content)))
    return artifacts
