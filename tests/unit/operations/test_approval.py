# approval: the question it asks, deadlines, dry runs, and change records decided here or followed.
from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.calls import call

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, OperationError
from ansible_collections.netops.changerail.plugins.module_utils.failures import CANCELLED, FAILED, REJECTED
from ansible_collections.netops.changerail.plugins.module_utils.local.records import LocalRecords
from ansible_collections.netops.changerail.plugins.module_utils.operation import (
    Call,
    Done,
    Failed,
    Outcome,
    Verdict,
    Waiting,
)
from ansible_collections.netops.changerail.plugins.module_utils.operations import change_record
from ansible_collections.netops.changerail.plugins.module_utils.operations.approval import OPERATION
from ansible_collections.netops.changerail.plugins.module_utils.question import Question

NOW = 1_000_000.0
SETTINGS = {
    "people": {name: {} for name in ("rita", "nina", "nora", "otto")},
    "groups": {"netsec": ["nina", "nora", "rita"], "cab": ["nina", "otto"], "netops": ["otto"]},
}


def made(folder: Path, args: Mapping[str, Any], **context: Any) -> Call:
    context.setdefault("requester", "rita")
    context.setdefault("settings", SETTINGS)
    context.setdefault("clock", lambda: NOW)
    return call(OPERATION, folder, args, path="approvals/security", **context)


def asked(outcome: Outcome) -> Question:
    assert isinstance(outcome, Waiting), outcome
    assert outcome.question is not None
    assert outcome.long
    question = Question.from_dict(outcome.question)
    assert question.id == outcome.question["id"]
    return question


def started(folder: Path, args: Mapping[str, Any], **context: Any) -> Question:
    return asked(OPERATION.start(made(folder, args, **context)))


def failed(outcome: Outcome, failure: str) -> Failed:
    assert isinstance(outcome, Failed), outcome
    assert outcome.failure == failure
    return outcome


def verdict(*people: str, approved: bool = True, comment: str = "", reason: str = "") -> Verdict:
    choice = "approve" if approved else "deny"
    answers = [{"person": person, "choice": choice, "comment": comment, "assurance": "os_user"} for person in people]
    return Verdict(choice, approved, answers, reason)


def test_the_question_says_what_its_options_say(tmp_path: Path) -> None:
    args = {
        "groups": "netsec",
        "people": ["otto"],
        "quorum": "2",
        "deadline": "2d",
        "title": "Sécurité",
        "message": "Read the plan",
        "assurance": "signed",
    }
    question = started(tmp_path, args)
    assert question == Question(
        kind="approval",
        title="Sécurité",
        choices=("approve", "deny"),
        approving=("approve",),
        groups=("netsec",),
        people=("otto",),
        quorum=2,
        four_eyes=True,
        requester="rita",
        assurance="signed",
        deadline=NOW + 172800,
        text="Read the plan",
        subject={},
    )


def test_defaults_are_safe(tmp_path: Path) -> None:
    question = started(tmp_path, {"groups": ["netsec"]})
    assert (question.quorum, question.four_eyes, question.assurance, question.deadline) == (1, True, "os_user", None)
    assert "approvals/security" in question.title


def test_the_project_has_its_own_defaults_and_the_step_has_the_last_word(tmp_path: Path) -> None:
    settings = {**SETTINGS, "defaults": {"deadline": "1h", "assurance": "signed"}}
    question = started(tmp_path, {}, settings=settings)
    assert (question.deadline, question.assurance) == (NOW + 3600, "signed")
    question = started(tmp_path, {"deadline": 60, "assurance": "os_user"}, settings=settings)
    assert (question.deadline, question.assurance) == (NOW + 60, "os_user")


def test_the_same_is_asked_at_every_look_and_the_deadline_does_not_move(tmp_path: Path) -> None:
    first = OPERATION.start(made(tmp_path, {"groups": ["netsec"], "deadline": "4h"}))
    assert isinstance(first, Waiting)
    later = OPERATION.poll(
        made(tmp_path, {"groups": ["netsec"], "deadline": "4h"}, clock=lambda: NOW + 7200), first.handle
    )
    assert later == first


def test_another_attempt_is_another_question(tmp_path: Path) -> None:
    first, second = (started(tmp_path, {"title": "Go?"}, attempt=attempt) for attempt in (1, 2))
    assert second.title == "Go? (attempt 2)"
    assert first.id != second.id


def test_what_is_bound_is_shown_and_changes_the_question(tmp_path: Path) -> None:
    one = started(tmp_path, {"subject": {"hosts": ["r1", "r2"], "prefix": "203.0.113.0/24"}})
    same = started(tmp_path, {"subject": {"prefix": "203.0.113.0/24", "hosts": ["r1", "r2"]}})
    other = started(tmp_path, {"subject": {"hosts": ["r1", "r2", "r3"], "prefix": "203.0.113.0/24"}})
    assert one.id != other.id
    assert one.subject == same.subject
    assert one.subject is not None
    assert one.subject["hosts"] == hashlib.sha256(b'["r1", "r2"]').hexdigest()
    assert 'hosts: ["r1", "r2"]' in one.text


