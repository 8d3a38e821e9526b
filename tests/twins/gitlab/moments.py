# Times as GitLab writes them. For the whole GitLab twin.
from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> str:
    """ISO 8601 with milliseconds, UTC: the API's form."""
    return iso(time.time())


def iso(moment: float) -> str:
    """The API's form of seconds since the epoch."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(text: str) -> float:
    """Seconds since the epoch of an ISO 8601 time; ValueError for anything else."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def in_payload(text: str | None) -> str | None:
    """The form of a webhook's payload: ``2016-08-12 15:23:28 UTC``."""
    return None if text is None else time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds(text)))
