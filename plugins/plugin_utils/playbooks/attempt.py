# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the files of one attempt at a playbook lie and what they say about it; for this room only.

The attempt's folder is a private data directory of ansible-runner::

    lock                     held by the supervisor as long as it lives
    job.json                 what the supervisor is to run
    started.json             written before the playbook starts: from then on it is never started again
    cancel                   made when it was cancelled
    outcome.json             how it ended
    supervisor.log           what the supervisor itself had to complain about
    env/extravars            the playbook's variables; removed as soon as Ansible has read them
    project/task.json        the playbook made of a single task
    artifacts/playbook/      stdout, events.jsonl, diff, and ansible-runner's command, rc and status
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks import processes, supervisor

IDENT = "playbook"
"""ansible-runner's name for the run in the private data directory, which holds one run only."""
MARKER = "CHANGERAIL_ATTEMPT"
"""The environment variable by which all processes of an attempt are found; its value is unique to the attempt."""


class Stage(Enum):
    """How far an attempt has come."""

    FRESH = "never started, nobody is about to"
    RUNNING = "a supervisor is at work"
    OVER = "the outcome is written"
    ORPHANED = "the supervisor died, the playbook goes on"
    LOST = "the supervisor died, and so has the playbook"


@dataclass(frozen=True)
class Attempt:
    """The files of one attempt; ``folder`` is absolute."""

    folder: Path

    @property
    def extra_vars(self) -> Path:
        return self.folder / "env" / "extravars"

    @property
    def log(self) -> Path:
        return self.folder / "supervisor.log"

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts" / IDENT

    @property
    def output(self) -> Path:
        return self.artifacts / "stdout"

    @property
    def events(self) -> Path:
        return self.artifacts / "events.jsonl"

    @property
    def diff(self) -> Path:
        return self.artifacts / "diff"

    def job(self) -> dict[str, Any]:
        """What the supervisor runs; empty when nothing was prepared."""
        return _read(self.folder / supervisor.JOB)

    def started(self) -> dict[str, Any]:
        """``key``, ``pid``, ``host`` and ``time`` of the supervisor; empty before it started."""
        return _read(self.folder / supervisor.STARTED)

    def outcome(self) -> dict[str, Any]:
        """``rc``, ``error``, ``stopped_by``, ``killed`` and ``time`` as the supervisor left them; empty before that."""
        return _read(self.folder / supervisor.OUTCOME)

    def stage(self) -> Stage:
        """How far the attempt has come. The lock is looked at first: the outcome is written before it is let go."""
        if supervisor.is_locked(str(self.folder / "lock")):
            return Stage.RUNNING
        if self.outcome():
            return Stage.OVER
        if not self.started():
            return Stage.FRESH
        return Stage.ORPHANED if self._playbook_lives() else Stage.LOST

    @contextmanager
    def locked(self) -> Iterator[int | None]:
        """Hold the lock while the block runs and yield its file descriptor, to be handed to a supervisor; None when somebody has it."""
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            yield descriptor if supervisor.take_lock(descriptor) else None
        finally:
            os.close(descriptor)

    def forget_variables(self) -> None:
        """Remove the playbook's variables from the disk; for an attempt that will not read them any more."""
        self.extra_vars.unlink(missing_ok=True)

    def _playbook_lives(self) -> bool:
        # The lock tells exactly: the playbook and its workers share it, jobs that they left behind (async) do not.
        # Before the callback has written its first line the lock may not be taken yet, but there is no such job either.
        if self.events.exists() and self.events.stat().st_size:
            return supervisor.is_locked(str(self.events))
        return bool(processes.carriers(self.job()["marker"]))


def _read(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return document
