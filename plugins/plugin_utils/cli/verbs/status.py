# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``changerail status``: how a run stands and who is waited for."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.display import display
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.layout import Canvas
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.options import json_option, run_argument
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import command as typed
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import (
    out,
    short,
    styled,
    symbols,
    write_json,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.tree import picture
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import RunFinished
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import History
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.places import Place, of_environment
from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import INTERRUPTED, WAITING

if TYPE_CHECKING:
    import click

_PIPE_HEIGHT = 500
"""Lines for a status that goes to a pipe or a file."""


def command() -> click.Command:
    """The verb for click."""
    import click

    return click.Command(
        "status",
        callback=show_status,
        params=[
            run_argument(),
            click.Option(["--watch", "-w"], is_flag=True, help="Go on showing it until the run is over."),
            json_option(),
        ],
        help="Show how a run stands: its steps, who is waited for, how long, which attempt.",
    )


def show_status(run: str, watch: bool, as_json: bool) -> int:
    """Print the status; with ``watch`` until the run is over or Ctrl-C."""
    place = of_environment()
    past = place.history(run)
    if watch:
        return _watch(place, past)
    seen = place.status(past)
    if as_json:
        write_json(seen.as_dict())
        return 0
    console = out()
    height = console.height - 2 if console.is_terminal else _PIPE_HEIGHT
    for text in picture(seen, Canvas(console.width, height, time.time(), symbols().states["running"])):
        console.print(text, soft_wrap=True)
    if not place.driver and seen.summary.state in (INTERRUPTED, WAITING) and not seen.summary.engine:
        console.print(
            styled(
                ("no process drives it; ", "dim"),
                (typed("resume", short(past.folder.run)), "bold"),
                (" goes on with it", "dim"),
            ),
            soft_wrap=True,
        )
    return 0


def _watch(place: Place, past: History) -> int:
    with suppress(KeyboardInterrupt), display(past.workflow, past.events) as shown:
        if isinstance(past.records[-1].event, RunFinished):
            return 0
        for record in place.follow(past):
            shown.show(record.event)
            if isinstance(record.event, RunFinished):
                break
    return 0
