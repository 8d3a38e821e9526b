# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations and points in time as people write them (``15m``, ``2h30m``, ``2030-01-31 18:00``); anybody may call it."""

from __future__ import annotations

import math
import re
from datetime import datetime

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError

_UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:(?:\d+(?:\.\d+)?)[wdhms]\s*)+\Z")
_PART = re.compile(r"(\d+(?:\.\d+)?)([wdhms])")


def seconds(value: object) -> float:
    """How long ``value`` is, in seconds: ``90``, ``"90"``, ``"15m"``, ``"2h30m"``, ``"1d"``; never negative.

    Raises AuthorError.
    """
    length = _length(value)
    if length is None:
        raise AuthorError(
            f"{value!r} is no duration: expected seconds, or numbers with w, d, h, m or s such as '15m', '2h30m' or '1d'"
        )
    return length


def moment(value: object, now: float) -> float:
    """The point in time ``value`` names, in seconds since the epoch: a duration from ``now``, or a date and time in ISO 8601.

    A time without a zone is the local time of this machine. Raises AuthorError.
    """
    if isinstance(value, datetime):
        return value.timestamp()
    length = _length(value)
    if length is not None:
        return now + length
    try:
        return datetime.fromisoformat(str(value).strip()).timestamp()
    except (ValueError, OverflowError, OSError):
        raise AuthorError(
            f"{value!r} is neither a duration such as '4h' or '2d' nor a date and time such as '2030-01-31 18:00' or '2030-01-31T18:00+01:00'"
        ) from None


def _length(value: object) -> float | None:
    """Seconds, or None when ``value`` is no duration."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    text = str(value).strip().lower()
    try:
        length = float(text)
    except ValueError:
        if not _DURATION.match(text):
            return None
        length = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    return length if math.isfinite(length) and length >= 0 else None
