# change_record and approval against ServiceNow: every type from opening to closing, adoption, evidence, refusals told apart. Run by pytest.
from __future__ import annotations

import hashlib
import re

import pytest
import requests
from support.calls import call as made_call
from support.calls import finished
from support.servicenow import Person, approve_all

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.operation import Artifact, Done, Failed, Waiting
from ansible_collections.netops.changerail.plugins.module_utils.operations.approval import OPERATION as APPROVAL
from ansible_collections.netops.changerail.plugins.module_utils.operations.change_record import (
    OPERATION as CHANGE_RECORD,
)
from ansible_collections.netops.changerail.plugins.module_utils.provider import records
from ansible_collections.netops.changerail.plugins.module_utils.servicenow import api
from ansible_collections.netops.changerail.plugins.module_utils.servicenow.login import login
from ansible_collections.netops.changerail.plugins.module_utils.servicenow.names import has
from ansible_collections.netops.changerail.tests.twins.kit.start import running
from ansible_collections.netops.changerail.tests.twins.servicenow.people import API_KEY, BEARER, TEMPLATE

CLOSE = {"state": "closed", "close_code": "successful", "close_notes": "as planned"}


@pytest.fixture
def run(call):
    """The outcome of one change_record step."""

    def perform(**args):
        made = call(**args)
        return finished(CHANGE_RECORD, made, CHANGE_RECORD.start(made))

    return perform


@pytest.fixture
def opened(run):
    """A new record with an assignment group."""

    def open_one(**args):
        done = run(short_description="Advertise a prefix", assignment_group="network", **args)
        assert isinstance(done, Done), done
        return done.result

    return open_one


@pytest.fixture
def evidence(tmp_path):
    def make(name, content):
        path = tmp_path / name
        path.write_bytes(content)
        return Artifact(name, str(path), hashlib.sha256(content).hexdigest(), len(content))

    return make


@pytest.fixture
def admin(twin):
    return Person(twin)


def ask(call, record, **more):
    made = call(APPROVAL, path="approval", **{"from": record}, **more)
    return made, APPROVAL.start(made)


def test_a_new_record_has_what_was_asked_for(opened, admin):
    result = opened(
        risk="high",
        impact="medium",
        start_date="2030-01-31T23:00+01:00",
        end_date="2030-01-31 23:00:00",
        cmdb_ci="edge-router-ams1",
        affected_cis=["edge-router-ams1", "dc-firewall-1"],
        fields={"justification": "a customer waits"},
        requester="network.engineer",
    )
    row = admin.rows("change_request", f"number={result['number']}")[0]
    assert (row["risk"], row["impact"], row["start_date"], row["state"]) == ("2", "2", "2030-01-31 22:00:00", "-5")
    assert (row["correlation_display"], row["justification"]) == ("changerail", "a customer waits")
    shown = {name: result["fields"][name] for name in ("assignment_group", "requested_by", "cmdb_ci", "risk")}
    assert shown == {
        "assignment_group": "network",
        "requested_by": "Network engineer",
        "cmdb_ci": "edge-router-ams1",
        "risk": "high",
    }
    assert len(admin.rows("task_ci", f"task={row['sys_id']}")) == 2


def test_conflicts_are_reported_or_forbidden(opened, run):
    planned = {"cmdb_ci": "dc-firewall-1", "start_date": "2031-01-01 22:00:00", "end_date": "2031-01-01 23:00:00"}
    first = opened(path="first", **planned)
    second = opened(path="second", conflicts="report", **planned)
    assert second["conflicts"] == [f"{first['number']}: CI Already Scheduled (dc-firewall-1)"]
    failed = run(path="third", record=second, conflicts="forbid")
    assert isinstance(failed, Failed)
    assert f"is in conflict: {first['number']}" in failed.message
    moved = run(
        path="fourth",
        record=second,
        start_date="2031-01-02 22:00:00",
        end_date="2031-01-02 23:00:00",
        conflicts="forbid",
    )
    assert moved.result["conflicts"] == []
    with pytest.raises(OperationError, match="could not be started"):
        run(path="fifth", short_description="x", conflicts="report")


def test_a_requester_unknown_there_is_no_obstacle(opened, admin):
    result = opened(requester="somebody-of-this-machine")
    assert result["fields"]["requested_by"] == "Changerail integration"


