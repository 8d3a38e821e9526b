# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What operations that ask people have in common: their options, the question made of them, and how they wait. For approval and review."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.durations import moment
from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, OperationError
from ansible_collections.netops.changerail.plugins.module_utils.operation import JSON, Call, Context
from ansible_collections.netops.changerail.plugins.module_utils.question import ASSURANCES, Question

APPROVE = "approve"
DENY = "deny"

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "groups": {"type": "list", "elements": "str", "default": []},
    "people": {"type": "list", "elements": "str", "default": []},
    "quorum": {"type": "int", "default": 1},
    "four_eyes": {"type": "bool", "default": True},
    "deadline": {"type": "raw"},
    "assurance": {"type": "str", "choices": list(ASSURANCES)},
    "title": {"type": "str"},
    "message": {"type": "str", "default": "", "aliases": ["msg"]},
}
"""Who is asked, how many must approve, by when, how sure we must be who answers, and what they are told."""


def deadline(call: Call) -> float | None:
    """When an open question is denied (seconds since the epoch): the step's ``deadline``, else the project's default, else never.

    A duration counts from now, so an operation asks for this once, when it starts.
    """
    wanted = call.args.get("deadline")
    if wanted is None:
        wanted = _defaults(call.context).get("deadline")
    try:
        return None if wanted is None else moment(wanted, call.context.clock())
    except AuthorError as error:
        raise OperationError(f"deadline: {error}") from None


def question(
    call: Call,
    kind: str,
    title: str,
    until: float | None,
    subject: Mapping[str, str],
    show: Mapping[str, str] | None = None,
    text: str = "",
) -> Question:
    """The question that the options of ``call`` ask. ``text`` follows the step's own ``message``; ``subject`` and ``show`` as in Question."""
    args, context = call.args, call.context
    if args["quorum"] < 1:
        raise OperationError(f"quorum: {args['quorum']}; expected at least one person")
    # An answer to an earlier attempt must not decide a later one: the title makes it another question.
    again = f" (attempt {context.attempt})" if context.attempt > 1 else ""
    return Question(
        kind=kind,
        title=f"{args.get('title') or title}{again}",
        choices=(APPROVE, DENY),
        approving=(APPROVE,),
        groups=tuple(args["groups"]),
        people=tuple(args["people"]),
        quorum=args["quorum"],
        four_eyes=args["four_eyes"],
        requester=context.requester,
        assurance=args.get("assurance") or _defaults(context).get("assurance") or "os_user",
        deadline=until,
        text="\n".join(part for part in (args["message"], text) if part),
        subject=subject,
        show=show,
    )


def called(call: Call, otherwise: str) -> str:
    """The title of a question that has none of its own: what the step is called, else ``otherwise`` with the step's path."""
    return call.context.name or f"{otherwise}: {call.context.path}"


def review_called(call: Call, files: Iterable[str]) -> str:
    """As ``called``, of a review: with the names of its files."""
    shown = ", ".join(files)
    return f"{call.context.name}: {shown}" if call.context.name else called(call, f"Review of {shown}")


def unanswerable(asked: Question, context: Context) -> str:
    """Why too few people could ever approve, by the project's people and groups; "" when enough could, or when the project names nobody."""
    people, groups = context.settings.get("people") or {}, context.settings.get("groups") or {}
    if not people:
        return ""
    unknown = [f"group {name}" for name in asked.groups if name not in groups]
    unknown += [f"person {name}" for name in asked.people if name not in people]
    if unknown:
        return f"{', '.join(unknown)}: not in the project file (changerail.yml), so nobody could answer for them"
    named = {name for group in asked.groups for name in groups[group]} | set(asked.people)
    able = named if asked.groups or asked.people else set(people)
    if asked.four_eyes:
        able = able - {asked.requester}
    if len(able) >= asked.quorum:
        return ""
    besides = " beside the requester" if asked.four_eyes else ""
    return f"{asked.quorum} must approve, but only {len(able)} could{besides}: {', '.join(sorted(able)) or 'nobody'}"


def waited_for(asked: Question) -> str:
    """What a run waits for, in one line."""
    named = [*asked.groups, *asked.people]
    who = ", ".join(named) if named else "anybody known"
    count = f"{asked.quorum} of " if asked.quorum > 1 else ""
    until = "" if asked.deadline is None else f" until {datetime.fromtimestamp(asked.deadline, UTC):%Y-%m-%d %H:%M} UTC"
    return f"waiting for {count}{who} to answer{until}: {asked.title}"


def would_ask(asked: Question) -> dict[str, JSON]:
    """The result of a dry run."""
    return {"would_ask": {name: value for name, value in asked.as_dict().items() if name not in ("id", "deadline")}}


def _defaults(context: Context) -> Mapping[str, JSON]:
    defaults: Mapping[str, JSON] = context.settings.get("defaults") or {}
    return defaults


def names(answers: Sequence[Mapping[str, JSON]]) -> str:
    """The people who gave these answers of a Verdict."""
    return ", ".join(str(answer["person"]) for answer in answers)
