# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends answers and cancels to a run and waits a moment for what becomes of them. Every door that answers or cancels calls it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import RunIsHeld, StorageError
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import Event
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.run import Surround, collect
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import holder, read
from ansible_collections.netops.changerail.plugins.plugin_utils.people.inbox import put
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import History
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.project import of_run

_PATIENCE = 5.0
"""Seconds to wait for the engine that drives the run."""
_LOOK_AGAIN = 0.05


@dataclass(frozen=True)
class Sent:
    """``event`` is what the item became, None when that is not known yet; ``driver`` is the process that drives the run, "" when there is none."""

    event: Event | None
    driver: str


@dataclass(frozen=True)
class Became:
    """What became of an answer or a cancel: whether it is ``recorded``, who drives the run ("" when nobody does), and why it does not count ("": it does).

    A word of break-glass may have ``opened`` what waits.
    """

    recorded: bool
    driver: str
    refused: str = ""
    opened: bool = False


def send(past: History, item: Mapping[str, Any], became: Callable[[Event], bool]) -> Sent:
    """Put ``item`` into the run's inbox and find the event it becomes, which ``became`` recognises.

    Where nobody drives the run it is recorded here. Raises what ``put`` and ``collect`` raise.
    """
    put(past.folder, item)
    deadline = time.monotonic() + _PATIENCE
    while True:
        driver = holder(past.folder)
        if driver is None:
            try:
                new = collect(past.folder, Surround(project=of_run(past)))
            except RunIsHeld:  # somebody took the run up this very moment
                time.sleep(_LOOK_AGAIN)
                continue
            except StorageError as error:
                raise StorageError(f"{error}; what was sent is kept in its inbox and recorded then") from None
            event = next(filter(became, new), None) or _recorded(past, became)
            return Sent(event, "")
        event = _recorded(past, became)
        if event is not None or time.monotonic() > deadline:
            return Sent(event, driver)
        time.sleep(_LOOK_AGAIN)


def _recorded(past: History, became: Callable[[Event], bool]) -> Event | None:
    """The event among those recorded since ``past`` was read."""
    new = (record.event for record in read(past.folder.journal) if record.seq > len(past.records))
    return next(filter(became, new), None)