def test_the_mail_in_the_project_file_finds_the_requester(opened):
    people = {"people": {"nora": {"mail": "network.lead@example.net"}}}
    assert opened(requester="nora", settings=people)["fields"]["requested_by"] == "Network lead"


def test_a_second_run_of_the_step_changes_nothing(opened, run, twin):
    first = opened()
    twin.administer("DELETE", "log")
    again = run(short_description="Advertise a prefix", assignment_group="network", attempt=2)
    assert (again.changed, again.result["number"]) == (False, first["number"])
    assert {entry["method"] for entry in twin.received()} <= {"GET", "POST"}
    assert twin.administer("GET", "log")["committed"] == []


def test_check_mode_writes_nothing(run, twin):
    outcome = run(short_description="Advertise a prefix", check=True)
    assert outcome.changed
    assert twin.administer("GET", "log")["committed"] == []


def test_a_normal_change_from_opening_to_closing(opened, run, call, twin, evidence, admin):
    record = opened()
    made, outcome = ask(call, record)
    assert isinstance(outcome, Waiting)
    assert outcome.message.startswith("waiting for network")
    approve_all(twin, record["sys_id"])
    decided = finished(APPROVAL, made, outcome)
    assert isinstance(decided, Done), decided
    assert {(row["gate"], row["state"], row["by"]) for row in decided.result["approvals"]} == {
        ("assess", "approved", "Network lead"),
        ("assess", "not_required", ""),
        ("authorize", "approved", "CAB member"),
        ("authorize", "not_required", ""),
    }
    files = (evidence("edge.diff", b"+ prefix"), evidence("timeline.txt", b"10:00 opened"))
    closed = close(call, record, files)
    assert isinstance(closed, Done), closed
    assert closed.result["state"] == "closed"
    row = admin.rows("change_request", f"number={record['number']}")[0]
    assert (row["state"], row["close_code"], row["active"]) == ("3", "successful", "false")
    assert {file["file_name"] for file in admin.rows("sys_attachment", f"table_sys_id={row['sys_id']}")} == {
        "edge.diff",
        "timeline.txt",
    }
    assert [
        note["value"].startswith("Deployed.\n[changerail ")
        for note in admin.rows("sys_journal_field", f"element_id={row['sys_id']}")
    ] == [True]
    again = close(call, record, files)
    assert again.changed is False


def close(call, record, files):
    made = call(path="close", record=record, evidence="run", files=files, work_notes="Deployed.", **CLOSE)
    return finished(CHANGE_RECORD, made, CHANGE_RECORD.start(made))


def test_an_emergency_change_is_asked_for_once(opened, call, twin):
    record = opened(type="emergency")
    made, outcome = ask(call, record)
    approve_all(twin, record["sys_id"], ["change.manager"])
    decided = finished(APPROVAL, made, outcome)
    assert decided.result["state"] == "scheduled"
    assert {row["gate"] for row in decided.result["approvals"]} == {"authorize"}


def test_a_standard_change_of_a_template_goes_straight_through(run):
    done = run(type="standard", template=TEMPLATE["name"], short_description="Add 203.0.113.0/24", **CLOSE)
    assert isinstance(done, Done), done
    assert (done.result["state"], done.result["type"]) == ("closed", "standard")


def test_a_locked_field_of_a_template_is_named(run):
    with pytest.raises(OperationError, match=r"ignored description: .* locked"):
        run(type="standard", template=TEMPLATE["name"], short_description="x", description="mine")


def test_a_rejection_says_who_and_why(opened, call, twin):
    record = opened()
    made, outcome = ask(call, record)
    Person(twin, "network.lead").decide(record["sys_id"], "rejected", "not in this window")
    failed = finished(APPROVAL, made, outcome)
    assert isinstance(failed, Failed)
    assert failed.failure == "rejected"
    assert "by Network lead (not in this window)" in failed.message


