# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``changerail answer``: answer a question of a run, on a terminal after a look at what is asked about."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, RunError
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.files import write_diff
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.options import needed_run_argument
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.project import of_run, who_types
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.runs import History, current, find, history
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.sending import Sent, send
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.steps import named
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import clock, line, out, short, styled
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import command as typed
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import Answered, AnswerRefused, Event
from ansible_collections.netops.changerail.plugins.plugin_utils.people.answering import answer_item
from ansible_collections.netops.changerail.plugins.plugin_utils.people.showing import shown
from ansible_collections.netops.changerail.plugins.plugin_utils.views.waiting import OpenQuestion, open_questions
from ansible_collections.netops.changerail.plugins.plugin_utils.views.words import asked, duration

if TYPE_CHECKING:
    import click

_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
"""Names ssh-keygen gives to keys, in the order ``--sign`` looks for them."""


def command() -> click.Command:
    """The verb for click."""
    import click

    return click.Command(
        "answer",
        callback=answer,
        params=[
            needed_run_argument(),
            click.Argument(["words"], nargs=-1, metavar="[STEP] [CHOICE]"),
            click.Option(
                ["-m", "--message"],
                metavar="TEXT",
                help="Your comment; it goes into the journal and the change record.",
            ),
            click.Option(
                ["--as", "person"],
                default="",
                metavar="NAME",
                help="Your name in the project file, where it is not your login's.",
            ),
            click.Option(
                ["--sign"], is_flag=True, help="Sign with your SSH key (~/.ssh/id_ed25519, id_ecdsa or id_rsa)."
            ),
            click.Option(
                ["--key"], metavar="FILE", help="Sign with this SSH key; a .pub file names a key your agent holds."
            ),
        ],
        help="Answer the question at STEP of RUN with CHOICE. STEP may be left out when one question is open. "
        "Without CHOICE what is asked about is shown first, and then you are asked.",
    )


def answer(run: str, words: Sequence[str], message: str | None, person: str, sign: bool, key: str | None) -> int:
    """Send the answer and say whether it counts; returns 1 when it is refused."""
    past = history(find(run))
    signing_key = Path(key).expanduser() if key else _own_key() if sign else None
    question, choice = _chosen(open_questions(past.events), words, past.folder.run)
    if choice is None:
        choice, message = _asked_interactively(question, message)
    if signing_key is not None and not person:
        person = who_types(of_run(past)).person
    return _say(past, question, choice, _sent(past, question, choice, message or "", person, signing_key))


def answered(past: History, words: Sequence[str], comment: str, person: str) -> dict[str, Any]:
    """Send an answer for a playbook; ``words`` are as on the command line, with a choice.

    Returns the ``step`` it answers, why it is ``refused`` ("" when it is not), and ``counted``, which is False as long as the engine that
    drives the run has not said so. Raises AuthorError.
    """
    question, choice = _chosen(open_questions(past.events), words, past.folder.run)
    if choice is None:
        raise AuthorError(f"{question.path}: expected one of {', '.join(question.question.choices)}, got {words[-1]!r}")
    event = _sent(past, question, choice, comment, person, None).event
    reason = event.reason if isinstance(event, AnswerRefused) else ""
    return {"step": question.path, "counted": isinstance(event, Answered), "refused": reason}


def _sent(past: History, question: OpenQuestion, choice: str, comment: str, person: str, key: Path | None) -> Sent:
    item = answer_item(past.folder.run, question.path, question.question.id, choice, comment, person, time.time(), key)

    def became(event: Event) -> bool:
        return isinstance(event, (Answered, AnswerRefused)) and event.answer == item["id"]

    return send(past, item, became)


def _chosen(questions: Sequence[OpenQuestion], words: Sequence[str], run: str) -> tuple[OpenQuestion, str | None]:
    """The question meant and the choice, None when it is still to be made. Raises AuthorError."""
    if not questions:
        raise AuthorError(f"run {run} asks nothing at the moment: {typed('status', short(run))} shows how it stands")
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


def _at(questions: Sequence[OpenQuestion], step: str, run: str) -> OpenQuestion:
    path = named(step, (question.path for question in questions), run)
    return next(question for question in questions if question.path == path)


def _checked(question: OpenQuestion, choice: str) -> tuple[OpenQuestion, str]:
    if choice not in question.question.choices:
        raise AuthorError(
            f"{choice!r} is no answer to {question.path}: expected one of {', '.join(question.question.choices)}"
        )
    return question, choice


def _asked_interactively(question: OpenQuestion, message: str | None) -> tuple[str, str]:
    """Show what is asked, then ask for the choice and a comment."""
    import click

    choices = question.question.choices
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise AuthorError(f"{question.path}: name your choice, one of {', '.join(choices)}")
    _show(question)
    choice: str = click.prompt("Your answer", type=click.Choice(choices))
    if message is None:
        message = click.prompt("Comment", default="", show_default=False)
    return choice, message


def _show(question: OpenQuestion) -> None:
    asked_of = question.question
    console = out()
    console.print(
        styled(
            (line(asked_of.title), "bold"),
            (f"  asked {duration(time.time() - question.since)} ago of {line(asked(asked_of))}", "dim"),
        )
    )
    if asked_of.deadline is not None:
        console.print(styled((f"open until {clock(asked_of.deadline)}; then it is denied", "yellow")))
    if asked_of.text:
        console.print(styled(asked_of.text))
    for given in question.given:
        comment = f": {line(given.comment)}" if given.comment else ""
        console.print(styled((f"{line(given.person)}: {given.choice} ({given.assurance}){comment}", "magenta")))
    for name in asked_of.show or {}:
        console.print(styled((f"\n{line(name)}", "bold")))
        write_diff(shown(asked_of, name))
    console.print()


def _say(past: History, question: OpenQuestion, choice: str, sent: Sent) -> int:
    console = out()
    if isinstance(sent.event, AnswerRefused):
        console.print(styled(("refused: ", "bold red"), line(sent.event.reason)), soft_wrap=True)
        return 1
    if sent.event is None:
        console.print(
            styled(
                f"sent; {sent.driver} has not taken it up yet: {typed('show', short(past.folder.run), question.path)}"
            ),
            soft_wrap=True,
        )
        return 0
    approving = choice in question.question.approving
    quorum = question.question.quorum
    so_far = f" ({question.approvals + 1} of {quorum})" if approving and quorum > 1 else ""
    console.print(styled(("counted", "bold green"), so_far, f": {line(choice)}"), soft_wrap=True)
    # The engine that took the answer may be gone because the run is over.
    enough = not approving or question.approvals + 1 >= quorum
    if not sent.driver and enough and not current(past.folder).over:
        console.print(
            styled("nobody drives the run: ", (typed("resume", short(past.folder.run)), "bold"), " goes on with it"),
            soft_wrap=True,
        )
    return 0


def _own_key() -> Path:
    folder = Path.home() / ".ssh"
    for name in _KEYS:
        if (folder / name).is_file():
            return folder / name
    raise RunError(f"{folder}: no {' or '.join(_KEYS)}; name the key with --key")
