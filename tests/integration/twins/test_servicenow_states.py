# The ServiceNow twin's state machine and flow: normal, standard, emergency, hold, tasks, closing. Run by pytest.
from __future__ import annotations

import pytest


def states(person, change):
    return person.call("GET", f"/api/sn_chg_rest/v1/change/{change}/nextstates").json()["result"]


def to_scheduled(integration, person, change):
    integration.set(change, state="-4")
    integration.tick()
    for who in ("network.lead", "cab.member"):
        assert person(who).decide(change, "approved").status_code == 200
        integration.tick()


def test_normal_change_from_new_to_closed(integration, person):
    change = integration.change()
    assert integration.row(change)["state"] == "-5"
    integration.set(change, state="-4")
    assert integration.row(change)["approval"] == "not requested", "the flow is asynchronous"
    integration.tick()
    assert integration.row(change)["approval"] == "requested"
    assert person("network.lead").decide(change, "approved").status_code == 200
    assert integration.row(change)["state"] == "-4", "an approval is not yet a move"
    integration.tick()
    assert integration.row(change)["state"] == "-3"
    integration.tick()
    assert person("cab.member").decide(change, "approved").status_code == 200
    integration.tick()
    row = integration.row(change)
    assert (row["state"], row["approval"]) == ("-2", "approved")
    integration.set(change, state="-1")
    integration.tick()
    tasks = integration.rows("change_task", f"change_request={change}")
    assert [task["short_description"] for task in tasks] == ["Implement", "Post implementation testing"]
    for task in tasks:
        integration.set(task["sys_id"], "change_task", state="3", close_code="successful", close_notes="done")
    integration.tick()
    assert integration.row(change)["state"] == "0", "no open task: Review comes by itself"
    integration.set(change, state="3", close_code="successful", close_notes="as planned")
    row = integration.row(change)
    assert (row["state"], row["active"], row["close_code"]) == ("3", "false", "successful")


def test_one_approval_of_a_group_relieves_the_others(integration, person):
    change = integration.change()
    integration.set(change, state="-4")
    integration.tick()
    person("network.lead").decide(change, "approved")
    integration.tick()
    found = integration.rows("sysapproval_approver", f"sysapproval={change}^state!=requested")
    assert sorted(row["state"] for row in found) == ["approved", "not_required"]


def test_rejection_takes_a_change_back_to_new(integration, person):
    change = integration.change()
    integration.set(change, state="-4")
    integration.tick()
    assert person("network.lead").decide(change, "rejected").status_code == 400, "a rejection needs a comment"
    person("network.lead").decide(change, "rejected", "not in this window")
    integration.tick()
    row = integration.row(change)
    assert (row["state"], row["approval"]) == ("-5", "rejected")
    assert {row["state"] for row in integration.rows("sysapproval_approver", f"sysapproval={change}")} == {
        "rejected",
        "cancelled",
    }


def test_standard_change_needs_no_approval_and_locks_its_template(integration):
    template = integration.rows("std_change_record_producer", "ORDERBYname")[0]["sys_id"]
    reply = integration.call(
        "POST", f"/api/sn_chg_rest/v1/change/standard/{template}", {"description": "mine", "correlation_id": "s-1"}
    )
    result = reply.json()["result"]
    assert result["__meta"]["ignoredFields"] == ["description"]
    change = result["sys_id"]["value"]
    assert integration.row(change)["description"].startswith("Adds one prefix")
    assert integration.set(change, description="mine").status_code == 403
    assert states(integration, change)["available_states"] == ["-5", "-2", "4"]
    assert integration.set(change, state="-2").json()["result"]["state"] == "-2"
    assert integration.row(change)["approval"] == "approved"


def test_emergency_change_asks_once(integration, person):
    change = integration.change("emergency")
    integration.set(change, state="-3")
    integration.tick()
    person("change.manager").decide(change, "approved")
    integration.tick()
    assert integration.row(change)["state"] == "-2"


