# The modules in real playbooks: with the local provider, ServiceNow and GitLab, in check mode, again, without waiting. Run by pytest.
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.servers import Answer, web
from support.servicenow import Person

from ansible_collections.netops.changerail.tests.twins.gitlab.access import TOKEN
from ansible_collections.netops.changerail.tests.twins.servicenow.people import PASSWORD

RECORD = "netops.changerail.change_record"
RECORD_INFO = "netops.changerail.change_record_info"
TASK = "netops.changerail.change_task"
PIPELINE = "netops.changerail.pipeline"
PIPELINE_INFO = "netops.changerail.pipeline_info"
APPROVAL = "netops.changerail.approval"
DEPENDENCY = "netops.changerail.dependency"
WINDOW = "netops.changerail.window"
NOTIFY = "netops.changerail.notify"
EDGE = {"provider": "gitlab", "project": "net/edge", "ref": "main"}
LASTING = {"mode": "lasting", "lasting": "2"}
"""Inputs of a pipeline that is still at work when its start has been answered, on a busy machine too."""


@pytest.fixture
def local(tmp_path: Path) -> dict[str, Any]:
    return {"local": {"records": str(tmp_path / "records")}}


def test_a_local_record_is_opened_once_and_a_second_run_changes_nothing(play, local):
    opening = {RECORD: {**local, "key": "net-1", "short_description": "Advertise a prefix"}}
    (opened, again, found) = play(opening, opening, {RECORD_INFO: {**local, "key": "net-1"}}).results
    assert (opened["changed"], again["changed"], found["changed"]) == (True, False, False)
    assert opened["number"] == again["number"] == found["records"][0]["number"]
    assert opened["diff"]["after"]["short_description"] == "Advertise a prefix"
    assert "assess" in found["records"][0]["next_states"]["open"]


def test_check_mode_opens_nothing_and_says_what_it_would(play, local, tmp_path):
    planned = play(
        {RECORD: {**local, "key": "net-1", "short_description": "Advertise a prefix"}}, arguments=("--check", "--diff")
    )
    assert planned.one["changed"] is True
    assert '+    "short_description": "Advertise a prefix"' in planned.printed
    assert not list((tmp_path / "records").glob("CHG*"))


def test_a_record_without_a_key_is_not_opened(play, local):
    failed = play({RECORD: {**local, "short_description": "Advertise a prefix"}}).one
    assert failed["msg"] == "one of the following is required: record, key"


def test_a_playbook_is_told_that_it_cannot_ask_people_for_a_record_that_is_decided_here(play, local):
    opening = {RECORD: {**local, "key": "net-1", "short_description": "Advertise a prefix"}}
    _opened, refused = play(opening, {APPROVAL: {**local, "from": "{{ r0 }}"}}).results
    assert "A playbook cannot ask people for a record that is decided here" in refused["msg"]
    assert "changerail run" in refused["msg"]


def test_a_record_with_evidence_is_opened_once_and_moved_on(play, servicenow_defaults, servicenow, tmp_path):
    diff = tmp_path / "edge.diff"
    diff.write_text("+ prefix\n")
    opening = {
        RECORD: {
            "provider": "servicenow",
            "key": "net-2",
            "short_description": "Advertise a prefix",
            "assignment_group": "network",
            "evidence": "run",
            "evidence_files": [str(diff)],
        }
    }
    played = play(opening, opening, {RECORD: {"record": "{{ r0 }}", "state": "assess"}}, defaults=servicenow_defaults)
    opened, again, moved = played.results
    assert (opened["changed"], again["changed"], moved["changed"]) == (True, False, True)
    assert "attachments" in opened["changed_fields"]
    rows = Person(servicenow).rows("change_request", f"number={opened['number']}")
    assert [row["correlation_id"] for row in rows] == ["net-2"]
    assert len(servicenow.committed("create change_request")) == 1
    assert PASSWORD not in played.printed


