# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run as people see it on a terminal: how it stands, who is waited for, the tree of steps. Only the command line calls it.

Everything is lines of rich text, cut to the terminal's width, so that it is known how many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.module_utils.question import INTERVENTION
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.layout import Canvas, cut, wrapped
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import (
    STYLES,
    line,
    styled,
    symbols,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.waited import waited_for
from ansible_collections.netops.changerail.plugins.plugin_utils.views.outline import Line, outline
from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import (
    CANCELLED,
    FAILED,
    IGNORED,
    LIVE,
    PENDING,
    RETRYING,
    RUNNING,
    SKIPPED,
    STATES,
    UNREACHED,
    RunStatus,
    StepStatus,
)
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
    for broken in seen.break_glass:
        yield from wrapped(str(broken), "", "bold red", canvas.width, _MESSAGE_LINES)
    if seen.cancelling and not seen.over:
        yield cut(styled((f"being cancelled by {line(seen.cancelling)}", "bold red")), canvas.width)
    if seen.message and seen.state == CANCELLED:
        yield from wrapped(seen.message, "", STYLES[seen.state], canvas.width, _MESSAGE_LINES)


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
        if _message_below(shown.step):
            most = _MESSAGE_LINES if canvas.height >= _ROOMY else 1
            indent = "  " * shown.depth + f"  {symbols().rule} "
            drawn += wrapped(shown.step.message, indent, _tone(shown.step), canvas.width, most)
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
    """Whether the message stands behind the name: not that of a question (asked above) or of a container whose failed step is shown."""
    if step.kind != "step":
        return shown.folded and step.state not in LIVE
    return not _message_below(step) and step.question is None


def _message_below(step: StepStatus) -> bool:
    """Whether the message of a failure stands below the step, where there is room for it."""
    asks_after = step.question is not None and step.question.question.kind == INTERVENTION
    return step.kind == "step" and bool(step.message) and (asks_after or step.state in (FAILED, IGNORED, RETRYING))


def _tone(step: StepStatus) -> str:
    return "yellow" if step.state in LIVE else "red"


def _words(shown: Line, step: StepStatus, canvas: Canvas) -> Iterator[str]:
    if step.question is not None:
        yield f"asks {line(asked(step.question.question))}"
        if step.question.question.quorum > 1:
            yield f"{step.question.approvals} of {step.question.question.quorum}"
    elif step.kind == "step" and step.state not in (PENDING, RUNNING, "ok"):
        yield step.state
    if step.failure and step.state in LIVE:
        yield "will fail"
    if step.attempt > 1 or step.state == RETRYING:
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
