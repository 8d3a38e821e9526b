# /projects/:id/pipelines, triggers and jobs. Registered by the GitLab twin's server.
from __future__ import annotations

import time
import zipfile
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from werkzeug.wrappers import Response

from ansible_collections.netops.changerail.tests.twins.gitlab.access import need, trigger_owner
from ansible_collections.netops.changerail.tests.twins.gitlab.ci_file import ConfigError
from ansible_collections.netops.changerail.tests.twins.gitlab.entities import (
    ACTIVE,
    COMPLETED,
    ROLES,
    Job,
    Pipeline,
    Project,
)
from ansible_collections.netops.changerail.tests.twins.gitlab.forms import (
    not_found,
    page,
    parameters,
    refused,
    required,
)
from ansible_collections.netops.changerail.tests.twins.gitlab.moments import seconds
from ansible_collections.netops.changerail.tests.twins.gitlab.objects import Objects
from ansible_collections.netops.changerail.tests.twins.gitlab.pipelines import Pipelines, Wanted
from ansible_collections.netops.changerail.tests.twins.gitlab.settings import Settings
from ansible_collections.netops.changerail.tests.twins.gitlab.shapes import Shapes
from ansible_collections.netops.changerail.tests.twins.kit.web import Exchange, Refused, Router, answer, nothing

FindProject = Callable[[Exchange], Project]
_SCOPES: dict[str, Callable[[Pipeline], bool]] = {
    "running": lambda p: p.status in ACTIVE,
    "pending": lambda p: p.status == "pending",
    "finished": lambda p: p.status in COMPLETED,
    "branches": lambda p: not p.tag,
    "tags": lambda p: p.tag,
}


