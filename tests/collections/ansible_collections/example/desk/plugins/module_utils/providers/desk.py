"""A stranger's provider for tests: a desk that keeps records and pipelines in one JSON file, its world, and loses answers when told to.

A file ``fault`` in the world says what happens to the next write: "after" commits it and loses the answer, "before" loses the request,
"ignored" answers as if nothing had been asked. The desk moves a record from implement to review by itself, when somebody looks twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.files import artifact_of, write_json
from ansible_collections.netops.changerail.plugins.module_utils.operation import Artifact, Context
from ansible_collections.netops.changerail.plugins.module_utils.provider import (
    Approval,
    Attachment,
    Moves,
    NoAnswer,
    Pipeline,
    PipelineProvider,
    PipelineRequest,
    Provider,
    Record,
    RecordProvider,
    Status,
)

PATH = ("new", "scheduled", "implement", "review", "closed")


class World:
    """What the desk knows."""

    def __init__(self, context: Context) -> None:
        self.folder = Path(str(context.connections["example.desk.desk"]["world"]))

    @contextlib.contextmanager
    def changing(self) -> Iterator[dict[str, Any]]:
        """The world for reading and writing."""
        with (self.folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            path = self.folder / "desk.json"
            world = json.loads(path.read_text()) if path.exists() else {"records": [], "pipelines": [], "writes": 0}
            yield world
            write_json(path, world)

    @contextlib.contextmanager
    def writing(self) -> Iterator[dict[str, Any]]:
        """The world for one write, with the fault that was ordered for it."""
        # An error in between leaves the world as it was.
        # pylint: disable=contextmanager-generator-missing-cleanup
        order = self.folder / "fault"
        fault = order.read_text() if order.exists() else ""
        order.unlink(missing_ok=True)
        if fault == "before":
            raise NoAnswer("the desk did not answer")
        with self.changing() as world:
            before = json.dumps(world)
            yield world
            if fault == "ignored":
                world.clear()
                world.update(json.loads(before))
            world["writes"] += 1
        if fault == "after":
            raise NoAnswer("the desk did not answer")


class DeskRecords(RecordProvider):
    interval = 0.01

    def __init__(self, context: Context) -> None:
        self._world = World(context)

    def find(self, correlation: str) -> Sequence[Record]:
        with self._world.changing() as world:
            return [self._record(row) for row in world["records"] if row["correlation"] == correlation]

    def read(self, reference: str) -> Record:
        with self._world.changing() as world:
            row = self._row(world, reference)
            if row["state"] == "implement":
                row["looks"] += 1
                if row["looks"] > 2:
                    row["state"] = "review"
            return self._record(row)

    def create(self, fields: Mapping[str, Any], correlation: str) -> Record:
        row = {"correlation": correlation, "state": "new", "looks": 0, "fields": dict(fields), "files": [], "notes": []}
        with self._world.writing() as world:
            row["number"] = f"D{len(world['records']) + 1}"
            world["records"].append(row)
        return self._record(row)

    def update(self, record: Record, fields: Mapping[str, Any]) -> Record:
        with self._world.writing() as world:
            self._row(world, record.number)["fields"].update(fields)
        return self.read(record.number)

    def moves(self, record: Record) -> Moves:
        if record.state == "implement":
            return Moves(frozenset({"canceled"}), automatic=frozenset({"review"}))
        if record.state in ("closed", "canceled"):
            return Moves()
        return Moves(frozenset({PATH[PATH.index(record.state) + 1], "canceled"}))

    def move(self, record: Record, state: str, fields: Mapping[str, Any]) -> Record:
        with self._world.writing() as world:
            row = self._row(world, record.number)
            row["state"] = state
            row["fields"].update(fields)
        return self.read(record.number)

    def attachments(self, record: Record) -> Sequence[Attachment]:
        with self._world.changing() as world:
            return [Attachment(*file) for file in self._row(world, record.number)["files"]]

    def attach(self, record: Record, artifact: Artifact) -> None:
        with self._world.writing() as world:
            self._row(world, record.number)["files"].append([artifact.name, artifact.sha256])

    def note_once(self, record: Record, text: str, marker: str) -> bool:
        with self._world.changing() as world:
            if any(note.endswith(marker) for note in self._row(world, record.number)["notes"]):
                return False
        with self._world.writing() as world:
            self._row(world, record.number)["notes"].append(f"{text} {marker}")
        return True

    def approvals(self, record: Record) -> Sequence[Approval]:
        return ()

    def _row(self, world: Mapping[str, Any], number: str) -> dict[str, Any]:
        for row in world["records"]:
            if row["number"] == number:
                found: dict[str, Any] = row
                return found
        raise OperationError(f"desk: no record {number}")

    def _record(self, row: Mapping[str, Any]) -> Record:
        return Record(row["number"], row["number"], row["state"], "normal", "not requested", "", dict(row["fields"]))


class DeskPipelines(PipelineProvider):
    interval = 0.01

    def __init__(self, context: Context) -> None:
        self._world = World(context)

    def check(self, request: PipelineRequest) -> None:
        if not request.project:
            raise OperationError("project: the desk needs one")

    def find(self, request: PipelineRequest) -> Pipeline | None:
        with self._world.changing() as world:
            found = [row for row in world["pipelines"] if row["key"] == request.key]
        return self._pipeline(found[0]) if found else None

    def trigger(self, request: PipelineRequest) -> Pipeline:
        row = {"key": request.key, "status": "running", "inputs": dict(request.inputs)}
        with self._world.writing() as world:
            row["id"] = str(len(world["pipelines"]) + 1)
            world["pipelines"].append(row)
        return self._pipeline(row)

    def look(self, pipeline: str) -> Pipeline:
        with self._world.changing() as world:
            return self._pipeline(world["pipelines"][int(pipeline) - 1])

    def cancel(self, pipeline: str) -> Pipeline:
        with self._world.writing() as world:
            row = world["pipelines"][int(pipeline) - 1]
            if row["status"] == "running":
                row["status"] = "canceled"
        return self.look(pipeline)

    def artifacts(self, pipeline: Pipeline, folder: Path, names: Sequence[str]) -> Sequence[Artifact]:
        (folder / "made.txt").write_text(f"made by {pipeline.id}\n")
        return [artifact_of(folder / "made.txt", "made.txt")]

    def logs(self, pipeline: Pipeline, folder: Path) -> Sequence[Artifact]:
        return ()

    def _pipeline(self, row: Mapping[str, Any]) -> Pipeline:
        return Pipeline(row["id"], Status(row["status"]))


PROVIDER = Provider(records=DeskRecords, pipelines=DeskPipelines)
