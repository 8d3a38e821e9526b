# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run as people see it on a terminal: how it stands, who is waited for, the tree of steps. Only the command line calls it.

Everything is lines of rich text, cut to the terminal's width, so that it is known how many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import (
    STYLES,
    clock,
    command,
    line,
    short,
    styled,
    symbols,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.views.outline import Line, outline
from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import (
    CANCELLED,
    FAILED,
    IGNORED,
    LIVE,
    PENDING,
    RUNNING,
    SKIPPED,
    STATES,
    UNREACHED,
    RunStatus,
    StepStatus,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import RunSummary, Wait
from ansible_collections.netops.changerail.plugins.plugin_utils.views.waiting import OpenQuestion
from ansible_collections.netops.changerail.plugins.plugin_utils.views.words import asked, duration

if TYPE_CHECKING:
    from rich.text import Text

_LEAST_TREE = 4
_LEAST_WAITED = 3
_NAME_SHARE = 0.5
_TIME_WIDTH = 8
_WIDEST = 120
"""Columns beyond which the eye no longer finds the duration that belongs to a name."""
_MOMENT = 0.1
"""Seconds below which a duration is not worth a look."""
_MESSAGE_LINES = 3
"""Lines the message of a failure may take below its step, on a terminal of at least ``_ROOMY`` lines; else one."""
_ROOMY = 20


@dataclass(frozen=True)
class Canvas:
    """Where to draw: columns and lines of the terminal, the time, and the sign for what runs (it may turn)."""

    width: int
    height: int
    now: float
    running: str


def picture(run: RunStatus, canvas: Canvas) -> list[Text]:
    """How the run stands, in at most ``canvas.height`` lines: head, who is waited for, the steps."""
    lines = [*head(run, canvas)]
    room = max(_LEAST_WAITED, (canvas.height - len(lines)) // 3)
    waited = waited_for(run.summary, canvas, room)
    if waited:
        lines += [styled(""), *waited]
    lines.append(styled(""))
    room = max(_LEAST_TREE, canvas.height - len(lines))
    return (lines + _fitting(run.steps, canvas, room))[: canvas.height]


def head(run: RunStatus, canvas: Canvas) -> Iterator[Text]:
    """What runs, how it stands and since when; why, when it was cancelled. (What failed says so in the tree.)"""
    seen = run.summary
    dot = f" {symbols().dot} "
    check = (f"{dot}check mode: nothing is changed", "yellow") if seen.check else ""
    took = duration((seen.ended or canvas.now) - seen.began)
    yield cut(
        styled((line(seen.name), "bold"), dot, (seen.state, STYLES.get(seen.state, "cyan")), f" {took}", check),
        canvas.width,
    )
    counts = ", ".join(f"{number} {state}" for state, number in ordered(run.counts))
    by = f"{dot}requested by {line(seen.requester)}" if seen.requester else ""
    yield cut(styled((f"run {seen.run}{dot}{counts}{by}", "dim")), canvas.width)
    if seen.cancelling and not seen.over:
        yield cut(styled((f"being cancelled by {line(seen.cancelling)}", "bold red")), canvas.width)
    if seen.message and seen.state == CANCELLED:
        yield from wrapped(seen.message, "", STYLES.get(seen.state, ""), canvas.width)


def waited_for(seen: RunSummary, canvas: Canvas, height: int) -> list[Text]:
    """Who and what is waited for, in at most ``height`` lines (at least 3): people first, each question with the command that answers it."""
    blocks = [
        *(
            [_question(question, canvas), *_folded(answer_command(seen, question), "    ", canvas)]
            for question in seen.questions
        ),
        *([_wait(wait, canvas)] for wait in seen.waits),
    ]
    lines: list[Text] = []
    for number, block in enumerate(blocks):
        last = number == len(blocks) - 1
        if len(lines) + len(block) + (not last) > height:
            kept = block[:1] if number == 0 else []
            lines += kept
            left = len(blocks) - number - len(kept)
            if not left:
                return lines
            return [
                *lines,
                cut(
                    styled((f"  {symbols().more} {left} more: {command('show', short(seen.run))}", "dim")), canvas.width
                ),
            ]
        lines += block
    return lines


def answer_command(seen: RunSummary, question: OpenQuestion) -> str:
    """The command line that answers ``question``; the step is left out when it is the only one open, the choice when the answer needs a look first."""
    last = question.path.rpartition("/")[2]
    alike = [other for other in seen.questions if other.path == last or other.path.endswith(f"/{last}")]
    step = [] if len(seen.questions) == 1 else [last if len(alike) == 1 else question.path]
    choice = [] if question.question.kind == "review" else [question.question.choices[0]]
    return command("answer", short(seen.run), *step, *choice)


def tree(lines: Sequence[Line], canvas: Canvas) -> list[Text]:
    """The steps of an outline: sign and name, what there is to say, how long; a failure's message in full below it."""
    from rich.cells import cell_len

    names = [_name(shown, canvas) for shown in lines]
    limit = max(16, int(canvas.width * _NAME_SHARE))
    reach = min(canvas.width, _WIDEST)
    width = min(limit, max((cell_len(name.plain) for name in names), default=0))
    drawn: list[Text] = []
    for shown, name in zip(lines, names, strict=True):
        if shown.step is None:
            drawn.append(cut(name, canvas.width))
            continue
        drawn.append(_row(name, _detail(shown, shown.step, canvas), _time(shown.step, canvas), width, reach))
        if shown.step.kind == "step" and shown.step.state in (FAILED, IGNORED) and shown.step.message:
            most = _MESSAGE_LINES if canvas.height >= _ROOMY else 1
            drawn += wrapped(shown.step.message, "  " * shown.depth + f"  {symbols().bar} ", "red", canvas.width, most)
    return drawn


def ordered(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Counts by state, the most urgent first, without zeros."""
    return [(state, counts[state]) for state in STATES if counts.get(state)]


def _fitting(steps: Sequence[StepStatus], canvas: Canvas, height: int) -> list[Text]:
    """The tree in at most ``height`` lines: messages of failures take lines of their own, so the outline gets fewer until all fits."""
    room = height
    drawn = tree(outline(steps, room), canvas)
    while len(drawn) > height and room > _LEAST_TREE:
        room = max(_LEAST_TREE, room - (len(drawn) - height))
        drawn = tree(outline(steps, room), canvas)
    return drawn[:height]


def _question(question: OpenQuestion, canvas: Canvas) -> Text:
    what = question.question
    dot = f" {symbols().dot} "
    so_far = f"{dot}{question.approvals} of {what.quorum}" if what.quorum > 1 else ""
    by = f"{dot}by {clock(what.deadline, canvas.now)}" if what.deadline is not None else ""
    told = f"{dot}told {line(', '.join(question.told))}" if question.told else ""
    return cut(
        styled(
            (f"  {symbols().states['asking']} ", STYLES["asking"]),
            (line(asked(what)), "bold"),
            f": {line(what.title)} ({line(' or '.join(what.choices))})",
            (f"{so_far}{dot}since {duration(canvas.now - question.since)}{by}{told}", "dim"),
        ),
        canvas.width,
    )


def _wait(wait: Wait, canvas: Canvas) -> Text:
    sign = (f"  {symbols().states['waiting']} ", STYLES["waiting"])
    since = f" {symbols().dot} since {duration(canvas.now - wait.since)}"
    return cut(styled(sign, f"{line(wait.path)}: {line(wait.message)}", (since, "dim")), canvas.width)


def _name(shown: Line, canvas: Canvas) -> Text:
    indent = "  " * shown.depth
    step = shown.step
    if step is None:
        counts = ", ".join(f"{number} {state}" for state, number in ordered(shown.counts))
        return styled((f"{indent}{symbols().more} {counts}", "dim"))
    style = STYLES[step.state]
    sign = canvas.running if step.state == RUNNING and step.kind == "step" else symbols().states[step.state]
    section = (f"{step.section}: ", "dim") if step.section != "body" else ""
    name_style = "bold" if step.state in ("running", "asking", "failed") else "dim" if style == "dim" else ""
    return styled(indent, (sign, style), " ", section, (line(step.label or step.name), name_style))


def _detail(shown: Line, step: StepStatus, canvas: Canvas) -> Text:
    dot = f" {symbols().dot} "
    words = dot.join(_words(shown, step, canvas))
    message = line(step.message) if _message_here(shown, step) else ""
    return styled(
        (words, STYLES[step.state]), dot if words and message else "", (message, "" if step.state in LIVE else "dim")
    )


def _message_here(shown: Line, step: StepStatus) -> bool:
    """Whether the message stands behind the name: not that of a failure (below it), a question (asked above) or a container whose failed step is shown."""
    if step.kind != "step":
        return shown.folded and step.state not in LIVE
    return step.state not in (FAILED, IGNORED) and step.question is None


def _words(shown: Line, step: StepStatus, canvas: Canvas) -> Iterator[str]:
    if step.question is not None:
        yield f"asks {line(asked(step.question.question))}"
        if step.question.question.quorum > 1:
            yield f"{step.question.approvals} of {step.question.question.quorum}"
    elif step.kind == "step" and step.state not in (PENDING, RUNNING, "ok"):
        yield step.state
    if step.failure and step.state in LIVE:
        yield "will fail"
    if step.attempt > 1:
        yield f"attempt {step.attempt} of {step.attempts}" if step.attempts else f"attempt {step.attempt}"
    if step.next_try is not None:
        yield f"next try in {duration(step.next_try - canvas.now)}"
    if step.due is not None and step.state in LIVE:
        yield f"at most {duration(step.due - canvas.now)} more"
    if shown.folded and step.state not in (SKIPPED, UNREACHED):
        yield ", ".join(f"{number} {state}" for state, number in ordered(step.counts))


def _time(step: StepStatus, canvas: Canvas) -> Text:
    if step.began is None or step.state in (SKIPPED, PENDING, UNREACHED):
        return styled("")
    took = (step.ended or canvas.now) - step.began
    return styled((duration(took) if took >= _MOMENT else "", "" if step.state in LIVE else "dim"))


def _row(name: Text, detail: Text, time: Text, name_width: int, width: int) -> Text:
    name.truncate(name_width, overflow="ellipsis", pad=True)
    detail.truncate(max(0, width - name_width - _TIME_WIDTH - 3), overflow="ellipsis", pad=True)
    time.align("right", _TIME_WIDTH)
    row = styled("").append_text(name).append("  ").append_text(detail).append(" ").append_text(time)
    row.rstrip()
    return cut(row, width)


def wrapped(message: str, indent: str, style: str, width: int, most: int = _MESSAGE_LINES) -> Iterator[Text]:
    """A message in at most so many lines of its own, each beginning with ``indent``."""
    room = max(20, width - len(indent))
    lines = _folds(styled((message.strip(), style)), room)
    for number, text in enumerate(lines[:most], start=1):
        if number == most < len(lines):
            text.truncate(max(1, room - 2))
            text.append(f" {symbols().more}")
        yield cut(styled((indent, style)).append_text(text), width)


def _folded(typed: str, indent: str, canvas: Canvas) -> list[Text]:
    """A command line in full, on as many lines as it takes: it is there to be copied."""
    return [
        styled((indent, "")).append_text(text)
        for text in _folds(styled((typed, "bold")), max(20, canvas.width - len(indent)))
    ]


def _folds(text: Text, width: int) -> list[Text]:
    from rich.console import Console

    return list(text.wrap(Console(width=width), width))


def cut(text: Text, width: int) -> Text:
    """``text`` as one line of at most so many columns."""
    text.truncate(width, overflow="ellipsis")
    text.no_wrap = True
    return text
