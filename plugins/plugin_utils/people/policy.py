# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts and what is decided: rules over a question and its answers. Pure; the engine, the doors and rehearsals call it.

An answer is looked at twice. When it arrives, ``refusal`` says why it does not count; one that counts becomes an ``Answered`` event.
``judge`` then reads the accepted answers in the journal's order. It never looks at the clock to drop one of them: whether
an answer was in time was settled when it was accepted, so a replay or a clock that jumps cannot change a decision.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.durations import seconds
from ansible_collections.netops.changerail.plugins.module_utils.operation import Verdict
from ansible_collections.netops.changerail.plugins.module_utils.question import ASSURANCES, INTERVENTION, Question
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import Answered, BreakGlass
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import Who, plain


@dataclass(frozen=True)
class Offered:
    """An answer that arrived: to question id ``question``, by ``who``."""

    question: str
    choice: str
    who: Who
    comment: str = ""


@dataclass(frozen=True)
class Emergency:
    """A word of break-glass that arrived: at question id ``question`` by ``who``, and whether they hold the role for it at the server."""

    question: str
    who: Who
    reason: str
    on_call: bool


BREAK_GLASS = "break-glass"
"""Going on at an open approval or review in an emergency, without the answers it waits for: what is said in the place of a choice."""
_PAIR = 2
"""Different people who open a gate by break-glass."""
ASKED = "asked"
"""In an escalation level: those who may answer."""


@dataclass(frozen=True)
class Level:
    """Who is told (``to``: people, groups or channels, ``asked`` for those who may answer) when nobody has answered so long.

    ``after`` is in seconds and counts from the level before.
    """

    after: float
    to: tuple[str, ...]

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> Level:
        """The level of ``{after: 30m, to: [oncall]}`` in a step's ``escalate``; without ``after`` it is told at once. Raises AuthorError."""
        to = document.get("to", ())
        return cls(seconds(document.get("after", 0)), (to,) if isinstance(to, str) else tuple(to))


def refusal(
    question: Question | None,
    offered: Offered,
    accepted: Sequence[Answered | BreakGlass],
    now: float,
    requester_logins: Collection[str],
) -> str | None:
    """Why the answer does not count, as a sentence for its author; None when it does.

    ``question`` is what is asked at the step now, None when nothing is. ``accepted`` are the answers it has so far.
    ``requester_logins`` are the operating-system users the requester is known to have.
    """
    if question is None:
        return "nothing is asked here: the step is over, or has not come to its question yet"
    if offered.question != question.id:
        return "void: what is asked has changed since; look at it again and answer what is asked now"
    if offered.choice not in question.choices:
        return f"{offered.choice!r} is no answer to this question: expected one of {', '.join(question.choices)}"
    return (
        _late(question, accepted, now)
        or _not_entitled(question, offered.who)
        or _same_eyes(question, offered.who, requester_logins)
        or _unsure(question, offered.who)
        or _twice(offered, accepted)
        or _unsaid(question, offered)
    )


def break_glass_refusal(
    question: Question | None, said: Emergency, accepted: Sequence[Answered | BreakGlass], now: float
) -> str | None:
    """Why the word does not count, as ``refusal``. The requester's never does, whether the question wants four eyes or not."""
    if question is None or said.question != question.id:
        return refusal(question, Offered(said.question, "", said.who), accepted, now, ())
    if question.kind == INTERVENTION or question.opened_by:
        return "break-glass is for an approval or a review that a run waits for, not for this question: answer it"
    if not said.reason.strip():
        return "break-glass wants a reason: say what the emergency is"
    if said.who.assurance != "authenticated":
        return "only a server can vouch for break-glass: use its pages, or its API as the command line does with CHANGERAIL_SERVER"
    return (
        _late(question, accepted, now)
        or _no_part(question, said, accepted)
        or _same_eyes(replace(question, four_eyes=True), said.who, ())
        or _unsigned(question)
        or _unreviewable(question, said, accepted)
        or next((_twice_said(word) for word in words(question, accepted) if word.person == said.who.person), None)
    )


