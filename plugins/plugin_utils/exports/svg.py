# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run as a picture: its tree of steps from top to bottom, what is parallel side by side, each with its state. Pure; doors call it.

The picture needs nothing beside it: no script, no style sheet, no font. Every text from outside is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from ansible_collections.netops.changerail.plugins.module_utils.text import harmless
from ansible_collections.netops.changerail.plugins.plugin_utils.core.state import BODY
from ansible_collections.netops.changerail.plugins.plugin_utils.exports.colours import COLOURS, Colour
from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import RunStatus, StepStatus
from ansible_collections.netops.changerail.plugins.plugin_utils.views.words import asked, duration

MOST = 24
"""Children of one step that are drawn; the rest is counted in one box."""
_WIDTH, _HEIGHT, _GAP, _HEAD = 230, 50, 16, 22
_LETTERS = 32
_PENDING = Colour("#ffffff", "#9e9e9e")


@dataclass(frozen=True, slots=True)
class _Box:
    """What is drawn for one step, with its size; ``step`` None stands for ``more`` steps that are not drawn."""

    step: StepStatus | None
    width: int
    height: int
    inner: tuple[_Box, ...] = ()
    more: int = 0

    @property
    def beside(self) -> bool:
        """Whether what is inside stands side by side."""
        return self.step is not None and self.step.kind == "parallel"


def svg(run: RunStatus, now: float) -> str:
    """The picture at ``now`` (seconds since the epoch), as an SVG document."""
    inner = _boxes(run.steps)
    width = max((box.width for box in inner), default=_WIDTH) + 2 * _GAP
    height = sum(box.height + _GAP for box in inner) + _GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" font-family="sans-serif" font-size="12">',
        f"<title>{_text(run.summary.name)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    work: list[tuple[_Box, int, int]] = []
    _place(inner, False, _GAP, _GAP, work)
    while work:
        box, left, top = work.pop()
        lines += _drawn(box, left, top, now)
        _place(box.inner, box.beside, left + _GAP, top + _HEAD + _GAP // 2, work)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _place(boxes: Sequence[_Box], beside: bool, left: int, top: int, work: list[tuple[_Box, int, int]]) -> None:
    for box in boxes:
        work.append((box, left, top))
        left, top = (left + box.width + _GAP, top) if beside else (left, top + box.height + _GAP)


def _boxes(steps: Sequence[StepStatus]) -> tuple[_Box, ...]:
    """Boxes of these steps and all below, the deepest first: a tree may be deeper than Python's stack allows."""
    order = list(steps[:MOST])
    for step in order:
        order.extend(step.children[:MOST])
    made: dict[str, _Box] = {}
    for step in reversed(order):
        made[step.path] = _box(step, _row(step.children, made))
    return _row(steps, made)


def _row(steps: Sequence[StepStatus], made: dict[str, _Box]) -> tuple[_Box, ...]:
    drawn = [made[step.path] for step in steps[:MOST]]
    return (*drawn, _Box(None, _WIDTH, _HEAD, more=len(steps) - MOST)) if len(steps) > MOST else tuple(drawn)


def _box(step: StepStatus, inner: tuple[_Box, ...]) -> _Box:
    if not inner:
        return _Box(step, _WIDTH, _HEIGHT)
    widths, heights = [box.width for box in inner], [box.height for box in inner]
    gaps = _GAP * (len(inner) - 1)
    if step.kind == "parallel":
        return _Box(step, sum(widths) + gaps + 2 * _GAP, max(heights) + _HEAD + _GAP, inner)
    return _Box(step, max(widths) + 2 * _GAP, sum(heights) + gaps + _HEAD + _GAP, inner)


def _drawn(box: _Box, left: int, top: int, now: float) -> list[str]:
    if box.step is None:
        return [_line(left + 8, top + 15, f"… and {box.more} more", "#555555")]
    step, colour = box.step, COLOURS.get(box.step.state, _PENDING)
    name = f"{step.name} [{step.label}]" if step.label else step.name
    name = name if step.section == BODY else f"{step.section}: {name}"
    fill = "none" if box.inner else colour.fill
    waits = _waits(step, now)
    title = f"{name}: {step.state}{f', {waits}' if waits else ''}"
    drawn = [
        f"<g data-path={quoteattr(harmless(step.path))}><title>{_text(title)}</title>",
        f'<rect x="{left}" y="{top}" width="{box.width}" height="{box.height}" rx="6" fill="{fill}" stroke="{colour.line}"/>',
        _line(left + 8, top + 16, _short(name), "#595959" if box.inner else "#000000"),
    ]
    if not box.inner:
        drawn += [_line(left + 8, top + 30, step.state, "#333333"), _line(left + 8, top + 44, _short(waits), "#333333")]
    return [*drawn, "</g>"]


def _waits(step: StepStatus, now: float) -> str:
    """For whom or what it waits, since when, or when it is tried again."""
    if step.next_try is not None:
        return f"next try in {duration(step.next_try - now)}"
    if step.question is not None:
        return f"{asked(step.question.question)}, {duration(now - step.question.since)}"
    if step.state in ("running", "waiting") and step.since is not None:
        return f"for {duration(now - step.since)}"
    return ""


def _line(left: int, top: int, text: str, colour: str) -> str:
    return f'<text x="{left}" y="{top}" fill="{colour}">{_text(text)}</text>'


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"


def _text(text: str) -> str:
    return escape(harmless(text))
