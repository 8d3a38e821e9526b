# change_record with the local provider: opening once, walking the states, approvals, evidence, idempotence, check mode.
from __future__ import annotations

import hashlib
import itertools
import json
import multiprocessing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.calls import call

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, OperationError
from ansible_collections.netops.changerail.plugins.module_utils.local import change_rules
from ansible_collections.netops.changerail.plugins.module_utils.local.record_page import render
from ansible_collections.netops.changerail.plugins.module_utils.local.records import LocalRecords
from ansible_collections.netops.changerail.plugins.module_utils.operation import Artifact, Done, Failed, Outcome
from ansible_collections.netops.changerail.plugins.module_utils.operations.change_record import OPERATION
from ansible_collections.netops.changerail.plugins.module_utils.provider import correlation_id, request_approval

OPEN = {"short_description": "Advertise 203.0.113.0/24", "risk": "moderate", "assignment_group": "netops"}


def change(folder: Path, args: Mapping[str, Any], **context: Any) -> Outcome:
    return OPERATION.start(call(OPERATION, folder, args, **context))


def opened(folder: Path, **args: Any) -> dict[str, Any]:
    outcome = change(folder, {**OPEN, **args}, path="open")
    assert isinstance(outcome, Done), outcome
    return dict(outcome.result)


def records(folder: Path) -> LocalRecords:
    return LocalRecords(call(OPERATION, folder, OPEN).context)


def document(folder: Path, number: str = "CHG0000001") -> Any:
    return json.loads((folder / "records" / f"{number}.json").read_text())


def approved(folder: Path, result: Mapping[str, Any]) -> None:
    """Take a record through all its approvals."""
    provider = records(folder)
    record = request_approval(provider, provider.read(result["number"]))
    while rows := [row for row in provider.approvals(record) if row.state == "requested"]:
        record = provider.approve(record, rows[0].group, "approver", "approved", "fine")


def test_opens_a_record_with_its_fields(tmp_path: Path) -> None:
    result = opened(tmp_path)
    assert (result["number"], result["state"], result["type"], result["approval"]) == (
        "CHG0000001",
        "new",
        "normal",
        "not requested",
    )
    assert result["fields"]["risk"] == "moderate"
    assert result["fields"]["requested_by"] == "requester"
    assert document(tmp_path)["correlation_id"] == "r1/open"
    assert (tmp_path / "records" / "CHG0000001.json").stat().st_mode & 0o077 == 0


def test_another_attempt_adopts_the_record(tmp_path: Path) -> None:
    first = opened(tmp_path)
    again = change(tmp_path, OPEN, path="open", attempt=2)
    assert isinstance(again, Done)
    assert again.result["number"] == first["number"]
    assert not again.changed
    assert len(list((tmp_path / "records").glob("*.json"))) == 1


def test_another_step_opens_another_record(tmp_path: Path) -> None:
    opened(tmp_path)
    other = change(tmp_path, OPEN, path="open[ams1]")
    assert isinstance(other, Done)
    assert other.result["number"] == "CHG0000002"


def test_a_record_that_was_cancelled_is_not_adopted(tmp_path: Path) -> None:
    first = opened(tmp_path)
    change(tmp_path, {"record": first, "state": "canceled", "work_notes": "not needed"}, path="cancel")
    again = change(tmp_path, OPEN, path="open", attempt=2)
    assert isinstance(again, Done)
    assert again.result["number"] == "CHG0000002"


@pytest.mark.parametrize("kind", ["normal", "emergency", "standard"])
def test_walks_every_state_to_closed(tmp_path: Path, kind: str) -> None:
    result = opened(tmp_path, type=kind)
    approved(tmp_path, result)
    done = change(tmp_path, {"record": result, "state": "closed", "close_code": "successful", "close_notes": "Done."})
    assert isinstance(done, Done), done
    states = [entry["after"] for entry in document(tmp_path)["audit"] if entry["what"] == "state"]
    assert tuple(states) == change_rules.PATHS[kind]
    assert done.result["fields"]["close_code"] == "successful"
    assert done.result["changed_fields"] == ["state", "close_code", "close_notes"]
    assert done.result["diff"] == {
        "before": {"state": "scheduled"},
        "after": {"state": "closed", "close_code": "successful", "close_notes": "Done."},
    }


