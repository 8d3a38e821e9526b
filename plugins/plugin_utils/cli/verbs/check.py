# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``changerail check``: every mistake in workflow files at once; contacts nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.module_utils.errors import CheckError
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.options import extra_vars_option
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import out, styled, symbols
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.extra_vars import parse
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.mistake import Mistake
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Position, Workflow
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load

if TYPE_CHECKING:
    import click
    from rich.console import Console
    from rich.text import Text

_LONGEST_EXCERPT = 200


def command() -> click.Command:
    """The verb for click."""
    import click

    return click.Command(
        "check",
        callback=check,
        params=[click.Argument(["files"], nargs=-1, required=True, metavar="FILE..."), extra_vars_option()],
        help="Report every mistake in the workflow FILEs as file:line:column; contacts nothing and starts nothing.",
    )


def check(files: Sequence[str], extra_vars: Sequence[str]) -> int:
    """Check all files; returns 2 when any has a mistake."""
    known = parse(extra_vars).keys()
    return max(_check(file, known) for file in files)


def _check(file: str, known: Collection[str]) -> int:
    console = out()
    try:
        workflow = load(file, known)
    except CheckError as error:
        for mistake in error.mistakes:
            for text in _shown(mistake, console) if console.is_terminal else (styled(str(mistake)),):
                console.print(text, soft_wrap=True)
        number = len(error.mistakes)
        console.print(styled((f"{file}: {number} mistake{'s' if number > 1 else ''}", "bold red")), soft_wrap=True)
        return error.exit_code
    console.print(styled((f"{file}: ok", "green"), f" ({_counted(workflow)})"), soft_wrap=True)
    return 0


def _counted(workflow: Workflow) -> str:
    steps = sum(1 for _path, step in workflow.walk() if step.action is not None)
    files = len(workflow.sources)
    return f"{steps} step{'s' if steps != 1 else ''}, {files} file{'s' if files != 1 else ''}"


def _shown(mistake: object, console: Console) -> Iterator[Text]:
    """The mistake, broken between words where the terminal is too narrow, with the line it is in."""
    if not isinstance(mistake, Mistake):
        yield styled(str(mistake))
        return
    place, _colon, rest = str(mistake).partition(": ")
    yield from styled((place, "bold"), ": ", (rest, "red")).wrap(console, console.width)
    excerpt = _excerpt(mistake.at)
    if excerpt is not None:
        rule = symbols().rule
        yield styled((f"{mistake.at.line:6} {rule} ", "dim"), excerpt)
        yield styled((f"{'':6} {rule} ", "dim"), " " * (mistake.at.column - 1), ("^", "bold red"))


def _excerpt(at: Position) -> str | None:
    """The line of the file, None when it cannot be shown to the point."""
    try:
        with open(Path(at.file), encoding="utf-8") as stream:
            lines = stream.read().splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    text = lines[at.line - 1] if at.line <= len(lines) else ""
    return (
        text.replace("\t", " ")
        if text.strip() and at.column <= _LONGEST_EXCERPT and len(text) <= _LONGEST_EXCERPT
        else None
    )