@pytest.mark.parametrize(
    ("how", "status", "state"), [("abort", 403, "-5"), ("silent", 200, "-5"), ("data_policy", 403, "-5")]
)
def test_a_forbidden_move_fails_in_three_ways(integration, how, status, state):
    change = integration.change()
    integration.twin.set(illegal_move=how)
    try:
        reply = integration.set(change, state="-1")
    finally:
        integration.twin.set(illegal_move="abort")
    assert reply.status_code == status
    assert integration.row(change)["state"] == state


def test_the_change_api_words_an_abort_in_its_message(integration):
    change = integration.change()
    error = integration.call("PATCH", f"/api/sn_chg_rest/v1/change/{change}", {"state": "-1"}).json()["error"]
    assert error["message"].startswith(
        "Change Request record could not be updated. Operation against file 'change_request' was aborted"
    )
    assert error["detail"] == ""


def test_hold_stops_everything_but_cancelling(integration, person):
    change = integration.change()
    integration.set(change, state="-4")
    integration.tick()
    integration.set(change, on_hold="true", on_hold_reason="waiting for parts")
    assert {row["state"] for row in integration.rows("sysapproval_approver", f"sysapproval={change}")} == {
        "not_required"
    }
    assert person("network.lead").decide(change, "approved").status_code == 400
    integration.set(change, on_hold="false")
    assert {row["state"] for row in integration.rows("sysapproval_approver", f"sysapproval={change}")} == {"requested"}


def test_review_by_hand_cancels_the_flow_s_tasks_and_keeps_ours(integration, person):
    change = integration.change()
    to_scheduled(integration, person, change)
    integration.set(change, state="-1")
    integration.tick()
    ours = integration.call("POST", f"/api/sn_chg_rest/v1/change/{change}/task", {"short_description": "Ours"}).json()[
        "result"
    ]
    integration.set(change, state="0")
    tasks = {
        task["short_description"]: task["state"] for task in integration.rows("change_task", f"change_request={change}")
    }
    assert tasks == {"Implement": "4", "Post implementation testing": "4", "Ours": "1"}
    closed = integration.set(change, state="3", close_code="successful", close_notes="done")
    assert closed.status_code == 403, "an open task keeps the change open"
    integration.set(ours["sys_id"]["value"], "change_task", state="3", close_code="successful", close_notes="done")
    assert integration.set(change, state="3", close_code="successful", close_notes="done").status_code == 200


def test_cancelling_cancels_tasks_and_approvals(integration):
    change = integration.change()
    integration.set(change, state="-4")
    integration.tick()
    integration.set(change, state="4", work_notes="no longer wanted")
    assert {row["state"] for row in integration.rows("sysapproval_approver", f"sysapproval={change}")} == {"cancelled"}
    assert integration.set(change, short_description="again").status_code == 403


def test_next_states_tell_conditions_unless_the_model_is_legacy(integration):
    change = integration.change()
    transition = states(integration, change)["state_transitions"][0][0]
    assert transition["to_state"] == "-4"
    assert transition["conditions"][0]["condition"]["name"] == "Not On hold"
    integration.twin.set(legacy_state_model=True)
    try:
        assert "state_transitions" not in states(integration, change)
    finally:
        integration.twin.set(legacy_state_model=False)


def test_conflicts_of_overlapping_changes(integration):
    router = integration.rows("cmdb_ci", "name=edge-router-ams1")[0]["sys_id"]
    times = {"start_date": "2026-02-01 22:00:00", "end_date": "2026-02-01 23:00:00", "cmdb_ci": router}
    first, second = integration.change(**times), integration.change(**times)
    path = f"/api/sn_chg_rest/v1/change/{second}/conflict"
    assert (
        integration.call("POST", f"/api/sn_chg_rest/v1/change/{integration.change()}/conflict", {}).status_code == 400
    )
    assert integration.call("GET", path).json()["result"]["status"] == "Not Run"
    assert integration.call("POST", path, {}).status_code == 200
    integration.tick()
    result = integration.call("GET", path).json()["result"]
    assert [entry["conflicting_change"]["value"] for entry in result["conflicts"]] == [first]
