# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``changerail resume``: go on with a run that waits or was interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.display import display, live
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.driving import EXIT_CODES, drive_and_show, shown_at
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.options import (
    needed_run_argument,
    until_waiting_option,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import out, styled
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import find, history
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.project import of_run
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.remote import Remote
from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import summary

if TYPE_CHECKING:
    import click


def command() -> click.Command:
    """The verb for click."""
    import click

    return click.Command(
        "resume",
        callback=resume,
        params=[needed_run_argument(), until_waiting_option()],
        help="Go on with a RUN that waits or was interrupted, on the workflow it was started with. What was done is not done again.",
    )


def resume(run: str, until_waiting: bool) -> int:
    """Drive the run from where its journal ends, or have the server do it; returns the exit code."""
    server = Remote.of_environment()
    past = server.history(run) if server is not None else history(find(run))
    seen = summary(past.events)
    if seen.over:
        out().print(
            styled(f"run {seen.run} is over: {seen.state}", f": {seen.message}" if seen.message else ""), soft_wrap=True
        )
        return EXIT_CODES[seen.state]
    if server is not None:
        server.resume(past)
        return shown_at(server, past, until_waiting)
    if not live():
        # The tree says it itself, and stays.
        out().print(styled("run ", (past.folder.run, "bold")))
    return drive_and_show(past.folder, of_run(past), display(past.workflow, past.events), until_waiting)
