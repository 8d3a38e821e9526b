# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ids from names: what a step is called in paths when its author gives no ``id``."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 60
_SPELLED_OUT = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe", "å": "aa", "œ": "oe", "ł": "l", "đ": "d"}
)
_TEMPLATE = re.compile(r"\{\{.*?(?:\}\}|\Z)|\{%.*?(?:%\}|\Z)|\{#.*?(?:#\}|\Z)", re.DOTALL)
_SEPARATORS = re.compile(r"[^a-z0-9]+")


def slug(name: str) -> str:
    """``name`` in lower case with ASCII letters, digits and single ``-`` inside, at most 60 characters; "" when nothing is left.

    Umlauts are spelled out (ä becomes ae), other accents dropped, templates left out.
    """
    text = unicodedata.normalize("NFC", _TEMPLATE.sub(" ", name)).lower().translate(_SPELLED_OUT)
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return _SEPARATORS.sub("-", plain)[: LONGEST + 1].strip("-")[:LONGEST].strip("-")
