# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pipelines in GitLab; providers/gitlab.py offers it.

GitLab has no idempotency key: each POST that is taken is one more pipeline. So every pipeline carries the attempt's key, the intent is
written down before the POST, and after an answer that is none the pipeline is searched for, never asked for again.
"""

from __future__ import annotations

import io
import json
import re
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.failures import FAILED, TRANSIENT, UNKNOWN
from ansible_collections.netops.changerail.plugins.module_utils.files import artifact_of, write_json, write_whole
from ansible_collections.netops.changerail.plugins.module_utils.gitlab import tree
from ansible_collections.netops.changerail.plugins.module_utils.gitlab.api import (
    FILE_LIMIT,
    Api,
    Missing,
    Refused,
    project_path,
    settings,
)
from ansible_collections.netops.changerail.plugins.module_utils.operation import JSON, Artifact, Context
from ansible_collections.netops.changerail.plugins.module_utils.provider import (
    NoAnswer,
    Pipeline,
    PipelineProvider,
    PipelineRequest,
    Status,
)

KEY_VARIABLE, KEY_INPUT = "CHANGERAIL_KEY", "changerail_key"
INTENT = "gitlab-intent.json"
SKEW = 300.0
"""Seconds by which GitLab's clock may be behind ours."""
LOOK_BACK = 3600.0
"""Seconds to search back when no intent is written down: another machine may have started the attempt."""
STOPPING = 15.0
"""Seconds a cancelled pipeline is waited for."""
_SOURCES = ("api", "trigger")
_GLOB = re.compile(r"[*?[]")
_ODD = re.compile(r"[^A-Za-z0-9._-]")

Entity = Mapping[str, Any]