def opens(question: Question, accepted: Sequence[Answered | BreakGlass]) -> bool:
    """Whether one more word of break-glass, which counts, opens the gate."""
    return len(words(question, accepted)) + 1 >= _PAIR


def words(question: Question, accepted: Sequence[Answered | BreakGlass]) -> list[BreakGlass]:
    """What was said at the question by break-glass."""
    return [said for said in accepted if isinstance(said, BreakGlass) and said.question == question.id]


def judge(question: Question, answers: Sequence[Answered | BreakGlass], now: float) -> Verdict | None:
    """What people decided, or None while it is open. ``answers`` are the accepted ones in the journal's order; those to another question are void.

    ``quorum`` different people who approve decide; one who does not approve decides at once; at the deadline an open question is denied. Before any of
    that, two people who break the glass approve it.
    """
    counted: dict[str, Answered] = {}
    for answer in answers:
        if isinstance(answer, BreakGlass):
            if answer.question == question.id and answer.opens:
                return _opened(question, words(question, answers))
            continue
        if answer.question != question.id or answer.choice not in question.choices or answer.person in counted:
            continue
        counted[answer.person] = answer
        if answer.choice not in question.approving:
            return _verdict(
                answer.choice, False, counted, f"{answer.person}: {answer.choice}{_because(answer.comment)}"
            )
        if len(counted) >= question.quorum:
            return _verdict(answer.choice, True, counted, "")
    if question.deadline is not None and now >= question.deadline:
        denying = next((choice for choice in question.choices if choice not in question.approving), "")
        missing = "nobody decided" if not counted else f"only {len(counted)} of {question.quorum} decided"
        return _verdict(denying, False, counted, f"{missing} by {written(question.deadline)}")
    return None


def due_escalations(levels: Sequence[Level], asked_at: float, told: int, now: float) -> list[tuple[int, Level]]:
    """The levels whose time has come, with their numbers from 1. ``told`` is the highest level told already."""
    return [(number, level) for number, level, at in _times(levels, asked_at) if number > told and at <= now]


def next_time(question: Question, levels: Sequence[Level], asked_at: float, told: int) -> float | None:
    """When the engine must look at the question again by itself: the next escalation or the deadline; None when only an answer can move it."""
    times = [at for number, _level, at in _times(levels, asked_at) if number > told]
    if question.deadline is not None:
        times.append(question.deadline)
    return min(times, default=None)