def test_stops_where_an_approval_is_missing(tmp_path: Path) -> None:
    result = opened(tmp_path)
    outcome = change(tmp_path, {"record": result["number"], "state": "implement"})
    assert isinstance(outcome, Failed)
    assert outcome.failure == "failed"
    assert (
        outcome.message == "CHG0000001 is in state assess and cannot go to implement: the approval of netops is missing"
    )
    assert document(tmp_path)["state"] == "assess"


def test_a_rejection_takes_the_record_back_to_new(tmp_path: Path) -> None:
    provider, result = records(tmp_path), opened(tmp_path)
    record = request_approval(provider, provider.read(result["number"]))
    record = provider.approve(record, "netops", "approver", "approved", "")
    assert record.state == "authorize"
    record = provider.approve(record, "cab", "chair", "rejected", "wrong week")
    assert (record.state, record.approval) == ("new", "rejected")
    assert [(row.gate, row.state, row.by, row.comment) for row in provider.approvals(record)] == [
        ("assess", "approved", "approver", ""),
        ("authorize", "rejected", "chair", "wrong week"),
    ]


def test_the_same_decision_again_changes_nothing_and_another_is_refused(tmp_path: Path) -> None:
    provider, result = records(tmp_path), opened(tmp_path)
    record = request_approval(provider, provider.read(result["number"]))
    provider.approve(record, "netops", "approver", "approved", "")
    before = document(tmp_path)
    provider.approve(record, "netops", "approver", "approved", "")
    assert document(tmp_path) == before
    with pytest.raises(OperationError, match="no approval of netops is asked for; it waits for cab"):
        provider.approve(record, "netops", "approver", "rejected", "")


def test_on_hold_only_cancelling_is_possible(tmp_path: Path) -> None:
    result = opened(tmp_path)
    approved(tmp_path, result)
    change(tmp_path, {"record": result, "on_hold": True, "hold_reason": "freeze"}, path="hold")
    outcome = change(tmp_path, {"record": result, "state": "implement"}, path="go")
    assert isinstance(outcome, Failed)
    assert "it is on hold: freeze" in outcome.message
    change(tmp_path, {"record": result, "on_hold": False}, path="release")
    assert isinstance(change(tmp_path, {"record": result, "state": "implement"}, path="go", attempt=2), Done)


def test_hold_stops_the_approvals_and_release_asks_again(tmp_path: Path) -> None:
    provider, result = records(tmp_path), opened(tmp_path, state="assess")
    change(tmp_path, {"record": result, "on_hold": True, "hold_reason": "freeze"}, path="hold")
    record = provider.read(result["number"])
    assert [row.state for row in provider.approvals(record)] == ["not_required"]
    change(tmp_path, {"record": result, "on_hold": False}, path="release")
    assert [row.state for row in provider.approvals(record)] == ["requested"]


@pytest.mark.parametrize("state", ["review", "closed"])
def test_cannot_be_cancelled_any_more(tmp_path: Path, state: str) -> None:
    result = opened(tmp_path, type="standard")
    done = change(
        tmp_path, {"record": result, "state": state, "close_code": "successful", "close_notes": "Done."}, path="go"
    )
    assert isinstance(done, Done), done
    outcome = change(tmp_path, {"record": result, "state": "canceled", "work_notes": "no"}, path="cancel")
    assert isinstance(outcome, Failed)
    assert f"CHG0000001 is in state {state} and cannot go to canceled" in outcome.message


def test_fields_of_a_closed_record_stay(tmp_path: Path) -> None:
    result = opened(tmp_path, type="standard")
    change(
        tmp_path,
        {"record": result, "state": "closed", "close_code": "successful", "close_notes": "Done."},
        path="close",
    )
    with pytest.raises(OperationError, match="is closed: its fields can no longer be changed \\(risk\\)"):
        change(tmp_path, {"record": result, "risk": "high"}, path="late")


