# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said when a drive ends: the result, the failure and where its output is, who is waited for, how to go on. Only ``driving`` calls it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.display import live
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.layout import Canvas, wrapped
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import (
    STYLES,
    command,
    line,
    out,
    short,
    styled,
    symbols,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.waited import waited_for
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import FAILED, RunStatus, StepStatus

if TYPE_CHECKING:
    from rich.text import Text

_MOST = 50
"""Failures and questions that are listed; more are counted."""
_MESSAGE_LINES = 12


def say_ending(folder: RunFolder, run: RunStatus, status: str, message: str) -> None:
    """Print the summary on standard output."""
    console = out()
    canvas = Canvas(console.width, _MOST, time.time(), symbols().states["running"])
    lines = [styled("")]
    if status in ("failed", "cancelled"):
        lines += _failures(run, canvas.width)
    if status == "waiting" and not live():
        # On a terminal the tree has just told it.
        lines += waited_for(run.summary, canvas, _MOST)
    because = f": {line(message)}" if message and status != "failed" else ""
    lines.append(styled(f"run {folder.run} ", (status, STYLES.get(status, "bold")), because))
    if status in ("waiting", "interrupted"):
        lines.append(styled("  go on:   ", (command("resume", short(folder.run)), "bold")))
    lines.append(styled((f"  journal: {folder.journal}", "dim")))
    for text in lines:
        console.print(text, soft_wrap=True)


def _failures(run: RunStatus, width: int) -> Iterator[Text]:
    """The steps that made the run fail, each with its message and where to see more."""
    failed = list(_decisive(run.steps))
    for step in failed[:_MOST]:
        yield styled((f"{symbols().states[FAILED]} {line(step.path)}", STYLES[FAILED]))
        yield from wrapped(step.message, "    ", "", width, _MESSAGE_LINES)
        yield styled(("    " + command("show", short(run.summary.run), step.path), "bold"))
    if len(failed) > _MOST:
        yield styled(f"{symbols().more} and {len(failed) - _MOST} more steps failed")


def _decisive(steps: Sequence[StepStatus]) -> Iterator[StepStatus]:
    """The failed steps in ``steps`` and below, without those whose failure was rescued, ignored or within a loop's budget."""
    for step in steps:
        if step.state == FAILED and step.kind == "step":
            yield step
        elif step.state == FAILED:
            yield from _decisive(step.children)
