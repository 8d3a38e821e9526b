# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a journal's lines are written and checked: one JSON object a line, chained by SHA-256.

A line is ``{"seq": 7, "prev": "<hex>", "event": "step_started", "at": …, …, "sha": "<hex>"}`` and a newline. ``sha`` covers the line up to itself, so a
changed line is found at its own number; ``prev`` is the ``sha`` of the line before, so a removed or swapped one is found too. The first ``prev`` is 64 zeros.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Any, NamedTuple

from ansible_collections.netops.changerail.plugins.module_utils.errors import JournalDamaged
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import Event, from_json, to_json

FIRST = "0" * 64
_TAIL = len(',"sha":""}\n') + 64
# ``raw_decode`` without its Python frame, which takes a quarter of its time; a line that carries its digest is JSON. typeshed does not know it.
_scan: Callable[[str, int], tuple[dict[str, Any], int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class Record(NamedTuple):
    """An event with its place in the journal: ``seq`` counts from 1 and is the line number, ``digest`` is its line's SHA-256 (hex), ``length`` its bytes."""

    seq: int
    event: Event
    digest: str
    length: int


def line_of(event: Event, seq: int, previous: str) -> tuple[bytes, str]:
    """The line of ``event``, with its newline, and its digest."""
    body = _encode({"seq": seq, "prev": previous, **to_json(event)}).encode("utf-8", "surrogatepass")[:-1]
    digest = sha256(body).hexdigest()
    return b'%b,"sha":"%b"}\n' % (body, digest.encode()), digest


def ending(record: Record) -> bytes:
    """The last bytes of the record's line, which no other line of any journal has."""
    return b',"sha":"%b"}\n' % record.digest.encode()


def records(lines: Iterable[bytes], after: Record | None = None) -> Iterator[Record]:
    """The records of whole lines (with their newlines), the first of them behind ``after``, or else the first of the journal.

    Raises JournalDamaged at the first line that is not what was written there.
    """
    previous, first = (after.digest, after.seq + 1) if after else (FIRST, 1)
    for number, line in enumerate(lines, start=first):
        body, named = line[:-_TAIL], line[-_TAIL:]
        digest = sha256(body).hexdigest()
        if named != b',"sha":"%b"}\n' % digest.encode():
            raise JournalDamaged(
                f"line {number} is not what was written: its SHA-256 is not the one it carries", number
            )
        try:
            document, _end = _scan(body.decode("utf-8", "surrogatepass") + "}", 0)
            place = document["seq"], document["prev"]
        except (StopIteration, ValueError, LookupError, TypeError):
            raise JournalDamaged(f"line {number} carries its SHA-256 and is no event of a journal", number) from None
        if place != (number, previous):
            raise JournalDamaged(
                f"line {number} does not follow the line before it: it is number {document['seq']} of what was written; lines were removed, added or swapped",
                number,
            )
        previous = digest
        yield Record(number, from_json(document, number), digest, len(line))
