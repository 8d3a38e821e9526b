"""What must hold for every sequence of answers: the policy by property, through the door the engine uses for answers and verdicts."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ansible_collections.netops.changerail.plugins.module_utils.operation import Verdict
from ansible_collections.netops.changerail.plugins.module_utils.question import ASSURANCES, Question
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import Answered
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import Who
from ansible_collections.netops.changerail.plugins.plugin_utils.people.policy import Offered, judge, refusal

DEADLINE = 100.0
PEOPLE = ("rita", "nina", "nora", "Jürgen", "o'neil", "otto")
GROUPS = ("netsec", "netops", "cab")

people = st.builds(
    Who,
    person=st.sampled_from(PEOPLE),
    assurance=st.sampled_from(ASSURANCES),
    os_user=st.sampled_from(PEOPLE),
    groups=st.frozensets(st.sampled_from(GROUPS)),
    known=st.booleans(),
)
questions = st.builds(
    Question,
    kind=st.just("approval"),
    title=st.sampled_from(("one", "another")),
    choices=st.just(("approve", "deny")),
    approving=st.just(("approve",)),
    groups=st.lists(st.sampled_from(GROUPS), max_size=2, unique=True).map(tuple),
    people=st.lists(st.sampled_from(PEOPLE), max_size=2, unique=True).map(tuple),
    quorum=st.integers(1, 3),
    four_eyes=st.booleans(),
    requester=st.sampled_from(("", "rita")),
    assurance=st.sampled_from(ASSURANCES),
    deadline=st.sampled_from((None, DEADLINE)),
)


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[Question, list[tuple[float, Offered]]]:
    """A question, and answers to it and to others in the order of time."""
    asked = draw(questions)
    # Mostly to this question and mostly approving, or nothing would ever be decided.
    ids = st.sampled_from((asked.id, asked.id, asked.id, "0" * 16))
    offers = st.builds(Offered, ids, st.sampled_from(("approve", "approve", "approve", "deny", "perhaps")), people)
    times = sorted(draw(st.lists(st.floats(0, 2 * DEADLINE), max_size=10)))
    return asked, [(at, draw(offers)) for at in times]


def run(
    asked: Question, offered: list[tuple[float, Offered]]
) -> tuple[list[tuple[float, Who, Answered]], Verdict | None]:
    """What an engine does: refuse or accept each answer as it comes, and judge after each."""
    accepted: list[tuple[float, Who, Answered]] = []
    for number, (at, offer) in enumerate(offered):
        events = [event for _at, _who, event in accepted]
        if refusal(asked, offer, events, at, {asked.requester}) is None:
            event = Answered(
                at,
                "step",
                offer.question,
                str(number),
                offer.choice,
                offer.who.person,
                sorted(offer.who.groups),
                offer.who.assurance,
            )
            accepted.append((at, offer.who, event))
            if (verdict := judge(asked, [*events, event], at)) is not None:
                return accepted, verdict
    last = offered[-1][0] if offered else 0.0
    return accepted, judge(asked, [event for _at, _who, event in accepted], last)


def entitled(asked: Question, who: Who) -> bool:
    """Said once more, in other words than the policy's."""
    if not asked.groups and not asked.people:
        return who.known
    return who.person in asked.people or any(group in asked.groups for group in who.groups)


@given(arrivals())
@settings(max_examples=250, deadline=None)
def test_never_approved_without_the_quorum_of_different_entitled_people(
    case: tuple[Question, list[tuple[float, Offered]]],
) -> None:
    asked, offered = case
    accepted, verdict = run(asked, offered)
    if verdict is None or not verdict.approved:
        return
    approving = {who.person for _at, who, event in accepted if event.choice == "approve" and entitled(asked, who)}
    assert len(approving) >= asked.quorum
    assert len(accepted) == len(approving)


