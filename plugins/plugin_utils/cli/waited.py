# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who and what a run waits for, on a terminal: whom, for what, since when, and the command that answers. Only the command line calls it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.layout import Canvas, cut, typed
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import (
    STYLES,
    clock,
    command,
    line,
    short,
    styled,
    symbols,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import RunSummary, Wait
from ansible_collections.netops.changerail.plugins.plugin_utils.views.waiting import OpenQuestion
from ansible_collections.netops.changerail.plugins.plugin_utils.views.words import asked, duration, either

if TYPE_CHECKING:
    from rich.text import Text


def waited_for(seen: RunSummary, canvas: Canvas, height: int) -> list[Text]:
    """People first, then other long waits, in at most ``height`` lines (at least 2)."""
    blocks = [
        *([*_question(question, canvas), *_command(seen, question, canvas)] for question in seen.questions),
        *([_wait(wait, canvas)] for wait in seen.waits),
    ]
    lines: list[Text] = []
    for number, block in enumerate(blocks):
        last = number == len(blocks) - 1
        if len(lines) + len(block) + (not last) > height:
            # Where not even the first fits, whom it asks still does.
            kept = block[:1] if number == 0 else []
            left = len(blocks) - number - len(kept)
            return [*lines, *kept, *([_more(seen, left, canvas)] if left else [])]
        lines += block
    return lines


def answer_command(seen: RunSummary, question: OpenQuestion) -> str:
    """The command line that answers ``question``; the step is left out when it is the only one open, the choice when the answer needs a look first."""
    last = question.path.rpartition("/")[2]
    alike = [other for other in seen.questions if other.path == last or other.path.endswith(f"/{last}")]
    step = [] if len(seen.questions) == 1 else [last if len(alike) == 1 else question.path]
    choice = [] if question.question.kind == "review" else [question.question.choices[0]]
    return command("answer", short(seen.run), *step, *choice)


def _question(question: OpenQuestion, canvas: Canvas) -> Iterator[Text]:
    """Whom and what, and the circumstances; on one line where that fits, else on two."""
    what = question.question
    dot = f" {symbols().dot} "
    so_far = f"{dot}{question.approvals} of {what.quorum}" if what.quorum > 1 else ""
    by = f"{dot}by {clock(what.deadline, canvas.now)}" if what.deadline is not None else ""
    told = f"{dot}told {line(', '.join(question.told))}" if question.told else ""
    sign = (f"  {symbols().states['asking']} ", STYLES["asking"])
    whom = styled(sign, (line(asked(what)), "bold"), f": {line(what.title)}")
    choices = line(either(what.choices))
    around = (f"{so_far}{dot}since {duration(canvas.now - question.since)}{by}{told}", "dim")
    whole = whom.copy().append_text(styled(f" ({choices})", around))
    if whole.cell_len <= canvas.width:
        yield whole
    else:
        yield cut(whom, canvas.width)
        yield cut(styled(f"    {choices}", around), canvas.width)


def _command(seen: RunSummary, question: OpenQuestion, canvas: Canvas) -> Iterator[Text]:
    return typed(answer_command(seen, question), "    ", canvas.width)


def _wait(wait: Wait, canvas: Canvas) -> Text:
    sign = (f"  {symbols().states['waiting']} ", STYLES["waiting"])
    since = f" {symbols().dot} since {duration(canvas.now - wait.since)}"
    return cut(styled(sign, f"{line(wait.path)}: {line(wait.message)}", (since, "dim")), canvas.width)


def _more(seen: RunSummary, left: int, canvas: Canvas) -> Text:
    where = command("show", short(seen.run))
    return cut(styled((f"  {symbols().more} {left} more: {where}", "dim")), canvas.width)
