# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal on disk: append, read. Written and synced before anything is acknowledged; a torn last line is healed, other damage refused.

One engine writes; it holds the run's lock. Anybody may read without it (``read``).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from ansible_collections.netops.changerail.plugins.module_utils.errors import JournalDamaged, RunIsHeld, StorageError
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import Event
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import (
    FIRST,
    Record,
    ending,
    line_of,
    records,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder, storage_error

_INSTANT = 0.2
"""Seconds."""


def read(path: Path) -> Iterator[Record]:
    """The records of a journal that may be growing: a last line without its newline is not there yet.

    Raises JournalDamaged with the number of the first bad line, StorageError when the file cannot be read.
    """
    try:
        with open(path, "rb") as stream:
            yield from _located(path, (line for line in stream if line.endswith(b"\n")))
    except OSError as error:
        raise storage_error(path, error) from None


def read_on(path: Path, last: Record, offset: int) -> Iterator[Record]:
    """The records behind ``last``, whose line ends at byte ``offset``, of a journal that may have grown. Raises as ``read`` does.

    JournalDamaged with the line of ``last`` says that this is not the journal any more that ``last`` was read from.
    """
    try:
        with open(path, "rb") as stream:
            tail = ending(last)
            stream.seek(offset - len(tail))
            if stream.read(len(tail)) != tail:
                raise JournalDamaged(f"{path}: line {last.seq} is not any more what was read there", last.seq)
            yield from _located(path, (line for line in stream if line.endswith(b"\n")), last)
    except OSError as error:
        raise storage_error(path, error) from None


class FileJournal:
    """The journal of one run, held for writing until ``close``; a context manager.

    ``read`` goes first: it checks every line, so nothing is written behind damage; ``append`` does it when nobody did.
    ``healed`` is how many bytes of a torn last line were then cut off.
    Raises RunIsHeld when another process holds the run, StorageError.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._path = folder.journal
        self._lock = _take(folder)
        self._file = -1
        self.healed = 0
        self._seq, self._digest, self._size = 0, FIRST, 0
        self._checked = False
        self._broken = False
        try:
            self._file = self._open()
        except BaseException:
            self.close()
            raise

    def read(self) -> Iterator[Record]:
        """What was in the journal when it was opened, one record after the other. Heals a torn last line when it comes to it.

        Raises JournalDamaged at the first line that is not what was written; nothing is changed then.
        """
        whole = 0
        with open(self._path, "rb") as stream:
            for record in _located(self._path, (line for line in stream if line.endswith(b"\n"))):
                self._seq, self._digest = record.seq, record.digest
                whole += record.length
                yield record
        torn = os.fstat(self._file).st_size - whole
        self._size = whole
        self._checked = True
        if torn:
            self.healed = torn
            self._cut_back()

    def append(self, events: Sequence[Event]) -> list[Record]:
        """Write ``events`` and sync them, all or (after an error) none. Returns their records.

        Raises StorageError when the disk does not take them; the journal is then as it was before, and a later append may succeed.
        """
        if not events:
            return []
        if not self._checked:
            deque(self.read(), maxlen=0)
        if self._broken:
            self._cut_back()
        elif os.fstat(self._file).st_size != self._size:
            raise JournalDamaged(
                f"{self._path}: line {self._seq + 1} was written by somebody else while this process held the run",
                self._seq + 1,
            )
        new: list[Record] = []
        lines: list[bytes] = []
        seq, digest = self._seq, self._digest
        for event in events:
            seq += 1
            line, digest = line_of(event, seq, digest)
            lines.append(line)
            new.append(Record(seq, event, digest, len(line)))
        data = b"".join(lines)
        try:
            self._write(data)
            os.fdatasync(self._file)
        except OSError as error:
            self._broken = True
            # If that fails too, the torn tail is cut before the next append, or healed when the run is taken up again.
            with contextlib.suppress(StorageError):
                self._cut_back()
            raise storage_error(self._path, error) from None
        self._seq, self._digest = seq, digest
        self._size += len(data)
        return new

    def close(self) -> None:
        """Let go of the file and of the run."""
        for descriptor in (self._file, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._lock = -1

    def __enter__(self) -> FileJournal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> int:
        new = not self._path.exists()
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            if new:
                _sync_folder(self._path.parent)
        except OSError as error:
            raise storage_error(self._path, error) from None
        return descriptor

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            written = os.write(self._file, view)
            if written == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            view = view[written:]

    def _cut_back(self) -> None:
        self._truncate(self._size)
        self._broken = False

    def _truncate(self, size: int) -> None:
        try:
            os.ftruncate(self._file, size)
            os.fsync(self._file)
        except OSError as error:
            raise storage_error(self._path, error) from None


def holder(folder: RunFolder) -> str | None:
    """Who drives the run right now ("host pid 4711"), None when nobody does."""
    try:
        descriptor = os.open(folder.lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise storage_error(folder.lock, error) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        return _holder_text(descriptor)
    finally:
        os.close(descriptor)


def _take(folder: RunFolder) -> int:
    try:
        descriptor = os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise storage_error(folder.lock, error) from None
    if not _locked(descriptor):
        text = _holder_text(descriptor)
        os.close(descriptor)
        raise RunIsHeld(
            f"run {folder.run} is driven by another process ({text}); 'changerail status {folder.run}' shows it, or stop that process first"
        )
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{socket.gethostname()} pid {os.getpid()}".encode(), 0)
    except OSError as error:
        os.close(descriptor)
        raise storage_error(folder.lock, error) from None
    return descriptor


def _locked(descriptor: int) -> bool:
    """Take the lock. Whoever only looks who drives the run (``holder``) has it for an instant, which is no reason to give up."""
    deadline = time.monotonic() + _INSTANT
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(_INSTANT / 20)


def _holder_text(descriptor: int) -> str:
    return os.pread(descriptor, 200, 0).decode(errors="replace") or "unknown"


def _located(path: Path, lines: Iterator[bytes] | list[bytes], after: Record | None = None) -> Iterator[Record]:
    try:
        yield from records(lines, after)
    except JournalDamaged as damage:
        raise JournalDamaged(
            f"{path}: {damage}; nothing was changed: restore the file from a copy, or 'changerail audit verify' for the whole picture",
            damage.line,
        ) from None


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