def test_closed_otherwise_by_somebody_else_is_a_failure(tmp_path: Path) -> None:
    result = opened(tmp_path, type="standard")
    change(
        tmp_path,
        {"record": result, "state": "closed", "close_code": "unsuccessful", "close_notes": "No."},
        path="person",
    )
    outcome = change(
        tmp_path,
        {"record": result, "state": "closed", "close_code": "successful", "close_notes": "Done."},
        path="close",
    )
    assert isinstance(outcome, Failed)
    assert "was closed as 'unsuccessful' by somebody else; expected 'successful'" in outcome.message


def test_cancelling_what_somebody_has_cancelled_is_done(tmp_path: Path) -> None:
    result = opened(tmp_path)
    change(tmp_path, {"record": result, "state": "canceled", "work_notes": "No longer needed."}, path="person")
    before = document(tmp_path)
    args = {
        "record": result,
        "state": "canceled",
        "close_code": "unsuccessful",
        "work_notes": "It failed.",
        "evidence": "run",
    }
    done = change(tmp_path, args, path="always")
    assert isinstance(done, Done), done
    assert (done.changed, done.result["state"]) == (False, "canceled")
    assert document(tmp_path) == before


def evidence(folder: Path, **files: str) -> list[Artifact]:
    made = []
    for name, text in files.items():
        path = folder / name
        path.write_text(text)
        made.append(Artifact(f"{name}.txt", str(path), hashlib.sha256(text.encode()).hexdigest(), len(text)))
    return made


def test_closing_attaches_the_evidence_and_writes_the_notes(tmp_path: Path) -> None:
    result = opened(tmp_path, type="standard")
    files = evidence(tmp_path, timeline="one", diff="two")
    args = {
        "record": result,
        "state": "closed",
        "close_code": "successful",
        "evidence": "run",
        "work_notes": "Post-checks passed.",
    }
    done = change(tmp_path, args, path="close", evidence=lambda: files)
    assert isinstance(done, Done), done
    made = document(tmp_path)
    assert (
        made["fields"]["close_notes"] == "Coordinated by changerail, run r1. Evidence attached: timeline.txt, diff.txt."
    )
    assert [(tmp_path / "records" / row["file"]).read_text() for row in made["attachments"]] == ["one", "two"]
    assert [note["text"] for note in made["work_notes"]] == ["Post-checks passed."]
    again = change(tmp_path, args, path="close", attempt=2, evidence=lambda: files)
    assert isinstance(again, Done)
    assert not again.changed
    assert document(tmp_path) == made


def test_the_same_file_is_attached_once_and_a_changed_one_again(tmp_path: Path) -> None:
    result = opened(tmp_path)
    args = {"record": result, "evidence": "run"}
    for text in ("one", "one", "two"):
        files = evidence(tmp_path, timeline=text)
        change(tmp_path, args, evidence=lambda files=files: files)
    assert [row["sha256"][:4] for row in document(tmp_path)["attachments"]] == [
        hashlib.sha256(text).hexdigest()[:4] for text in (b"one", b"two")
    ]


def test_a_file_that_is_no_longer_the_artifact_is_refused(tmp_path: Path) -> None:
    result = opened(tmp_path)
    files = evidence(tmp_path, timeline="one")
    (tmp_path / "timeline").write_text("forged")
    with pytest.raises(OperationError, match="its SHA-256 changed"):
        change(tmp_path, {"record": result, "evidence": "run"}, evidence=lambda: files)
    assert document(tmp_path)["attachments"] == []


def test_a_note_is_written_once_by_each_step(tmp_path: Path) -> None:
    result = opened(tmp_path)
    args = {"record": result, "work_notes": "Started."}
    for path, attempt in (("a", 1), ("a", 2), ("b", 1)):
        change(tmp_path, args, path=path, attempt=attempt)
    assert [note["text"] for note in document(tmp_path)["work_notes"]] == ["Started.", "Started."]


def test_a_second_run_over_a_record_changes_nothing(tmp_path: Path) -> None:
    result = opened(tmp_path)
    args = {
        "record": result,
        "risk": "high",
        "start_date": "2030-01-31T22:00+01:00",
        "fields": {"backout_plan": "Undo."},
    }
    first, second = change(tmp_path, args), change(tmp_path, args, attempt=2)
    assert isinstance(first, Done) and isinstance(second, Done)
    assert (first.changed, second.changed) == (True, False)
    assert first.result["fields"]["start_date"] == "2030-01-31 21:00:00"
    assert second.result["changed_fields"] == []


