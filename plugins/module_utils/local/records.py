# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change records in local files, for users without a record system; providers/local.py offers it.

One JSON file a record in the folder ``connections.local.records``, its attachments beside it::

    CHG0000001.json
    CHG0000001/<first 16 digits of the SHA-256>-<name>

A reader takes no lock, because files are replaced as a whole; writers hold ``.lock``.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.files import artifact_of, sync_folder, write_json
from ansible_collections.netops.changerail.plugins.module_utils.local import change_rules
from ansible_collections.netops.changerail.plugins.module_utils.local.change_rules import Document, Writer
from ansible_collections.netops.changerail.plugins.module_utils.operation import JSON, Artifact, Context
from ansible_collections.netops.changerail.plugins.module_utils.provider import (
    Approval,
    Attachment,
    Moves,
    Record,
    RecordProvider,
)

_NUMBER = re.compile(r"CHG\d{7,}\Z")
_ODD = re.compile(r"[^A-Za-z0-9._-]")
TECHNICAL_GROUP = "technical"
"""Who is asked in Assess when the record names no assignment group."""
BOARD_GROUP = "cab"
"""Who is asked in Authorize."""


class LocalRecords(RecordProvider):
    """The records of ``connections.local``: ``records`` (the folder), ``approvals`` (the groups to ask, by state) and
    ``templates`` (fields by template name).
    """

    decides_here = True
    interval = 2.0

    def __init__(self, context: Context) -> None:
        connection = context.connections.get("local") or {}
        if not connection.get("records"):
            raise OperationError(
                "provider local: no folder for its records; expected it as connections.local.records in changerail.yml"
            )
        self._folder = Path(str(connection["records"]))
        self._groups: Mapping[str, Sequence[str]] = connection.get("approvals") or {}
        self._templates: Mapping[str, Mapping[str, JSON]] = connection.get("templates") or {}
        self._writer = Writer(context.requester or "changerail", context.clock())

    def find(self, correlation: str) -> Sequence[Record]:
        found = [document for document in self._documents(correlation) if document["correlation_id"] == correlation]
        return [self._record(document) for document in found]

    def read(self, reference: str) -> Record:
        return self._record(self._read(reference))

    def create(self, fields: Mapping[str, JSON], correlation: str) -> Record:
        fields = {**self._template(fields.get("template")), **fields}
        with self._locked():
            taken = [int(path.stem[3:]) for path in self._files()]
            number = f"CHG{max(taken, default=0) + 1:07d}"
            document = change_rules.opened(number, uuid.uuid4().hex, correlation, fields, self._writer)
            self._write(document)
        return self._record(document)

    def update(self, record: Record, fields: Mapping[str, JSON]) -> Record:
        with self._changing(record) as document:
            change_rules.update(document, fields, self._writer)
        return self._record(document)

    def moves(self, record: Record) -> Moves:
        return change_rules.moves(self._read(record.number))

    def move(self, record: Record, state: str, fields: Mapping[str, JSON]) -> Record:
        with self._changing(record) as document:
            change_rules.move(document, state, fields, self._approving(document), self._writer)
        return self._record(document)

    def attachments(self, record: Record) -> Sequence[Attachment]:
        return [Attachment(row["name"], row["sha256"]) for row in self._read(record.number)["attachments"]]

    def attach(self, record: Record, artifact: Artifact) -> None:
        with self._changing(record) as document:
            row = {"name": artifact.name, "sha256": artifact.sha256, "size": artifact.size}
            if any(row.items() <= kept.items() for kept in document["attachments"]):
                return
            file = self._copy(document["number"], artifact)
            document["attachments"].append({**row, "file": file, "at": self._writer.time, "by": self._writer.by})

    def note_once(self, record: Record, text: str, marker: str) -> bool:
        with self._changing(record) as document:
            if any(note["marker"] == marker for note in document["work_notes"]):
                return False
            document["work_notes"].append(
                {"at": self._writer.time, "by": self._writer.by, "text": text, "marker": marker}
            )
            return True

    def approvals(self, record: Record) -> Sequence[Approval]:
        return [
            Approval(
                id=row["id"],
                gate=row["gate"],
                state=row["state"],
                group=row["group"],
                by=row["by"],
                at=datetime.fromisoformat(row["at"]).timestamp() if row["at"] else None,
                comment=row["comment"],
            )
            for row in self._read(record.number)["approvals"]
        ]

    def approve(self, record: Record, group: str, by: str, decision: str, comment: str) -> Record:
        with self._changing(record) as document:
            change_rules.decide(
                document, group, decision, comment, self._approving(document), Writer(by, self._writer.at)
            )
        return self._record(document)

    def _approving(self, document: Document) -> Mapping[str, Sequence[str]]:
        """Which groups must approve, by the state that asks them."""
        technical = document["fields"].get("assignment_group") or TECHNICAL_GROUP
        return {"assess": [technical], "authorize": [BOARD_GROUP], **self._groups}

    def _template(self, name: JSON) -> Mapping[str, JSON]:
        if name is None:
            return {}
        if name not in self._templates:
            known = ", ".join(sorted(self._templates)) or "none"
            raise OperationError(
                f"template {name!r}: not in connections.local.templates of changerail.yml; it has: {known}"
            )
        return self._templates[name]

    def _record(self, document: Document) -> Record:
        return Record(
            sys_id=document["sys_id"],
            number=document["number"],
            state=document["state"],
            type=document["fields"]["type"],
            approval=document["approval"],
            url=self._path(document["number"]).absolute().as_uri(),
            fields=document["fields"],
        )

    def _path(self, number: str) -> Path:
        return self._folder / f"{number}.json"

    def _files(self) -> list[Path]:
        """The records' files by number, which is the order in which they were opened."""
        paths = [path for path in self._folder.glob("CHG*.json") if _NUMBER.match(path.stem)]
        return sorted(paths, key=lambda path: int(path.stem[3:]))

    def _documents(self, text: str) -> Iterator[Document]:
        """The records whose file contains ``text``: parsing all of them would be slow in a folder of thousands."""
        wanted = json.dumps(text, ensure_ascii=False).encode()
        for path in self._files():
            content = path.read_bytes()
            if wanted in content:
                yield self._parsed(path, content)

    def _read(self, reference: str) -> Document:
        if _NUMBER.match(reference) and self._path(reference).is_file():
            return self._parsed(self._path(reference), self._path(reference).read_bytes())
        for document in self._documents(reference):
            if document["sys_id"] == reference:
                return document
        raise OperationError(f"change record {reference!r}: no record of that number or sys_id in {self._folder}")

    def _parsed(self, path: Path, content: bytes) -> Document:
        try:
            document: Document = json.loads(content)
        except ValueError as error:
            raise OperationError(
                f"{path}: this change record is no longer JSON ({error}); restore the file from a backup"
            ) from None
        return document

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other writers out, of this process and of others."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (self._folder / ".lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise OperationError(f"{self._folder}: change records cannot be written there: {error}") from None

    @contextlib.contextmanager
    def _changing(self, record: Record) -> Iterator[Document]:
        """The record's document as it is now; what is done to it is written when all of it was legal."""
        with self._locked():
            document = self._read(record.number)
            before = json.dumps(document)
            yield document
            if json.dumps(document) != before:
                self._write(document)

    def _write(self, document: Document) -> None:
        write_json(self._path(document["number"]), document)

    def _copy(self, number: str, artifact: Artifact) -> str:
        """Copy an attachment beside the record, whole, and return its path relative to the records' folder."""
        folder = self._folder / number
        folder.mkdir(mode=0o700, exist_ok=True)
        kept = folder / f"{artifact.sha256[:16]}-{_ODD.sub('_', artifact.name)[-100:]}"
        partial = kept.with_name(f".{kept.name}")
        shutil.copyfile(artifact.path, partial)
        partial.chmod(0o600)
        if artifact_of(partial, artifact.name).sha256 != artifact.sha256:
            raise OperationError(
                f"{artifact.path}: the file is not the artifact {artifact.name!r} any more: its SHA-256 changed"
            )
        partial.replace(kept)
        sync_folder(folder)
        return str(kept.relative_to(self._folder))
