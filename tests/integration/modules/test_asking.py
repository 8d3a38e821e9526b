# People asked from a plain playbook: review and approval without a workflow, answered as any run is. Run by pytest.
from __future__ import annotations

import threading
from pathlib import Path

import pytest
from support.calls import eventually

from ansible_collections.netops.changerail.plugins.plugin_utils import api

REVIEW = "netops.changerail.review"
APPROVAL = "netops.changerail.approval"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def diff(tmp_path: Path) -> Path:
    path = tmp_path / "edge.diff"
    path.write_text("+ network 203.0.113.0/24\n")
    return path


def test_the_same_diff_is_reviewed_once_and_another_one_anew(play, diff, home):
    task = {REVIEW: {"artifact": "edge.diff", "four_eyes": False, "key": "net 7", "wait": False}}
    asked = play(task, arguments=("--diff",))
    assert "+ network 203.0.113.0/24" in asked.printed
    assert (asked.one["finished"], asked.one["changed"]) == (False, False)
    assert "edge.diff" in asked.one["waiting_for"]
    run = asked.one["run"]
    assert play(task).one["run"] == run

    api.answer(run, "approve", comment="{{ fine }}", home=home)
    first, second = play(task, task).results
    assert first == second
    assert (first["finished"], first["decision"], first["answers"][0]["comment"]) == (True, "approve", "{{ fine }}")
    assert Path(first["artifacts"]["edge.diff"]["path"]).read_text() == "+ network 203.0.113.0/24\n"

    diff.write_text("+ network 0.0.0.0/0\n")
    anew = play(task).one
    assert (anew["finished"], anew["run"]) == (False, f"{run}-2")


def test_an_answer_does_not_hold_for_a_file_that_changed_meanwhile(play, diff, home):
    task = {REVIEW: {"artifacts": ["edge.diff"], "four_eyes": False, "wait": False}}
    asked = play(task).one
    diff.write_text("+ network 0.0.0.0/0\n")
    api.answer(asked["run"], "approve", home=home)
    later = {REVIEW: {**task[REVIEW], "handle": asked["handle"]}}
    looked = play(later).one
    assert (looked["finished"], looked["run"]) == (False, asked["run"])
    api.answer(asked["run"], "approve", home=home)
    assert play(later).one["finished"] is True


def test_a_task_waits_for_the_answer_and_shows_what_it_waits_for(play, diff, home):
    found = []
    task = {APPROVAL: {"title": "May it go on?", "four_eyes": False, "key": "NET-8", "timeout": "60s"}}
    waiting = threading.Thread(target=lambda: found.append(play(task, arguments=("-v",))))
    waiting.start()

    def answered() -> bool:
        questions = api.questions("approval-NET-8", home=home) if "approval-NET-8" in _runs(home) else ()
        return bool(questions) and api.answer("approval-NET-8", "approve", home=home).counted

    eventually(answered, 60)
    waiting.join(60)
    (played,) = found
    assert (played.one["finished"], played.one["decision"]) == (True, "approve")
    assert "May it go on?" in played.printed


def _runs(home: Path) -> list[str]:
    return [run.run for run in api.runs(home=home)]


def test_a_denial_fails_the_task_and_the_next_one_asks_again(play, home):
    task = {APPROVAL: {"key": "NET-9", "four_eyes": False, "wait": False, "subject": {"prefix": "203.0.113.0/24"}}}
    run = play(task).one["run"]
    api.answer(run, "deny", comment="too wide", home=home)
    handle = {"operation": "approval", "key": run, "at": {"run": run}}
    denied, again = play({APPROVAL: {**task[APPROVAL], "handle": handle}}, task).results
    assert (denied["failed"], denied["failure"], denied["decision"]) == (True, "rejected", "deny")
    assert "too wide" in denied["msg"]
    assert (again["finished"], again["run"]) == (False, f"{run}-2")


def test_a_question_about_something_else_takes_the_place_of_one_that_is_open(play, home):
    """Else whoever approves what was asked first would approve the second with it."""
    task = {"key": "NET-10", "four_eyes": False, "wait": False}
    first = play({APPROVAL: {**task, "subject": {"prefix": "203.0.113.0/24"}}}).one["run"]
    other = {APPROVAL: {**task, "subject": {"prefix": "0.0.0.0/0"}}}
    asked = play(other).one
    assert (asked["run"], asked["finished"]) == (f"{first}-2", False)
    assert api.status(first, home=home).state == "cancelled"
    assert play(other).one["run"] == asked["run"]


def test_a_review_of_a_file_elsewhere_takes_the_place_of_one_that_is_open(play, diff, home):
    task = {"key": "NET-11", "four_eyes": False, "wait": False}
    first = play({REVIEW: {**task, "artifact": "edge.diff"}}).one["run"]
    copy = diff.with_name("copy")
    copy.mkdir()
    (copy / "edge.diff").write_text("+ network 0.0.0.0/0\n")
    asked = play({REVIEW: {**task, "artifact": "copy/edge.diff"}}).one
    assert (asked["run"], asked["finished"]) == (f"{first}-2", False)
    assert api.status(first, home=home).state == "cancelled"


def test_what_one_group_approved_another_has_not(play, home):
    """Two gates of one change have one key."""
    task = {"key": "NET-12", "four_eyes": False, "wait": False}
    first = play({APPROVAL: task}).one
    other = {APPROVAL: {**task, "quorum": 2}}
    second = play(other).one
    assert (second["run"], second["finished"]) == (f"{first['run']}-2", False)
    assert api.status(first["run"], home=home).state == "waiting", "both are asked"
    api.answer(first["run"], "approve", home=home)
    done, open_still, wrong = play(
        {APPROVAL: task}, other, {APPROVAL: {**other[APPROVAL], "handle": first["handle"]}}
    ).results
    assert (done["run"], done["finished"]) == (first["run"], True)
    assert (open_still["run"], open_still["finished"]) == (second["run"], False)
    assert "asks about something else than this task, or somebody else" in wrong["msg"]


def test_nobody_decided_in_time_and_the_question_stays_open(play, home):
    late, wrong = play(
        {APPROVAL: {"four_eyes": False, "timeout": "2s"}},
        {APPROVAL: {"handle": {"operation": "review", "at": {"run": "x"}}}},
    ).results
    assert (late["failed"], late["failure"], late["finished"]) == (True, "timeout", False)
    assert f"changerail answer {late['run']}" in late["msg"]
    assert late["handle"]["at"] == {"run": late["run"]}
    assert api.questions(late["run"], home=home)
    assert "expected what an approval task with wait=false returned" in wrong["msg"]


def test_check_mode_asks_nobody(play, diff, home):
    would, also = play(
        {REVIEW: {"artifact": "edge.diff", "groups": ["netops"]}},
        {APPROVAL: {"people": ["anna"]}},
        arguments=("--check",),
    ).results
    assert (would["would_ask"]["groups"], list(would["would_ask"]["subject"])) == (["netops"], ["edge.diff"])
    assert also["would_ask"]["people"] == ["anna"]
    assert not home.exists()


def test_a_file_that_is_not_there_is_named(play):
    failed = play({REVIEW: {"artifact": "nothing.diff"}}).one
    assert "nothing.diff: cannot be reviewed: No such file or directory" in failed["msg"]
