"""The lab's two runs on real routers, asked afterwards for what they run and know. Needs root and Debian packages; says so where it cannot run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from examples.common import mail
from examples.lab import requirements, routers, services
from examples.lab.laboratory import HOME, Lab, LabIsBusy, laboratory
from examples.lab.topology import Network

LACKING = requirements.missing()
pytestmark = [pytest.mark.skipif(bool(LACKING), reason=LACKING), pytest.mark.timeout(900)]

CHECKOUT = Path(__file__).resolve().parents[2]
PREFIX = "203.0.113.0/24"
PING = ("ping", "-n", "-c", "1", "-W", "2", "203.0.113.1")


@pytest.fixture(scope="class")
def lab() -> Iterator[Lab]:
    with laboratory("test") as built:
        yield built


@pytest.fixture(scope="class")
def changed(lab: Lab) -> Lab:
    """A lab in which the change has gone through."""
    assert not routers.has_route(lab.network, "fra1", PREFIX)
    assert lab.run() == 0
    return lab


class TestGood:
    def test_the_change_reaches_the_peer(self, changed: Lab) -> None:
        assert routers.has_route(changed.network, "fra1", PREFIX)
        assert "bytes from 203.0.113.1" in changed.network.call("host", *PING)
        assert f"network {PREFIX}" in routers.running_configuration(changed.network, "ams1")

    def test_the_record_is_closed_with_the_evidence(self, changed: Lab) -> None:
        record = _record(changed)
        assert (record["state"], record["fields"]["close_code"]) == ("closed", "successful")
        assert any(attachment["name"].endswith("edge.diff") for attachment in record["attachments"])
        assert _recipients(changed) == {"requester@example.net", "service-owner@example.net"}

    def test_the_route_is_advertised_only_after_rule_and_record_are_there(self, changed: Lab) -> None:
        events = _events(changed)
        ended = {event["path"]: event["seq"] for event in events if event["event"] == "step_finished"}
        began = {event["path"]: event["seq"] for event in events if event["event"] == "step_started"}
        advertised = began["change/deploy/site[ams]/deploy-to-the-site"]
        assert ended["change/neighbours-are-ready/firewall-rule"] < advertised
        assert ended["change/neighbours-are-ready/dns-record"] < advertised
        assert ended["change/deploy/site[fra]/verify-the-site"] < advertised

    def test_the_reviewed_diff_is_what_frr_reload_says(self, changed: Lab) -> None:
        steps = changed.stage.home / "state" / "runs" / changed.run_id / "steps"
        text = next((steps / "change" / "review-the-diff").rglob("*-edge.diff")).read_text(encoding="utf-8")
        assert "### ams1\nLines To Add" in text
        assert f"ip prefix-list FROM-AMS1 seq 5 permit {PREFIX}" in text

    def test_only_one_lab_of_a_checkout_is_up(self, changed: Lab) -> None:
        with pytest.raises(LabIsBusy, match="another lab"), laboratory("second"):
            pytest.fail("two labs are up")


class TestFailing:
    def test_a_failed_verification_is_undone_on_the_routers(self, lab: Lab) -> None:
        before = lab.configurations()
        services.break_server(lab.network)

        assert lab.run() == 1

        assert lab.configurations() == before
        assert not routers.has_route(lab.network, "fra1", PREFIX)
        # The route had really been there: verification came as far as the ping.
        ended = {event["path"]: event for event in _events(lab) if event["event"] == "step_finished"}
        assert ended["change/deploy/site[ams]/deploy-to-the-site"]["failure"] == ""
        assert ended["change/deploy/roll-back"]["changed"]
        record = _record(lab)
        assert (record["state"], record["fields"]["close_code"]) == ("closed", "unsuccessful")
        (told,) = [message for message in _mails(lab) if "oncall" in message["X-Envelope-To"]]
        assert "203.0.113.1 does not answer a ping" in str(told.get_body().get_content())


def test_a_lab_that_was_killed_is_cleared_away_by_the_next() -> None:
    network = Network.of_checkout(CHECKOUT)
    journal = HOME / "change" / "state" / "runs" / "change" / "journal.jsonl"
    journal.unlink(missing_ok=True)
    command = [sys.executable, "-m", "examples.lab.lab"]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as killed:
        _eventually(journal.exists)
        killed.send_signal(signal.SIGKILL)
    assert network.namespaces(), "the killed lab left nothing behind: there is nothing to test"
    left = network.processes()
    assert left

    with laboratory("test") as lab:
        assert not _alive(left)
        assert routers.established(lab.network, "ams1")

    assert not network.namespaces()
    assert not network.run.exists()


def _record(lab: Lab) -> dict[str, Any]:
    (file,) = lab.stage.records.glob("CHG*.json")
    record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return record


def _events(lab: Lab) -> list[dict[str, Any]]:
    journal = lab.stage.home / "state" / "runs" / lab.run_id / "journal.jsonl"
    return [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]


def _mails(lab: Lab) -> list[EmailMessage]:
    return list(mail.messages(lab.stage.mail))


def _recipients(lab: Lab) -> set[str]:
    return {address for message in _mails(lab) for address in str(message["X-Envelope-To"]).split(", ")}


def _alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def _eventually(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