class PipelineApi:
    """``project_of`` finds the project of a request or refuses it."""

    def __init__(
        self, pipelines: Pipelines, project_of: FindProject, objects: Objects, settings: Callable[[], Settings]
    ) -> None:
        self._pipelines, self._project, self._objects, self._settings = pipelines, project_of, objects, settings

    def register(self, router: Router) -> None:
        project = "/api/v4/projects/{project}"
        for method, path, handler in (
            ("GET", "/pipelines", self.list),
            ("POST", "/pipeline", self.create),
            ("POST", "/trigger/pipeline", self.trigger),
            ("POST", "/ref/{ref}/trigger/pipeline", self.trigger),
            ("GET", "/pipelines/latest", self.latest),
            ("GET", "/pipelines/{pipeline}", self.read),
            ("DELETE", "/pipelines/{pipeline}", self.delete),
            ("PUT", "/pipelines/{pipeline}/metadata", self.rename),
            ("GET", "/pipelines/{pipeline}/variables", self.variables),
            ("GET", "/pipelines/{pipeline}/jobs", self.jobs),
            ("GET", "/pipelines/{pipeline}/bridges", self.bridges),
            ("POST", "/pipelines/{pipeline}/retry", self.retry),
            ("POST", "/pipelines/{pipeline}/cancel", self.cancel),
            ("GET", "/jobs/{job}", self.job),
            ("GET", "/jobs/{job}/trace", self.trace),
            ("GET", "/jobs/{job}/artifacts", self.artifacts),
            ("GET", "/jobs/{job}/artifacts/{file*}", self.artifact),
            ("POST", "/jobs/{job}/artifacts/keep", self.keep),
            ("POST", "/jobs/{job}/erase", self.erase),
            ("POST", "/jobs/{job}/play", self.play),
            ("POST", "/jobs/{job}/retry", self.retry_job),
            ("POST", "/jobs/{job}/cancel", self.cancel_job),
        ):
            router.add(method, project + path, handler)

    # Pipelines.

    def list(self, exchange: Exchange) -> Response:
        given = parameters(exchange)
        lag = self._settings().creation_lag
        found = [p for p in self._project(exchange).pipelines if p.born + lag <= time.time() and _matches(p, given)]
        key = {"updated_at": lambda p: p.updated_at, "status": lambda p: p.status, "ref": lambda p: p.ref}.get(
            given.get("order_by"), lambda p: p.id
        )
        found.sort(key=key, reverse=given.get("sort", "desc") == "desc")
        return page(exchange, found, _shapes(exchange).pipeline_listed)

    def create(self, exchange: Exchange) -> Response:
        """With an access token: variables are a list of ``{key, value}``."""
        project, given = self._project(exchange), parameters(exchange)
        need(exchange, "developer")
        ref = required(given, "ref")
        listed = given.get("variables") or []
        variables = {entry["key"]: str(entry.get("value", "")) for entry in listed if isinstance(entry, dict)}
        return self._create(
            exchange,
            project,
            Wanted(ref, "api", exchange.account.user, variables, given.get("inputs") or {}),
            exchange.account.role,
        )

    def trigger(self, exchange: Exchange) -> Response:
        """With a trigger token as a parameter. An access token here is as good as none."""
        given = parameters(exchange)
        trigger = trigger_owner(self._project(exchange), str(required(given, "token")))
        if trigger is None:
            raise not_found("")
        if exchange.request.headers.get("X-Gitlab-Event") == "Pipeline Hook":
            raise refused(403, "403 Forbidden")
        ref = exchange.path.get("ref") or required(given, "ref")
        variables = {key: str(value) for key, value in (given.get("variables") or {}).items()}
        wanted = Wanted(ref, "trigger", trigger.owner, variables, given.get("inputs") or {})
        return self._create(exchange, self._project(exchange), wanted, "maintainer")

    def _create(self, exchange: Exchange, project: Project, wanted: Wanted, role: str) -> Response:
        least = self._settings().variables_minimum_role
        if wanted.variables and (least == "no_one_allowed" or ROLES[role] < ROLES[least]):
            raise _invalid("Insufficient permissions to set pipeline variables")
        self._pipelines.base = exchange.base
        try:
            for dummy in range(2 if exchange.fault == "duplicate" else 1):
                pipeline = self._pipelines.create(project, wanted)
        except ConfigError as error:
            raise _invalid(str(error)) from None
        return answer(_shapes(exchange).pipeline(pipeline), 201)

    def latest(self, exchange: Exchange) -> Response:
        project = self._project(exchange)
        ref = exchange.query.get("ref", project.source.default_branch)
        found = [p for p in project.pipelines if p.ref == ref]
        if not found:
            raise refused(403, "403 Forbidden")
        return answer(_shapes(exchange).pipeline_with_name(found[-1]))

    def read(self, exchange: Exchange) -> Response:
        return answer(_shapes(exchange).pipeline_with_name(self._pipeline(exchange)))

    def delete(self, exchange: Exchange) -> Response:
        need(exchange, "owner")
        self._project(exchange).pipelines.remove(self._pipeline(exchange))
        return nothing()

    def rename(self, exchange: Exchange) -> Response:
        need(exchange, "developer")
        pipeline = self._pipeline(exchange)
        pipeline.name = required(parameters(exchange), "name")
        return answer(_shapes(exchange).pipeline_with_name(pipeline))

    def variables(self, exchange: Exchange) -> Response:
        """Only what its creator gave; inputs are not among them."""
        need(exchange, self._settings().variables_read_role)
        given = self._pipeline(exchange).variables
        return answer(
            [{"variable_type": "env_var", "key": key, "value": value, "raw": False} for key, value in given.items()]
        )

    def jobs(self, exchange: Exchange) -> Response:
        wanted = [job for job in self._jobs(exchange) if job.spec.trigger is None]
        return page(exchange, wanted, _shapes(exchange).job)

    def bridges(self, exchange: Exchange) -> Response:
        wanted = [job for job in self._jobs(exchange) if job.spec.trigger is not None]
        return page(exchange, wanted, _shapes(exchange).bridge)

    def _jobs(self, exchange: Exchange) -> list[Job]:
        """Newest first, as GitLab lists them."""
        given = parameters(exchange)
        scope = given.get("scope") or []
        pipeline = self._pipeline(exchange)
        jobs = pipeline.jobs if str(given.get("include_retried")).lower() == "true" else pipeline.current
        wanted = [job for job in jobs if not scope or job.status in scope]
        return sorted(wanted, key=lambda job: job.id, reverse=True)

    def retry(self, exchange: Exchange) -> Response:
        need(exchange, "developer")
        pipeline = self._pipeline(exchange)
        self._pipelines.retry_pipeline(pipeline)
        return answer(_shapes(exchange).pipeline(pipeline), 201)

    def cancel(self, exchange: Exchange) -> Response:
        need(exchange, "developer")
        pipeline = self._pipeline(exchange)
        self._pipelines.cancel_pipeline(pipeline)
        return answer(_shapes(exchange).pipeline(pipeline), self._settings().cancel_status)

    # Jobs.

    def job(self, exchange: Exchange) -> Response:
        return answer(_shapes(exchange).job(self._job(exchange)))

    def trace(self, exchange: Exchange) -> Response:
        job = self._job(exchange)
        if job.erased:
            status = self._settings().erased_trace_status
            return nothing() if status == 204 else answer({"message": f"{status} Not Found"}, status)
        text = job.trace.read_bytes() if job.trace.exists() else b""
        return Response(text, content_type="text/plain")

    def artifacts(self, exchange: Exchange) -> Response:
        job = self._job(exchange)
        if not job.files:
            raise not_found("")
        return self._objects.answer(exchange, job.archive.read_bytes(), "application/zip", "artifacts.zip")

    def artifact(self, exchange: Exchange) -> Response:
        job, name = self._job(exchange), exchange.path["file"]
        if ".." in PurePosixPath(name).parts or name.startswith("/"):
            raise refused(400, "400 Bad request")
        if name not in job.files:
            raise not_found("")
        with zipfile.ZipFile(job.archive) as archive:
            return self._objects.answer(
                exchange, archive.read(name), "application/octet-stream", PurePosixPath(name).name
            )

    def keep(self, exchange: Exchange) -> Response:
        need(exchange, "developer")
        job = self._job(exchange)
        if not job.files:
            raise not_found("")
        job.kept = True
        return answer(_shapes(exchange).job(job), 201)

    def erase(self, exchange: Exchange) -> Response:
        """Log and artifacts are gone for good."""
        need(exchange, "maintainer")
        job = self._job(exchange)
        if job.status not in COMPLETED:
            raise refused(403, "403 Forbidden - Job is not erasable!")
        job.erased, job.files = True, []
        return answer(_shapes(exchange).job(job), 201)

    def play(self, exchange: Exchange) -> Response:
        need(exchange, "developer")
        job = self._job(exchange)
        given = parameters(exchange).get("job_variables_attributes") or []
        job.variables |= {entry["key"]: str(entry["value"]) for entry in given}
        try:
            self._pipelines.play(job)
        except ValueError as error:
            raise refused(400, f"400 Bad request - {error}") from None
        return answer(_shapes(exchange).job_basic(job))

    def retry_job(self, exchange: Exchange) -> Response:
        need(exchange, "developer")
        try:
            job = self._pipelines.retry(self._job(exchange))
        except ValueError as error:
            raise refused(403, f"403 Forbidden - {error}") from None
        return answer(_shapes(exchange).job(job), 201)

    def cancel_job(self, exchange: Exchange) -> Response:
        need(exchange, "developer")
        job = self._job(exchange)
        self._pipelines.cancel(job)
        return answer(_shapes(exchange).job(job), 201)

    def _pipeline(self, exchange: Exchange) -> Pipeline:
        wanted = exchange.path["pipeline"]
        found = next((p for p in self._project(exchange).pipelines if str(p.id) == wanted), None)
        if found is None:
            raise not_found("Pipeline") if wanted.isdigit() else refused(400, "pipeline_id is invalid")
        return found

    def _job(self, exchange: Exchange) -> Job:
        project, wanted = self._project(exchange), exchange.path["job"]
        job = self._pipelines.job(int(wanted)) if wanted.isdigit() else None
        if job is None or job.pipeline.project is not project:
            raise not_found("")
        return job


