# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation ``pipeline``: start a pipeline, wait for its end, bring its artifacts and logs.

The engine, the module and any other driver find it with ``operation.find``. It knows no system; see ``provider.PipelineProvider``.

Each attempt is a pipeline of its own, marked with the attempt's key; with ``retry: failed_jobs`` all attempts share one, marked with the key of the
first. Once one may have been started, no answer of the other side makes this operation start another: it searches, and where nothing can be found
out, a person is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.failures import CANCELLED, FAILED, TRANSIENT, UNKNOWN
from ansible_collections.netops.changerail.plugins.module_utils.operation import (
    JSON,
    Artifact,
    Call,
    Done,
    Failed,
    Operation,
    Outcome,
    Waiting,
)
from ansible_collections.netops.changerail.plugins.module_utils.provider import (
    NoAnswer,
    Pipeline,
    PipelineProvider,
    PipelineRequest,
    Status,
    chosen,
    pipelines,
)

PROVIDER_OPTIONS = ("command", "chdir", "play", "retry", "pipeline", "wait_for")
"""Options that only some providers have."""
FAILED_JOBS = "failed_jobs"
GATE = "gate"
MOST_LOOKS = 3
"""How often a pipeline that may have been started is searched for, at least, before it counts as not started."""
_LAST_LINES = 20
_LAST_BYTES = 4096


