# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``changerail cancel``: stop a run in an orderly way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.options import needed_run_argument
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import command as typed
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import err, out, short, styled
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.places import of_environment
from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import not_cancellable, summary

if TYPE_CHECKING:
    import click


def command() -> click.Command:
    """The verb for click."""
    import click

    return click.Command(
        "cancel",
        callback=cancel,
        params=[
            needed_run_argument(),
            click.Option(["--reason", "-m"], default="", metavar="TEXT", help="Why; it goes into the journal."),
            click.Option(
                ["--as", "person"],
                default="",
                metavar="NAME",
                help="Your name in the project file, where it is not your login's.",
            ),
            click.Option(["--force"], is_flag=True, help="Stop what runs under always as well."),
        ],
        help="Cancel RUN: what runs is stopped, what stands under always is still done, nothing else is begun.",
    )


def cancel(run: str, reason: str, person: str, force: bool) -> int:
    """Send the cancel and say what becomes of it."""
    place = of_environment()
    past = place.history(run)
    if problem := not_cancellable(summary(past.events)):
        err().print(styled(problem), soft_wrap=True)
        return 1
    became = place.cancel(past, reason, person, force)
    if not became.recorded:
        out().print(styled(f"sent; {became.driver} has not taken it up yet"), soft_wrap=True)
    elif place.is_over(past):
        out().print("cancelled")
    elif became.driver:
        how = (typed("status", short(past.folder.run), "--watch"), "bold")
        out().print(styled(f"cancelled; {became.driver} stops it: ", how), soft_wrap=True)
    else:
        how = (typed("resume", short(past.folder.run)), "bold")
        out().print(
            styled(
                "cancelled; nobody drives it, so this stops what is still under way and does what stands under always: ",
                how,
            ),
            soft_wrap=True,
        )
    return 0
