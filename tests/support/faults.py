"""An engine that dies, or whose disk fails, at a chosen boundary, in this process.

A boundary is a place between a decision, an outside effect, a write to the journal and its sync. ``Disk`` stands for ``os`` in the modules that write,
``surround`` puts itself around the operations; both tell a ``Fate``, which counts boundaries and raises ``Died`` at the chosen one: what the engine's
process would have lost is lost, what the world did stays. ``FailingDisk`` takes no more from a chosen write on.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.netops.changerail.plugins.module_utils.operation import Call, Outcome, find
from ansible_collections.netops.changerail.plugins.plugin_utils.journal import file as journal_file
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.people import inbox
from support.calls import eventually

EFFECTS = (
    ("example.world.act", "start"),
    ("example.world.act", "cancel"),
    ("approval", "start"),
    ("approval", "conclude"),
)
"""The calls of operations that have, or stand for, an outside effect."""


class Died(BaseException):
    """The engine's process is gone; nothing in the engine catches it."""


class Fate:
    """What becomes of one engine that drives ``folder``: it dies at its ``last`` boundary (0: it lives).

    With ``power`` the machine dies, not the process: what was not synced is lost, and only boundaries count at which there is any of it.
    ``wrong`` collects what an engine must never do: act on what is not durable.
    """

    def __init__(self, folder: RunFolder, last: int, power: bool) -> None:
        self._journal = folder.journal
        self._last = last
        self._power = power
        self._guard = threading.Lock()
        self._busy = 0
        self.passed = 0
        self.dead = False
        self.synced = folder.journal.stat().st_size
        self.where = ""
        self.wrong: list[str] = []

    def boundary(self, name: str, deed: Callable[[], Any] = lambda: None) -> None:
        """Die here, when here is the place; ``deed`` is what is half done then."""
        with self._guard:
            if self.dead:
                raise Died
            if self._power and self._journal.stat().st_size == self.synced:
                return
            self.passed += 1
            if self.passed != self._last:
                return
            self.dead, self.where = True, name
        deed()
        raise Died

    def is_journal(self, descriptor: int) -> bool:
        return os.path.samestat(os.fstat(descriptor), self._journal.stat())

    def must_be_durable(self, text: str, why: str) -> None:
        """``text`` must stand in what is synced."""
        with open(self._journal, "rb") as stream:
            if text.encode() not in stream.read(self.synced):
                self.wrong.append(f"{why}, but {text} is not durable")

    def call(self, name: str, work: Callable[[], Outcome]) -> Outcome:
        """An operation's call between its two boundaries."""
        with self._guard:
            self._busy += 1
        try:
            self.boundary(f"before {name}")
            outcome = work()
            self.boundary(f"after {name}")
            return outcome
        finally:
            with self._guard:
                self._busy -= 1

    def settle(self) -> None:
        """After the engine's death: wait for calls under way to be gone with it, and lose what its machine lost."""
        eventually(lambda: self._busy == 0)
        if self._power:
            os.truncate(self._journal, self.synced)


class Disk:
    """Stands for ``os``: the same but for the calls that change the journal or remove an item of the inbox, which have boundaries."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, descriptor: int, data: bytes) -> int:
        if not self._fate.is_journal(descriptor):
            return os.write(descriptor, data)
        self._fate.boundary("before the write")
        self._fate.boundary("in the write", lambda: os.write(descriptor, bytes(data)[: len(data) // 2]))
        return os.write(descriptor, data)

    def fdatasync(self, descriptor: int) -> None:
        self._fate.boundary("before the sync")
        os.fdatasync(descriptor)
        self._fate.synced = os.fstat(descriptor).st_size
        self._fate.boundary("after the sync")

    def ftruncate(self, descriptor: int, size: int) -> None:
        if not self._fate.is_journal(descriptor):
            os.ftruncate(descriptor, size)
            return
        self._fate.boundary("before the cut")
        os.ftruncate(descriptor, size)
        self._fate.synced = min(self._fate.synced, size)

    def fsync(self, descriptor: int) -> None:
        os.fsync(descriptor)
        if self._fate.is_journal(descriptor):
            self._fate.synced = os.fstat(descriptor).st_size
            self._fate.boundary("after the cut")

    def unlink(self, path: Any) -> None:
        self._fate.must_be_durable(path.name.removesuffix(".json"), "the item was removed from the inbox")
        self._fate.boundary("before the item is removed")
        os.unlink(path)
        self._fate.boundary("after the item was removed")


def surround(patch: pytest.MonkeyPatch, fate: Fate) -> None:
    """Have the engine's disk and the operations of ``EFFECTS`` tell ``fate``."""
    disk = Disk(fate)
    patch.setattr(journal_file, "os", disk)
    patch.setattr(inbox, "os", disk)
    for name, method in EFFECTS:
        operation = find("operations", name)
        patch.setattr(
            operation, method, _surrounded(getattr(operation, method), f"{name}.{method}", fate), raising=True
        )


def _surrounded(real: Callable[..., Outcome], name: str, fate: Fate) -> Callable[..., Outcome]:
    def call(made: Call, *rest: Any) -> Outcome:
        if name.endswith(".start"):
            fate.must_be_durable(f'"key":"{made.context.key}"', f"{name} was called")
        return fate.call(name, lambda: real(made, *rest))

    return call


class FailingDisk:
    """Stands for ``os`` in the journal: from the ``last``-th write or sync on, writes fail with ``error``.

    A full disk takes half of what is written and lets files be cut; a read-only one changes nothing at all.
    """

    def __init__(self, folder: RunFolder, last: int, error: int) -> None:
        self._journal = folder.journal
        self._last = last
        self._error = error
        self._passed = 0
        self.failed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, descriptor: int, data: bytes) -> int:
        already = self.failed
        if not self._fails():
            return os.write(descriptor, data)
        if already or self._error == errno.EROFS:
            raise OSError(self._error, os.strerror(self._error))
        return os.write(descriptor, bytes(data)[: len(data) // 2])

    def fdatasync(self, descriptor: int) -> None:
        if self._fails():
            raise OSError(self._error, os.strerror(self._error))
        os.fdatasync(descriptor)

    def ftruncate(self, descriptor: int, size: int) -> None:
        if self.failed and self._error == errno.EROFS:
            raise OSError(self._error, os.strerror(self._error))
        os.ftruncate(descriptor, size)

    def _fails(self) -> bool:
        self._passed += 1
        self.failed = self.failed or self._passed == self._last
        return self.failed
