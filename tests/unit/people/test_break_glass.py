"""Which words of break-glass count, by whom and at what; and what the review that follows asks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.netops.changerail.plugins.module_utils.question import Question
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import Answered, BreakGlass
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import Who
from ansible_collections.netops.changerail.plugins.plugin_utils.people.policy import (
    Emergency,
    break_glass_refusal,
    judge,
    opens,
)

ASKED = Question(
    "approval", "Go?", ("approve", "deny"), ("approve",), groups=("neteng",), requester="rita", deadline=100.0
)
ALONE = replace(ASKED, groups=(), people=("ann",))


def who(name: str, assurance: str = "authenticated", groups: tuple[str, ...] = ()) -> Who:
    return Who(name, assurance, "", frozenset(groups))


def word(question: Question, name: str, opened: bool = False) -> BreakGlass:
    return BreakGlass(1.0, "ask", question.id, f"item-{name}", name, "authenticated", [], "down", "break-glass", opened)


OLGA = Emergency(ASKED.id, who("olga"), "the core is down", True)


@pytest.mark.parametrize(
    ("question", "said", "before", "why"),
    [
        (ASKED, OLGA, (), ""),
        (ASKED, replace(OLGA, who=who("ivan")), (word(ASKED, "olga"),), ""),
        (ASKED, replace(OLGA, who=who("ann", groups=("neteng",)), on_call=False), (word(ASKED, "olga"),), ""),
        (ASKED, OLGA, (word(ASKED, "olga"),), "olga has said so already"),
        (ASKED, replace(OLGA, reason=" \n"), (), "wants a reason"),
        (ASKED, replace(OLGA, question="other"), (), "what is asked has changed"),
        (None, OLGA, (), "nothing is asked here"),
        (ASKED, replace(OLGA, who=who("ann", groups=("neteng",)), on_call=False), (), "does not hold the role break-glass"),
        (ASKED, replace(OLGA, who=who("otto"), on_call=False), (word(ASKED, "olga"),), "not entitled"),
        # Who requested it never, whether the gate wants four eyes or not.
        (replace(ASKED, four_eyes=False), replace(OLGA, who=who("rita")), (), "rita requested this change"),
        *((ASKED, replace(OLGA, who=who("olga", way)), (), "only a server can vouch") for way in ("asserted", "os_user", "signed")),
        (replace(ASKED, kind="intervention"), OLGA, (), "not for this question"),
        (replace(ASKED, opened_by=("eve", "ivan")), OLGA, (), "not for this question"),
        (replace(ASKED, assurance="signed"), OLGA, (), "wants signed answers"),
        (ASKED, OLGA, (word(ASKED, "eve"), word(ASKED, "ivan", True)), "decided already"),
        # Somebody must be left to review it: of people, those who are asked and are none of the two, nor the requester.
        (ALONE, OLGA, (), ""),
        (ALONE, replace(OLGA, who=who("ann")), (), "nobody would be left to review it: asked are ann"),
        (ALONE, replace(OLGA, who=who("ann"), on_call=False), (word(ALONE, "olga"),), "nobody would be left"),
        (replace(ALONE, people=("rita",)), OLGA, (), "nobody would be left"),
        (replace(ALONE, people=("ann", "ben")), replace(OLGA, who=who("ann")), (), ""),
        (replace(ALONE, people=()), OLGA, (), ""),
    ],
)  # fmt: skip
def test_what_counts(question: Question | None, said: Emergency, before: tuple[BreakGlass, ...], why: str) -> None:
    if question is not None and said.question == ASKED.id:
        said = replace(said, question=question.id)
        before = tuple(replace(one, question=question.id) for one in before)
    refused = break_glass_refusal(question, said, before, 50.0)
    assert (refused is None) if not why else (refused is not None and why in refused)


def test_too_late_or_denied() -> None:
    assert "too late" in str(break_glass_refusal(ASKED, OLGA, (), 100.0))
    denied = Answered(1.0, "ask", ASKED.id, "a", "deny", "ann", ["neteng"], "authenticated")
    assert "decided already" in str(break_glass_refusal(ASKED, OLGA, (denied,), 50.0))


def test_two_open_it_and_one_does_not() -> None:
    one, two = word(ASKED, "olga"), word(ASKED, "ivan", True)
    assert not opens(ASKED, ()) and opens(ASKED, (one,))
    assert judge(ASKED, (one,), 50.0) is None
    verdict = judge(ASKED, (one, two), 50.0)
    assert verdict is not None and verdict.approved and verdict.break_glass
    assert verdict.reason == "break-glass of olga (down) and ivan (down)"