def test_check_mode_writes_nothing(tmp_path: Path) -> None:
    planned = change(tmp_path, OPEN, check=True)
    assert isinstance(planned, Done)
    assert (planned.changed, planned.result["number"], planned.result["state"]) == (True, "", "new")
    follow_up = {"record": planned.result, "state": "closed", "close_code": "successful", "evidence": "run"}
    assert isinstance(change(tmp_path, follow_up, check=True), Done)
    assert not (tmp_path / "records").exists()
    result = opened(tmp_path)
    before = document(tmp_path)
    planned = change(tmp_path, {"record": result, "risk": "high", "state": "assess"}, check=True)
    assert isinstance(planned, Done)
    assert planned.result["diff"] == {
        "before": {"risk": "moderate", "state": "new"},
        "after": {"risk": "high", "state": "assess"},
    }
    assert document(tmp_path) == before


def test_a_template_fills_what_is_not_given(tmp_path: Path) -> None:
    local = {
        "records": str(tmp_path / "records"),
        "templates": {"prefix": {"type": "standard", "risk": "low", "impact": "low"}},
    }
    outcome = change(
        tmp_path,
        {"short_description": "x", "template": "prefix", "type": "standard", "risk": "high"},
        connections={"local": local},
    )
    assert isinstance(outcome, Done)
    assert (outcome.result["fields"]["risk"], outcome.result["fields"]["impact"]) == ("high", "low")
    with pytest.raises(OperationError, match=r"template 'prefx': not in .*; it has: prefix"):
        change(tmp_path, {"short_description": "x", "template": "prefx"}, path="other", connections={"local": local})


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "one of the following is required: record, short_description"),
        ({"record": "CHG1", "state": "closed"}, "close_code"),
        ({"record": "CHG1", "state": "closed", "close_code": "successful"}, "close_notes, evidence"),
        ({"record": "CHG1", "state": "canceled"}, "work_notes"),
        ({"record": "CHG1", "on_hold": True}, "hold_reason"),
        ({"short_description": "x", "risk": "enormous"}, "value of risk must be one of: high, moderate, low"),
        ({"short_descripton": "x"}, "did you mean 'short_description'"),
    ],
)
def test_bad_options_are_named(tmp_path: Path, args: dict[str, Any], message: str) -> None:
    with pytest.raises(AuthorError) as error:
        change(tmp_path, args)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"start_date": "tomorrow"}, "start_date: 'tomorrow' is no date and time"),
        ({"start_date": "2030-01-02 00:00:00", "end_date": "2030-01-01 00:00:00"}, "is before start_date"),
        ({"fields": {"state": "closed"}}, "fields: state: these are options of their own"),
        ({"record": "CHG0009999"}, "no record of that number or sys_id"),
        ({"record": "../../etc/passwd"}, "no record of that number or sys_id"),
        ({"record": {"sys_id": 1}}, "this mapping has no 'number'"),
        ({"provider": "nobody"}, "no such provider"),
        ({"provider": "acme.none.records"}, "no such provider"),
    ],
)
def test_bad_values_are_named(tmp_path: Path, args: dict[str, Any], message: str) -> None:
    with pytest.raises(OperationError) as error:
        change(tmp_path, {"short_description": "x", **args})
    assert message in str(error.value)


def test_without_a_folder_the_local_provider_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match=r"connections\.local\.records"):
        change(tmp_path, OPEN, connections={})


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    result = opened(tmp_path)
    (tmp_path / "records" / "CHG0000001.json").write_text("{")
    with pytest.raises(OperationError, match=r"CHG0000001\.json: this change record is no longer JSON"):
        change(tmp_path, {"record": result["number"], "risk": "low"})


def _open_many(folder: Path, writer: int) -> None:
    for number in range(10):
        change(folder, OPEN, path=f"open-{writer}-{number}")