def test_waiting_says_for_whom_and_until_when(tmp_path: Path) -> None:
    outcome = OPERATION.start(
        made(tmp_path, {"groups": ["netsec"], "people": ["otto"], "quorum": 2, "deadline": "1d", "title": "Go?"})
    )
    assert isinstance(outcome, Waiting)
    assert outcome.message == "waiting for 2 of netsec, otto to answer until 1970-01-13 13:46 UTC: Go?"


def test_approved_is_done_and_denied_is_rejected(tmp_path: Path) -> None:
    one = made(tmp_path, {"groups": ["netsec"]})
    done = OPERATION.conclude(one, {"deadline": None}, verdict("nina", comment="fine"))
    assert isinstance(done, Done)
    assert done.result["decision"] == "approve"
    assert done.result["answers"][0]["person"] == "nina"
    outcome = failed(
        OPERATION.conclude(one, {"deadline": None}, verdict("nina", approved=False, reason="nina: deny (no)")), REJECTED
    )
    assert outcome.message == "nina: deny (no)"
    assert outcome.result["decision"] == "deny"


def test_a_cancelled_question_leaves_nothing_undone(tmp_path: Path) -> None:
    failed(OPERATION.cancel(made(tmp_path, {}), {"deadline": None}), CANCELLED)


def test_a_dry_run_asks_nobody(tmp_path: Path) -> None:
    outcome = OPERATION.start(made(tmp_path, {"groups": ["netsec"], "deadline": "1h"}, check=True))
    assert isinstance(outcome, Done)
    assert not outcome.changed
    assert outcome.result["would_ask"]["groups"] == ["netsec"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"groups": ["netsex"]}, "group netsex: not in the project file"),
        ({"people": ["nima"]}, "person nima: not in the project file"),
        ({"groups": ["netsec"], "quorum": 3}, "3 must approve, but only 2 could beside the requester: nina, nora"),
        ({"people": ["rita"]}, "nobody"),
        ({"quorum": 4}, "only 3 could"),
    ],
)
def test_what_nobody_could_ever_approve_fails_at_once(tmp_path: Path, args: dict[str, Any], message: str) -> None:
    assert message in failed(OPERATION.start(made(tmp_path, args)), FAILED).message
    assert message in failed(OPERATION.start(made(tmp_path, args, check=True)), FAILED).message


def test_without_four_eyes_the_requester_counts(tmp_path: Path) -> None:
    assert started(tmp_path, {"groups": ["netsec"], "quorum": 3, "four_eyes": False}).quorum == 3


def test_without_a_project_anybody_may_be_named(tmp_path: Path) -> None:
    assert started(tmp_path, {"groups": ["netsec"]}, settings={}).groups == ("netsec",)


@pytest.mark.parametrize("args", [{"quorum": 0}, {"deadline": "soon"}])
def test_options_that_make_no_sense_fail_with_what_was_expected(tmp_path: Path, args: dict[str, Any]) -> None:
    with pytest.raises(OperationError, match=r"expected|4h"):
        OPERATION.start(made(tmp_path, args))


def test_a_record_is_asked_for_instead_of_groups(tmp_path: Path) -> None:
    with pytest.raises(AuthorError, match="mutually exclusive"):
        made(tmp_path, {"from": "CHG0000001", "groups": ["netsec"]})


# Change records of the local provider


def record(folder: Path, **fields: Any) -> dict[str, Any]:
    args = {"short_description": "Advertise 203.0.113.0/24", "assignment_group": "netops", **fields}
    outcome = change_record.OPERATION.start(call(change_record.OPERATION, folder, args, path="open"))
    assert isinstance(outcome, Done)
    return dict(outcome.result)


def read(folder: Path, number: str = "CHG0000001") -> tuple[str, str, list[tuple[str, str, str, str]]]:
    provider = LocalRecords(made(folder, {}).context)
    now = provider.read(number)
    return now.state, now.approval, [(row.gate, row.state, row.by, row.comment) for row in provider.approvals(now)]


def test_a_local_record_is_approved_here_round_after_round(tmp_path: Path) -> None:
    one = made(tmp_path, {"from": record(tmp_path), "deadline": "2d"})
    first = OPERATION.start(one)
    question = asked(first)
    assert (question.groups, question.requester, question.deadline) == (("netops",), "rita", NOW + 172800)
    assert "CHG0000001" in question.title
    assert "Advertise 203.0.113.0/24" in question.text
    assert isinstance(first, Waiting)
    assert asked(OPERATION.poll(one, first.handle)) == question

    second = OPERATION.conclude(one, first.handle, verdict("otto", comment="fits"))
    board = asked(second)
    assert board.groups == ("cab",)
    assert board.id != question.id
    assert isinstance(second, Waiting)

    done = OPERATION.conclude(one, second.handle, verdict("nina", "otto", comment="ok"))
    assert isinstance(done, Done), done
    assert done.result["decision"] == "approve"
    assert [answer["person"] for answer in done.result["answers"]] == ["otto", "nina", "otto"]
    assert [(row["gate"], row["by"]) for row in done.result["approvals"]] == [
        ("assess", "otto"),
        ("authorize", "nina, otto"),
    ]
    assert read(tmp_path) == (
        "scheduled",
        "approved",
        [("assess", "approved", "otto", "fits"), ("authorize", "approved", "nina, otto", "ok; ok")],
    )


