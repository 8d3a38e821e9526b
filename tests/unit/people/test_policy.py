"""The rules over a question and its answers, by example."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.netops.changerail.plugins.module_utils.question import Question
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import Answered
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import Who
from ansible_collections.netops.changerail.plugins.plugin_utils.people.policy import (
    Level,
    Offered,
    due_escalations,
    judge,
    next_time,
    refusal,
)

NETSEC = Question(
    "approval",
    "Security review",
    choices=("approve", "deny"),
    approving=("approve",),
    groups=("netsec",),
    requester="rita",
    deadline=1000.0,
)


def who(person: str, *groups: str, assurance: str = "os_user", os_user: str = "", known: bool = True) -> Who:
    return Who(person, assurance, os_user or person, frozenset(groups), known)


def offer(person: str, choice: str = "approve", question: Question = NETSEC, **more: str) -> Offered:
    return Offered(question.id, choice, who(person, "netsec", **more))


def answered(
    person: str, choice: str = "approve", question: Question = NETSEC, at: float = 1.0, comment: str = ""
) -> Answered:
    return Answered(at, "review", question.id, f"{person}-{at}", choice, person, ("netsec",), "os_user", comment)


def refused(
    offered: Offered,
    *accepted: Answered,
    question: Question | None = NETSEC,
    now: float = 10.0,
    logins: tuple[str, ...] = ("rita",),
) -> str:
    reason = refusal(question, offered, accepted, now, logins)
    assert reason is not None
    return reason


def test_a_member_of_the_group_counts() -> None:
    assert refusal(NETSEC, offer("nina"), (), 10.0, ("rita",)) is None


def test_a_named_person_counts_without_a_group() -> None:
    named = replace(NETSEC, groups=(), people=("Jürgen O'Neil",))
    assert refusal(named, Offered(named.id, "approve", who("Jürgen O'Neil")), (), 10.0, ()) is None


def test_names_are_the_same_in_both_spellings_of_an_umlaut() -> None:
    named = replace(NETSEC, groups=(), people=("Ju\u0308rgen",))
    assert refusal(named, Offered(named.id, "deny", who("J\u00fcrgen")), (), 10.0, ()) is None


def test_somebody_outside_of_the_group_is_told_who_is_asked() -> None:
    reason = refused(Offered(NETSEC.id, "approve", who("otto", "netops")))
    assert "otto" in reason
    assert "group netsec" in reason


def test_an_answer_where_nothing_is_asked_is_refused() -> None:
    assert "the step is over" in refused(offer("nina"), question=None)


def test_an_answer_to_what_was_asked_before_is_void() -> None:
    changed = replace(NETSEC, subject={"edge.diff": "0" * 64})
    assert refused(offer("nina"), question=changed).startswith("void")


def test_a_choice_that_was_not_offered_is_refused() -> None:
    assert "expected one of approve, deny" in refused(offer("nina", "Approve"))


def test_the_requester_may_not_answer() -> None:
    assert "four eyes" in refused(offer("rita"))


def test_the_requester_may_not_even_deny() -> None:
    assert "four eyes" in refused(offer("rita", "deny"))


def test_the_requester_is_known_by_login_when_another_name_was_given_at_the_start() -> None:
    asked_as_bob = replace(NETSEC, requester="bob")
    assert "four eyes" in refused(
        offer("rita", question=asked_as_bob, os_user="rlogin"), question=asked_as_bob, logins=("bob", "rlogin")
    )


def test_the_requester_may_answer_where_four_eyes_are_not_wanted() -> None:
    alone = replace(NETSEC, four_eyes=False)
    assert refusal(alone, offer("rita", question=alone), (), 10.0, ("rita",)) is None


def test_a_signature_from_the_requesters_login_is_its_signers() -> None:
    assert refusal(NETSEC, offer("nina", assurance="signed", os_user="rita"), (), 10.0, ("rita",)) is None


def test_an_assertion_does_not_count() -> None:
    assert "asserted" in refused(offer("nina", assurance="asserted", os_user="rita"))


def test_an_assertion_counts_where_the_question_accepts_it() -> None:
    trusting = replace(NETSEC, assurance="asserted")
    assert (
        refusal(trusting, offer("nina", question=trusting, assurance="asserted", os_user="rita"), (), 10.0, ("rita",))
        is None
    )


def test_who_accepts_assertions_still_keeps_the_requesters_login_out() -> None:
    trusting = replace(NETSEC, assurance="asserted")
    assert "four eyes" in refused(offer("rita", question=trusting), question=trusting)


@pytest.mark.parametrize("assurance", ["asserted", "os_user", "authenticated"])
def test_a_question_may_demand_a_signature(assurance: str) -> None:
    strict = replace(NETSEC, assurance="signed")
    assert "sign the answer" in refused(offer("nina", question=strict, assurance=assurance), question=strict)
    assert refusal(strict, offer("nina", question=strict, assurance="signed"), (), 10.0, ()) is None


def test_a_second_answer_of_a_person_is_refused_and_the_first_named() -> None:
    two = replace(NETSEC, quorum=2)
    first = answered("nina", question=two)
    assert "nina has answered 'approve' already" in refused(offer("nina", "deny", question=two), first, question=two)
    assert "the first stands" in refused(offer("nina", question=two), first, question=two)


def test_an_answer_after_the_decision_is_refused() -> None:
    assert "decided already" in refused(offer("nora"), answered("nina"))


def test_an_answer_at_the_deadline_is_too_late() -> None:
    assert refusal(NETSEC, offer("nina"), (), 999.9, ()) is None
    assert "too late" in refused(offer("nina"), now=1000.0)


def test_anybody_known_may_answer_a_question_to_nobody_in_particular() -> None:
    anybody = replace(NETSEC, groups=())
    assert refusal(anybody, Offered(anybody.id, "approve", who("otto")), (), 10.0, ()) is None
    assert "nobody the project file names" in refused(
        Offered(anybody.id, "approve", who("otto", known=False)), question=anybody
    )


def test_one_approval_decides_when_one_is_enough() -> None:
    verdict = judge(NETSEC, [answered("nina", comment="looks right")], 10.0)
    assert verdict is not None
    assert (verdict.choice, verdict.approved) == ("approve", True)
    assert verdict.answers[0]["person"] == "nina"
    assert verdict.answers[0]["comment"] == "looks right"


def test_one_denial_decides_at_once_and_says_who_and_why() -> None:
    three = replace(NETSEC, quorum=3)
    verdict = judge(
        three, [answered("nina", question=three), answered("nora", "deny", three, comment="wrong site")], 10.0
    )
    assert verdict is not None
    assert (verdict.choice, verdict.approved) == ("deny", False)
    assert verdict.reason == "nora: deny (wrong site)"
    assert [answer["person"] for answer in verdict.answers] == ["nina", "nora"]


def test_the_quorum_is_of_different_people() -> None:
    two = replace(NETSEC, quorum=2)
    assert judge(two, [answered("nina", question=two), answered("nina", question=two, at=2.0)], 10.0) is None
    assert judge(two, [answered("nina", question=two), answered("nora", question=two)], 10.0) is not None


def test_of_two_answers_of_a_person_in_a_journal_the_first_stands() -> None:
    two = replace(NETSEC, quorum=2)
    assert judge(two, [answered("nina", question=two), answered("nina", "deny", two, at=2.0)], 10.0) is None


def test_at_the_deadline_an_open_question_is_denied_with_the_time() -> None:
    assert judge(NETSEC, [], 999.9) is None
    verdict = judge(NETSEC, [], 1000.0)
    assert verdict is not None
    assert (verdict.choice, verdict.approved) == ("deny", False)
    assert verdict.reason == "nobody decided by 1970-01-01 00:16:40 UTC"


def test_what_was_decided_before_the_deadline_stands_when_it_is_read_after_it() -> None:
    verdict = judge(NETSEC, [answered("nina")], 5000.0)
    assert verdict is not None
    assert verdict.approved


def test_half_a_quorum_at_the_deadline_is_denied() -> None:
    two = replace(NETSEC, quorum=2)
    verdict = judge(two, [answered("nina", question=two)], 1000.0)
    assert verdict is not None
    assert not verdict.approved
    assert "only 1 of 2 decided" in verdict.reason


def test_an_intervention_is_decided_by_whatever_is_chosen() -> None:
    asked = Question("intervention", "Deploy failed", ("retry", "skip", "abort"), ("retry", "skip"), four_eyes=False)
    for choice, approved in (("retry", True), ("skip", True), ("abort", False)):
        verdict = judge(asked, [answered("nina", choice, asked)], 10.0)
        assert verdict is not None
        assert (verdict.choice, verdict.approved) == (choice, approved)


LEVELS = (Level(60.0, ("oncall",)), Level(120.0, ("lead", "cab")))


def test_each_level_is_told_after_its_time_counted_from_the_level_before() -> None:
    assert due_escalations(LEVELS, 100.0, 0, 159.9) == []
    assert due_escalations(LEVELS, 100.0, 0, 160.0) == [(1, LEVELS[0])]
    assert due_escalations(LEVELS, 100.0, 1, 279.9) == []
    assert due_escalations(LEVELS, 100.0, 1, 280.0) == [(2, LEVELS[1])]
    assert due_escalations(LEVELS, 100.0, 2, 9999.0) == []


def test_a_level_as_a_workflow_writes_it() -> None:
    assert Level.from_mapping({"after": "30m", "to": ["oncall", "lead"]}) == Level(1800.0, ("oncall", "lead"))
    assert Level.from_mapping({"to": "oncall"}) == Level(0.0, ("oncall",))


def test_levels_that_came_due_while_no_engine_ran_are_told_together() -> None:
    assert due_escalations(LEVELS, 100.0, 0, 9999.0) == [(1, LEVELS[0]), (2, LEVELS[1])]


def test_the_next_look_is_at_the_next_level_or_the_deadline() -> None:
    assert next_time(NETSEC, LEVELS, 100.0, 0) == 160.0
    assert next_time(NETSEC, LEVELS, 100.0, 1) == 280.0
    assert next_time(NETSEC, LEVELS, 100.0, 2) == 1000.0
    assert next_time(replace(NETSEC, deadline=None), (), 100.0, 0) is None
