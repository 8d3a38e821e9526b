# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pipelines as commands of this machine, for users without a pipeline system; providers/local.py offers it.

The command runs under a supervisor (local/supervisor.py) in the step's folder: an engine that dies neither stops it nor starts it
twice. What is in the folder says all there is to know, so looking needs no process that remembers anything.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.files import artifact_of, write_json, write_whole
from ansible_collections.netops.changerail.plugins.module_utils.local import supervisor
from ansible_collections.netops.changerail.plugins.module_utils.operation import JSON, Artifact, Context
from ansible_collections.netops.changerail.plugins.module_utils.provider import (
    Job,
    Pipeline,
    PipelineProvider,
    PipelineRequest,
    Status,
)

_GRACE = 10.0
_START_TIMEOUT = 60.0
_PROJECT_SETTINGS = ("command", "chdir", "variables", "artifacts")


class LocalPipelines(PipelineProvider):
    """Commands given by the step, or by ``connections.local.pipelines`` under the project's name (``command``, ``chdir``, ``variables``,
    ``artifacts``). ``connections.local.grace`` is how many seconds a cancelled command has to end (10 by default).

    The command finds each input as ``CHANGERAIL_INPUT_<NAME>``, all of them as JSON in the file ``CHANGERAIL_INPUTS`` names, the key as
    ``CHANGERAIL_KEY`` and the ref as ``CHANGERAIL_REF``. It is no shell: ``[sh, -c, …]`` makes it one.
    """

    options = frozenset({"command", "chdir"})
    interval = 1.0

    def __init__(self, context: Context) -> None:
        connection = context.connections.get("local") or {}
        self._projects: Mapping[str, Mapping[str, JSON]] = connection.get("pipelines") or {}
        self._grace = float(connection.get("grace") or _GRACE)
        self._folder = context.folder / "pipeline"
        self._base = context.base
        self._environment = dict(context.environment)

    def check(self, request: PipelineRequest) -> None:
        self._job(request)
        self._variables(request)

    def find(self, request: PipelineRequest) -> Pipeline | None:
        if not (self._folder / "started.json").exists() and not _is_held(self._folder / "lock"):
            return None
        return self.look(_id(request.key))

    def trigger(self, request: PipelineRequest) -> Pipeline:
        job = self._job(request)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        write_json(self._folder / "job.json", job)
        write_json(self._folder / "inputs.json", dict(request.inputs))
        program = self._folder / "supervisor.py"
        write_whole(program, _source(supervisor.__name__).encode())
        self._launch([sys.executable, "-I", str(program), str(self._folder)], self._variables(request))
        return self.look(_id(request.key))

    def _launch(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Run the supervisor's start, which returns when the supervisor has detached itself."""
        log = self._folder / "supervisor.log"
        log.touch(mode=0o600)
        try:
            with log.open("ab") as output:
                # No module is at hand here whose run_command could do it.
                started = subprocess.run(  # pylint: disable=ansible-bad-function
                    command,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    timeout=_START_TIMEOUT,
                    check=False,
                )
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise OperationError(f"the pipeline's supervisor cannot be started: {error}") from None
        if started.returncode != 0:
            raise OperationError(f"the pipeline's supervisor cannot be started; {log} says why")

    def look(self, pipeline: str) -> Pipeline:
        # The outcome is written before the lock is let go, so whoever looks in this order misses nothing.
        supervised = _is_held(self._folder / "lock")
        log = self._folder / "log.txt"
        outcome = self._read("outcome.json")
        if outcome is not None:
            return self._ended(pipeline, outcome)
        if supervised:
            return Pipeline(pipeline, Status.RUNNING, message=f"log: {log}")
        if _is_held(self._folder / "alive"):
            return Pipeline(
                pipeline, Status.RUNNING, message=f"its supervisor was killed, the command goes on; log: {log}"
            )
        if self._read("started.json") is None:
            raise OperationError(f"pipeline {pipeline} was not started; {self._folder / 'supervisor.log'} says why")
        return Pipeline(
            pipeline,
            Status.LOST,
            message=f"its supervisor was killed before it could say how the command ended; log: {log}",
        )

    def cancel(self, pipeline: str) -> Pipeline:
        lock, alive = self._folder / "lock", self._folder / "alive"
        if _is_held(lock):
            started = _until(lambda: self._read("started.json"), 5.0)
            if started is not None and _is_held(lock):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(started["supervisor"], signal.SIGTERM)
            _until(lambda: not _is_held(lock), self._grace + 5.0)
        # The supervisor was killed before, or just now.
        if not _is_held(lock) and _is_held(alive):
            self._signal_command(signal.SIGTERM)
            if not _until(lambda: not _is_held(alive), self._grace):
                self._signal_command(signal.SIGKILL)
                _until(lambda: not _is_held(alive), 5.0)
        return self.look(pipeline)

    def artifacts(self, pipeline: Pipeline, folder: Path, names: Sequence[str]) -> Sequence[Artifact]:
        details = pipeline.details
        if pipeline.status == Status.SUCCESS and details["missing"]:
            raise OperationError(
                f"pipeline {pipeline.id} succeeded without making its artifact {', '.join(details['missing'])}"
            )
        if pipeline.status == Status.SUCCESS and details["refused"]:
            raise OperationError(
                f"pipeline {pipeline.id}: artifact {', '.join(details['refused'])} lies outside of the pipeline's folder"
            )
        kept = self._folder / "artifacts"
        return [
            Artifact(row["name"], str(kept / row["name"]), row["sha256"], row["size"]) for row in details["artifacts"]
        ]

    def logs(self, pipeline: Pipeline, folder: Path) -> Sequence[Artifact]:
        log = self._folder / "log.txt"
        return [artifact_of(log, "log.txt")] if log.exists() else []

    def _ended(self, pipeline: str, outcome: Mapping[str, Any]) -> Pipeline:
        message = outcome.get("error") or f"exit code {outcome['returncode']}"
        job = Job("command", outcome["status"])
        return Pipeline(pipeline, Status(outcome["status"]), message=message, jobs=(job,), details=outcome)

    def _job(self, request: PipelineRequest) -> dict[str, JSON]:
        """What the supervisor is told."""
        settings = self._settings(request)
        command = settings.get("command")
        try:
            words = shlex.split(command) if isinstance(command, str) else [str(word) for word in command or []]
        except (ValueError, TypeError) as error:
            raise OperationError(f"command: {command!r} cannot be split into words: {error}") from None
        if not words:
            raise OperationError("command: expected a command with its arguments, as a text or a list")
        chdir = self._base / str(settings.get("chdir") or ".")
        if not chdir.is_dir():
            raise OperationError(f"chdir: {chdir} is no folder")
        patterns = [str(pattern) for pattern in request.artifacts or settings.get("artifacts") or []]
        for pattern in patterns:
            if PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts:
                raise OperationError(
                    f"artifacts: {pattern!r} leads out of the pipeline's folder; expected a path relative to it"
                )
        return {
            "key": request.key,
            "command": words,
            "chdir": str(chdir.absolute()),
            "artifacts": patterns,
            "grace": self._grace,
        }

    def _settings(self, request: PipelineRequest) -> Mapping[str, JSON]:
        """The step's own command, or what the project file says about the project."""
        if request.options.get("command") is not None:
            return request.options
        if request.project not in self._projects:
            known = ", ".join(sorted(self._projects)) or "none"
            raise OperationError(
                f"project {request.project!r}: neither a command in the step nor in connections.local.pipelines of changerail.yml; that has: {known}"
            )
        settings = self._projects[request.project]
        unknown = sorted(set(settings) - set(_PROJECT_SETTINGS))
        if unknown:
            raise OperationError(
                f"connections.local.pipelines.{request.project}: unknown {', '.join(unknown)}; known are {', '.join(_PROJECT_SETTINGS)}"
            )
        return {**settings, **{name: value for name, value in request.options.items() if value is not None}}

    def _variables(self, request: PipelineRequest) -> dict[str, str]:
        """The command's environment: ours, the project's and the step's variables, then what tells it about the request."""
        made: dict[str, str] = {}
        for name, value in request.inputs.items():
            variable = f"CHANGERAIL_INPUT_{re.sub(r'[^A-Za-z0-9]', '_', name).upper()}"
            if variable in made:
                raise OperationError(f"inputs: {name!r} and another input would both be {variable}; rename one")
            made[variable] = value if isinstance(value, str) else json.dumps(value)
        made |= {
            "CHANGERAIL_KEY": request.key,
            "CHANGERAIL_REF": request.ref,
            "CHANGERAIL_INPUTS": str(self._folder / "inputs.json"),
        }
        configured = self._settings(request).get("variables") or {}
        variables = {str(name): str(value) for name, value in {**configured, **request.variables}.items()}
        return {**self._environment, **variables, **made}

    def _read(self, name: str) -> Any:
        """The content of a JSON file of the pipeline's folder, None while there is none."""
        try:
            return json.loads((self._folder / name).read_bytes())
        except FileNotFoundError:
            return None

    def _signal_command(self, number: int) -> None:
        """Signal the process group of a command whose supervisor is gone, if it still is the one that was started."""
        process = self._read("process.json")
        if process is not None and supervisor.process_start(process["group"]) == process["started"]:
            supervisor.signal_group(process["group"], number)


def _id(key: str) -> str:
    """What a local pipeline is called: as plain as a number, the same for the same key."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def _is_held(path: Path) -> bool:
    """Whether a living process holds the lock at ``path``."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _until(condition: Callable[[], Any], seconds: float) -> Any:
    """The first true value of ``condition``, or its last value when so many seconds have passed."""
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return value


def _source(module: str) -> str:
    """A module's text, from wherever it was imported: a file, a wheel or the archive of an Ansible module."""
    spec = find_spec(module)
    source = spec.loader.get_source(module) if spec and spec.loader and hasattr(spec.loader, "get_source") else None
    if source is None:
        raise OperationError(f"{module}: its source is not there, so no pipeline can be supervised")
    # Ansible's loader of collections gives bytes.
    return source.decode() if isinstance(source, bytes) else str(source)
