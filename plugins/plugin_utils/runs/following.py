# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens in the runs of a state folder, as plain JSON, and how far somebody who is told of it has come. The event source of EDA calls it.

It reads journals, which only grow, and goes on where it was. The events of a run come in their order; between runs there is none. A run that is
removed is forgotten; another one of its id is told from its beginning.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import (
    AuthorError,
    ChangerailError,
    JournalDamaged,
    UnknownRun,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import RunStarted, to_json
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import Record
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import read, read_on
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import (
    RunFolder,
    StateFolder,
    private_folder,
    storage_error,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.views.waiting import OpenQuestion, OpenQuestions
from ansible_collections.netops.changerail.plugins.plugin_utils.views.words import asked

Told = dict[str, Any]
"""What is told: ``type``, ``id`` (the same when it is told again), ``run``, ``workflow``, ``began``, ``seq``, ``at``, ``step``, and what ``type`` adds."""
_AT_ONCE = 200
"""How many records one look reads at most."""


class Follower:
    """What is new in the runs of ``state``, or in the one called ``run``, which need not be there yet. For one thread at a time.

    ``position`` is what a Position kept: that was told before. An item's ``type`` is the name of an event in the journal, and the item has its fields;
    "question", which people are asked; or "unreadable", a journal or folder that cannot be read.
    """

    def __init__(self, state: StateFolder, run: str, position: Mapping[str, Any]) -> None:
        self._state = state
        self._run = run
        self._position = dict(position)
        self._journals: dict[str, _Journal] = {}
        self._trouble = ""

    def look(self) -> tuple[list[Told], bool]:
        """What was not told yet, and whether there may be more at once."""
        try:
            folders = list(self._folders())
        except OSError as error:
            before, self._trouble = self._trouble, str(storage_error(self._state.runs, error))
            return ([] if self._trouble == before else [_unreadable("", self._trouble)]), False
        self._trouble = ""
        # A folder that is not there at all is one that is not mounted: nothing is forgotten for that.
        if self._state.runs.is_dir():
            there = {folder.run for folder in folders}
            self._journals = {run: journal for run, journal in self._journals.items() if run in there}
        new: list[Told] = []
        left = _AT_ONCE
        for folder in folders:
            journal = self._journals.get(folder.run)
            if journal is None:
                known = self._position.pop(folder.run, (0.0, 0))
                journal = self._journals[folder.run] = _Journal(folder, *known)
            try:
                told, count = journal.news(left)
            except _Replaced:
                del self._journals[folder.run]
                return new, True
            new += told
            left -= count
            if not left:
                return new, True
        return new, False

    def open_questions(self) -> list[Told]:
        """The questions that are open as far as the journals were read."""
        return [told for journal in self._journals.values() for told in journal.open_questions()]

    def _folders(self) -> Iterator[RunFolder]:
        if not self._run:
            yield from self._state.all()
            return
        try:
            yield self._state.open(self._run)
        except UnknownRun:
            return


class _Replaced(Exception):
    """In its place is a journal that does not begin with what was read."""


class _Journal:
    """One journal, as far as it was read; up to ``seq`` of the run that began at ``began`` it was told before."""

    def __init__(self, folder: RunFolder, began: float, seq: int) -> None:
        self._folder = folder
        self._began, self._told_to = began, seq
        self._workflow = ""
        self._last: Record | None = None
        self._offset = 0
        self._seen: tuple[int, ...] = ()
        self._questions = OpenQuestions()
        self._asked: dict[str, int] = {}
        self._trouble = ""

    def news(self, most: int) -> tuple[list[Told], int]:
        """What was not told yet, of ``most`` records; and how many records that were. Raises _Replaced."""
        try:
            stat = os.stat(self._folder.journal)
        except OSError:
            # Removed in this moment: the next look does not find it.
            return [], 0
        seen = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if seen == self._seen:
            return [], 0
        told: list[Told] = []
        count = 0
        try:
            for record in self._records():
                told += self._take(record)
                count += 1
                if count == most:
                    return told, count
        except JournalDamaged as damage:
            if self._last is not None and damage.line <= self._last.seq:
                raise _Replaced from None
            told += self._in_trouble(damage)
        except ChangerailError as error:
            told += self._in_trouble(error)
        else:
            self._trouble = ""
        self._seen = seen
        return told, count

    def open_questions(self) -> list[Told]:
        """The questions that are open as far as the journal was read."""
        return [self._question(question) for question in self._questions.by_path.values()]

    def _records(self) -> Iterator[Record]:
        if self._last is None:
            return read(self._folder.journal)
        return read_on(self._folder.journal, self._last, self._offset)

    def _take(self, record: Record) -> list[Told]:
        """Take the next record; gives what is to be told of it."""
        event = record.event
        if isinstance(event, RunStarted):
            self._told_to = self._told_to if event.at == self._began else 0
            self._began, self._workflow = event.at, event.name
        self._last = record
        self._offset += record.length
        path = getattr(event, "path", "")
        before = self._questions.by_path.get(path)
        self._questions.apply(event)
        question = self._questions.by_path.get(path)
        asks = question is not None and (before is None or before.question.id != question.question.id)
        if asks:
            self._asked[path] = record.seq
        if record.seq <= self._told_to:
            return []
        fields = to_json(event)
        kind = fields.pop("event")
        # The text of the workflow's files, which is long and no news.
        fields.pop("sources", None)
        told = {**fields, **self._item(kind, record.seq, event.at, path)}
        return [told, self._question(question)] if question is not None and asks else [told]

    def _item(self, kind: str, seq: int, at: float, step: str) -> Told:
        return {
            "type": kind,
            "id": f"{self._folder.run}/{seq}/{kind}",
            "run": self._folder.run,
            "workflow": self._workflow,
            "began": self._began,
            "seq": seq,
            "at": at,
            "step": step,
        }

    def _question(self, question: OpenQuestion) -> Told:
        item = self._item("question", self._asked[question.path], question.since, question.path)
        asks = {"attempt": question.attempt, "asked": asked(question.question), "question": question.question.as_dict()}
        return {**item, **asks}

    def _in_trouble(self, error: ChangerailError) -> list[Told]:
        before, self._trouble = self._trouble, str(error)
        return [] if before == self._trouble else [_unreadable(self._folder.run, self._trouble)]


def _unreadable(run: str, message: str) -> Told:
    return {"type": "unreadable", "id": f"{run}/unreadable", "run": run, "step": "", "message": message}


class Position:
    """How far somebody has come who is told of runs: ``runs`` has for each run when it began and the last record told. Kept in ``file``, if there is one.

    What was handed over counts once the next one was, or ``settle`` says so: until then it may lie in a queue that a dying process takes along.
    """

    def __init__(self, file: Path | None, state: StateFolder) -> None:
        self._file = file
        found = _read(file) if file is not None else None
        self.kept = found is not None
        """Whether there was something to go on from."""
        gone = {run for run in found or {} if state.runs.is_dir() and not (state.runs / run).exists()}
        self.runs: dict[str, tuple[float, int]] = {run: at for run, at in (found or {}).items() if run not in gone}
        self._last: Told | None = None
        self._changed = not self.kept

    def handed_over(self, told: Told) -> None:
        """``told`` was handed over, and so was what came before it taken up."""
        self.settle()
        self._last = told

    def settle(self) -> None:
        """What was handed over was taken up."""
        told, self._last = self._last, None
        if told is None or "seq" not in told:
            return
        run, began, seq = told["run"], told["began"], told["seq"]
        # An open question that is told late is no way back.
        if self.runs.get(run, (None, 0))[0] != began or self.runs[run][1] < seq:
            self.runs[run] = (began, seq)
            self._changed = True

    def keep(self) -> None:
        """Write it where it is kept, whole but not synced: after a power cut the last of what was told is told again. Raises StorageError."""
        if self._file is None or not self._changed:
            return
        private_folder(self._file.parent)
        new = self._file.with_name(f".{self._file.name}.new")
        try:
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
                json.dump(self.runs, stream, separators=(",", ":"))
            os.replace(new, self._file)
        except OSError as error:
            raise storage_error(self._file, error) from None
        self._changed = False


def _read(file: Path) -> dict[str, tuple[float, int]] | None:
    """The position in ``file``, None when there is none yet. Raises AuthorError, StorageError."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        return {str(run): (float(began), int(seq)) for run, (began, seq) in document.items()}
    except FileNotFoundError:
        return None
    except OSError as error:
        raise storage_error(file, error) from None
    except (ValueError, TypeError, AttributeError):
        raise AuthorError(
            f"{file}: expected the position that the event source netops.changerail.runs keeps there, and it is none: "
            "name another file, or remove it to begin anew"
        ) from None
