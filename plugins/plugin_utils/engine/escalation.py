# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling people of an escalation level: the same operation as a ``notify`` step, once for each level. For the engine's thread."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.arguments import validated
from ansible_collections.netops.changerail.plugins.module_utils.errors import ChangerailError
from ansible_collections.netops.changerail.plugins.module_utils.files import write_json
from ansible_collections.netops.changerail.plugins.module_utils.operation import Call, Context, Failed, find
from ansible_collections.netops.changerail.plugins.plugin_utils.core.state import Leaf
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.loop import Loop
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.prepare import Surroundings
from ansible_collections.netops.changerail.plugins.plugin_utils.people.policy import ASKED, Level

_LOG = logging.getLogger("changerail")


class Teller:
    """Sends the messages of an escalation level; that it was due is in the journal, that one failed goes to the log.

    A mark in the level's folder says that it was done with. Whoever takes the run up tells every level of an open question that lacks it again, so an
    engine that ends between the journal and the sending loses no message; what was sent to somebody already is not sent to them twice.

    A message says what is asked and how to answer, with the address of the question where a server has one. It holds nothing of a diff or an artifact:
    channels reach people who may not see those, and the page behind the address shows them to those who may.
    """

    def __init__(self, loop: Loop, surroundings: Surroundings) -> None:
        self._loop = loop
        self._around = surroundings

    def tell(self, leaf: Leaf, number: int, level: Level) -> None:
        """Notify the people, groups and channels of ``level`` that the leaf's question waits."""
        if leaf.question is None:
            return
        message = {"title": f"{self._around.folder.run}: {leaf.question['title']}", "message": self._text(leaf, number)}
        path = f"{leaf.path}#escalation-{number}"
        context = self._around.context(path, leaf.attempt, self._around.folder.step(path, leaf.attempt))
        names = told(level, leaf.question, self._around.settings)
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
            return lambda: self._report(leaf.path, number, problems)

        self._loop.work(job)

    def _text(self, leaf: Leaf, number: int) -> str:
        question, run = leaf.question or {}, self._around.folder.run
        address = self._around.link(leaf.path)
        lines = [
            leaf.message,
            "Nobody has answered yet." if number > 1 or question.get("kind") == "intervention" else "",
            f"To answer: {address}" if address else "",
            f"{'Or' if address else 'To answer'}: changerail answer {run} {leaf.path} {'|'.join(question.get('choices', ()))}",
        ]
        return "\n".join(filter(None, lines))

    def _report(self, path: str, number: int, problems: Sequence[str]) -> None:
        for problem in problems:
            _LOG.warning("%s: escalation level %d could not be told: %s", path, number, problem)


def told(level: Level, question: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    """Whom ``level`` means: each name once, and in the place of ``asked`` the people who may answer the question and have not barred themselves."""
    names: dict[str, None] = {}
    groups: Mapping[str, Sequence[str]] = settings.get("groups") or {}
    for name in level.to:
        if name != ASKED:
            names[name] = None
            continue
        people = [person for group in question.get("groups") or () for person in groups.get(group, ())]
        barred = question.get("requester") if question.get("four_eyes") else None
        names |= {person: None for person in (*people, *(question.get("people") or ())) if person != barred}
    return list(names)


def _told(options: Mapping[str, Any], context: Context) -> str:
    """Send one message; what went wrong, or ""."""
    try:
        operation = find("operations", "notify")
        outcome = operation.start(Call(validated(operation, options), context))
        return outcome.message if isinstance(outcome, Failed) else ""
    except (ChangerailError, OSError) as error:
        return str(error)