def test_a_decision_that_is_written_again_after_a_crash_does_not_decide_the_next_round(tmp_path: Path) -> None:
    both = {"local": {"records": str(tmp_path / "records"), "approvals": {"assess": ["cab"]}}}
    one = made(tmp_path, {"from": record(tmp_path)}, connections=both)
    first = OPERATION.start(one)
    assert isinstance(first, Waiting)
    outcomes = [OPERATION.conclude(one, first.handle, verdict("nina")) for _again in range(3)]
    assert [asked(outcome).title for outcome in outcomes] == ["CHG0000001: authorize by cab"] * 3
    assert [row[1] for row in read(tmp_path)[2]] == ["approved", "requested"]


def test_a_denial_is_written_to_the_record(tmp_path: Path) -> None:
    one = made(tmp_path, {"from": record(tmp_path)})
    first = OPERATION.start(one)
    assert isinstance(first, Waiting)
    for _again in range(2):
        outcome = failed(
            OPERATION.conclude(one, first.handle, verdict("otto", approved=False, reason="otto: deny (no window)")),
            REJECTED,
        )
        assert outcome.message == "otto: deny (no window)"
        assert outcome.result["approval"] == "rejected"
    assert read(tmp_path) == ("new", "rejected", [("assess", "rejected", "otto", "otto: deny (no window)")])
    failed(OPERATION.poll(one, first.handle), REJECTED)


def test_a_deadline_that_denies_is_written_too(tmp_path: Path) -> None:
    one = made(tmp_path, {"from": record(tmp_path), "deadline": "1h"})
    first = OPERATION.start(one)
    assert isinstance(first, Waiting)
    failed(OPERATION.conclude(one, first.handle, verdict(approved=False, reason="nobody decided by noon")), REJECTED)
    assert read(tmp_path)[2] == [("assess", "rejected", "changerail", "nobody decided by noon")]


def test_another_attempt_asks_for_approval_again(tmp_path: Path) -> None:
    opened = record(tmp_path)
    one = made(tmp_path, {"from": opened})
    first = OPERATION.start(one)
    assert isinstance(first, Waiting)
    OPERATION.conclude(one, first.handle, verdict("otto", approved=False, reason="no"))
    again = started(tmp_path, {"from": opened}, attempt=2)
    assert again.groups == ("netops",)
    assert read(tmp_path)[0] == "assess"


def test_a_record_decided_elsewhere_is_followed(tmp_path: Path) -> None:
    one = made(tmp_path, {"from": "CHG0000001"})
    record(tmp_path)
    first = OPERATION.start(one)
    assert isinstance(first, Waiting)
    provider = LocalRecords(one.context)
    for group in ("netops", "cab"):
        provider.approve(provider.read("CHG0000001"), group, "somebody", "approved", "by hand")
    done = OPERATION.poll(one, first.handle)
    assert isinstance(done, Done)
    assert [row["by"] for row in done.result["approvals"]] == ["somebody", "somebody"]


def test_a_standard_change_needs_nobody(tmp_path: Path) -> None:
    done = OPERATION.start(made(tmp_path, {"from": record(tmp_path, type="standard")}))
    assert isinstance(done, Done), done
    assert done.result["answers"] == []


def test_a_canceled_record_is_a_failure(tmp_path: Path) -> None:
    one = made(tmp_path, {"from": record(tmp_path)})
    first = OPERATION.start(one)
    assert isinstance(first, Waiting)
    provider = LocalRecords(one.context)
    provider.move(provider.read("CHG0000001"), "canceled", {"work_notes": "not needed"})
    assert "canceled" in failed(OPERATION.poll(one, first.handle), FAILED).message


def test_a_group_of_the_record_that_has_no_members_fails_at_once(tmp_path: Path) -> None:
    outcome = failed(OPERATION.start(made(tmp_path, {"from": record(tmp_path, assignment_group="ghosts")})), FAILED)
    assert "CHG0000001: group ghosts: not in the project file" in outcome.message


def test_a_dry_run_leaves_the_record_alone(tmp_path: Path) -> None:
    outcome = OPERATION.start(made(tmp_path, {"from": record(tmp_path)}, check=True))
    assert isinstance(outcome, Done)
    assert read(tmp_path) == ("new", "not requested", [])
    assert isinstance(OPERATION.start(made(tmp_path, {"from": {}}, check=True)), Done)


def test_what_is_no_record_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="registered result"):
        OPERATION.start(made(tmp_path, {"from": {"skipped": True}}))
    with pytest.raises(OperationError, match="CHG0000099"):
        OPERATION.start(made(tmp_path, {"from": "CHG0000099"}))
    with pytest.raises(OperationError, match="no such provider"):
        OPERATION.start(made(tmp_path, {"from": {"provider": "nowhere", "number": "1"}}))
