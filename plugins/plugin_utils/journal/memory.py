# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal in memory, for rehearsals and tests: the same two verbs, and the same JSON round trip, as the one on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import Event
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import FIRST, Record, line_of, records


class MemoryJournal:
    """A journal in a list of lines; given the ``lines`` of an earlier one, it goes on in them."""

    healed = 0

    def __init__(self, lines: list[bytes] | None = None) -> None:
        self.lines = [] if lines is None else lines
        self._digest = FIRST
        for record in self.read():
            self._digest = record.digest

    def read(self) -> Iterator[Record]:
        """Every record; raises JournalDamaged as the one on disk does."""
        yield from records(self.lines)

    def append(self, events: Sequence[Event]) -> list[Record]:
        """Add ``events`` and return their records."""
        new = []
        for event in events:
            line, self._digest = line_of(event, len(self.lines) + 1, self._digest)
            self.lines.append(line)
            new.append(Record(len(self.lines), event, self._digest, len(line)))
        return new

    def close(self) -> None:
        """Nothing is held."""