def test_a_rejection_is_not_asked_about_again_because_of_a_failed_look(opened, call, twin, admin):
    record = opened()
    made, outcome = ask(call, record)
    Person(twin, "network.lead").decide(record["sys_id"], "rejected", "not this week")
    twin.fault("server_error", method="GET", path="sysapproval_approver")
    outcome = APPROVAL.poll(made, outcome.handle)
    assert isinstance(outcome, Waiting)
    assert outcome.message.startswith("cannot look at what is approved, trying again")
    failed = APPROVAL.poll(made, outcome.handle)
    assert (failed.failure, "not this week" in failed.message) == ("rejected", True)
    row = admin.rows("change_request", f"sys_id={record['sys_id']}")[0]
    assert (row["state"], row["approval"]) == ("-5", "rejected")


def test_a_cancelled_change_ends_the_wait(opened, call, admin):
    record = opened()
    made, outcome = ask(call, record)
    admin.set(record["sys_id"], state="4", work_notes="withdrawn")
    failed = finished(APPROVAL, made, outcome)
    assert (failed.failure, "was canceled" in failed.message) == ("failed", True)


def test_a_change_that_is_taken_back_ends_the_wait(opened, call, admin):
    record = opened()
    made, outcome = ask(call, record)
    admin.set(record["sys_id"], state="-5")
    failed = finished(APPROVAL, made, outcome)
    assert (failed.failure, "was taken back to new" in failed.message) == ("failed", True)


def test_the_link_of_a_record_shows_it(opened):
    record = opened()
    page = requests.get(record["url"], timeout=10)
    assert record["number"] in page.text


def test_what_is_wrong_is_said_before_anything_is_written(run, twin):
    for args, text in (
        ({"assignment_group": "nonsense"}, "has no group 'nonsense'"),
        ({"cmdb_ci": "nonsense"}, "has no configuration item 'nonsense'"),
        ({"type": "standard"}, "name it as 'template'"),
        ({"type": "standard", "template": "nonsense"}, "0 published templates"),
    ):
        with pytest.raises(OperationError, match=text):
            run(short_description="x", **args)
    assert twin.committed("create change_request") == []


def test_an_approval_without_a_group_is_not_asked_for(run):
    with pytest.raises(OperationError, match="needs an assignment_group before it goes to assess"):
        run(short_description="x", state="assess")


def test_a_move_the_platform_forbids_says_what_is_missing(opened, run):
    record = opened()
    moved = run(path="assess", record=record, state="assess")
    assert moved.result["state"] == "assess"
    failed = run(path="implement", record=record, state="implement")
    assert isinstance(failed, Failed)
    assert "the approval of network is missing" in failed.message


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("silent", "took the move to assess without complaint and is still in new"),
        ("abort", "business rule 'Change Model"),
    ],
)
def test_a_move_that_is_undone_is_no_success(opened, call, twin, admin, how, text):
    record = opened()
    provider_call = call(path="x", record=record, state="assess")
    if how == "silent":
        twin.fault("old_state", method="PATCH")
        outcome = CHANGE_RECORD.start(provider_call)
        assert isinstance(outcome, Failed)
        assert text in outcome.message
    else:
        provider = records("servicenow", provider_call.context)
        with pytest.raises(OperationError, match=text):
            provider.move(provider.read(record["number"]), "implement", {})


def test_a_note_that_is_dropped_is_no_success(opened, run, twin, admin):
    record = opened()
    twin.fault("old_state", method="PATCH")
    with pytest.raises(OperationError, match="took a work note without complaint and does not have it"):
        run(path="note", record=record, work_notes="Deployed.")
    assert run(path="note", record=record, work_notes="Deployed.", attempt=2).changed
    assert len(admin.rows("sys_journal_field", f"element_id={record['sys_id']}")) == 1


@pytest.mark.parametrize(
    ("settings", "args", "text"),
    [
        (
            {"mandatory": {"-5": ["justification"]}},
            {"risk": "high"},
            "data policy .* wants these fields filled in: Justification",
        ),
        ({"field_write_roles": {"change_request.risk": "admin"}}, {"risk": "high"}, "ignored risk: .* may not write"),
        (
            {"field_write_roles": {"change_request.risk": "admin"}, "change_api_reports_ignored": False},
            {"risk": "high"},
            "yet risk is 'moderate' and not 'high'",
        ),
    ],
)
def test_refusals_are_told_apart(opened, run, twin, settings, args, text):
    record = opened()
    before = {name: twin.administer("GET", "settings")[name] for name in settings}
    twin.set(**settings)
    try:
        outcome = run(path="refused", record=record, **args)
        message = outcome.message
    except OperationError as error:
        message = str(error)
    finally:
        twin.set(**before)
    assert re.search(text, message), message