def test_concurrent_writers_lose_nothing(tmp_path: Path) -> None:
    writers = [
        multiprocessing.get_context("fork").Process(target=_open_many, args=(tmp_path, writer)) for writer in range(3)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
    made = sorted((tmp_path / "records").glob("CHG*.json"))
    assert [path.stem for path in made] == [f"CHG{number:07d}" for number in range(1, 31)]
    assert len({json.loads(path.read_text())["correlation_id"] for path in made}) == 30


def test_the_page_shows_what_matters(tmp_path: Path) -> None:
    result = opened(tmp_path)
    approved(tmp_path, result)
    change(tmp_path, {"record": result, "work_notes": "Started."}, path="note")
    page = render(document(tmp_path))
    for text in (
        "CHG0000001  Advertise 203.0.113.0/24",
        "scheduled (approval: approved)",
        "cab",
        "approved by approver",
        "Started.",
    ):
        assert text in page


@given(path=st.text(min_size=1, max_size=200), other=st.text(min_size=1, max_size=200))
@settings(max_examples=200, deadline=None)
def test_correlation_ids_are_short_plain_and_distinct(path: str, other: str) -> None:
    from ansible_collections.netops.changerail.plugins.module_utils.operation import Context

    one, two = (correlation_id(Context(f"run/{text}/1", "run", text, 1, Path())) for text in (path, other))
    assert len(one) <= 100
    assert not set(one) & set("^ \n")
    assert (one == two) == (path == other)


_MOVES = st.sampled_from(
    [
        "new",
        "assess",
        "authorize",
        "scheduled",
        "implement",
        "review",
        "closed",
        "canceled",
        "approve",
        "reject",
        "hold",
        "release",
    ]
)


@pytest.mark.parametrize(
    ("approvals", "state", "approval", "asked"),
    [
        ({"assess": []}, "authorize", "requested", ["cab"]),
        ({"assess": [], "authorize": []}, "scheduled", "approved", []),
    ],
)
def test_a_gate_at_which_nobody_is_asked_is_passed_at_once(
    tmp_path: Path, approvals: dict[str, list[str]], state: str, approval: str, asked: list[str]
) -> None:
    here = {"local": {"records": str(tmp_path / "records"), "approvals": approvals}}
    provider = LocalRecords(call(OPERATION, tmp_path, OPEN, connections=here).context)
    record = request_approval(provider, provider.create({"type": "normal"}, "one"))
    assert (record.state, record.approval) == (state, approval)
    assert [row.group for row in provider.approvals(record)] == asked


@given(
    kind=st.sampled_from(sorted(change_rules.PATHS)),
    steps=st.lists(_MOVES, max_size=25),
    groups=st.fixed_dictionaries(
        {"assess": st.sampled_from(([], ["netops"])), "authorize": st.sampled_from(([], ["cab", "security"]))}
    ),
)
@settings(max_examples=300, deadline=None)
def test_no_order_of_writes_breaks_the_rules(kind: str, steps: list[str], groups: dict[str, list[str]]) -> None:
    writer = change_rules.Writer("w", 0.0)
    made = change_rules.opened("CHG0000001", "id", "c", {"type": kind}, writer)
    for step in steps:
        before = json.dumps(made)
        try:
            if step in ("approve", "reject"):
                rows = change_rules.open_approvals(made)
                change_rules.decide(
                    made,
                    rows[0]["group"] if rows else "cab",
                    {"approve": "approved", "reject": "rejected"}[step],
                    "",
                    groups,
                    writer,
                )
            elif step in ("hold", "release"):
                change_rules.update(made, {"on_hold": step == "hold", "hold_reason": "x"}, writer)
            else:
                closing = {"close_code": "successful", "close_notes": "x"} if step == "closed" else {}
                change_rules.move(made, step, closing, groups, writer)
        except OperationError:
            assert json.dumps(made) == before
        passed = [entry["after"] for entry in made["audit"] if entry["what"] == "state"]
        path = change_rules.PATHS[kind]
        for here, there in itertools.pairwise(passed):
            assert there in ("new", "canceled") or path.index(there) == path.index(here) + 1
        if made["state"] in ("scheduled", "implement", "review", "closed"):
            asked = [row for row in made["approvals"] if row["state"] == "approved"]
            assert len(asked) >= sum(len(groups[gate]) for gate in path if gate in groups)
        assert made["state"] not in change_rules.GATES or made["approvals"][-1]["gate"] == made["state"]
        assert ("canceled" not in passed[:-1]) and ("closed" not in passed[:-1])
