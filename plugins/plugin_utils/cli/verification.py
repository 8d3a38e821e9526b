# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a journal, its signatures and its files are what they were; and a run's evidence as a folder that stands alone. Only ``audit`` calls it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, JournalDamaged
from ansible_collections.netops.changerail.plugins.module_utils.files import write_whole
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import RunStarted
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import Record
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import read
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import private_folder, storage_error
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project_file import load
from ansible_collections.netops.changerail.plugins.plugin_utils.people.signatures import Checked, Signers, verify_all
from ansible_collections.netops.changerail.plugins.plugin_utils.people.trusted import read_trusted
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import History
from ansible_collections.netops.changerail.plugins.plugin_utils.views.detail import details
from ansible_collections.netops.changerail.plugins.plugin_utils.views.evidence import collect, fault, write

SUMS = "SHA256SUMS"


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found in one journal. ``damage`` says what is wrong with it and where, "" when every line is what was written.

    ``digest`` is the SHA-256 of the last line, which stands for all before it; ``torn`` the bytes of a last line that was never finished.
    ``signatures`` are all signed answers, ``files`` what is wrong with files the journal names.
    """

    journal: str
    damage: str = ""
    events: int = 0
    first: float = 0.0
    last: float = 0.0
    digest: str = ""
    torn: int = 0
    signatures: tuple[Checked, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """5 for damage, 1 for a signature or file that is not right, else 0."""
        if self.damage:
            return JournalDamaged.exit_code
        return int(bool(self.files) or any(checked.error for checked in self.signatures))

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def verify(journal: Path, allowed_signers: Path | None) -> Verified:
    """Verify one journal. Raises AuthorError when the signers cannot be read, StorageError when the journal cannot."""
    try:
        records = tuple(read(journal))
    except JournalDamaged as damage:
        return Verified(str(journal), damage=str(damage))
    if not records:
        return Verified(str(journal), damage=f"{journal}: line 1: no whole line in it")
    events = [(record.seq, record.event) for record in records]
    artifacts = [
        artifact
        for step in details(event for _seq, event in events).values()
        for attempt in step.attempts
        for artifact in attempt.artifacts
    ]
    return Verified(
        journal=str(journal),
        events=len(records),
        first=records[0].event.at,
        last=records[-1].event.at,
        digest=records[-1].digest,
        torn=_torn(journal),
        signatures=tuple(verify_all(events, _signers(records, allowed_signers))),
        files=tuple(problem for problem in map(fault, artifacts) if problem),
    )


def export(past: History, target: Path) -> Path:
    """Write the run's evidence into the new folder ``target``. Raises AuthorError when it exists, StorageError."""
    if target.exists():
        raise AuthorError(f"{target}: exists already; name a folder that does not, so that nothing is mixed or lost")
    evidence = collect(past.workflow, past.events)
    write(evidence, private_folder(target))
    try:
        _copied(past.folder.journal, target / past.folder.journal.name)
        for number, (_path, artifact) in enumerate(evidence.artifacts, start=1):
            if not fault(artifact):
                name = f"{number}-{os.path.basename(artifact.name) or 'file'}"
                _copied(Path(artifact.path), private_folder(target / "files") / name)
        _write_sums(target)
    except OSError as error:
        raise storage_error(target, error) from None
    return target


def _write_sums(folder: Path) -> None:
    """The digests of all files in the form ``sha256sum --check`` reads."""
    lines = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with open(path, "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        lines.append(f"{digest}  {path.relative_to(folder)}\n")
    write_whole(folder / SUMS, "".join(lines).encode())


def _copied(source: Path, target: Path) -> None:
    """Copy a file, readable by its owner only."""
    target.touch(mode=0o600, exist_ok=False)
    shutil.copyfile(source, target)


def _signers(records: Sequence[Record], allowed_signers: Path | None) -> Signers:
    if allowed_signers is not None:
        return Signers(allowed=read_trusted(allowed_signers).decode(errors="replace"))
    first = records[0].event
    project = load(Path(first.project)) if isinstance(first, RunStarted) and first.project else Project()
    return project.signers()


def _torn(journal: Path) -> int:
    data = journal.read_bytes()
    return len(data) - (data.rfind(b"\n") + 1)
