# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an engine tells of how long things take, beside its journal. A door that measures gives one to ``Surround``; without, nothing is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Called:
    """A call into an operation: ``verb`` is start, poll, cancel or conclude, ``provider`` who is behind it ("" for what has none).

    ``outcome`` is waiting, done or the failure class; ``seconds`` how long it took, which ended at ``ended`` (seconds since the epoch).
    """

    run: str
    path: str
    attempt: int
    operation: str
    provider: str
    verb: str
    outcome: str
    seconds: float
    ended: float


class Meter:
    """Measures nothing. Every method may be called from any thread, must be quick and must not raise."""

    def called(self, call: Called) -> None:
        """An operation was called."""

    def synced(self, seconds: float) -> None:
        """A batch of events was written to a journal and synced."""

    def arrived(self, lag: float) -> None:
        """An item of an inbox was recorded, so many seconds after it was put there."""


NOTHING = Meter()