@pytest.mark.parametrize("roles", ["field_write_roles", "field_read_roles"])
@pytest.mark.parametrize("change_api", [True, False])
def test_a_record_that_could_not_be_found_again_is_no_success(run, twin, roles, change_api):
    before = twin.administer("GET", "settings")
    twin.set(change_api=change_api, **{roles: {"change_request.correlation_id": "admin"}})
    try:
        with pytest.raises(OperationError, match=r"ignored correlation_id|does not show its correlation_id"):
            run(short_description="x")
    finally:
        twin.set(change_api=True, **{roles: before[roles]})


def test_a_page_without_a_row_for_us_is_not_the_end(opened, call, twin, admin, monkeypatch):
    record = opened()
    correlation = admin.rows("change_request", f"number={record['number']}")[0]["correlation_id"]
    (hidden,) = admin.rows("change_request", f"number={admin.open_change()}")
    admin.set(hidden["sys_id"], correlation_id=correlation, category="restricted")
    provider = records("servicenow", call(short_description="x").context)
    monkeypatch.setattr(api, "PAGE", 1)
    assert [found.number for found in provider.find(correlation)] == [record["number"]]
    monkeypatch.setattr(api, "MOST_PAGES", 1)
    with pytest.raises(OperationError, match="the list goes on after 1 rows"):
        provider.find(correlation)


def test_rows_that_nobody_asked_for_are_left_out(opened, call):
    """A part of a query that the platform does not understand is dropped, and every change there is comes back."""
    record = opened()
    wire = api.Api(login(call(short_description="x").context))
    misspelt = "corelation_id=nothing-has-this"
    assert record["sys_id"] in {
        row["sys_id"]["value"] for row in wire.rows("change_request", misspelt, lambda row: True)
    }
    assert wire.rows("change_request", misspelt, has("correlation_id", "nothing-has-this")) == []


def test_an_account_without_the_right_is_told_so(opened, run):
    record = opened()
    reader = {"client_id": None, "username": "reader"}
    with pytest.raises(OperationError, match="no right to update this record"):
        run(path="reader", record=record, risk="high", more=reader)
    with pytest.raises(OperationError, match="has none of that number, or hides it"):
        run(path="outsider", record=record["number"], risk="high", more={**reader, "username": "outsider"})


def test_open_tasks_are_named_when_they_keep_a_change_open(run, call, admin):
    record = run(type="standard", template=TEMPLATE["name"], short_description="x", state="implement").result
    admin.add_task(record["sys_id"], "Call the customer")
    failed = run(path="close", record=record, **CLOSE)
    assert isinstance(failed, Failed)
    assert "Call the customer" in failed.message


def test_on_hold_and_off(opened, run):
    record = opened()
    run(path="assess", record=record, state="assess")
    held = run(path="hold", record=record, on_hold=True, hold_reason="parts are late")
    assert held.result["fields"]["on_hold"] is True
    failed = run(path="walk", record=record, state="authorize")
    assert failed.message.endswith("it is on hold: parts are late")
    assert run(path="off", record=record, on_hold=False).result["fields"]["on_hold"] is False


def test_without_the_change_api_the_table_api_does(call, twin):
    twin.set(change_api=False)
    try:
        made = call(
            short_description="x",
            assignment_group="network",
            type="standard",
            template=TEMPLATE["name"],
            path="table",
            **CLOSE,
        )
        done = finished(CHANGE_RECORD, made, CHANGE_RECORD.start(made))
        normal = call(short_description="y", assignment_group="network", path="table-normal")
        record = CHANGE_RECORD.start(normal).result
        made, outcome = ask(call, record)
    finally:
        twin.set(change_api=True)
    assert (done.result["state"], done.result["type"]) == ("closed", "standard")
    assert record["type"] == "normal"
    assert isinstance(outcome, Waiting)


