# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which steps of a run to show when there is room for so many lines: what is urgent stays, the rest is folded away. Pure; the doors draw it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import (
    CANCELLED,
    CHANGED,
    FAILED,
    IGNORED,
    LIVE,
    OK,
    PENDING,
    RESCUED,
    RETRYING,
    RUNNING,
    SKIPPED,
    UNREACHED,
    WAITING,
    StepStatus,
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line: ``step``, or what stands for several neighbours that are folded away (``step`` None, ``counts`` their leaves by state).

    ``folded`` says that the step has steps inside that are not shown.
    """

    depth: int
    step: StepStatus | None
    counts: Mapping[str, int] = field(default_factory=dict)
    folded: bool = False


@dataclass(frozen=True, slots=True)
class _Rules:
    """Containers in a state of ``closed`` are one line; neighbours in states of ``grouped`` are one line together, or none when ``left_out``.

    Where something failed nothing is grouped or left out. Of a group the ``ends`` next to other lines are shown one by one.
    """

    closed: frozenset[str]
    grouped: frozenset[str]
    left_out: frozenset[str] = frozenset()
    ends: int = 0


_NEVER_RAN = frozenset({UNREACHED})
_QUIET = frozenset({OK, CHANGED, SKIPPED})
_LOUD = frozenset({RESCUED, IGNORED, CANCELLED})
_IDLE = _QUIET | _NEVER_RAN | {PENDING}
_BUSY = frozenset({RUNNING, WAITING, RETRYING})
_STEPS_DOWN = (
    _Rules(closed=frozenset({SKIPPED, UNREACHED}), grouped=_NEVER_RAN),
    _Rules(closed=_QUIET | _NEVER_RAN, grouped=_NEVER_RAN),
    _Rules(closed=_IDLE, grouped=_NEVER_RAN),
    _Rules(closed=_IDLE, grouped=_NEVER_RAN | {PENDING}),
    _Rules(closed=_IDLE | _LOUD, grouped=_IDLE),
    _Rules(closed=_IDLE | _LOUD, grouped=_IDLE, left_out=_IDLE),
    _Rules(closed=_IDLE | _LOUD, grouped=_IDLE | _LOUD | _BUSY, left_out=_IDLE),
)
"""From everything to the least; the first that fits is taken."""


def outline(steps: Sequence[StepStatus], height: int) -> tuple[Line, ...]:
    """At most ``height`` lines (at least 1) that show ``steps`` in their order, as detailed as fits."""
    lines: list[Line] = []
    for rules in _STEPS_DOWN:
        # One line more than there is room for tells that it does not fit, whatever the size of the workflow.
        lines = list(islice(_lines(steps, rules, 0), height + 1))
        if len(lines) <= height:
            return _with_neighbours(steps, rules, lines, height)
    kept = lines[: height - 1]
    shown: Counter[str] = Counter()
    for line in kept:
        shown.update(_stands_for(line))
    return (*kept, Line(0, None, dict(_counts(steps) - shown)))


def _with_neighbours(
    steps: Sequence[StepStatus], rules: _Rules, lines: Sequence[Line], height: int
) -> tuple[Line, ...]:
    """Spend the lines that are left on what is next to the steps that are shown, instead of grouping all of it."""
    groups = sum(line.step is None for line in lines)
    ends = (height - len(lines)) // (2 * groups) if groups else 0
    return tuple(_lines(steps, replace(rules, ends=ends), 0)) if ends else tuple(lines)


def _stands_for(line: Line) -> Mapping[str, int]:
    """The leaves a line shows, itself or folded away in it."""
    if line.step is None:
        return line.counts
    return line.step.counts if line.folded or line.step.kind == "step" else {}


def _lines(steps: Sequence[StepStatus], rules: _Rules, depth: int) -> Iterator[Line]:
    group: list[StepStatus] = []
    first = 0
    for step in steps:
        if step.state == UNREACHED and step.section != "body":
            continue
        if step.state in rules.left_out and FAILED not in step.counts:
            continue
        if step.state in rules.grouped and FAILED not in step.counts:
            group.append(step)
            continue
        yield from _group(group, first, rules.ends, rules, depth)
        group, first = [], rules.ends
        yield from _step(step, rules, depth)
    yield from _group(group, rules.ends, 0, rules, depth)


def _group(group: Sequence[StepStatus], first: int, last: int, rules: _Rules, depth: int) -> Iterator[Line]:
    """A group with its ``first`` and ``last`` steps one by one; a group of one is that step, with what is live in it."""
    if len(group) == 1 and group[0].state in LIVE:
        yield from _step(group[0], rules, depth)
        return
    middle = group[first : len(group) - last]
    if len(middle) <= 1:
        first, middle = len(group), ()
    yield from (Line(depth, step, folded=bool(step.children)) for step in group[:first])
    if middle:
        yield Line(depth, None, dict(_counts(middle)))
        yield from (Line(depth, step, folded=bool(step.children)) for step in group[len(group) - last :])


def _step(step: StepStatus, rules: _Rules, depth: int) -> Iterator[Line]:
    folded = step.state in rules.closed
    yield Line(depth, step, folded=folded and bool(step.children))
    if not folded:
        yield from _lines(step.children, rules, depth + 1)


def _counts(steps: Sequence[StepStatus]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for step in steps:
        counts.update({step.state: 1} if step.kind == "step" else step.counts)
    return counts
