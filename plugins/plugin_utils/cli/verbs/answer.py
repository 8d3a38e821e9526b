# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``changerail answer``: answer a question of a run, on a terminal after a look at what is asked about."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, RunError
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.files import write_diff
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.options import needed_run_argument
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import clock, line, out, short, styled
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import command as typed
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.answering import chosen
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import History
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.places import Place, of_environment
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.sending import Became
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
                ["--break-glass", "emergency"],
                is_flag=True,
                help="Go on in an emergency without those asked, at a server; -m says what it is. It takes two people, and a review follows.",
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


def answer(
    run: str, words: Sequence[str], message: str | None, emergency: bool, person: str, sign: bool, key: str | None
) -> int:
    """Send the answer and say whether it counts; returns 1 when it is refused."""
    place = of_environment()
    past = place.history(run)
    if emergency:
        return _break_glass(place, past, words, message or "", bool(person or sign or key))
    signing_key = Path(key).expanduser() if key else _own_key() if sign else None
    question, choice = chosen(open_questions(past.events), words, past.folder.run)
    if choice is None:
        choice, message = _asked_interactively(place, past, question, message)
    became = place.answer(past, question, choice, message or "", person, signing_key)
    return _say(place, past, question, choice, became)


def _break_glass(place: Place, past: History, words: Sequence[str], reason: str, named: bool) -> int:
    """Say break-glass at the question that ``words`` name, and say what that did."""
    if named:
        raise AuthorError("--break-glass: you are whose token it is; --as, --sign and --key do not go with it")
    if not reason.strip():
        raise AuthorError("--break-glass wants a reason: say with -m what the emergency is")
    question, choice = chosen(open_questions(past.events), words, past.folder.run)
    if choice is not None:
        raise AuthorError(f"--break-glass: name the step and no choice, got {choice!r}")
    became = place.break_glass(past, question, reason)
    console = out()
    if became.refused:
        console.print(styled(("refused: ", "bold red"), line(became.refused)), soft_wrap=True)
        return 1
    if became.opened:
        said = "opened: the run goes on. Those who were asked say afterwards whether it was right"
    elif became.recorded:
        said = "recorded: it goes on when a second person confirms it, and may still be denied by those who are asked"
    else:
        said = f"sent; {became.driver} has not taken it up yet"
    console.print(styled((said, "bold yellow")), soft_wrap=True)
    return 0


def _asked_interactively(place: Place, past: History, question: OpenQuestion, message: str | None) -> tuple[str, str]:
    """Show what is asked, then ask for the choice and a comment."""
    import click

    choices = question.question.choices
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise AuthorError(f"{question.path}: name your choice, one of {', '.join(choices)}")
    _show(place, past, question)
    choice: str = click.prompt("Your answer", type=click.Choice(choices))
    if message is None:
        message = click.prompt("Comment", default="", show_default=False)
    return choice, message


def _show(place: Place, past: History, question: OpenQuestion) -> None:
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
        write_diff(place.shown(past, question, name))
    console.print()


def _say(place: Place, past: History, question: OpenQuestion, choice: str, became: Became) -> int:
    console = out()
    if became.refused:
        console.print(styled(("refused: ", "bold red"), line(became.refused)), soft_wrap=True)
        return 1
    if not became.recorded:
        console.print(
            styled(
                f"sent; {became.driver} has not taken it up yet: {typed('show', short(past.folder.run), question.path)}"
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
    if not became.driver and enough and not place.is_over(past):
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
