# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mistake in a workflow file and the list of all of them; every part of this room reports through it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection
from dataclasses import dataclass

from ansible_collections.netops.changerail.plugins.module_utils.errors import CheckError
from ansible_collections.netops.changerail.plugins.module_utils.text import harmless
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Position

LIMIT = 1000
"""So many mistakes are listed; a file with more is not worth a longer list."""
_LONGEST_VALUE = 60
_MOST_CANDIDATES = 5000


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong at a place. ``expected`` and ``suggestion`` may be empty; a suggestion is a whole phrase ("did you mean 'when'?")."""

    at: Position
    what: str
    expected: str = ""
    suggestion: str = ""

    def __str__(self) -> str:
        parts = [self.what]
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.suggestion:
            parts.append(self.suggestion)
        return harmless(f"{self.at}: {'; '.join(parts)}")


class Mistakes:
    """Collects the mistakes of one load; the same one at the same place (a file imported twice) counts once."""

    def __init__(self) -> None:
        self._found: dict[tuple[Position, str], Mistake] = {}
        self._left_out = 0

    def add(self, at: Position, what: str, expected: str = "", suggestion: str | Callable[[], str] = "") -> None:
        """Report one mistake. A suggestion that takes a search is given as a function, called only if the mistake is listed."""
        if (at, what) in self._found:
            return
        if len(self._found) >= LIMIT:
            self._left_out += 1
            return
        hint = suggestion if isinstance(suggestion, str) else suggestion()
        self._found[at, what] = Mistake(at, what, expected, hint)

    def __len__(self) -> int:
        return len(self._found)

    def raise_if_any(self) -> None:
        """Raise CheckError with all mistakes, file by file in the order of the text."""
        if not self._found:
            return
        files: dict[str, int] = {}
        for mistake in self._found.values():
            files.setdefault(mistake.at.file, len(files))
        found = sorted(self._found.values(), key=lambda m: (files[m.at.file], m.at.line, m.at.column))
        if self._left_out:
            found.append(Mistake(found[-1].at, f"{self._left_out} more mistakes are not listed"))
        raise CheckError(found)


def nearest(word: str, known: Collection[str]) -> str:
    """ "did you mean 'x'?" with the known word nearest to ``word``, or "" when none is near."""
    if len(known) > _MOST_CANDIDATES or len(word) > _LONGEST_VALUE:
        return ""
    near = difflib.get_close_matches(word, sorted(known), n=1)
    return f"did you mean {near[0]!r}?" if near else ""


def shown(value: object) -> str:
    """``value`` as it is quoted in a message, cut short."""
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