def written(moment: float) -> str:
    """A point in time for people: ``2030-01-31 18:00:00 UTC``."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _late(question: Question, accepted: Sequence[Answered | BreakGlass], now: float) -> str | None:
    if judge(question, accepted, float("-inf")) is not None:
        return "the question is decided already"
    if question.deadline is not None and now >= question.deadline:
        return f"too late: the deadline was {written(question.deadline)}"
    return None


def _no_part(question: Question, said: Emergency, accepted: Sequence[Answered | BreakGlass]) -> str | None:
    """Why it is not for this person: the first word is for whoever holds the role, the second also for those who are asked."""
    if said.on_call:
        return None
    if not words(question, accepted):
        return f"{said.who.person} does not hold the role {BREAK_GLASS}, without which nobody begins; who is asked can answer"
    return _not_entitled(question, said.who)


def _not_entitled(question: Question, who: Who) -> str | None:
    if who.person in map(plain, question.opened_by):
        return f"{who.person} opened it by break-glass; somebody else of those asked must say whether that was right"
    if who.person in map(plain, question.people) or not who.groups.isdisjoint(map(plain, question.groups)):
        return None
    if question.people or question.groups:
        named = [*(f"group {group}" for group in question.groups), *question.people]
        return f"{who.person} is not entitled to answer: asked are {', '.join(named)}"
    return None if who.known else f"{who.person} is nobody the project file names"


def _same_eyes(question: Question, who: Who, requester_logins: Collection[str]) -> str | None:
    if not question.four_eyes or not question.requester:
        return None
    # A signature proves the person whatever login delivered it, and who accepts assertions accepts the name that is asserted:
    # only for an answer by login does the login tell who it is, even if the requester gave another name.
    by_own_login = who.assurance == "os_user" and who.os_user in requester_logins
    if who.person == plain(question.requester) or by_own_login:
        return f"{question.requester} requested this change; somebody else must answer (four eyes)"
    return None


def _unsure(question: Question, who: Who) -> str | None:
    if ASSURANCES.index(who.assurance) >= ASSURANCES.index(question.assurance):
        return None
    ways = {
        "os_user": "answer as your own operating-system user",
        "authenticated": "log in at the server, or sign the answer",
        "signed": "sign the answer with your SSH key",
    }
    return f"that it is {who.person} is only {who.assurance}; this question wants {question.assurance}: {ways[question.assurance]}"


def _twice(offered: Offered, accepted: Sequence[Answered | BreakGlass]) -> str | None:
    for answer in accepted:
        if isinstance(answer, Answered) and answer.question == offered.question and answer.person == offered.who.person:
            return f"{answer.person} has answered {answer.choice!r} already; one answer of each person counts, and the first stands"
    return None


def _unreviewable(question: Question, said: Emergency, accepted: Sequence[Answered | BreakGlass]) -> str | None:
    """Why nobody would be left to look at it afterwards, where those who are asked are people and no group."""
    passed_over = set(map(plain, question.people)) - {said.who.person, plain(question.requester)}
    passed_over -= {word.person for word in words(question, accepted)}
    if question.groups or not question.people or passed_over:
        return None
    return f"nobody would be left to review it: asked are {', '.join(question.people)}, and who is asked can answer"


def _unsigned(question: Question) -> str | None:
    if question.assurance != "signed":
        return None
    return "this question wants signed answers, and break-glass cannot be signed: only those asked can answer it"


def _twice_said(word: BreakGlass) -> str:
    return f"{word.person} has said so already; a second person must confirm it"


def _unsaid(question: Question, offered: Offered) -> str | None:
    if question.opened_by and not offered.comment.strip():
        return "this wants a comment: say what you looked at, and why it was right or not"
    return None


def _times(levels: Sequence[Level], asked_at: float) -> list[tuple[int, Level, float]]:
    times = itertools.accumulate((level.after for level in levels), initial=asked_at)
    return [
        (number, level, at)
        for number, (level, at) in enumerate(zip(levels, itertools.islice(times, 1, None), strict=True), 1)
    ]


def _because(comment: str) -> str:
    return f" ({comment})" if comment else ""


def _opened(question: Question, said: Sequence[BreakGlass]) -> Verdict:
    """Approved, though not by those who were asked."""
    choice = question.approving[0]
    answers = tuple(
        {
            "answer": word.answer,
            "person": word.person,
            "choice": choice,
            "comment": word.reason,
            "assurance": word.assurance,
            "groups": list(word.groups),
            "key": "",
            "at": word.at,
            "break_glass": word.role,
        }
        for word in said
    )
    who = " and ".join(f"{word.person}{_because(word.reason)}" for word in said)
    return Verdict(choice, True, answers, f"{BREAK_GLASS} of {who}", break_glass=True)


def _verdict(choice: str, approved: bool, counted: Mapping[str, Answered], reason: str) -> Verdict:
    answers = tuple(
        {
            "answer": answer.answer,
            "person": answer.person,
            "choice": answer.choice,
            "comment": answer.comment,
            "assurance": answer.assurance,
            "groups": list(answer.groups),
            "key": answer.key,
            "at": answer.at,
        }
        for answer in counted.values()
    )
    return Verdict(choice, approved, answers, reason)
