# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``changerail cancel``: stop a run in an orderly way."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.options import needed_run_argument
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import command as typed
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import err, out, short, styled
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import CancelRequested
from ansible_collections.netops.changerail.plugins.plugin_utils.people.answering import cancel_item
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import current, find, history
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.remote import CONFLICT, AnsweredBy, Remote
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.sending import send
from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import summary

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
    server = Remote.of_environment()
    if server is not None:
        return _at(server, run, person, reason, force)
    past = history(find(run))
    seen = summary(past.events)
    if seen.over:
        err().print(styled(f"run {seen.run} is over: {seen.state}; nothing was cancelled"), soft_wrap=True)
        return 1
    item = cancel_item(past.folder.run, person, reason, time.time(), force)
    sent = send(past, item, lambda event: isinstance(event, CancelRequested))
    if sent.event is None:
        out().print(styled(f"sent; {sent.driver} has not taken it up yet"), soft_wrap=True)
    elif current(past.folder).over:
        out().print("cancelled")
    elif sent.driver:
        out().print(
            styled(
                f"cancelled; {sent.driver} stops it: ", (typed("status", short(past.folder.run), "--watch"), "bold")
            ),
            soft_wrap=True,
        )
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


def _at(server: Remote, run: str, person: str, reason: str, force: bool) -> int:
    """Cancel a run of the server."""
    if person:
        raise AuthorError("--as is for runs on this machine: at a server you are whose token it is")
    found = server.find(run)
    try:
        said = server.cancel(found, reason, force)
    except AnsweredBy as error:
        if error.status != CONFLICT:
            raise
        err().print(styled(str(error)), soft_wrap=True)
        return 1
    sent = "cancelled" if said["recorded"] else "sent; it is not taken up yet"
    out().print(
        styled(f"{sent}; {server.url} stops it: ", (typed("status", short(found), "--watch"), "bold")), soft_wrap=True
    )
    return 0
