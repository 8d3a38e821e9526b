"""The demo, run in a copy of the examples as `make demo` runs it: what it must leave behind and print."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.servicenow import Person

from ansible_collections.netops.changerail.tests.twins.kit.start import running
from examples.common import mail

# On a busy machine each of its six playbooks may take half a minute.
pytestmark = pytest.mark.timeout(600)

CHECKOUT = Path(__file__).resolve().parents[3]
FLOW = (
    "open-the-change-record",
    "change/approvals/security-review",
    "change/validate",
    "change/review-the-diff",
    "change/neighbours-are-ready/firewall-rule",
    "change/change-window",
    "change/begin",
    "change/deploy/site[fra]/deploy-to-the-site",
    "change/deploy/site[fra]/verify-the-site",
    "change/deploy/site[ams]/deploy-to-the-site",
    "change/deploy/site[ams]/verify-the-site",
    "change/close-the-change-record",
    "change/tell-the-requester-and-stakeholders",
)
"""The reference flow, in its order; what runs beside these has tests of its own."""


@dataclass(frozen=True)
class Demo:
    """A demo that has run: its folder and what it printed."""

    home: Path
    printed: str

    @property
    def events(self) -> list[dict[str, Any]]:
        journal = self.home / "state" / "runs" / "demo" / "journal.jsonl"
        return [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    # A name that breaks whatever forgets to quote.
    copy = tmp_path_factory.mktemp("a demo's copy, here")
    shutil.copytree(CHECKOUT / "examples", copy / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo.demo"],
        cwd=copy,
        env={**os.environ, "PEOPLE": "", "HOME": str(copy / "no-home")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=570,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert not (copy / "no-home").exists(), "the demo wrote into the user's home"
    return Demo(copy / ".work" / "demo", done.stdout)


def test_the_flow_runs_in_its_order(demo: Demo) -> None:
    seq = {
        event["path"]: event["seq"]
        for event in demo.events
        if event["event"] == "step_finished" and not event["failure"]
    }
    assert sorted(FLOW, key=seq.__getitem__) == list(FLOW)


def test_approvals_are_asked_for_at_the_same_time(demo: Demo) -> None:
    began = {event["path"]: event["seq"] for event in reversed(demo.events) if event["event"] == "step_started"}
    first_answer = next(event["seq"] for event in demo.events if event["event"] == "answered")
    assert began["change/approvals/security-review"] < first_answer
    assert began["change/approvals/change-advisory-board"] < first_answer


def test_every_answer_is_signed_and_none_is_the_requesters(demo: Demo) -> None:
    answers = [event for event in demo.events if event["event"] == "answered"]
    assert {answer["person"] for answer in answers} == {"security-engineer", "peer"}
    assert {answer["assurance"] for answer in answers} == {"signed"}


def test_servicenow_holds_the_evidence_and_the_record_is_closed(demo: Demo) -> None:
    with running("servicenow", demo.home / "servicenow") as again:
        admin = Person(again)
        (record,) = admin.rows("change_request", "ORDERBYnumber")
        about = record["sys_id"]
        attached = {row["file_name"] for row in admin.rows("sys_attachment", f"table_sys_id={about}")}
        decided = [row["state"] for row in admin.rows("sysapproval_approver", f"sysapproval={about}")]
    assert (record["state"], record["close_code"]) == ("3", "successful")
    assert {"evidence.md", "change.review-the-diff.edge.diff"} <= attached
    assert decided.count("approved") == 2


def test_the_board_s_decision_is_in_the_journal_with_who_said_what(demo: Demo) -> None:
    (ended,) = [
        event
        for event in demo.events
        if event["event"] == "step_finished" and event["path"] == "change/approvals/change-advisory-board"
    ]
    said = json.dumps(ended["result"])
    assert "CAB member" in said and "Read it, and agree" in said


def test_gitlab_ran_the_validation_once(demo: Demo) -> None:
    pipelines = [
        event["result"]
        for event in demo.events
        if event["event"] == "step_finished" and event["path"] == "change/validate"
    ]
    assert len(pipelines) == 1 and pipelines[0]["provider"] == "gitlab"


def test_the_reviewed_diff_is_what_was_deployed(demo: Demo) -> None:
    steps = demo.home / "state" / "runs" / "demo" / "steps" / "change"
    reviewed = next((steps / "review-the-diff").rglob("*edge.diff")).read_text(encoding="utf-8")
    assert "+  network 203.0.113.0/24" in reviewed
    for router in ("ams1", "fra1"):
        runs = (demo.home / "routers" / router / "frr.conf").read_bytes()
        assert runs == next((steps / "validate").rglob(f"*{router}.conf")).read_bytes()
        assert runs != (demo.home / "baseline" / f"{router}.conf").read_bytes()


def test_requester_and_stakeholders_are_told(demo: Demo) -> None:
    told = {
        address
        for message in mail.messages(demo.home / "mail")
        for address in str(message["X-Envelope-To"]).split(", ")
    }
    assert told == {"requester@example.net", "service-owner@example.net"}


def test_it_ends_by_showing_what_came_of_it(demo: Demo) -> None:
    ending = demo.printed[demo.printed.index("The change record") :]
    (page,) = demo.home.glob("CHG*.html")
    assert page.stem in ending and "Successful" in page.read_text(encoding="utf-8")
    assert str(demo.home / "state" / "runs" / "demo" / "journal.jsonl") in ending
    assert "to requester@example.net" in ending
