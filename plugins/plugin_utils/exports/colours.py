# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The colours of a step's state in drawings, readable with black text. For the exports of this room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Colour(NamedTuple):
    """A fill and the line around it, as ``#rrggbb``."""

    fill: str
    line: str


_GREEN, _YELLOW, _RED, _BLUE, _VIOLET, _GREY = (
    Colour("#d3f0d3", "#2e7d32"),
    Colour("#fff3c4", "#b08800"),
    Colour("#ffd6d6", "#c62828"),
    Colour("#d6ebff", "#1565c0"),
    Colour("#ecd9ff", "#7b1fa2"),
    Colour("#eeeeee", "#9e9e9e"),
)
COLOURS: Mapping[str, Colour] = {
    "ok": _GREEN,
    "changed": _YELLOW,
    "rescued": _YELLOW,
    "ignored": _YELLOW,
    "failed": _RED,
    "cancelled": _RED,
    "running": _BLUE,
    "waiting": _BLUE,
    "retrying": _BLUE,
    "asking": _VIOLET,
    "skipped": _GREY,
    "unreached": _GREY,
}
