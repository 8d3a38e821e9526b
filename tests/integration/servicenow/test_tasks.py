# change_task against ServiceNow: opened once, followed to its end, closed. Run by pytest.
from __future__ import annotations

import pytest
from support.calls import finished
from support.servicenow import Person

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.operation import Done, Failed, Waiting
from ansible_collections.netops.changerail.plugins.module_utils.operations.change_record import (
    OPERATION as CHANGE_RECORD,
)
from ansible_collections.netops.changerail.plugins.module_utils.operations.change_task import OPERATION as CHANGE_TASK


@pytest.fixture
def record(call):
    return CHANGE_RECORD.start(call(short_description="Advertise a prefix", assignment_group="network")).result


@pytest.fixture
def task(call):
    """A change_task step: its call and its first outcome."""

    def start(**args):
        made = call(CHANGE_TASK, path=args.pop("path", "task"), **args)
        return made, CHANGE_TASK.start(made)

    return start


@pytest.fixture
def admin(twin):
    return Person(twin)


def test_a_task_is_opened_once_with_what_was_asked_for(task, record, admin, twin):
    args = {
        "record": record,
        "short_description": "Call the customer",
        "type": "implementation",
        "assignment_group": "netsec",
        "assigned_to": "security.lead",
        "start_date": "2030-01-31T23:00+01:00",
    }
    _made, done = task(**args)
    assert isinstance(done, Done), done
    row = admin.rows("change_task", f"number={done.result['number']}")[0]
    assert (row["change_task_type"], row["planned_start_date"], row["change_request"]) == (
        "implementation",
        "2030-01-31 22:00:00",
        record["sys_id"],
    )
    assert done.result["fields"]["assigned_to"] == "Security lead"
    twin.administer("DELETE", "log")
    _made, again = task(**args)
    assert (again.changed, again.result["number"]) == (False, done.result["number"])
    assert twin.administer("GET", "log")["committed"] == []


def test_check_mode_tells_what_would_change_and_writes_nothing(task, record, twin):
    args = {"record": record, "short_description": "Call the customer"}
    _made, planned = task(**args, check=True)
    assert (planned.changed, planned.result["number"]) == (True, "")
    _made, done = task(**args)
    twin.administer("DELETE", "log")
    _made, again = task(**args, check=True)
    assert (again.changed, again.result["number"]) == (False, done.result["number"])
    closing = {"task": done.result, "state": "closed", "close_code": "successful", "close_notes": "done"}
    _made, closed = task(**closing, check=True)
    assert (closed.changed, closed.result["state"]) == (True, "closed")
    assert set(closed.result["changed_fields"]) == {"state", "close_code", "close_notes"}
    assert twin.administer("GET", "log")["committed"] == []


def test_a_task_that_could_not_be_found_again_is_no_success(task, record, twin):
    before = twin.administer("GET", "settings")["field_write_roles"]
    twin.set(field_write_roles={"change_task.correlation_id": "admin"})
    try:
        with pytest.raises(OperationError, match="does not show its correlation_id"):
            task(record=record, short_description="Call the customer")
    finally:
        twin.set(field_write_roles=before)


@pytest.mark.parametrize("fault", ["cut_after", "duplicate", "gateway_timeout", "empty_body"])
def test_a_lost_or_doubled_answer_leaves_one_task(task, record, admin, twin, fault):
    twin.fault(fault, method="POST", path="/task")
    made, outcome = task(record=record, short_description="Call the customer")
    done = finished(CHANGE_TASK, made, outcome)
    assert isinstance(done, Done), done
    live = admin.rows("change_task", f"change_request={record['sys_id']}^state!=4")
    assert [row["number"] for row in live] == [done.result["number"]]


@pytest.mark.parametrize(("code", "kind"), [("successful", Done), ("unsuccessful", Failed)])
def test_a_task_is_followed_until_somebody_closes_it(task, record, admin, code, kind):
    made, outcome = task(record=record, short_description="Call the customer", wait_for="closed")
    assert isinstance(outcome, Waiting)
    assert outcome.long
    row = admin.rows("change_task", f"change_request={record['sys_id']}")[0]
    admin.set(row["sys_id"], "change_task", state="3", close_code=code, close_notes="nobody answered")
    ended = finished(CHANGE_TASK, made, outcome)
    assert isinstance(ended, kind), ended
    assert "nobody answered" in str(ended)


def test_a_task_of_another_step_is_closed(task, record, admin):
    _made, opened = task(record=record, short_description="Call the customer")
    close = {"state": "closed", "close_code": "successful", "close_notes": "agreed"}
    _made, closed = task(path="close", task=opened.result, **close)
    assert closed.result["state"] == "closed"
    assert admin.rows("change_task", f"number={opened.result['number']}")[0]["close_code"] == "successful"
    _made, again = task(path="close", task=opened.result["number"], provider="servicenow", **close)
    assert again.changed is False
    _made, other = task(path="close", task=opened.result, **{**close, "close_code": "unsuccessful"})
    assert "is closed; what is wanted is different: close_code" in other.message


def test_a_write_that_changed_nothing_is_no_success(task, record, twin):
    _made, opened = task(record=record, short_description="Call the customer")
    twin.fault("old_state", method="PATCH")
    _made, failed = task(path="move", task=opened.result, state="in_progress")
    assert isinstance(failed, Failed)
    assert "took a write without complaint, yet state stayed" in failed.message


def test_what_is_wrong_is_said(task, record):
    for args, text in (
        ({"record": record, "short_description": "x", "assigned_to": "nobody"}, "has no user 'nobody'"),
        ({"record": "CHG0000000", "short_description": "x"}, "has none of that number"),
        ({"task": "CTASK0000000"}, "change task 'CTASK0000000'"),
        ({"record": record, "short_description": "x", "provider": "local"}, "it has no change tasks"),
    ):
        with pytest.raises(OperationError, match=text):
            task(**{"provider": "servicenow", **args})
