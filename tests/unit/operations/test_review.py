# review: what is shown is what is digested, a file that changes voids the answers, empty diffs, files that cannot be read.
from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.calls import call

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, OperationError, RunError
from ansible_collections.netops.changerail.plugins.module_utils.failures import CANCELLED, FAILED, REJECTED
from ansible_collections.netops.changerail.plugins.module_utils.files import artifact_of
from ansible_collections.netops.changerail.plugins.module_utils.operation import (
    Call,
    Done,
    Failed,
    Outcome,
    Verdict,
    Waiting,
)
from ansible_collections.netops.changerail.plugins.module_utils.operations import review
from ansible_collections.netops.changerail.plugins.module_utils.operations.review import OPERATION
from ansible_collections.netops.changerail.plugins.module_utils.question import Question
from ansible_collections.netops.changerail.plugins.plugin_utils.people.showing import shown

DIFF = b"--- a/r1\n+++ b/r1\n+ network 203.0.113.0/24\n"
YES = Verdict("approve", True, [{"person": "nina", "choice": "approve"}])


@pytest.fixture
def diff(tmp_path: Path) -> Path:
    path = tmp_path / "edge.diff"
    path.write_bytes(DIFF)
    return path


def made(folder: Path, args: Mapping[str, Any], **context: Any) -> Call:
    return call(OPERATION, folder, args, path="review", **context)


def waiting(outcome: Outcome) -> Waiting:
    assert isinstance(outcome, Waiting), outcome
    assert outcome.long
    return outcome


def asked(outcome: Outcome) -> Question:
    question = waiting(outcome).question
    assert question is not None
    return Question.from_dict(question)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("how", ["path", "absolute path", "artifact", "list", "mapping"])
def test_the_question_is_bound_to_the_digest_however_the_file_is_given(tmp_path: Path, diff: Path, how: str) -> None:
    artifact = artifact_of(diff, "edge.diff").as_dict()
    args: dict[str, Any] = {
        "path": {"artifact": "edge.diff"},
        "absolute path": {"artifact": str(diff)},
        "artifact": {"artifact": artifact},
        "list": {"artifacts": [artifact]},
        "mapping": {"artifacts": {"edge.diff": artifact}},
    }[how]
    question = asked(OPERATION.start(made(tmp_path, {**args, "groups": ["netops"], "message": "Look closely"})))
    assert (question.kind, question.choices, question.approving) == ("review", ("approve", "deny"), ("approve",))
    assert (question.groups, question.text) == (("netops",), "Look closely")
    assert question.subject == {"edge.diff": sha256(DIFF)}
    assert "edge.diff" in question.title


def test_what_is_shown_is_a_copy_that_stays_as_it_was_digested(tmp_path: Path, diff: Path) -> None:
    question = asked(OPERATION.start(made(tmp_path, {"artifact": "edge.diff"})))
    diff.write_bytes(b"something else")
    assert shown(question, "edge.diff") == DIFF
    assert question.show is not None
    copy = Path(question.show["edge.diff"])
    assert tmp_path / "runs" in copy.parents
    assert copy.stat().st_mode & 0o077 == 0
    copy.write_bytes(b"tampered")
    with pytest.raises(RunError, match="not what is asked about"):
        shown(question, "edge.diff")
    copy.unlink()
    with pytest.raises(RunError, match="No such file"):
        shown(question, "edge.diff")
    with pytest.raises(RunError, match="other"):
        shown(question, "other")


def test_approved_is_done_with_the_digests(tmp_path: Path, diff: Path) -> None:
    one = made(tmp_path, {"artifact": "edge.diff"})
    done = OPERATION.conclude(one, waiting(OPERATION.start(one)).handle, YES)
    assert isinstance(done, Done)
    assert done.result["decision"] == "approve"
    assert done.result["answers"] == [{"person": "nina", "choice": "approve"}]
    kept = done.result["artifacts"]["edge.diff"]
    assert (kept["sha256"], kept["size"], Path(kept["path"]).read_bytes()) == (sha256(DIFF), len(DIFF), DIFF)