def _shapes(exchange: Exchange) -> Shapes:
    return Shapes(exchange.base)


def _matches(pipeline: Pipeline, given: dict[str, Any]) -> bool:
    """Whether a pipeline passes a list's filters. Child pipelines only when asked for by their source."""
    if given.get("source", "") != "parent_pipeline" and pipeline.source == "parent_pipeline":
        return False
    equal = {
        "ref": pipeline.ref,
        "sha": pipeline.sha,
        "status": pipeline.status,
        "source": pipeline.source,
        "name": pipeline.name,
        "username": pipeline.user.username,
    }
    if any(given[name] != value for name, value in equal.items() if given.get(name)):
        return False
    scope = given.get("scope")
    if scope and not _SCOPES[scope](pipeline):
        return False
    try:
        bounds = [
            (not given.get(f"{what}_after") or seconds(moment) > seconds(given[f"{what}_after"]))
            and (not given.get(f"{what}_before") or seconds(moment) < seconds(given[f"{what}_before"]))
            for what, moment in (("created", pipeline.created_at), ("updated", pipeline.updated_at))
        ]
    except ValueError:
        raise Refused(answer({"error": "created_after is invalid"}, 400)) from None
    return all(bounds)


def _invalid(text: str) -> Refused:
    return refused(400, {"base": [text]})