class GitLabPipelines(PipelineProvider):
    """The pipelines of ``connections.gitlab`` (see api.py). A pipeline's id here is ``<project id>/<pipeline id>``."""

    options = frozenset({"play"})

    def __init__(self, context: Context) -> None:
        own = settings(context)
        self._api = Api(own)
        self._trigger_token, self._marker, self.interval = own.trigger_token, own.marker, own.interval
        self._intent = context.folder / INTENT
        self._clock = context.clock

    def check(self, request: PipelineRequest) -> None:
        for name, value in (("project", request.project), ("ref", request.ref)):
            if not value:
                raise OperationError(f"{name}: a pipeline in GitLab needs it")
        for name in (KEY_INPUT, KEY_VARIABLE):
            if name in request.inputs or name in request.variables:
                raise OperationError(f"{name}: this is how the pipeline is marked; it cannot be given")

    def find(self, request: PipelineRequest) -> Pipeline | None:
        """The oldest that carries the key. Younger ones, which one request cannot have wanted, are cancelled.

        Where the name does not tell the key, the variables are read; that is one request each, so only when the intent says that it is worth it.
        """
        candidates = self._candidates(request)
        ours = [entry for entry in candidates if _carries(str(entry.get("name") or ""), request.key)]
        if not ours and self._marker == "variable" and self._intent.exists():
            ours = self._with_variable(candidates, request.key)
        if ours:
            for double in ours[1:]:
                self._cancel_double(double)
            return self.look(tree.identity(ours[0]))
        if candidates and self._marker == "input" and self._intent.exists():
            raise OperationError(
                f"{request.project}: a pipeline was asked for and no usable answer came; {len(candidates)} were started on {request.ref} since, "
                f"and none says whether it is ours. Put $[[ inputs.{KEY_INPUT} ]] into workflow:name of the CI file, look at the project, decide",
                UNKNOWN,
            )
        return None

    def trigger(self, request: PipelineRequest) -> Pipeline:
        write_json(self._intent, {"key": request.key, "at": self._clock(), "others": []})
        try:
            made = self._post(request)
        except NoAnswer:
            raise
        except OperationError as error:
            # Refused, so nothing was started and nothing has to be searched for.
            self._intent.unlink()
            raise _explained(error, request) from None
        try:
            return self.find(request) or self.look(tree.identity(made))
        except OperationError as error:
            raise NoAnswer(f"pipeline {made['id']} was started, and cannot be looked at yet: {error}") from None

    def look(self, pipeline: str) -> Pipeline:
        try:
            return tree.look(self._api, pipeline)
        except Missing as error:
            return Pipeline(pipeline, Status.LOST, message=str(error))

    def cancel(self, pipeline: str) -> Pipeline:
        """Stop it and what it started: GitLab itself stops only child pipelines, and not those of other projects."""
        asked = {pipeline}
        refusals = []
        self._ask_to_stop(pipeline)
        end = time.monotonic() + STOPPING
        while True:
            seen = self.look(pipeline)
            for below in seen.details.get("below", ()):
                one = tree.identity(below)
                if one not in asked and tree.ENDED.get(below["status"]) in (None, Status.BLOCKED):
                    asked.add(one)
                    try:
                        self._ask_to_stop(one)
                    except Refused as error:
                        refusals.append(f"downstream pipeline {one} must be stopped by hand: {error}")
            if seen.status not in (Status.RUNNING, Status.BLOCKED) or time.monotonic() > end:
                return replace(seen, message="; ".join([*refusals, seen.message]) if refusals else seen.message)
            time.sleep(0.5)

    def _ask_to_stop(self, pipeline: str) -> None:
        try:
            self._api.post(f"{tree.place(pipeline)}/cancel", {})
        except NoAnswer as error:
            raise OperationError(str(error), TRANSIENT) from None

    def play(self, pipeline: Pipeline, names: Sequence[str]) -> Pipeline:
        """Start the manual jobs of these names or globs that the pipeline waits for."""
        for job in pipeline.details["jobs"]:
            if job["status"] == "manual" and not job["allow_failure"] and _matches(job["name"], names):
                try:
                    self._api.post(f"{project_path(job['project'])}/jobs/{job['id']}/play", {})
                except NoAnswer as error:
                    # A job that was started is not manual any more when it is looked at again.
                    raise OperationError(str(error), TRANSIENT) from None
        return self.look(pipeline.id)

    def artifacts(self, pipeline: Pipeline, folder: Path, names: Sequence[str]) -> Sequence[Artifact]:
        """Without names all there are. Of files of the same name in several jobs, the last job's counts.

        Files come out of the job's archive, whose checksums tell a whole file from half of one or from a page that says it is sorry. Only of an
        archive too large to be held are the files fetched one by one; then they must be named.
        """
        wanted = list(names) or ["*"]
        found: dict[str, bytes] = {}
        for job in pipeline.details["jobs"]:
            if 0 < job["archive"] <= FILE_LIMIT:
                found |= self._unpacked(job, wanted)
            elif job["archive"]:
                found |= self._one_by_one(job, wanted)
        missing = [name for name in names if not _GLOB.search(name) and name not in found]
        if missing and pipeline.status == Status.SUCCESS:
            raise OperationError(f"pipeline {pipeline.id} succeeded without making its artifact {', '.join(missing)}")
        return [_kept(folder, name, content) for name, content in sorted(found.items())]

    def logs(self, pipeline: Pipeline, folder: Path) -> Sequence[Artifact]:
        ran = [
            job
            for job in pipeline.details["jobs"]
            if job["status"] in ("success", "failed", "canceled") and not job["bridge"]
        ]
        first = sorted(ran, key=lambda job: (job["status"] != "failed" or job["allow_failure"], job["id"]))
        kept = []
        for job in first:
            content = self._api.text(f"{project_path(job['project'])}/jobs/{job['id']}/trace")
            kept.append(_kept(folder, f"{_ODD.sub('_', job['name'])}-{job['id']}.log", content))
        return kept

    # Starting and finding.

    def _post(self, request: PipelineRequest) -> Entity:
        inputs, variables = dict(request.inputs), dict(request.variables)
        if self._marker == "input":
            inputs[KEY_INPUT] = request.key
        else:
            variables[KEY_VARIABLE] = request.key
        path = project_path(request.project)
        body: dict[str, JSON] = {"ref": request.ref, **({"inputs": inputs} if inputs else {})}
        if self._trigger_token:
            made = self._api.post_with_trigger_token(
                f"{path}/trigger/pipeline", {**body, "token": self._trigger_token, "variables": variables}
            )
        else:
            listed = [{"key": key, "value": value} for key, value in variables.items()]
            made = self._api.post(f"{path}/pipeline", {**body, "variables": listed})
        if not isinstance(made, dict) or "id" not in made or "project_id" not in made:
            raise NoAnswer(f"{request.project}: an answer without the pipeline's id")
        return made

    def _candidates(self, request: PipelineRequest) -> list[Entity]:
        """Pipelines of the ref that could be the attempt's, oldest first."""
        since = self._clock() - LOOK_BACK
        if self._intent.exists():
            since = float(json.loads(self._intent.read_bytes())["at"]) - SKEW
        params = {
            "ref": request.ref,
            "created_after": datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds"),
            "order_by": "id",
            "sort": "asc",
        }
        found = self._api.items(f"{project_path(request.project)}/pipelines", params)
        # Checked here, too: servers without one of the filters ignore it.
        return sorted(
            (entry for entry in found if entry.get("source") in _SOURCES and entry.get("ref") == request.ref),
            key=lambda entry: entry["id"],
        )

    def _with_variable(self, candidates: Sequence[Entity], key: str) -> list[Entity]:
        """Those whose variables hold the key. What was found to be somebody else's is written down and not asked about again."""
        intent = json.loads(self._intent.read_bytes())
        others = set(intent["others"])
        ours = []
        try:
            for entry in candidates:
                if entry["id"] in others:
                    continue
                found = self._api.get(f"{tree.place(tree.identity(entry))}/variables")
                if any(variable.get("key") == KEY_VARIABLE and variable.get("value") == key for variable in found):
                    ours.append(entry)
                else:
                    others.add(entry["id"])
        finally:
            write_json(self._intent, {**intent, "others": sorted(others)})
        return ours

    def _cancel_double(self, entry: Entity) -> None:
        if tree.ENDED.get(str(entry["status"])) in (None, Status.BLOCKED):
            self._api.post(f"{tree.place(tree.identity(entry))}/cancel", {})

    def _one_by_one(self, job: Entity, names: Sequence[str]) -> dict[str, bytes]:
        found = {}
        for name in names:
            if _GLOB.search(name):
                raise OperationError(
                    f"artifacts: the archive of job {job['name']} is larger than {FILE_LIMIT} bytes; name the files instead of {name!r}"
                )
            _refuse_outside(name)
            try:
                found[name] = self._api.attachment(
                    f"{project_path(job['project'])}/jobs/{job['id']}/artifacts/{quote(name)}"
                )
            except Missing:
                continue
        return found

    def _unpacked(self, job: Entity, globs: Sequence[str]) -> dict[str, bytes]:
        content = self._api.attachment(f"{project_path(job['project'])}/jobs/{job['id']}/artifacts")
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                names = [
                    entry.filename
                    for entry in archive.infolist()
                    if not entry.is_dir() and _matches(entry.filename, globs)
                ]
                for name in names:
                    _refuse_outside(name)
                return {name: archive.read(name) for name in names}
        except zipfile.BadZipFile:
            raise OperationError(
                f"job {job['name']} {job['id']}: what came as its artifacts is no archive", TRANSIENT
            ) from None


def _carries(name: str, key: str) -> bool:
    """Whether a pipeline's name holds the whole key: ``r/step/1`` is not in ``r/step/10``."""
    return re.search(rf"(?<![\w./\[\]-]){re.escape(key)}(?![\w./\[\]-])", name) is not None


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _refuse_outside(name: str) -> None:
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise OperationError(f"artifacts: {name!r} leads out of the pipeline's folder; expected a path relative to it")


def _kept(folder: Path, name: str, content: bytes) -> Artifact:
    """Write a file below ``folder``, whole, and give it as an artifact."""
    path = folder / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(path, content)
    return artifact_of(path, name)


def _explained(error: OperationError, request: PipelineRequest) -> OperationError:
    """A refusal with what to do about it, where that is known."""
    text = str(error)
    if "set pipeline variables" in text:
        text += (
            "; the project forbids pipeline variables: give inputs instead, and set connections.gitlab.marker to 'input' with an input "
            f"{KEY_INPUT} in the CI file that workflow:name shows"
        )
    elif "Given inputs not defined" in text:
        text += f"; declare them under spec:inputs of the CI file of {request.ref}"
    return OperationError(text, error.failure if error.failure == TRANSIENT else FAILED, error.retry_after)