def test_a_task_is_opened_once_and_looked_at_without_waiting(play, servicenow_defaults, servicenow):
    opening = {RECORD: {"provider": "servicenow", "key": "net-3", "short_description": "Advertise a prefix"}}
    calling = {
        TASK: {"record": "{{ r0 }}", "key": "net-3-call", "short_description": "Call", "wait_for": "closed"},
    }
    without = {TASK: {**calling[TASK], "wait": False}}
    later = {TASK: {**calling[TASK], "wait": False, "handle": "{{ r1.handle }}"}}
    impatient = {TASK: {**calling[TASK], "timeout": "0.2s"}}
    _opened, started, looked, ended = play(opening, without, later, impatient, defaults=servicenow_defaults).results
    assert (started["finished"], looked["finished"]) == (False, False)
    assert "to be closed" in looked["waiting_for"]
    assert (ended["failed"], ended["failure"], ended["finished"]) == (True, "timeout", False)
    assert "look again with the same options and 'handle'" in ended["msg"]
    assert ended["handle"]["at"]["task"] == started["handle"]["at"]["task"]
    assert len(Person(servicenow).rows("change_task", "short_description=Call")) == 1


def test_a_handle_of_another_module_is_refused(play, servicenow_defaults):
    strange = {"operation": "pipeline", "key": "x", "at": {}}
    failed = play({TASK: {"task": "CTASK1", "handle": strange}}, defaults=servicenow_defaults).one
    assert "expected what a change_task task with wait=false returned" in failed["msg"]


def test_a_wrong_password_is_said_and_not_shown(play, servicenow):
    connection = {"url": servicenow.url, "username": "reader", "password": "wrong-horse-battery"}
    asking = {RECORD_INFO: {"provider": "servicenow", "record": "CHG0000001", "servicenow": connection}}
    played = play(asking, arguments=("-vvv",))
    assert "401" in played.one["msg"]
    assert played.one["failure"] == "failed"
    assert "wrong-horse-battery" not in played.printed
    assert "Traceback" not in played.printed


def test_a_pipeline_is_started_once_for_its_key(play, gitlab_defaults, gitlab):
    before = len(gitlab.committed("create pipeline"))
    task = {PIPELINE: {**EDGE, "key": "net-4", "artifacts": ["edge.diff"], "inputs": LASTING}}
    played = play(task, task, {PIPELINE_INFO: {"pipeline": "{{ r0 }}"}}, defaults=gitlab_defaults)
    first, second, seen = played.results
    assert first["status"] == seen["status"] == "success"
    assert first["id"] == second["id"] == seen["id"]
    assert len(gitlab.committed("create pipeline")) == before + 1
    assert Path(first["artifacts"]["edge.diff"]["path"]).read_text().startswith("+ prefix")
    assert any("running" in message for message in first["progress"])
    assert TOKEN not in played.printed


def test_a_pipeline_in_check_mode_is_not_started(play, gitlab_defaults, gitlab):
    before = len(gitlab.committed("create pipeline"))
    planned = play({PIPELINE: EDGE}, arguments=("--check",), defaults=gitlab_defaults).one
    assert (planned["changed"], planned["status"]) == (True, "")
    assert len(gitlab.committed("create pipeline")) == before


def test_a_pipeline_is_started_without_waiting_and_followed_by_its_handle(play, gitlab_defaults, gitlab):
    before = len(gitlab.committed("create pipeline"))
    start = {PIPELINE: {**EDGE, "inputs": LASTING, "wait": False}}
    seen = {PIPELINE_INFO: {"pipeline": "{{ r0 }}"}}
    later = {PIPELINE: {**EDGE, "handle": "{{ r0.handle }}"}}
    started, looked, ended = play(start, seen, later, defaults=gitlab_defaults).results
    assert started["finished"] is False
    assert looked["id"] == ended["id"]
    assert (ended["finished"], ended["status"], ended["changed"]) == (True, "success", True)
    assert len(gitlab.committed("create pipeline")) == before + 1


def test_a_failed_pipeline_fails_the_task_with_its_last_lines(play, gitlab_defaults):
    failed = play({PIPELINE: {**EDGE, "inputs": {"mode": "broken"}}}, defaults=gitlab_defaults).one
    assert (failed["failed"], failed["failure"], failed["status"]) == (True, "failed", "failed")
    assert "device says no" in failed["msg"]


