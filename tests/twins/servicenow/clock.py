# The instance's clock: real, or standing still until a test moves it. For the whole ServiceNow twin.
from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

FORMAT = "%Y-%m-%d %H:%M:%S"
VIRTUAL_START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC).timestamp()


class Clock:
    """Seconds since the epoch; ``advance`` moves it on (a real clock gets ahead of the world's)."""

    def __init__(self, kind: str) -> None:
        self._virtual = kind == "virtual"
        self._ahead = 0.0

    def advance(self, seconds: float) -> None:
        self._ahead += seconds

    def now(self) -> float:
        return (VIRTUAL_START if self._virtual else time.time()) + self._ahead

    def stamp(self) -> str:
        """Now, as the platform writes it: UTC, whole seconds."""
        return stamp(self.now())


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(FORMAT)


def shifted(value: str, hours: float) -> str:
    """A stored date as seen in a time zone ``hours`` ahead of UTC; what is no date comes back as it is."""
    try:
        return (datetime.strptime(value, FORMAT) + timedelta(hours=hours)).strftime(FORMAT)
    except ValueError:
        return value
