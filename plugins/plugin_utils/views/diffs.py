# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A diff as people review it: device by device, line by line, side by side or unified. Pure; the web pages call it.

It reads unified diffs (of one device after ``### name``, or by their own ``---``/``+++``/``diff --git`` lines) and what ``frr-reload.py --test`` prints.
What it does not understand is kept as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SAME, ADDED, REMOVED, PLACE, NOTE = "same", "added", "removed", "place", "note"
"""What a line is: on both sides, only new, only old, where a hunk stands, or text beside the diff."""
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_DEVICE = re.compile(r"#{2,4} (\S.*)")
_GIT = re.compile(r"diff --git a/(.+) b/(.+)")
_FRR = {"Lines To Delete": REMOVED, "Lines To Add": ADDED}


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line: ``text`` without its sign; ``old`` and ``new`` are its numbers on either side, None where it has none."""

    kind: str
    text: str
    old: int | None = None
    new: int | None = None


@dataclass(frozen=True, slots=True)
class DeviceDiff:
    """What changes on one device (or in one file); ``device`` is "" when the diff does not say."""

    device: str
    lines: tuple[DiffLine, ...]
    added: int
    removed: int


@dataclass(frozen=True, slots=True)
class Pair:
    """One row of two columns; a hunk's place and notes stand in ``both``."""

    left: DiffLine | None = None
    right: DiffLine | None = None
    both: DiffLine | None = None


def devices(text: str) -> tuple[DeviceDiff, ...]:
    """The devices of a diff, in its order; one without a name when it names none."""
    reading = _Reading()
    # Not splitlines: a form feed or U+2028 inside a line ends no line of a diff.
    for line in text.removesuffix("\n").split("\n") if text else ():
        reading.take(line.removesuffix("\r"))
    return reading.devices()


def side_by_side(lines: Sequence[DiffLine]) -> Iterator[Pair]:
    """The lines in two columns: what was removed stands beside what was added in its place."""
    removed: list[DiffLine] = []
    added: list[DiffLine] = []
    for line in lines:
        if line.kind == REMOVED:
            if added:
                yield from _beside(removed, added)
                removed, added = [], []
            removed.append(line)
        elif line.kind == ADDED:
            added.append(line)
        else:
            yield from _beside(removed, added)
            removed, added = [], []
            yield Pair(line, line) if line.kind == SAME else Pair(both=line)
    yield from _beside(removed, added)


def _beside(removed: Sequence[DiffLine], added: Sequence[DiffLine]) -> Iterator[Pair]:
    for number in range(max(len(removed), len(added))):
        yield Pair(
            removed[number] if number < len(removed) else None,
            added[number] if number < len(added) else None,
        )


class _Reading:
    """Takes a diff line by line. ``_old_left`` and ``_new_left`` are what the hunk being read still has to have on either side."""

    def __init__(self) -> None:
        self._done: list[DeviceDiff] = []
        self._device = ""
        self._named = False
        self._lines: list[DiffLine] = []
        self._old = self._new = 0
        self._old_left = self._new_left = 0
        self._listing = ""

    def take(self, line: str) -> None:
        if self._old_left > 0 or self._new_left > 0:
            self._in_hunk(line)
        elif found := _HUNK.match(line):
            self._begin_hunk(found, line)
        elif line in _FRR:
            self._listing = _FRR[line]
            self._lines.append(DiffLine(PLACE, line))
        elif found := _DEVICE.fullmatch(line):
            self._begin_device(found[1].strip())
            self._named = True
        else:
            self._between(line)

    def devices(self) -> tuple[DeviceDiff, ...]:
        self._end_device()
        return tuple(self._done)

    def _in_hunk(self, line: str) -> None:
        sign, text = line[:1], line[1:]
        if sign == "+":
            self._lines.append(DiffLine(ADDED, text, None, self._new))
            self._new, self._new_left = self._new + 1, self._new_left - 1
        elif sign == "-":
            self._lines.append(DiffLine(REMOVED, text, self._old, None))
            self._old, self._old_left = self._old + 1, self._old_left - 1
        elif sign == "\\":
            self._lines.append(DiffLine(NOTE, line))
        elif sign in (" ", ""):
            self._lines.append(DiffLine(SAME, text, self._old, self._new))
            self._old, self._new = self._old + 1, self._new + 1
            self._old_left, self._new_left = self._old_left - 1, self._new_left - 1
        else:
            # It is shorter than it said.
            self._old_left = self._new_left = 0
            self.take(line)

    def _begin_hunk(self, found: re.Match[str], line: str) -> None:
        self._listing = ""
        self._old, self._new = int(found[1]), int(found[3])
        self._old_left, self._new_left = int(found[2] or 1), int(found[4] or 1)
        self._lines.append(DiffLine(PLACE, line))

    def _between(self, line: str) -> None:
        if self._listing:
            if line and set(line) != {"="}:
                self._lines.append(DiffLine(self._listing, line))
            return
        if found := _GIT.fullmatch(line):
            self._begin_device(found[2])
        elif line.startswith("--- "):
            if not self._named and any(seen.kind == PLACE for seen in self._lines):
                self._begin_device(_file(line))
            self._device = self._device or _file(line)
            self._lines.append(DiffLine(NOTE, line))
        elif line.startswith("+++ "):
            if self._device in ("", "/dev/null"):
                self._device = _file(line)
            self._lines.append(DiffLine(NOTE, line))
        elif line.startswith("+"):
            self._lines.append(DiffLine(ADDED, line[1:]))
        elif line.startswith("-"):
            self._lines.append(DiffLine(REMOVED, line[1:]))
        elif line or self._lines:
            self._lines.append(DiffLine(NOTE, line))

    def _begin_device(self, name: str) -> None:
        self._end_device()
        self._device, self._named, self._listing = name, False, ""

    def _end_device(self) -> None:
        lines = self._lines
        while lines and lines[-1] == DiffLine(NOTE, ""):
            lines.pop()
        if lines or self._device:
            added = sum(line.kind == ADDED for line in lines)
            removed = sum(line.kind == REMOVED for line in lines)
            self._done.append(DeviceDiff(self._device, tuple(lines), added, removed))
        self._device, self._lines = "", []


def _file(line: str) -> str:
    """The file that a line ``--- a/name<TAB>time`` or ``+++ name`` speaks of."""
    name = line[4:].split("\t")[0].strip()
    return name[2:] if name.startswith(("a/", "b/")) else name
