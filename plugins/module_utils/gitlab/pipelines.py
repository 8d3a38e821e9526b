# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pipelines in GitLab; providers/gitlab.py offers it.

GitLab has no idempotency key: each POST that is taken is one more pipeline. So every pipeline carries the attempt's key, the intent is
written down before the POST, and after an answer that is none the pipeline is searched for, never asked for again.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.failures import FAILED, TRANSIENT, UNKNOWN
from ansible_collections.netops.changerail.plugins.module_utils.files import write_json
from ansible_collections.netops.changerail.plugins.module_utils.gitlab import files, tree
from ansible_collections.netops.changerail.plugins.module_utils.gitlab.again import Again
from ansible_collections.netops.changerail.plugins.module_utils.gitlab.api import (
    KEY_INPUT,
    KEY_VARIABLE,
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

INTENT, OTHERS = "gitlab-intent.json", "gitlab-others.json"
SKEW = 300.0
"""Seconds by which GitLab's clock may be behind ours."""
LOOK_BACK = 3600.0
"""Seconds to search back when no intent is written down: another machine may have started the attempt."""
LONG_LOOK_BACK = 30 * 86400.0
"""Seconds to search back for the pipeline of an earlier attempt: people may take their time before they say that it is to be tried again."""
_RETRY_BEGINS = 60.0
"""Seconds after which a retry that shows in no job was not taken."""
STOPPING = 15.0
"""Seconds a cancelled pipeline is waited for."""
_SOURCES = ("api", "trigger")
_PLAY_ADVICE = (
    "; it takes a token whose owner may run jobs on the ref (role Developer) and deploy to the job's environment where that is protected, "
    "after the approvals which that asks for: give the token that right, or start the job by hand"
)

Entity = Mapping[str, Any]


class GitLabPipelines(PipelineProvider):
    """The pipelines of ``connections.gitlab`` (see api.py). A pipeline's id here is ``<project id>/<pipeline id>``."""

    options = frozenset({"play", "retry", "pipeline", "wait_for"})

    def __init__(self, context: Context) -> None:
        own = settings(context)
        self._api = Api(own)
        self._trigger_token, self._marker = own.trigger_token, own.marker
        self.interval, self.lag = own.interval, own.lag
        self._intent, self._others = context.folder / INTENT, context.folder / OTHERS
        self._clock = context.clock
        self._attempt = context.attempt
        self._again = Again(self._api, context.folder, context.clock, max(own.lag, _RETRY_BEGINS))

    def check(self, request: PipelineRequest) -> None:
        for name, value in (("project", request.project), ("ref", request.ref)):
            if not value:
                raise OperationError(f"{name}: a pipeline in GitLab needs it")
        for name in request.artifacts:
            files.refuse_hostile(name)
        for name in (KEY_INPUT, KEY_VARIABLE):
            if name in request.inputs or name in request.variables:
                raise OperationError(f"{name}: this is how the pipeline is marked; it cannot be given")

    def find(self, request: PipelineRequest) -> Pipeline | None:
        """The oldest that carries the key, else the one that GitLab named when it was asked. Raises OperationError "unknown" when one may have been
        started and cannot be told from others.
        """
        if self._asked.get("made"):
            return self._first(request, self._asked["made"])
        try:
            candidates, ours = self._searched(request)
        except Refused as error:
            if not self._asked:
                raise
            raise OperationError(
                f"{request.project}: whether the pipeline that was asked for was started cannot be found out: {error}",
                UNKNOWN,
            ) from None
        if ours:
            return self.look(ours)
        if candidates and self._marker == "input" and (self._asked or self._has_earlier(request)):
            raise OperationError(
                f"{request.project}: a pipeline was asked for and no usable answer came; {len(candidates)} were started on {request.ref} since, "
                f"and none says whether it is ours. Put $[[ inputs.{KEY_INPUT} ]] into workflow:name of the CI file, look at the project, decide",
                UNKNOWN,
            )
        return None

    def trigger(self, request: PipelineRequest) -> Pipeline:
        """Ask for it; not yet when this attempt has asked and was killed, and a list may not show what came of that."""
        if self._clock() - self._asked.get("at", -math.inf) < self.lag:
            raise NoAnswer(f"{request.project}: the pipeline was asked for before, and lists may not show it yet")
        write_json(self._intent, {"key": request.key, "at": self._clock()})
        try:
            made = tree.identity(self._post(request))
        except NoAnswer:
            raise
        except OperationError as error:
            # Refused, so nothing was started and nothing has to be searched for.
            self._intent.unlink()
            raise _explained(error, request) from None
        write_json(self._intent, {**self._asked, "made": made})
        try:
            return self._first(request, made)
        except OperationError as error:
            raise NoAnswer(f"pipeline {made} was started, and cannot be looked at yet: {error}") from None

    def _first(self, request: PipelineRequest, made: str) -> Pipeline:
        """The pipeline of one request, which may have made two: the answer names the younger one then. Who may not search takes it as it is named."""
        try:
            ours = self._searched(request)[1]
        except Refused:
            ours = ""
        return self.look(ours or made)

    def look(self, pipeline: str) -> Pipeline:
        try:
            return self._again.judge(tree.look(self._api, pipeline))
        except Missing as error:
            return Pipeline(pipeline, Status.LOST, message=str(error))

    def retry(self, pipeline: Pipeline) -> Pipeline:
        self._again.ask(pipeline)
        return self._again.judge(pipeline)

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
            # Asking again does no harm, so nobody has to be asked what became of it.
            raise OperationError(str(error), TRANSIENT) from None

    def play(self, pipeline: Pipeline, names: Sequence[str]) -> Pipeline:
        """Start the manual jobs of these names or globs that the pipeline waits for. Raises Refused when one may not be started, or not now."""
        for job in pipeline.details["jobs"]:
            if (
                job["status"] == "manual"
                and not job["allow_failure"]
                and any(fnmatchcase(job["name"], name) for name in names)
            ):
                self._play(job)
        return self.look(pipeline.id)

    def _play(self, job: Entity) -> None:
        path = f"{project_path(job['project'])}/jobs/{job['id']}"
        try:
            self._api.post(f"{path}/play", {})
        except NoAnswer as error:
            # Whoever looks again sees whether it is still manual, and only then asks again.
            raise OperationError(str(error), TRANSIENT) from None
        except Refused as error:
            if self._api.get(path).get("status") != "manual":
                return
            raise Refused(f"job {job['name']} cannot be started: {error}{_PLAY_ADVICE}", error.status) from None

    def artifacts(self, pipeline: Pipeline, folder: Path, names: Sequence[str]) -> Sequence[Artifact]:
        return files.artifacts(self._api, pipeline, folder, names)

    def logs(self, pipeline: Pipeline, folder: Path) -> Sequence[Artifact]:
        return files.logs(self._api, pipeline, folder)

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

    @property
    def _asked(self) -> Mapping[str, Any]:
        """What this attempt has written down: that it asked for a pipeline, when, and what GitLab said; empty before it did."""
        return dict(json.loads(self._intent.read_bytes())) if self._intent.exists() else {}

    def _searched(self, request: PipelineRequest) -> tuple[list[Entity], str]:
        """The pipelines that could be the attempt's, and the oldest that carries the key, "" for none. Younger ones, which one request cannot have wanted,
        are cancelled.

        Where the name does not tell the key, the variables are read; that is one request each, so only when one may have been started.
        """
        candidates = self._candidates(request)
        ours = [entry for entry in candidates if _carries(str(entry.get("name") or ""), request.key)]
        if not ours and self._marker == "variable" and (self._asked or self._has_earlier(request)):
            ours = self._with_variable(candidates, request.key)
        for double in ours[1:]:
            self._cancel_double(double)
        return candidates, tree.identity(ours[0]) if ours else ""

    def _candidates(self, request: PipelineRequest) -> list[Entity]:
        """Pipelines of the ref that could be the attempt's, oldest first."""
        since = self._clock() - (LONG_LOOK_BACK if self._has_earlier(request) else LOOK_BACK)
        if self._asked:
            since = float(self._asked["at"]) - SKEW
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

    def _has_earlier(self, request: PipelineRequest) -> bool:
        """Whether an earlier attempt may have started the pipeline that this one goes on with."""
        return request.options.get("retry") == "failed_jobs" and self._attempt > 1

    def _with_variable(self, candidates: Sequence[Entity], key: str) -> list[Entity]:
        """Those whose variables hold the key. What was found to be somebody else's is written down and not asked about again."""
        others = set(json.loads(self._others.read_bytes())["ids"] if self._others.exists() else ())
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
            write_json(self._others, {"ids": sorted(others)})
        return ours

    def _cancel_double(self, entry: Entity) -> None:
        if tree.ENDED.get(str(entry["status"])) in (None, Status.BLOCKED):
            self._ask_to_stop(tree.identity(entry))


def _carries(name: str, key: str) -> bool:
    """Whether a pipeline's name holds the whole key: ``r/step/1`` is not in ``r/step/10``."""
    return re.search(rf"(?<![\w./\[\]-]){re.escape(key)}(?![\w./\[\]-])", name) is not None


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
    elif isinstance(error, Missing) and "/trigger/pipeline" in text:
        text += "; or trigger_token is no trigger token (glptt-...) of this project"
    return OperationError(text, error.failure if error.failure == TRANSIENT else FAILED, error.retry_after)
