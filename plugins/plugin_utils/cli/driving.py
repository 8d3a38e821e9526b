# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives a run in this process and shows it; what ``run`` and ``resume`` have in common."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.display import Display
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.ending import say_ending
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import command, short
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.driving import driven

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
