# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pipeline with everything it started, and how that stands as a whole; only the other files of this folder use it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.gitlab.api import Api, Refused, project_path
from ansible_collections.netops.changerail.plugins.module_utils.operation import JSON
from ansible_collections.netops.changerail.plugins.module_utils.provider import Job, Pipeline, Status

MOST_DOWNSTREAM = 200
ENDED: Mapping[str, Status] = {
    "success": Status.SUCCESS,
    "failed": Status.FAILED,
    "skipped": Status.FAILED,
    "canceled": Status.CANCELED,
    "manual": Status.BLOCKED,
    "scheduled": Status.BLOCKED,
}
"""All others, known or not, are at work."""
ACTIVE = ("waiting_for_resource", "preparing", "waiting_for_callback", "pending", "running", "canceling")
_KNOWN = (*ENDED, *ACTIVE, "created")

Entity = Mapping[str, Any]


@dataclass(frozen=True)
class Below:
    """A pipeline that another one started; ``allowed`` says that its failure does not count, or that of one above it."""

    entity: Entity
    allowed: bool

    @property
    def status(self) -> Status:
        return ENDED.get(str(self.entity["status"]), Status.RUNNING)


def identity(entity: Entity) -> str:
    """How a pipeline is called outside of GitLab's provider."""
    return f"{entity['project_id']}/{entity['id']}"


def place(pipeline: str) -> str:
    """The path of a pipeline's resources, by its identity; the project may be its path, too. Raises OperationError for what is none."""
    project, dummy, number = pipeline.rpartition("/")
    if not project or not (number.isascii() and number.isdigit()):
        raise OperationError(f"pipeline: {pipeline!r} is none in GitLab; expected <project>/<number>, such as 42/4711")
    return f"{project_path(project)}/pipelines/{number}"


def look(api: Api, pipeline: str) -> Pipeline:
    """The pipeline as it stands, with the jobs of every pipeline it started. Raises Missing when there is none."""
    top = api.get(place(pipeline))
    jobs, below, notes = _walked(api, top)
    own = str(top["status"])
    status = status_of(own, below, [job for job in jobs if job["pipeline"] == identity(top)])
    strange = sorted({str(one["status"]) for one in (top, *(each.entity for each in below))} - set(_KNOWN))
    notes += [f"status {text!r} is new to this version and counts as at work" for text in strange]
    return Pipeline(
        pipeline,
        status,
        url=str(top.get("web_url") or ""),
        message=_message(status, own, jobs, below),
        jobs=tuple(Job(str(job["name"]), str(job["status"]), str(job["url"])) for job in jobs),
        details={"own": own, "jobs": jobs, "below": [{**each.entity, "allowed": each.allowed} for each in below]},
        notes=tuple(notes),
    )


def _walked(api: Api, top: Entity) -> tuple[list[dict[str, JSON]], list[Below], list[str]]:
    """The jobs and bridges of a pipeline and of those below it, those pipelines, and what could not be seen of them."""
    jobs: dict[int, dict[str, JSON]] = {}
    below: list[Below] = []
    notes: list[str] = []
    waiting = [Below(top, False)]
    while waiting:
        above = waiting.pop()
        try:
            # By their ids: a list may move on by a job between two of its pages.
            jobs |= {int(job["id"]): job for job in _jobs(api, above.entity)}
            started = list(_started(api, above, jobs))
        except Refused as error:
            if above.entity is top or error.status == 401:
                raise
            notes.append(f"of downstream pipeline {identity(above.entity)} only its status can be seen: {error}")
            continue
        below += started
        waiting += started
        if len(below) > MOST_DOWNSTREAM:
            raise OperationError(
                f"pipeline {identity(top)} has started more than {MOST_DOWNSTREAM} others; expected fewer"
            )
    return [jobs[number] for number in sorted(jobs)], below, notes


def _jobs(api: Api, pipeline: Entity) -> Iterator[dict[str, JSON]]:
    return (_job(job, pipeline, bridge=False) for job in api.items(f"{place(identity(pipeline))}/jobs"))


def _started(api: Api, above: Below, jobs: dict[int, dict[str, JSON]]) -> Iterator[Below]:
    """The pipelines that one started; the bridges that did so are added to ``jobs``."""
    for bridge in api.items(f"{place(identity(above.entity))}/bridges"):
        jobs[int(bridge["id"])] = _job(bridge, above.entity, bridge=True)
        if bridge.get("downstream_pipeline"):
            yield Below(bridge["downstream_pipeline"], above.allowed or bool(bridge.get("allow_failure")))


def _job(job: Entity, pipeline: Entity, *, bridge: bool) -> dict[str, JSON]:
    return {
        "id": job["id"],
        "name": job["name"],
        "status": job["status"],
        "url": job.get("web_url") or "",
        "project": str(pipeline["project_id"]),
        "pipeline": identity(pipeline),
        "allow_failure": bool(job.get("allow_failure")),
        "reason": job.get("failure_reason") or "",
        "archive": int((job.get("artifacts_file") or {}).get("size") or 0),
        "bridge": bridge,
    }


def status_of(own: str, below: Sequence[Below], jobs: Sequence[Entity]) -> Status:
    """How a pipeline of status ``own``, with its own ``jobs``, stands together with those below it.

    A bridge without ``strategy: depend`` is done as soon as it has started its pipeline; what it started is still at work. Nothing has ended before
    all of it has; but what waits for a person below one that failed is not waited for, nor below a bridge whose failure does not count.
    """
    status = ENDED.get(own, Status.RUNNING)
    if status in (Status.RUNNING, Status.BLOCKED):
        return status
    if any(job["status"] in ACTIVE for job in jobs) or any(each.status == Status.RUNNING for each in below):
        return Status.RUNNING
    if status != Status.SUCCESS:
        return status
    counted = {each.status for each in below if not each.allowed}
    return next((found for found in (Status.BLOCKED, Status.FAILED, Status.CANCELED) if found in counted), status)


def _message(status: Status, own: str, jobs: Sequence[Entity], below: Sequence[Below]) -> str:
    """What the pipeline is at, in few words."""
    wanted = {Status.FAILED: "failed", Status.BLOCKED: "manual", Status.RUNNING: "running"}.get(status)
    at = [job for job in jobs if job["status"] == wanted and not job["allow_failure"] and not job["bridge"]]
    words = {"manual": "waits to be started by hand", "running": "is running", "failed": "failed"}
    if at and wanted:
        reason = f": {at[0]['reason']}" if status == Status.FAILED and at[0]["reason"] else ""
        return f"job {at[0]['name']} {words[wanted]}{reason}"
    if status == Status.SUCCESS:
        return ""
    others = [each for each in below if each.status == status and not (each.allowed and status != Status.RUNNING)]
    return f"downstream pipeline {identity(others[0].entity)} is {others[0].entity['status']}" if others else own
