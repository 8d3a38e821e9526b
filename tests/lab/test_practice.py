"""The practices of examples/practice on five real edge routers around a core. Needs root and Debian packages; says so where it cannot run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from examples.common import mail
from examples.lab import requirements, routers
from examples.practice.laboratory import PRACTICE, Practice, practice

LACKING = requirements.missing()
pytestmark = [pytest.mark.skipif(bool(LACKING), reason=LACKING), pytest.mark.timeout(900)]

AMS, FRA, PAR = "198.51.100.0/26", "198.51.100.64/26", "198.51.100.192/26"


@pytest.fixture(scope="module")
def lab() -> Iterator[Practice]:
    with practice("practice") as built:
        yield built


def test_what_may_not_be_changed_now_is_not_touched(lab: Practice) -> None:
    before, now = lab.configurations(), datetime.now(UTC)
    lab.freeze(now - timedelta(hours=1), now + timedelta(hours=1))
    try:
        assert lab.run("waves.yml", run="frozen") == 1
    finally:
        lab.freeze(now + timedelta(days=7), now + timedelta(days=8))
    assert lab.configurations() == before
    (ended,) = _finished(lab, "frozen").values()
    assert "Freeze of the edge" in ended["message"]


def test_a_drained_router_carries_nothing_while_it_is_worked_on(lab: Practice) -> None:
    seen: list[set[str]] = []
    work = {"maintenance/work": lambda: seen.append(lab.next_hops(AMS))}
    assert lab.next_hops(AMS) == {"ams1", "ams2"}
    assert lab.run("maintenance.yml", "-e", "router=ams1", run="maintenance", work=work) == 0
    assert seen == [{"ams2"}]
    assert lab.next_hops(AMS) == {"ams1", "ams2"}
    assert "graceful-shutdown" not in routers.running_configuration(lab.network, "ams1")
    assert "set community 64496:1" in routers.running_configuration(lab.network, "ams1")


def test_a_router_that_is_not_well_after_its_maintenance_stays_drained(lab: Practice) -> None:
    options = ("-e", "router=ams2", "-e", '{"mistyped": ["ams2"]}')
    assert lab.run("maintenance.yml", *options, run="not-well") == 1
    assert lab.next_hops(AMS) == {"ams1"}
    assert " bgp graceful-shutdown" in routers.running_configuration(lab.network, "ams2")
    assert any("ams2 stays drained" in str(message["Subject"]) for message in mail.messages(lab.stage.mail))
    assert lab.run("maintenance.yml", "-e", "router=ams2", run="well-again") == 0
    assert lab.next_hops(AMS) == {"ams1", "ams2"}


def test_the_last_router_of_a_site_is_not_drained(lab: Practice) -> None:
    assert lab.run("maintenance.yml", "-e", "router=fra1", run="last") == 1
    assert "the only router that carries" in _finished(lab, "last")["drain"]["message"]
    assert lab.next_hops(FRA) == {"fra1"}


def test_a_site_that_fails_is_taken_back_and_the_rest_goes_on(lab: Practice) -> None:
    before = routers.running_configuration(lab.network, "fra1")
    assert lab.run("waves.yml", "-e", '{"mistyped": ["fra1"]}', run="waves") == 0
    ended = _finished(lab, "waves")
    paths = list(ended)
    assert paths.index("change/canary/verify") < paths.index("change/the-canary-is-well")
    assert paths.index("change/the-canary-is-well") < paths.index("change/wave[fra+par]/site[par]/deploy")
    assert paths.index("change/wave[fra+par]/site[fra]/restore") < paths.index("change/wave[ams]/site[ams]/deploy")
    assert routers.running_configuration(lab.network, "fra1") == before
    assert lab.next_hops(FRA) == {"fra1"}
    for router, site in (("lon1", 3), ("par1", 4), ("ams1", 1), ("ams2", 1)):
        assert f"set community 64496:{site}" in routers.running_configuration(lab.network, router)
    record = _record(lab, "Mark the routes")
    assert (record["state"], record["fields"]["close_code"]) == ("closed", "successful_issues")
    assert any(f"{FRA} from fra1" in note["text"] for note in record["work_notes"])


def test_a_canary_that_dies_ends_it_before_anybody_else_is_touched(lab: Practice) -> None:
    before = lab.configurations()
    assert lab.run("waves.yml", "-e", '{"canary": "par", "waves": [["fra"]], "mistyped": ["par1"]}', run="canary") == 1
    assert lab.configurations() == before
    assert not any("wave" in path for path in _finished(lab, "canary"))


def test_a_change_that_is_confirmed_stays(lab: Practice) -> None:
    assert lab.run("confirmed.yml", "-e", "target=fra", run="confirmed") == 0
    assert "set community 64496:2" in routers.running_configuration(lab.network, "fra1")
    assert lab.next_hops(FRA) == {"fra1"}


def test_when_the_engine_dies_the_router_goes_back_by_itself_and_the_journal_says_so(lab: Practice) -> None:
    before = routers.running_configuration(lab.network, "par1")
    options = ("-e", "target=par", "-e", "standard=1", "-e", "confirm_within=20")
    command = [str(lab.changerail.program), *lab.command("confirmed.yml", *options, run="killed")]
    with subprocess.Popen(
        command, cwd=PRACTICE, env=lab.changerail.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as engine:
        _eventually(lambda: _asks(lab, "killed", "confirmed-change/keep-it"))
        assert routers.running_configuration(lab.network, "par1") != before
        os.kill(engine.pid, signal.SIGKILL)
    _eventually(lambda: routers.running_configuration(lab.network, "par1") == before)
    timer = lab.network.run / "par1" / "timer"
    _eventually((timer / "reverted").exists)

    assert lab.changerail.run("resume", "killed") == 1

    assert routers.running_configuration(lab.network, "par1") == before
    assert "plan again" in _events(lab, "killed")[-2]["message"]
    assert any("par reverted" in str(message["Subject"]) for message in mail.messages(lab.stage.mail))


def test_break_glass_needs_a_reason_a_second_person_and_a_review(lab: Practice) -> None:
    assert lab.run("emergency.yml", "-e", "break_glass=true", run="no-reason") == 1
    options = ("-e", '{"break_glass": true, "reason": "Routes of Paris leak to the internet", "target": "par"}')
    assert lab.run("emergency.yml", *options, run="emergency") == 0
    paths = list(_finished(lab, "emergency"))
    assert paths.index("change/break-glass") < paths.index("change/mend-it/deploy")
    assert paths.index("change/mend-it/verify") < paths.index("change/review-afterwards")
    answers = [event for event in _events(lab, "emergency") if event["event"] == "answered"]
    assert answers[0]["person"] == "oncall-engineer" and answers[-1]["person"] == "change-manager"
    record = _record(lab, "Emergency: Routes of Paris")
    assert (record["state"], record["fields"]["close_code"]) == ("closed", "successful")
    assert "set community 64496:4" in routers.running_configuration(lab.network, "par1")


def _events(lab: Practice, run: str) -> list[dict[str, Any]]:
    journal = lab.stage.home / "state" / "runs" / run / "journal.jsonl"
    return [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]


def _finished(lab: Practice, run: str) -> dict[str, dict[str, Any]]:
    """How each step ended, in that order."""
    return {event["path"]: event for event in _events(lab, run) if event["event"] == "step_finished"}


def _record(lab: Practice, title: str) -> dict[str, Any]:
    records = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(lab.stage.records.glob("CHG*.json"))]
    return next(record for record in reversed(records) if str(record["fields"]["short_description"]).startswith(title))


def _asks(lab: Practice, run: str, path: str) -> bool:
    journal = lab.stage.home / "state" / "runs" / run / "journal.jsonl"
    return journal.exists() and any(
        event["event"] == "step_waiting" and event["path"] == path and event.get("question")
        for event in _events(lab, run)
    )


def _eventually(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)
