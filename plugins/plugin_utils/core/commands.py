# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``decide`` asks the engine to do. Pure values; each is outstanding until an event answers it."""

from __future__ import annotations

from typing import NamedTuple


class Evaluate(NamedTuple):
    """Evaluate expressions of the step; answered by ``Evaluated`` with the same path, attempt and purpose ("enter" or "result")."""

    path: str
    attempt: int
    purpose: str


class Expand(NamedTuple):
    """Evaluate the step's loop; answered by ``Expanded``."""

    path: str


class Perform(NamedTuple):
    """Start the attempt, or adopt what was started under its key; answered by ``StepFinished``."""

    path: str
    attempt: int


class Stop(NamedTuple):
    """Stop the attempt in an orderly way; ``reason`` is "timeout" or "cancel". Answered by ``StepFinished``."""

    path: str
    attempt: int
    reason: str


class Due(NamedTuple):
    """When something is due: at ``moment`` (seconds since the epoch), which was ``length`` seconds ahead when it was set."""

    moment: float
    length: float

    def left(self, now: float) -> float:
        """Seconds from ``now``, never more than there were at first: a clock that was set back does not prolong a wait."""
        return min(max(0.0, self.moment - now), self.length)


class SetTimer(NamedTuple):
    """Say ``TimerFired`` when it is ``due``; a timer that nothing waits for any more is a no-op.

    A pause of a loop has the number of items begun as its ``attempt``.
    """

    path: str
    attempt: int
    timer: str
    due: Due


class Ask(NamedTuple):
    """Ask people about a step: how to go on (answered by ``InterventionAsked``, later ``InterventionDecided``), or, once all else is over, whether it was
    right to open it by break-glass (``BreakGlassReviewAsked``, later ``BreakGlassReviewed``)."""

    path: str
    attempt: int


class Finish(NamedTuple):
    """The run is over; answered by ``RunFinished``."""

    status: str
    message: str


Command = Evaluate | Expand | Perform | Stop | SetTimer | Ask | Finish
