# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A local change record as text for people. Pure; doors and demos call it with the JSON of a record's file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_FIRST_FIELDS = (
    "type",
    "risk",
    "impact",
    "priority",
    "requested_by",
    "assignment_group",
    "start_date",
    "end_date",
    "close_code",
    "close_notes",
)
_TITLE_FIELDS = ("short_description", "description")


def render(document: Mapping[str, Any]) -> str:
    """The record on one page: what it is, who approved, work notes, attachments and how it went through its states."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    fields = document["fields"]
    yield f"{document['number']}  {fields.get('short_description', '')}"
    yield f"  {'state':<18}{document['state']} (approval: {document['approval']})"
    others = [name for name in fields if name not in (*_FIRST_FIELDS, *_TITLE_FIELDS)]
    for name in (*_FIRST_FIELDS, *sorted(others)):
        if fields.get(name) not in (None, "", False):
            yield f"  {name:<18}{fields[name]}"
    yield f"  {'correlation_id':<18}{document['correlation_id']}"
    yield from _section("Approvals", [_approval(row) for row in document["approvals"]])
    yield from _section(
        "Work notes", [f"{note['at']}  {note['by']}: {note['text']}" for note in document["work_notes"]]
    )
    yield from _section(
        "Attachments",
        [f"{file['name']}  {file['size']} bytes  sha256 {file['sha256']}" for file in document["attachments"]],
    )
    states = [entry for entry in document["audit"] if entry["what"] == "state"]
    yield from _section("States", [f"{entry['at']}  {entry['after']:<10} by {entry['by']}" for entry in states])


def _approval(row: Mapping[str, Any]) -> str:
    decided = f" by {row['by']} at {row['at']}" if row["by"] else ""
    comment = f": {row['comment']}" if row["comment"] else ""
    return f"{row['gate']:<10} {row['group']:<14} {row['state']}{decided}{comment}"


def _section(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield f"  {title}"
        yield from (f"    {line}" for line in lines)
