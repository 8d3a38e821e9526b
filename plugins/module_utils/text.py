# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text from outside, made harmless for a terminal; whatever shows such text calls it."""

from __future__ import annotations

import unicodedata

_LEFT = {"\n", "\t"}
_ESCAPED_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def harmless(text: str) -> str:
    r"""``text`` with control characters written as escapes (``\x1b``, ``\u202e``); line feeds and tabs stay.

    What could move the cursor, change colours, reverse the direction of writing or hide characters becomes visible instead.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if character in _LEFT or unicodedata.category(character) not in _ESCAPED_CATEGORIES:
        return character
    return character.encode("unicode_escape").decode("ascii")