def test_denied_is_rejected_even_when_the_file_is_gone(tmp_path: Path, diff: Path) -> None:
    one = made(tmp_path, {"artifact": "edge.diff"})
    handle = waiting(OPERATION.start(one)).handle
    diff.unlink()
    outcome = OPERATION.conclude(one, handle, Verdict("deny", False, [], "nina: deny"))
    assert isinstance(outcome, Failed)
    assert (outcome.failure, outcome.message) == (REJECTED, "nina: deny")


def test_while_nothing_changes_the_same_is_asked(tmp_path: Path, diff: Path) -> None:
    one = made(tmp_path, {"artifact": "edge.diff", "deadline": "1h"})
    first = OPERATION.start(one)
    assert OPERATION.poll(one, waiting(first).handle) == first


def test_a_file_that_changes_is_asked_about_anew(tmp_path: Path, diff: Path) -> None:
    one = made(tmp_path, {"artifact": "edge.diff", "deadline": "1h"})
    first = waiting(OPERATION.start(one))
    diff.write_bytes(DIFF + b"+ network 0.0.0.0/0\n")
    second = waiting(OPERATION.poll(one, first.handle))
    assert asked(second).id != asked(first).id
    assert asked(second).deadline == asked(first).deadline
    assert asked(second).subject == {"edge.diff": sha256(diff.read_bytes())}
    assert shown(asked(second), "edge.diff") == diff.read_bytes()
    assert "edge.diff changed while under review" in second.message
    assert OPERATION.poll(one, second.handle) == second


def test_a_file_that_changed_before_the_decision_was_read_is_not_approved(tmp_path: Path, diff: Path) -> None:
    one = made(tmp_path, {"artifact": "edge.diff"})
    first = waiting(OPERATION.start(one))
    diff.write_bytes(b"other")
    second = waiting(OPERATION.conclude(one, first.handle, YES))
    assert asked(second).subject == {"edge.diff": sha256(b"other")}
    assert isinstance(OPERATION.conclude(one, second.handle, YES), Done)


def test_one_of_several_files_that_changes_is_enough(tmp_path: Path, diff: Path) -> None:
    (tmp_path / "core.diff").write_bytes(b"+ core\n")
    one = made(tmp_path, {"artifacts": ["edge.diff", "core.diff"]})
    first = waiting(OPERATION.start(one))
    assert set(asked(first).subject or {}) == {"edge.diff", "core.diff"}
    (tmp_path / "core.diff").write_bytes(b"+ core!\n")
    assert asked(OPERATION.conclude(one, first.handle, YES)).id != asked(first).id


def test_a_file_that_is_not_as_it_was_registered_is_asked_about_with_a_remark(tmp_path: Path, diff: Path) -> None:
    artifact = artifact_of(diff, "edge.diff").as_dict()
    diff.write_bytes(b"edited by hand")
    outcome = waiting(OPERATION.start(made(tmp_path, {"artifact": artifact})))
    assert "not as it was registered" in outcome.message
    assert asked(outcome).subject == {"edge.diff": sha256(b"edited by hand")}


@pytest.mark.parametrize("empty", ["ask", "approve", "fail"])
def test_an_empty_diff_is_handled_as_the_step_says(tmp_path: Path, diff: Path, empty: str) -> None:
    diff.write_bytes(b" \n\n")
    outcome = OPERATION.start(made(tmp_path, {"artifact": "edge.diff", "empty": empty}))
    if empty == "ask":
        waiting(outcome)
    elif empty == "approve":
        assert isinstance(outcome, Done)
        assert (outcome.result["decision"], outcome.result["answers"]) == ("approve", [])
        assert outcome.result["artifacts"]["edge.diff"]["sha256"] == sha256(b" \n\n")
    else:
        assert isinstance(outcome, Failed)
        assert (outcome.failure, "edge.diff has no content" in outcome.message) == (FAILED, True)


