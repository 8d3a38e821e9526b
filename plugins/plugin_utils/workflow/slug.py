# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ids from names: what a step is called in paths when its author gives no ``id``, and what a workflow is called by its file."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePath

LONGEST = 60
_SPELLED_OUT = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe", "å": "aa", "œ": "oe", "ł": "l", "đ": "d"}
)
_TEMPLATE = re.compile(r"\{\{.*?(?:\}\}|\Z)|\{%.*?(?:%\}|\Z)|\{#.*?(?:#\}|\Z)", re.DOTALL)
_SEPARATORS = re.compile(r"[^a-z0-9]+")
_END = re.compile(r"\.ya?ml\Z")


def slug(name: str) -> str:
    """``name`` in lower case with ASCII letters, digits and single ``-`` inside, at most 60 characters; "" when nothing is left.

    Umlauts are spelled out (ä becomes ae), other accents dropped, templates left out.
    """
    text = unicodedata.normalize("NFC", _TEMPLATE.sub(" ", name)).lower().translate(_SPELLED_OUT)
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return _SEPARATORS.sub("-", plain)[: LONGEST + 1].strip("-")[:LONGEST].strip("-")


def workflow_name(file: str) -> str:
    """What servers, their roles and their users call the workflow of this file: its name without folders and end."""
    return _END.sub("", PurePath(file).name)