class PipelineOperation(Operation):
    """Start a pipeline with inputs and wait until it has ended; or until it waits for somebody, for another step to go on with it."""

    name = "pipeline"
    options: Mapping[str, Mapping[str, Any]] = {
        "provider": {"type": "str"},
        "project": {"type": "str"},
        "ref": {"type": "str"},
        "inputs": {"type": "dict", "default": {}},
        "variables": {"type": "dict", "default": {}},
        "artifacts": {"type": "list", "elements": "str", "default": []},
        "command": {"type": "raw"},
        "chdir": {"type": "str"},
        "play": {"type": "list", "elements": "str"},
        "pipeline": {"type": "raw"},
        "wait_for": {"type": "str", "choices": ["end", GATE]},
        "retry": {"type": "str", "choices": ["pipeline", FAILED_JOBS]},
    }
    constraints: Mapping[str, Any] = {
        "required_one_of": [("project", "command", "pipeline")],
        "mutually_exclusive": [("pipeline", "project"), ("pipeline", "command")],
    }

    def start(self, call: Call) -> Outcome:
        """Adopt the pipeline that carries the key, or start one."""
        name, provider = _provider(call)
        request = _request(call, name, provider)
        if call.args["pipeline"] is None:
            provider.check(request)
        if call.context.check:
            return Done(_planned(name, request), changed=True)
        existing = _existing(call)
        try:
            found = _found(call, provider, request, existing)
        except OperationError as error:
            # An engine that was killed may have started it: a failure now would have the next attempt start another.
            return _later(error, {"provider": name, "id": existing, "looks": 0}, provider)
        try:
            pipeline = found or provider.trigger(request)
        except NoAnswer as error:
            return _searching(call, {"provider": name, "looks": 0}, provider, str(error))
        try:
            return _seen(call, name, provider, pipeline)
        except OperationError as error:
            # It runs: a failure now would have the next attempt start another.
            return _later(error, {"provider": name, "id": pipeline.id, "looks": 0}, provider)

    def poll(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        """Look at the pipeline; never starts one. As long as its system cannot be reached, it goes on waiting: the pipeline goes on, too."""
        name, provider = _provider(call)
        request = _request(call, name, provider)
        try:
            pipeline = provider.look(handle["id"]) if handle["id"] else _found(call, provider, request, "")
        except OperationError as error:
            return _later(_unseen(error), handle, provider)
        try:
            if pipeline is not None:
                return _seen(call, name, provider, pipeline)
        except OperationError as error:
            return _later(error, handle, provider)
        looks, since = min(handle["looks"] + 1, MOST_LOOKS), handle.get("since", call.context.clock())
        if looks == MOST_LOOKS and call.context.clock() - since >= provider.lag:
            return Failed(
                TRANSIENT,
                f"the pipeline was not started: none with the key {request.key} was found in {MOST_LOOKS} looks or more and {provider.lag:g} s",
            )
        return _searching(call, {**handle, "looks": looks, "since": since}, provider, request.key)

    def cancel(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        """Stop the pipeline; what it has done stays done."""
        name, provider = _provider(call)
        request = _request(call, name, provider)
        known = handle.get("id") or _existing(call)
        found = None if known else provider.find(request)
        identity = found.id if found else known
        if not identity:
            return Failed(
                CANCELLED,
                f"no pipeline with the key {request.key} was found; one that starts late must be stopped by hand",
            )
        pipeline = provider.cancel(identity)
        if pipeline.status in (Status.SUCCESS, Status.FAILED, Status.LOST):
            return _seen(call, name, provider, pipeline)
        stopped = "was stopped" if pipeline.status == Status.CANCELED else "was asked to stop and has not ended yet"
        return Failed(CANCELLED, f"pipeline {pipeline.id} {stopped}{_at(pipeline)}", _result(call, name, pipeline))


OPERATION = PipelineOperation()


def _provider(call: Call) -> tuple[str, PipelineProvider]:
    name = chosen(call.args["provider"], "pipelines", call.context)
    return name, pipelines(name, call.context)


def _existing(call: Call) -> str:
    """The pipeline that the step goes on with, "" when it starts one of its own: an id, or the registered result of the step that has it."""
    given: Any = call.args["pipeline"]
    identity = given.get("id") if isinstance(given, Mapping) else given
    if given is not None and not identity:
        raise OperationError(
            "pipeline: expected the id of a pipeline or the registered result of a pipeline step; it has no id"
        )
    return str(identity or "")


def _found(call: Call, provider: PipelineProvider, request: PipelineRequest, existing: str) -> Pipeline | None:
    """The pipeline that is there already; what failed in it runs again when all attempts share it and this is a later one."""
    found = provider.look(existing) if existing else provider.find(request)
    return provider.retry(found) if found and _shares(call) and call.context.attempt > 1 else found


def _shares(call: Call) -> bool:
    """Whether all attempts at the step are one pipeline, in which what failed runs again."""
    return bool(call.args["retry"] == FAILED_JOBS)


def _request(call: Call, name: str, provider: PipelineProvider) -> PipelineRequest:
    """The options as a request. Raises OperationError for options that this provider does not have."""
    args = call.args
    given = {option: args[option] for option in PROVIDER_OPTIONS if args[option] is not None}
    strange = sorted(set(given) - provider.options)
    if strange:
        raise OperationError(f"{', '.join(strange)}: provider {name} has no such option")
    return PipelineRequest(
        key=f"{call.context.key.rpartition('/')[0]}/1" if _shares(call) else call.context.key,
        project=args["project"] or "",
        ref=args["ref"] or "",
        inputs=args["inputs"],
        variables={str(variable): str(value) for variable, value in args["variables"].items()},
        artifacts=tuple(args["artifacts"]),
        options=given,
    )


def _planned(name: str, request: PipelineRequest) -> dict[str, JSON]:
    """The result of a dry run."""
    return {
        "provider": name,
        "project": request.project,
        "ref": request.ref,
        "status": "",
        "artifacts": {},
        "jobs": [],
    }


def _searching(call: Call, handle: Mapping[str, JSON], provider: PipelineProvider, why: str) -> Waiting:
    """Look again, counting from ``since``: a list may show a pipeline later than it was started, however often it is read."""
    return Waiting(
        {"since": call.context.clock(), **handle, "id": ""},
        provider.interval,
        f"searching for the pipeline that may have been started: {why}",
    )


def _unseen(error: OperationError) -> OperationError:
    """That a pipeline which may be at work cannot be looked at is no failure of it, and no reason to start another."""
    if error.failure != FAILED:
        return error
    return OperationError(f"the pipeline may be at work, and nobody can tell how it stands: {error}", UNKNOWN)


def _later(error: OperationError, handle: Mapping[str, JSON], provider: PipelineProvider) -> Waiting:
    """Look again when the pipeline could not be looked at just now; any other error is raised again."""
    if error.failure != TRANSIENT and not isinstance(error, NoAnswer):
        raise error
    after = error.retry_after or provider.interval
    return Waiting(handle, after, f"cannot look at the pipeline, trying again: {error}")


def _seen(call: Call, name: str, provider: PipelineProvider, pipeline: Pipeline) -> Outcome:
    """The outcome of a pipeline as it was seen."""
    what = f"pipeline {call.args['project'] or ''} {pipeline.id}".replace("  ", " ")
    notes = list(pipeline.notes)
    if pipeline.status == Status.BLOCKED and call.args["play"]:
        try:
            pipeline = provider.play(pipeline, call.args["play"])
        except OperationError as error:
            if error.failure != FAILED:
                raise
            # Somebody else may start it; a failure here would leave it waiting unattended.
            notes.append(str(error))
    at_gate = pipeline.status == Status.BLOCKED and call.args["wait_for"] == GATE
    if pipeline.status in (Status.RUNNING, Status.BLOCKED) and not at_gate:
        # What is in the handle is journalled once, however often it is seen.
        handle = {"provider": name, "id": pipeline.id, "looks": 0, **({"notes": notes} if notes else {})}
        message = "; ".join([f"{what} is {pipeline.status.value}{_at(pipeline)}", *notes])
        return Waiting(handle, provider.interval, message, long=pipeline.status == Status.BLOCKED)
    if pipeline.status == Status.LOST:
        return Failed(UNKNOWN, f"nobody can tell how {what} ended{_at(pipeline)}", _result(call, name, pipeline))
    # Apart from each other: an artifact may be called as a log is.
    logs = provider.logs(pipeline, _made(call.context.folder / "logs"))
    files, trouble = _brought(call, provider, pipeline)
    result = _result(call, name, pipeline, files, logs)
    if pipeline.status == Status.SUCCESS:
        return Done(result, changed=True, message=f"{what} succeeded")
    if at_gate:
        return Done(result, changed=True, message=f"{what} waits{_at(pipeline)}")
    if pipeline.status == Status.CANCELED:
        return Failed(FAILED, f"{what} was cancelled by somebody{_at(pipeline)}{trouble}", result)
    return Failed(FAILED, f"{what} failed{_at(pipeline)}{trouble}{_last_lines(logs)}", result)


def _brought(call: Call, provider: PipelineProvider, pipeline: Pipeline) -> tuple[Sequence[Artifact], str]:
    """The artifacts; of a pipeline that failed, why there are none is not what has to be known first."""
    try:
        return provider.artifacts(pipeline, _made(call.context.folder / "artifacts"), call.args["artifacts"]), ""
    except OperationError as error:
        if error.failure != FAILED or pipeline.status not in (Status.FAILED, Status.CANCELED):
            raise
        return (), f"; {error}"


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _result(
    call: Call, name: str, pipeline: Pipeline, files: Sequence[Artifact] = (), logs: Sequence[Artifact] = ()
) -> dict[str, JSON]:
    return {
        "provider": name,
        "project": call.args["project"] or "",
        "ref": call.args["ref"] or "",
        "id": pipeline.id,
        "status": pipeline.status.value,
        "url": pipeline.url,
        "jobs": [asdict(job) for job in pipeline.jobs],
        "artifacts": {file.name: file.as_dict() for file in files},
        "logs": {log.name: log.as_dict() for log in logs},
    }


def _last_lines(logs: Sequence[Artifact]) -> str:
    """What the first log ends with, as the rest of an error message: that is where a pipeline says what went wrong."""
    if not logs:
        return ""
    with Path(logs[0].path).open("rb") as file:
        file.seek(max(0, logs[0].size - _LAST_BYTES))
        lines = file.read().decode("utf-8", errors="replace").splitlines()[-_LAST_LINES:]
    return "\n".join([f"; the last lines of {logs[0].name}:", *lines]) if lines else ""


def _at(pipeline: Pipeline) -> str:
    parts = [part for part in (pipeline.message, pipeline.url) if part]
    return f" ({', '.join(parts)})" if parts else ""
