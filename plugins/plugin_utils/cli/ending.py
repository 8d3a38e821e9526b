# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said when a drive ends: the result, the failure and where its output is, who is waited for, how to go on. Only ``driving`` calls it."""

from __future__ import annotations

import time

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import (
    STYLES,
    command,
    line,
    out,
    short,
    styled,
    symbols,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.tree import Canvas, waited_for
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import FAILED, RunStatus, StepStatus

_MOST = 50
"""Failures and questions that are listed; more are counted."""


def say_ending(folder: RunFolder, run: RunStatus, status: str, message: str) -> None:
    """Print the summary on standard output."""
    console = out()
    canvas = Canvas(console.width, _MOST, time.time(), symbols().states["running"])
    lines = [styled("")]
    if status in ("failed", "cancelled"):
        for step in _failures(run)[:_MOST]:
            lines.append(
                styled((f"{symbols().states[FAILED]} {line(step.path)}", STYLES[FAILED]), f"  {line(step.message)}")
            )
            lines.append(styled((f"    {command('show', short(folder.run), step.path)}", "bold")))
    lines += waited_for(run.summary, canvas, _MOST) if status == "waiting" else []
    because = f": {line(message)}" if message else ""
    lines.append(styled(("run ", ""), (folder.run, "bold"), " ", (status, STYLES.get(status, "bold")), because))
    if status in ("waiting", "interrupted"):
        lines.append(styled("  go on:   ", (command("resume", short(folder.run)), "bold")))
    lines.append(styled(("  journal: ", "dim"), (str(folder.journal), "dim")))
    for text in lines:
        console.print(text, soft_wrap=True)


def _failures(run: RunStatus) -> list[StepStatus]:
    """The steps that failed, without the containers they are in."""
    return [step for step in run.walk() if step.kind == "step" and step.state == FAILED]
