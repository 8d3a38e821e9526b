"""Break-glass through the engine, in virtual time: two people open a gate, and the run ends only once those it had asked have looked."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.rehearsal import Rehearsal, rehearse
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project
from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import summary
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.scenario_file import load

FLOW = """
name: Widen the prefix list
steps:
  - {id: ask, netops.changerail.approval: {groups: [neteng], deadline: 2h}}
  - {id: act, ansible.builtin.command: "true"}
"""
ANN = "{answer: break-glass, by: ann, comment: the core is down}"
BEN = "{answer: break-glass, by: ben, comment: seen it, after: 5m}"


def rehearsed(folder: Path, *answers: str, act: str = "done", more: str = "") -> Rehearsal:
    (folder / "change.yml").write_text(FLOW)
    said = "".join(f"\n      - {answer}" for answer in answers)
    text = f"workflow: change.yml\nrequester: rita\nsteps:\n  ask:\n    answers:{said}\n  act: {act}\n{more}"
    (folder / "scenario.yml").write_text(text)
    return rehearse(load(folder / "scenario.yml"), Project())


def kinds(rehearsal: Rehearsal, kind: type) -> list:
    return [event for event in rehearsal.events if isinstance(event, kind)]


def ending(rehearsal: Rehearsal) -> tuple[str, str]:
    (over,) = kinds(rehearsal, e.RunFinished)
    return over.status, over.message


@pytest.mark.parametrize("act", ["done", "failed"])
def test_the_run_ends_after_the_review_whatever_it_came_to(tmp_path: Path, act: str) -> None:
    review = "{answer: accepted, by: cleo, comment: it was right, after: 1d}"
    came = rehearsed(tmp_path, ANN, BEN, review, act=act)
    first, second = kinds(came, e.BreakGlass)
    assert (first.person, first.opens, second.person, second.opens) == ("ann", False, "ben", True)
    (gate, _act) = kinds(came, e.StepFinished)
    assert gate.message == "approve by break-glass of ann (the core is down) and ben (seen it)"
    (outcome,) = kinds(came, e.BreakGlassReviewed)
    assert (outcome.outcome, outcome.message) == ("accepted", "cleo: it was right")
    assert ending(came)[0] == ("succeeded" if act == "done" else "failed")
    assert came.ended - came.scenario.begins >= 86400
    (broken,) = summary(came.events).break_glass
    assert broken.state == "accepted" and "opened by ann" in str(broken)


def test_refused_afterwards_is_failed(tmp_path: Path) -> None:
    came = rehearsed(tmp_path, ANN, BEN, "{answer: refused, by: cleo, comment: no emergency}")
    assert ending(came) == ("failed", "ask: break-glass was not accepted afterwards: cleo: no emergency")


def test_nobody_who_opened_it_reviews_it_and_unreviewed_is_failed(tmp_path: Path) -> None:
    came = rehearsed(tmp_path, ANN, BEN, "{answer: accepted, by: ann, comment: fine}")
    (refused,) = kinds(came, e.AnswerRefused)
    assert "ann opened it by break-glass" in refused.reason
    assert ending(came)[0] == "failed" and "was not reviewed afterwards" in ending(came)[1]


def test_a_cancel_does_not_replace_the_review(tmp_path: Path) -> None:
    cancel = "cancel: {after: 1h, by: rita, reason: never mind}\n"
    came = rehearsed(tmp_path, ANN, BEN, "{answer: accepted, by: cleo, comment: ok, after: 1d}", more=cancel)
    assert ending(came) == ("succeeded", "")


@pytest.mark.parametrize(
    ("second", "why"),
    [
        ("{answer: break-glass, by: ann, comment: again, after: 5m}", "ann has said so already"),
        ("{answer: break-glass, by: ben, after: 5m}", "wants a reason"),
        ("{answer: break-glass, by: rita, comment: mine, after: 5m}", "rita requested this change"),
        ("{answer: break-glass, by: ben, comment: late, after: 3h}", "the step is over"),
    ],
)
def test_one_word_alone_changes_nothing_and_the_deadline_denies(tmp_path: Path, second: str, why: str) -> None:
    came = rehearsed(tmp_path, ANN, second)
    assert [event.opens for event in kinds(came, e.BreakGlass)] == [False]
    assert ending(came)[0] == "failed"
    assert not kinds(came, e.BreakGlassReviewed)
    if "after: 3h" not in second:
        assert [why in event.reason for event in kinds(came, e.AnswerRefused)] == [True]


def test_a_denial_before_the_second_word_decides(tmp_path: Path) -> None:
    came = rehearsed(tmp_path, ANN, "{answer: deny, by: cleo, comment: no}", BEN)
    assert ending(came)[0] == "failed" and not kinds(came, e.BreakGlassReviewAsked)