@given(arrivals())
@settings(max_examples=250, deadline=None)
def test_the_requester_never_counts_under_four_eyes(case: tuple[Question, list[tuple[float, Offered]]]) -> None:
    asked, offered = case
    asked = replace(asked, four_eyes=True, requester="rita")
    offered = [(at, replace(offer, question=asked.id)) for at, offer in offered]
    accepted, verdict = run(asked, offered)
    for _at, who, _event in accepted:
        assert who.person != "rita"
        assert not (who.assurance == "os_user" and who.os_user == "rita")
    if verdict is not None:
        assert "rita" not in [answer["person"] for answer in verdict.answers]


@given(arrivals())
@settings(max_examples=250, deadline=None)
def test_nobody_counts_who_is_less_sure_than_the_question_wants(
    case: tuple[Question, list[tuple[float, Offered]]],
) -> None:
    asked, offered = case
    accepted, _verdict = run(asked, offered)
    assert all(ASSURANCES.index(who.assurance) >= ASSURANCES.index(asked.assurance) for _at, who, _event in accepted)


@given(arrivals(), st.floats(0, 1000))
@settings(max_examples=250, deadline=None)
def test_the_deadline_never_approves(case: tuple[Question, list[tuple[float, Offered]]], later: float) -> None:
    asked, offered = case
    asked = replace(asked, deadline=DEADLINE)
    accepted, verdict = run(asked, offered)
    assert all(at < DEADLINE for at, _who, _event in accepted)
    events = [event for _at, _who, event in accepted]
    before = judge(asked, events, 0.0)
    after = judge(asked, events, DEADLINE + later)
    assert after is not None
    if before is None:
        assert not after.approved
    else:
        assert after == before
    assert verdict is None or verdict.approved <= after.approved


@given(questions, st.lists(st.sampled_from(PEOPLE[1:]), min_size=1, unique=True), st.randoms())
@settings(max_examples=200, deadline=None)
def test_the_order_in_which_different_people_approve_changes_nothing(
    asked: Question, who: list[str], random: object
) -> None:
    def answers(names: list[str]) -> list[Answered]:
        return [Answered(1.0, "step", asked.id, name, "approve", name, (), "os_user") for name in names]

    shuffled = list(who)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = judge(asked, answers(who), 0.0), judge(asked, answers(shuffled), 0.0)
    assert (one is None) == (other is None) == (len(who) < asked.quorum)
    if one is not None and other is not None:
        assert (
            (one.choice, one.approved, one.reason)
            == (other.choice, other.approved, other.reason)
            == ("approve", True, "")
        )


@given(arrivals(), st.sampled_from(("title", "subject", "requester", "quorum")))
@settings(max_examples=200, deadline=None)
def test_answers_to_what_was_asked_before_never_count(
    case: tuple[Question, list[tuple[float, Offered]]], what: str
) -> None:
    asked, offered = case
    assume(offered)
    changes = {
        "title": "now this",
        "subject": {"edge.diff": "f" * 64},
        "requester": "somebody else",
        "quorum": asked.quorum + 1,
    }
    changed = replace(asked, **{what: changes[what]})
    assert changed.id != asked.id
    accepted, _verdict = run(asked, offered)
    assert judge(changed, [event for _at, _who, event in accepted], 0.0) is None
    void, verdict = run(changed, offered)
    assert void == []
    assert verdict is None or not verdict.approved


@given(arrivals(), st.data())
@settings(max_examples=200, deadline=None)
def test_an_answer_that_is_delivered_again_changes_nothing(
    case: tuple[Question, list[tuple[float, Offered]]], data: st.DataObject
) -> None:
    asked, offered = case
    assume(offered)
    again = data.draw(st.integers(0, len(offered) - 1))
    doubled = [*offered[: again + 1], offered[again], *offered[again + 1 :]]
    once, verdict = run(asked, offered)
    twice, same = run(asked, doubled)
    assert [who for _at, who, _event in once] == [who for _at, who, _event in twice]
    assert (verdict and (verdict.choice, verdict.reason)) == (same and (same.choice, same.reason))
