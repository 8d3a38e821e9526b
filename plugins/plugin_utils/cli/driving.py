# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives a run in this process, or has a server do it, and shows it; what ``run`` and ``resume`` have in common."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.display import Display, display
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.ending import say_ending
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import command, out, short, styled
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import EngineStopped, RunFinished
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.driving import driven
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import History
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.remote import Remote
from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import WAITING, summary

EXIT_CODES: Mapping[str, int] = {"succeeded": 0, "failed": 1, "waiting": 3, "cancelled": 4, "interrupted": 130}
"""The exit code for each way a drive can end."""

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def drive_and_show(folder: RunFolder, project: Project, shown: Display, until_waiting: bool) -> int:
    """Drive the run until it is over, waits or is interrupted, and say how it ended; returns the exit code."""
    stop = threading.Event()
    with shown, _stopped_by_signals(stop, folder, shown):
        ending = driven(folder, project, lambda record: shown.show(record.event), until_waiting, stop)
    say_ending(folder, shown.status, ending.status, ending.message)
    return EXIT_CODES[ending.status]


def shown_at(server: Remote, past: History, until_waiting: bool) -> int:
    """Show a run that the server drives, until it is over or waits (``until_waiting``); Ctrl-C leaves it to the server. Returns the exit code."""
    out().print(styled("run ", (past.folder.run, "bold"), f" at {server.url}"))
    with display(past.workflow, ()) as shown:
        for event in past.events:
            shown.show(event)
        seen = summary(past.events)
        if seen.over or (until_waiting and seen.state == WAITING):
            return EXIT_CODES[seen.state]
        for record in server.follow(past):
            shown.show(record.event)
            match record.event:
                case RunFinished(status=status):
                    return EXIT_CODES[status]
                case EngineStopped(reason="waiting") if until_waiting:
                    return EXIT_CODES["waiting"]
                case _:
                    pass
    return EXIT_CODES["interrupted"]


@contextmanager
def _stopped_by_signals(stop: threading.Event, folder: RunFolder, shown: Display) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM, SIGHUP) puts the run down in an orderly way, the second ends the process at once: both leave it resumable."""

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            shown.abandon()
            os._exit(128 + number)
        stop.set()
        how = command("resume", short(folder.run))
        shown.note(f"stopping (Ctrl-C again: at once); go on with: {how}")

    before = {number: signal.signal(number, handle) for number in _STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
