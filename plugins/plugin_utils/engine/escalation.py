# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling people of an open question: the same operation as a ``notify`` step, once for each level of escalation and each word of break-glass.
For the engine's thread."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.arguments import validated
from ansible_collections.netops.changerail.plugins.module_utils.errors import ChangerailError
from ansible_collections.netops.changerail.plugins.module_utils.files import write_json
from ansible_collections.netops.changerail.plugins.module_utils.operation import Call, Context, Failed, find
from ansible_collections.netops.changerail.plugins.module_utils.question import INTERVENTION
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import BreakGlass
from ansible_collections.netops.changerail.plugins.plugin_utils.core.state import Leaf
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.loop import Loop
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.prepare import Surroundings
from ansible_collections.netops.changerail.plugins.plugin_utils.people.policy import ASKED, Level

_LOG = logging.getLogger("changerail")


@dataclass(frozen=True)
class Notice:
    """Something people are told of an open question once: ``key`` names it among the question's, ``to`` is whom as in a ``Level``, ``said`` what there is
    to say beside what is asked, or ""."""

    key: str
    to: tuple[str, ...]
    said: str = ""


def of_level(number: int, level: Level, kind: str) -> Notice:
    """The notice of an escalation level of a question of this kind; ``number`` counts from 1."""
    return Notice(
        f"escalation-{number}", level.to, "Nobody has answered yet." if number > 1 or kind == INTERVENTION else ""
    )


def of_word(word: BreakGlass) -> Notice:
    """The notice of a word of break-glass, for those who are asked."""
    follows = (
        "With that it goes on. Once all is done you will be asked whether it was right."
        if word.opens
        else "It goes on when a second person confirms this. If it must not, deny it now."
    )
    said = f"BREAK-GLASS: {word.person} wants to go on without your answer: {word.reason}"
    return Notice(f"break-glass-{word.answer}", (ASKED,), f"{said}\n{follows}")


class Teller:
    """Sends notices; what they tell of is in the journal, that one failed goes to the log.

    A mark in the notice's folder says that it was done with. Whoever takes the run up tells all of an open question that lacks it again, so an
    engine that ends between the journal and the sending loses no message; what was sent to somebody already is not sent to them twice.

    A message says what is asked and how to answer, with the address of the question where a server has one. It holds nothing of a diff or an artifact:
    channels reach people who may not see those, and the page behind the address shows them to those who may.
    """

    def __init__(self, loop: Loop, surroundings: Surroundings) -> None:
        self._loop = loop
        self._around = surroundings

    def tell(self, leaf: Leaf, notice: Notice) -> None:
        """Notify the people, groups and channels of ``notice`` that the leaf's question waits."""
        if leaf.question is None:
            return
        message = {"title": f"{self._around.folder.run}: {leaf.question['title']}", "message": self._text(leaf, notice)}
        path = f"{leaf.path}#{notice.key}"
        context = self._around.context(path, leaf.attempt, self._around.folder.step(path, leaf.attempt))
        names = told(notice.to, leaf.question, self._around.settings)
        mark, question = context.folder / "told.json", {"question": leaf.question["id"], "asked_at": leaf.asked_at}

        def job() -> Callable[[], None]:
            if mark.exists() and json.loads(mark.read_bytes()) == question:
                return lambda: None
            # One by one: that somebody cannot be reached keeps nobody else from hearing of it.
            problems = [problem for name in names if (problem := _told({**message, "to": [name]}, context))]
            try:
                write_json(mark, question)
            except OSError as error:
                problems.append(f"{mark}: {error.strerror}; who was told may be told again by the next engine")
            return lambda: self._report(path, problems)

        self._loop.work(job)

    def _text(self, leaf: Leaf, notice: Notice) -> str:
        question, run = leaf.question or {}, self._around.folder.run
        address = self._around.link(leaf.path)
        lines = [
            leaf.message,
            notice.said,
            f"To answer: {address}" if address else "",
            f"{'Or' if address else 'To answer'}: changerail answer {run} {leaf.path} {'|'.join(question.get('choices', ()))}",
        ]
        return "\n".join(filter(None, lines))

    def _report(self, path: str, problems: Sequence[str]) -> None:
        for problem in problems:
            _LOG.warning("%s: could not be told: %s", path, problem)


def told(to: Sequence[str], question: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    """Whom ``to`` means: each name once, and in the place of ``asked`` the people who may answer the question and have not barred themselves."""
    names: dict[str, None] = {}
    groups: Mapping[str, Sequence[str]] = settings.get("groups") or {}
    for name in to:
        if name != ASKED:
            names[name] = None
            continue
        people = [person for group in question.get("groups") or () for person in groups.get(group, ())]
        barred = {question.get("requester")} if question.get("four_eyes") else set()
        barred |= set(question.get("opened_by") or ())
        names |= {person: None for person in (*people, *(question.get("people") or ())) if person not in barred}
    return list(names)


def _told(options: Mapping[str, Any], context: Context) -> str:
    """Send one message; what went wrong, or ""."""
    try:
        operation = find("operations", "notify")
        outcome = operation.start(Call(validated(operation, options), context))
        return outcome.message if isinstance(outcome, Failed) else ""
    except (ChangerailError, OSError) as error:
        return str(error)
