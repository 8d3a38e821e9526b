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

    @property
    def record(self) -> dict[str, Any]:
        (file,) = (self.home / "state" / "records").glob("CHG*.json")
        document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return document


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
    asked = {
        event["path"]: event["seq"]
        for event in reversed(demo.events)
        if event["event"] == "step_waiting" and event["question"]
    }
    first_answer = next(event["seq"] for event in demo.events if event["event"] == "answered")
    assert asked["change/approvals/security-review"] < first_answer
    assert asked["change/approvals/change-advisory-board"] < first_answer


def test_every_answer_is_signed_and_none_is_the_requesters(demo: Demo) -> None:
    answers = [event for event in demo.events if event["event"] == "answered"]
    assert {answer["person"] for answer in answers} == {"security-engineer", "peer", "change-manager"}
    assert {answer["assurance"] for answer in answers} == {"signed"}


def test_the_record_holds_the_evidence_and_is_closed(demo: Demo) -> None:
    record = demo.record
    assert (record["state"], record["fields"]["close_code"]) == ("closed", "successful")
    assert [row["state"] for row in record["approvals"]] == ["approved", "approved"]
    assert any(attachment["name"].endswith("edge.diff") for attachment in record["attachments"])


def test_the_reviewed_diff_is_what_was_deployed(demo: Demo) -> None:
    (diff,) = (demo.home / "build").glob("edge.diff")
    assert "+  network 203.0.113.0/24" in diff.read_text(encoding="utf-8")
    for router in ("ams1", "fra1"):
        running = (demo.home / "routers" / router / "frr.conf").read_bytes()
        assert running == (demo.home / "build" / f"{router}.conf").read_bytes()
        assert running != (demo.home / "baseline" / f"{router}.conf").read_bytes()


def test_requester_and_stakeholders_are_told(demo: Demo) -> None:
    told = {
        address
        for message in mail.messages(demo.home / "mail")
        for address in str(message["X-Envelope-To"]).split(", ")
    }
    assert told == {"requester@example.net", "service-owner@example.net"}


def test_it_ends_by_showing_what_came_of_it(demo: Demo) -> None:
    ending = demo.printed[demo.printed.index("The change record") :]
    assert demo.record["number"] in ending
    assert str(demo.home / "state" / "runs" / "demo" / "journal.jsonl") in ending
    assert "to requester@example.net" in ending
