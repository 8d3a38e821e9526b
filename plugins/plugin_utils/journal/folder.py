# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a run's things lie on disk; any room may ask, nobody else joins these paths. Creates folders readable by their owner only.

::

    $CHANGERAIL_HOME/
      records/                   the local provider's change records
      accounts.json              users and API tokens of the server
      serve.lock                 held by the server that drives the runs of this folder; its text says who
      wake                       a FIFO: the id of a run, and a newline, makes the server look after that run
      runs/<run id>/
        journal.jsonl            checkpoint and audit log
        lock                     held by the engine that drives the run; its text says who
        wake                     a FIFO: a byte written here makes a running engine look into the inbox
        secrets.json             extra vars whose names say that they are secret; only until the run is over
        entry.json               how the run stood when it was put down, so that nobody has to read the journal for it; never trusted blindly
        inbox/<id>.json          answers, cancels and evidence on their way into the journal
        recorded/<id>/           files of a playbook that was run beside the run and recorded as evidence
        steps/<path>/<attempt>/  files of one attempt (playbook output, pipeline logs, artifacts)
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, StorageError, UnknownRun

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_KEPT = re.compile(r"[^A-Za-z0-9._\[\]-]")


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run; ``path`` is absolute."""

    path: Path

    @property
    def run(self) -> str:
        """The run's id."""
        return self.path.name

    @property
    def journal(self) -> Path:
        return self.path / "journal.jsonl"

    def has_begun(self) -> bool:
        """Whether the run's first record is written: without it there is nothing to go on with."""
        try:
            with open(self.journal, "rb") as stream:
                return stream.readline().endswith(b"\n")
        except FileNotFoundError:
            return False
        except OSError as error:
            raise storage_error(self.journal, error) from None

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def wake(self) -> Path:
        return self.path / "wake"

    @property
    def entry(self) -> Path:
        return self.path / "entry.json"

    @property
    def state(self) -> StateFolder:
        """The state folder this run lies in."""
        return StateFolder(self.path.parent.parent)

    @property
    def secrets(self) -> Path:
        return self.path / "secrets.json"

    @property
    def inbox(self) -> Path:
        return self.path / "inbox"

    def recorded(self, item: str) -> Path:
        """The folder for what was done beside the run, created when it is missing."""
        return private_folder(self.path / "recorded" / item)

    def step(self, path: str, attempt: int) -> Path:
        """The folder of one attempt, created when it is missing."""
        return private_folder(self.step_place(path, attempt))

    def step_place(self, path: str, attempt: int) -> Path:
        """Where the folder of one attempt lies or would lie. A path with odd characters is percent-encoded part by part."""
        return self.path.joinpath("steps", *map(_encoded, path.split("/")), f"attempt-{attempt}")


@dataclass(frozen=True)
class StateFolder:
    """All runs of one ``$CHANGERAIL_HOME``."""

    path: Path

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> StateFolder:
        """``$CHANGERAIL_HOME``, else ``$XDG_STATE_HOME/changerail``, else ``~/.local/state/changerail``."""
        home = environment.get("CHANGERAIL_HOME")
        if home:
            return cls(Path(home).expanduser().absolute())
        state = environment.get("XDG_STATE_HOME") or os.path.join(
            environment.get("HOME") or os.path.expanduser("~"), ".local", "state"
        )
        return cls(Path(state, "changerail").absolute())

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    @property
    def wake(self) -> Path:
        return self.path / "wake"

    @property
    def server(self) -> Path:
        return self.path / "serve.lock"

    @property
    def accounts(self) -> Path:
        return self.path / "accounts.json"

    @property
    def records(self) -> Path:
        return private_folder(self.path / "records")

    def create(self, run: str) -> RunFolder:
        """A new run's folder, or that of a run whose beginning was never recorded. Raises AuthorError when the id is no file name or is taken."""
        if not _RUN_ID.match(run):
            raise AuthorError(
                f"run id {run!r}: expected letters, digits, '.', '_' and '-', at most 100, not beginning with a sign"
            )
        folder = RunFolder(private_folder(self.path / "runs") / run)
        if folder.has_begun():
            raise taken(folder)
        private_folder(folder.path)
        private_folder(folder.inbox)
        return folder

    def open(self, run: str) -> RunFolder:
        """An existing run's folder. Raises UnknownRun."""
        folder = RunFolder(self.path / "runs" / run)
        if not _RUN_ID.match(run) or not folder.journal.exists():
            raise UnknownRun(
                f"run {run!r}: none of that name under {self.path / 'runs'}; 'changerail list' shows those there are"
            )
        return folder

    def all(self) -> Iterator[RunFolder]:
        """Every run that has a journal, by id."""
        runs = self.path / "runs"
        names = sorted(os.listdir(runs)) if runs.is_dir() else []
        yield from (folder for folder in map(RunFolder, (runs / name for name in names)) if folder.journal.exists())


def taken(folder: RunFolder) -> AuthorError:
    """The error for a run that is there already."""
    return AuthorError(
        f"run id {folder.run!r} is taken in {folder.path.parent}: 'changerail resume {folder.run}' goes on with it"
    )


def private_folder(path: Path) -> Path:
    """Make ``path`` with its missing parents, each readable by its owner only. Raises StorageError."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise storage_error(folder, error) from None
        path = folder
    return path


def storage_error(path: Path, error: OSError) -> StorageError:
    """The StorageError for a failed write at ``path``: what failed and what to do."""
    return StorageError(
        f"{path}: {error.strerror or error}; nothing that was recorded is lost: make space or restore write permission, then resume the run"
    )


def _encoded(part: str) -> str:
    safe = _KEPT.sub(lambda match: "".join(f"%{byte:02X}" for byte in match.group().encode()), part)
    return "%" + safe if safe in (".", "..") else safe
