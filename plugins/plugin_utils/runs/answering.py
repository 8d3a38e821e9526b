# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which question somebody means, and what their answer becomes; for every door that takes answers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import Answered, AnswerRefused, Event
from ansible_collections.netops.changerail.plugins.plugin_utils.people.answering import answer_item
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import History
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.sending import Sent, send
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.steps import named
from ansible_collections.netops.changerail.plugins.plugin_utils.views.waiting import OpenQuestion


def chosen(questions: Sequence[OpenQuestion], words: Sequence[str], run: str) -> tuple[OpenQuestion, str | None]:
    """The question meant by ``[step] [choice]`` and the choice, None when it is still to be made. Raises AuthorError."""
    if not questions:
        raise AuthorError(f"run {run} asks nothing at the moment: 'changerail status {run}' shows how it stands")
    if len(words) > 2:
        raise AuthorError(f"{' '.join(words)!r}: expected a step and a choice; put a comment behind -m")
    if len(words) == 2:
        return _checked(_at(questions, words[0], run), words[1])
    if len(words) == 1 and len(questions) == 1 and words[0] in questions[0].question.choices:
        return questions[0], words[0]
    if len(words) == 1:
        return _at(questions, words[0], run), None
    if len(questions) > 1:
        raise AuthorError(
            f"run {run} asks several questions; name the step: {', '.join(question.path for question in questions)}"
        )
    return questions[0], None


def sent(past: History, question: OpenQuestion, choice: str, comment: str, person: str, key: Path | None) -> Sent:
    """Send the answer and wait a moment for what becomes of it. ``person`` and ``key`` are as in ``answer_item``. Raises what ``send`` raises."""
    item = answer_item(past.folder.run, question.path, question.question.id, choice, comment, person, time.time(), key)

    def became(event: Event) -> bool:
        return isinstance(event, (Answered, AnswerRefused)) and event.answer == item["id"]

    return send(past, item, became)


def _at(questions: Sequence[OpenQuestion], step: str, run: str) -> OpenQuestion:
    path = named(step, (question.path for question in questions), run)
    return next(question for question in questions if question.path == path)


def _checked(question: OpenQuestion, choice: str) -> tuple[OpenQuestion, str]:
    if choice not in question.question.choices:
        raise AuthorError(
            f"{choice!r} is no answer to {question.path}: expected one of {', '.join(question.question.choices)}"
        )
    return question, choice