def test_asking_about_an_empty_diff_is_the_default_and_one_full_file_is_enough(tmp_path: Path, diff: Path) -> None:
    (tmp_path / "empty.diff").write_bytes(b"")
    waiting(OPERATION.start(made(tmp_path, {"artifact": "empty.diff"})))
    waiting(OPERATION.start(made(tmp_path, {"artifacts": ["edge.diff", "empty.diff"], "empty": "approve"})))


def test_binary_and_odd_names_are_kept_as_they_are(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10
    name = "Gerät \"r1\" 'x'\x1b[2J.diff"
    (tmp_path / name).write_bytes(content)
    question = asked(OPERATION.start(made(tmp_path, {"artifact": name})))
    assert shown(question, name) == content


def test_a_missing_file_is_a_failure_at_every_look(tmp_path: Path, diff: Path) -> None:
    with pytest.raises(OperationError, match=r"gone\.diff: cannot be reviewed: No such file"):
        OPERATION.start(made(tmp_path, {"artifact": "gone.diff"}))
    one = made(tmp_path, {"artifact": "edge.diff"})
    first = waiting(OPERATION.start(one))
    diff.unlink()
    for look in (lambda: OPERATION.poll(one, first.handle), lambda: OPERATION.conclude(one, first.handle, YES)):
        with pytest.raises(OperationError, match="No such file"):
            look()


def test_what_is_no_file_or_too_large_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, diff: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name in ("fifo", "."):
        with pytest.raises(OperationError, match="cannot be reviewed"):
            OPERATION.start(made(tmp_path, {"artifact": name}))
    monkeypatch.setattr(review, "LARGEST", len(DIFF))
    waiting(OPERATION.start(made(tmp_path, {"artifact": "edge.diff"})))
    monkeypatch.setattr(review, "LARGEST", len(DIFF) - 1)
    with pytest.raises(OperationError, match="larger than"):
        OPERATION.start(made(tmp_path, {"artifact": "edge.diff"}))


@pytest.mark.parametrize(
    "args",
    [
        {"artifacts": []},
        {"artifacts": "edge.diff"},
        {"artifact": 5},
        {"artifact": {"name": "x"}},
        {"artifact": "a\0b"},
        {"artifact": ""},
    ],
)
def test_what_is_no_artifact_says_what_was_expected(tmp_path: Path, args: dict[str, Any]) -> None:
    with pytest.raises(OperationError, match=r"expected|cannot be reviewed"):
        OPERATION.start(made(tmp_path, args))


def test_two_files_of_one_name_are_refused(tmp_path: Path, diff: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "edge.diff").write_bytes(b"x")
    with pytest.raises(OperationError, match="same name"):
        OPERATION.start(made(tmp_path, {"artifacts": ["edge.diff", "sub/edge.diff"]}))


def test_one_of_artifact_and_artifacts_is_required(tmp_path: Path) -> None:
    for args in ({}, {"artifact": "a", "artifacts": ["b"]}):
        with pytest.raises(AuthorError, match="artifact"):
            made(tmp_path, args)


def test_a_dry_run_asks_nobody_and_needs_no_file(tmp_path: Path) -> None:
    outcome = OPERATION.start(made(tmp_path, {"artifact": "not-made-yet.diff", "groups": ["netops"]}, check=True))
    assert isinstance(outcome, Done)
    assert outcome.result["would_ask"]["groups"] == ["netops"]
    assert "not-made-yet.diff" in outcome.result["would_ask"]["title"]


def test_a_cancelled_review_leaves_nothing_undone(tmp_path: Path, diff: Path) -> None:
    one = made(tmp_path, {"artifact": "edge.diff"})
    outcome = OPERATION.cancel(one, waiting(OPERATION.start(one)).handle)
    assert isinstance(outcome, Failed)
    assert outcome.failure == CANCELLED