@pytest.mark.parametrize(
    "more",
    [
        {"client_id": None},
        {"grant_type": "client_credentials"},
        {"client_id": None, "username": None, "api_key": API_KEY},
        {"client_id": None, "username": None, "token": BEARER},
    ],
    ids=["basic", "client credentials", "api key", "bearer"],
)
def test_every_way_in(run, more):
    assert isinstance(run(short_description="x", more=more), Done)


def test_the_environment_of_the_established_collection(tmp_path, twin):
    environment = {"SN_HOST": twin.url, "SN_USERNAME": "changerail.integration", "SN_PASSWORD": "twin-password"}
    made = made_call(
        CHANGE_RECORD,
        tmp_path,
        {"provider": "servicenow", "short_description": "x"},
        connections={},
        environment=environment,
    )
    assert isinstance(CHANGE_RECORD.start(made), Done)
    with pytest.raises(OperationError, match="no credentials"):
        CHANGE_RECORD.start(
            made_call(
                CHANGE_RECORD,
                tmp_path,
                {"provider": "servicenow", "short_description": "x"},
                connections={},
                environment={"SN_HOST": twin.url},
            )
        )


def test_a_client_certificate_is_a_way_in(tmp_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("secure")
    with running("servicenow", folder, "--tls") as secure:
        files = {
            "ca_path": folder / "ca.pem",
            "client_cert": folder / "client.pem",
            "client_key": folder / "client.key",
        }
        connection = {"url": secure.url, **{name: str(path) for name, path in files.items()}}
        args = {"provider": "servicenow", "short_description": "x"}
        assert isinstance(
            CHANGE_RECORD.start(
                made_call(CHANGE_RECORD, tmp_path, args, connections={"servicenow": connection}, environment={})
            ),
            Done,
        )


def test_the_legacy_state_model_tells_no_conditions(opened, run, twin):
    record = opened()
    run(path="assess", record=record, state="assess")
    twin.set(legacy_state_model=True)
    try:
        failed = run(path="implement", record=record, state="implement")
    finally:
        twin.set(legacy_state_model=False)
    assert "the approval of network is missing" in failed.message


def test_a_wrong_password_is_no_reason_to_try_again(run):
    with pytest.raises(OperationError, match="credentials are unknown") as caught:
        run(short_description="x", more={"client_id": None, "password": "wrong"})
    assert caught.value.failure == "failed"


def test_a_token_is_renewed_before_its_end(run, twin):
    """One that lasts a minute has ended for us as soon as it is there: no request comes to be refused."""
    life = twin.administer("GET", "settings")["token_life"]
    twin.set(token_life=59)
    try:
        assert isinstance(run(short_description="x", more={"username": "network.lead"}), Done)
    finally:
        twin.set(token_life=life)
    seen = [(entry["path"].startswith("/oauth"), entry["status"]) for entry in twin.received()]
    assert {status for _login, status in seen} <= {200, 201}
    assert sum(asked for asked, _status in seen) == len(seen) / 2


def test_an_expired_token_is_renewed_once(call, twin):
    made = call(short_description="x")
    twin.fault("expire_token", path="change_request", method="GET")
    assert isinstance(CHANGE_RECORD.start(made), Done)


def test_attachments_are_known_by_name_and_digest_even_where_the_instance_tells_none(opened, call, twin, evidence):
    record = opened()
    provider = records("servicenow", call(path="x", record=record).context)
    twin.set(attachment_hash=False)
    try:
        seen = provider.read(record["number"])
        file = evidence("edge.diff", b"+ line")
        provider.attach(seen, file)
        assert [(kept.name, kept.sha256) for kept in provider.attachments(seen)] == [("edge.diff", file.sha256)]
    finally:
        twin.set(attachment_hash=True)


@pytest.mark.parametrize("fault", ["html", "error_body"])
def test_an_answer_that_says_nothing_of_the_upload_is_no_success(opened, call, twin, evidence, fault):
    record = opened()
    provider = records("servicenow", call(path="x", record=record).context)
    seen = provider.read(record["number"])
    file = evidence("edge.diff", b"+ line")
    twin.fault(fault, method="POST", path="attachment")
    with pytest.raises(OperationError):
        provider.attach(seen, file)
    assert not provider.attachments(seen)
    provider.attach(seen, file)
    assert [kept.name for kept in provider.attachments(seen)] == ["edge.diff"]