def test_a_local_pipeline_outlives_the_module_that_started_it(play, tmp_path):
    gate = tmp_path / "gate"
    command = ["sh", "-c", f"while [ ! -e {gate} ]; do sleep 0.05; done; echo passed > made.txt"]
    task = {"command": command, "chdir": str(tmp_path), "artifacts": ["made.txt"]}
    opening = {"ansible.builtin.file": {"path": str(gate), "state": "touch"}}
    started, _opened, ended = play(
        {PIPELINE: {**task, "wait": False}}, opening, {PIPELINE: {**task, "handle": "{{ r0.handle }}"}}
    ).results
    assert started["finished"] is False
    assert ended["status"] == "success"
    assert Path(ended["artifacts"]["made.txt"]["path"]).read_text() == "passed\n"


def test_a_dependency_is_looked_at_and_its_secrets_are_not_shown(play):
    with web() as server:
        server.answers["/rule"] = Answer(body={"state": "active"})
        looking = {"url": f"{server.url}/rule", "headers": {"X-Api-Key": "never-to-be-seen"}}
        there = {DEPENDENCY: {"http": looking, "until": "state == 'active'"}}
        missing = {DEPENDENCY: {"http": looking, "until": "state == 'gone'", "interval": 0.1, "timeout": "0.5s"}}
        played = play(there, missing, {DEPENDENCY: {"step": {"run": "r", "step": "s"}}}, arguments=("-vvv",))
    seen, late, refused = played.results
    assert (seen["changed"], seen["observed"]) == (False, {"state": "active"})
    assert late["failure"] == "timeout"
    assert "changerail run" in refused["msg"]
    assert "never-to-be-seen" not in played.printed


def test_a_window_is_open_or_refuses(play, tmp_path):
    always = {"windows": [{"from": "00:00", "to": "24:00"}]}
    calendar = tmp_path / "never.ics"
    calendar.write_text("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nEND:VCALENDAR\n")
    inside, outside = play({WINDOW: always}, {WINDOW: {"calendar": [str(calendar)], "outside": "fail"}}).results
    assert (inside["open"], inside["changed"]) == (True, False)
    assert (outside["failed"], outside["failure"]) == (True, "failed")
    assert "no change window" in outside["msg"]


def test_a_message_is_told_once_for_its_key_and_the_address_is_not_shown(play):
    with web() as server:
        server.answers["/never-to-be-seen"] = Answer(body="taken")
        channels = {"team": server.url.replace("http", "json") + "/never-to-be-seen"}
        telling = {NOTIFY: {"to": ["team"], "msg": "Deployed", "key": "net-5", "channels": channels}}
        played = play(telling, telling, arguments=("-vvv",))
        assert [request.method for request in server.asked] == ["POST"]
    assert played.results[0]["delivered"] == [{"to": "team", "by": "json"}]
    assert "never-to-be-seen" not in played.printed


def test_a_missing_library_is_named(play, tmp_path):
    hidden = tmp_path / "site"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text("import sys\nsys.modules['jmespath'] = None\n")
    looking = {DEPENDENCY: {"file": {"path": str(hidden)}, "until": "exists"}}
    failed = play({**looking, "environment": {"PYTHONPATH": str(hidden)}}).one
    assert "Failed to import the required Python library (jmespath)" in failed["msg"]


def test_an_approval_in_servicenow_is_followed(play, servicenow_defaults, servicenow):
    opening = {
        RECORD: {
            "provider": "servicenow",
            "key": "net-6",
            "short_description": "Advertise a prefix",
            "assignment_group": "network",
        }
    }
    asking = {APPROVAL: {"from": "{{ r0 }}", "wait": False}}
    opened, waiting = play(opening, asking, defaults=servicenow_defaults).results
    assert waiting["finished"] is False
    assert opened["number"] in waiting["waiting_for"]
    assert Person(servicenow, "network.lead").decide(opened["sys_id"], "rejected", "not this week")
    looking = {APPROVAL: {"from": {"provider": "servicenow", "number": opened["number"]}, "handle": waiting["handle"]}}
    decided = play(looking, defaults=servicenow_defaults).one
    assert (decided["failed"], decided["failure"], decided["decision"]) == (True, "rejected", "deny")
    assert "not this week" in decided["msg"]
