# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server holds of each run: little, as it may hold ten thousand. For the rooms' own modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.row import Row

if TYPE_CHECKING:
    from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.driven import Driven


class Place:
    """A run's place. ``driven`` is there while the run is held; ``due`` is when it is to be looked at (monotonic), None for never by itself.

    ``queued``, ``turning``, ``again`` and ``urgent`` belong to Turns. ``hints`` are step paths that somebody says have moved; ``inbox`` says that something
    was put there. ``lost`` says that its engine gave up and its jobs are awaited; ``failures`` counts how often in a row. ``new`` until it was first looked
    at. ``size`` and ``inbox_at`` are what the journal's size and the inbox's time of change were when the run was put down.
    """

    __slots__ = (
        "again", "driven", "due", "failures", "hints", "inbox", "inbox_at", "lost", "new", "queued", "row", "run", "size", "turning", "urgent",
    )  # fmt: skip

    def __init__(self, run: str) -> None:
        self.run = run
        self.row: Row | None = None
        self.driven: Driven | None = None
        self.due: float | None = None
        self.queued = False
        self.turning = False
        self.again = False
        self.urgent = False
        self.inbox = False
        self.hints: frozenset[str] = frozenset()
        self.lost = False
        self.failures = 0
        self.new = True
        self.size = -1
        self.inbox_at = -1
