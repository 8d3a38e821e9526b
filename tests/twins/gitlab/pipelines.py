# Creates pipelines and moves them on: what runs when, retry, cancel, play, child pipelines, deployments. For the GitLab twin's API.
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.tests.twins.gitlab import ci_file, statuses
from ansible_collections.netops.changerail.tests.twins.gitlab.ci_file import ConfigError, JobSpec
from ansible_collections.netops.changerail.tests.twins.gitlab.entities import (
    COMPLETED,
    Deployment,
    Environment,
    Job,
    Pipeline,
    Project,
    User,
)  # fmt: skip
from ansible_collections.netops.changerail.tests.twins.gitlab.expressions import expand
from ansible_collections.netops.changerail.tests.twins.gitlab.moments import now
from ansible_collections.netops.changerail.tests.twins.gitlab.runner import Ended, Runner
from ansible_collections.netops.changerail.tests.twins.gitlab.settings import Settings
from ansible_collections.netops.changerail.tests.twins.kit.log import Log

CI_FILE = ".gitlab-ci.yml"


@dataclass(frozen=True)
class Wanted:
    """What somebody asks for: a pipeline of ``ref`` with variables and inputs. ``ci_file`` replaces the project's own."""

    ref: str
    source: str
    user: User
    variables: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    ci_file: str = CI_FILE
    bridge: Job | None = None


class Pipelines:
    """All pipelines of all projects; every method is called under ``lock``.

    ``tell`` is called with a pipeline or job whose status has changed (webhooks).
    """

    def __init__(self, folder: Path, lock: threading.RLock, log: Log, settings: Callable[[], Settings]) -> None:
        self.projects: dict[int, Project] = {}
        self.tell: Callable[[Pipeline | Job], None] = lambda changed: None
        self.base = ""
        self._folder, self._lock, self._log, self._settings = folder, lock, log, settings
        self._runner = Runner(self._ended)
        self._ids = {"pipeline": 100, "job": 1000, "deployment": 10, "environment": 1}

    def next_id(self, kind: str) -> int:
        self._ids[kind] = self._ids.get(kind, 0) + 1
        return self._ids[kind]

    def job(self, job_id: int) -> Job | None:
        return next(
            (
                job
                for project in self.projects.values()
                for p in project.pipelines
                for job in p.jobs
                if job.id == job_id
            ),
            None,
        )

    def stop(self) -> None:
        self._runner.stop()

    # Creating.

    def create(self, project: Project, wanted: Wanted) -> Pipeline:
        """A new pipeline, set going. Raises ConfigError with GitLab's own words when there can be none."""
        sha = project.source.commit(wanted.ref)
        if sha is None:
            raise ConfigError("Reference not found")
        text = project.source.read(sha, wanted.ci_file)
        if text is None:
            raise ConfigError("Missing CI config file")
        number, iid = self.next_id("pipeline"), len(project.pipelines) + 1
        predefined = self._predefined(project, wanted, sha, number, iid)
        config = ci_file.read(
            text, wanted.inputs, {**predefined, **wanted.variables}, lambda path: project.source.read(sha, path)
        )
        moment = now()
        pipeline = Pipeline(
            number, iid, project, wanted.ref, sha, wanted.source, wanted.user, moment, moment, time.time()
        )
        pipeline.variables, pipeline.all_variables = dict(wanted.variables), dict(config.variables)
        pipeline.stages, pipeline.bridge = tuple(config.stages), wanted.bridge
        pipeline.tag, pipeline.commit = project.source.is_tag(wanted.ref), project.source.title(sha)
        if config.name:
            expands = self._settings().workflow_name_expands
            pipeline.name = (expand(config.name, config.variables) if expands else config.name).strip()
        pipeline.jobs = [
            self._new_job(pipeline, spec, wanted.user)
            for stage in config.stages
            for spec in config.jobs
            if spec.stage == stage
        ]
        project.pipelines.append(pipeline)
        self._log.commit("create pipeline", number)
        self._advance(pipeline)
        return pipeline

    def _predefined(self, project: Project, wanted: Wanted, sha: str, number: int, iid: int) -> dict[str, str]:
        tag = {"CI_COMMIT_TAG": wanted.ref} if project.source.is_tag(wanted.ref) else {"CI_COMMIT_BRANCH": wanted.ref}
        namespace, dummy, name = project.path.rpartition("/")
        return {
            "CI": "true",
            "GITLAB_CI": "true",
            "CI_API_V4_URL": f"{self.base}/api/v4",
            "CI_SERVER_URL": self.base,
            "CI_COMMIT_SHA": sha,
            "CI_COMMIT_SHORT_SHA": sha[:8],
            "CI_COMMIT_REF_NAME": wanted.ref,
            "CI_DEFAULT_BRANCH": project.source.default_branch,
            "CI_PIPELINE_ID": str(number),
            "CI_PIPELINE_IID": str(iid),
            "CI_PIPELINE_SOURCE": wanted.source,
            "CI_PIPELINE_URL": f"{self.base}/{project.path}/-/pipelines/{number}",
            "CI_PROJECT_ID": str(project.id),
            "CI_PROJECT_NAME": name,
            "CI_PROJECT_NAMESPACE": namespace,
            "CI_PROJECT_PATH": project.path,
            "GITLAB_USER_LOGIN": wanted.user.username,
            **tag,
        }

    def _new_job(self, pipeline: Pipeline, spec: JobSpec, user: User) -> Job:
        number = self.next_id("job")
        folder = self._folder / "jobs" / str(number)
        folder.mkdir(parents=True)
        own = {
            "CI_JOB_ID": str(number),
            "CI_JOB_NAME": spec.name,
            "CI_JOB_STAGE": spec.stage,
            "CI_JOB_URL": f"{self.base}/{pipeline.project.path}/-/jobs/{number}",
            "CI_ENVIRONMENT_NAME": spec.environment,
        }
        everything = {**pipeline.all_variables, **own}
        variables = {**spec.variables, **pipeline.variables}
        everything |= {name: expand(value, {**everything, **variables}) for name, value in variables.items()}
        job = Job(
            number,
            spec.name,
            spec.stage,
            spec,
            pipeline,
            everything,
            spec.when,
            spec.allow_failure,
            user,
            now(),
            folder,
        )
        if spec.environment:
            self._deploy(job, expand(spec.environment, everything))
        return job

    def _deploy(self, job: Job, name: str) -> None:
        project, moment = job.pipeline.project, now()
        environment = project.environment(name) or self.add_environment(project, name)
        number = self.next_id("deployment")
        job.deployment = Deployment(number, len(project.deployments) + 1, environment, job, moment, moment)
        project.deployments.append(job.deployment)

    def add_environment(self, project: Project, name: str) -> Environment:
        environment = Environment(self.next_id("environment"), name, now())
        project.environments.append(environment)
        return environment

    # Moving on.

    def _advance(self, pipeline: Pipeline) -> None:
        """Starts whatever may start now and brings the statuses up to date."""
        for job in pipeline.current:
            if job.status == "created" and all(statuses.settled(other) for other in self._before(job)):
                self._reached(job)
        self._start_pending()
        self._refresh(pipeline)

    def _before(self, job: Job) -> list[Job]:
        """The jobs this one waits for: its needs, or all of the earlier stages."""
        jobs = job.pipeline.current
        if job.spec.needs is not None:
            return [other for other in jobs if other.name in job.spec.needs]
        stages = job.pipeline.stages
        return [other for other in jobs if stages.index(other.stage) < stages.index(job.stage)]

    def _reached(self, job: Job) -> None:
        """The job's turn has come: decides what becomes of it."""
        before = self._before(job)
        fits = {
            "always": True,
            "on_failure": any(statuses.failed(other) for other in before),
        }.get(job.when, not any(statuses.hinders(other) for other in before))
        if not fits:
            self._set(job, "skipped")
        elif job.deployment and job.deployment.environment.required_approvals and not job.released:
            self._set(job, "manual")
            self._set_deployment(job.deployment, "blocked")
        elif job.when == "manual" and not job.released:
            self._set(job, "manual")
        elif job.when == "delayed" and not job.released:
            self._set(job, "scheduled")
            threading.Timer(job.spec.start_in, self._time_has_come, (job,)).start()
        else:
            self._enqueue(job)
        if statuses.settled(job):
            self._advance(job.pipeline)

    def _time_has_come(self, job: Job) -> None:
        with self._lock:
            if job.status == "scheduled":
                self.play(job)

    def _enqueue(self, job: Job) -> None:
        self._set(job, "pending")
        if job.spec.trigger is not None:
            self._bridge(job)

    def _start_pending(self) -> None:
        """Gives free runner slots to waiting jobs, oldest first."""
        everything = [
            job
            for project in self.projects.values()
            for p in project.pipelines
            for job in p.current
            if job.spec.trigger is None
        ]
        free = self._settings().runner_slots - sum(1 for job in everything if job.status in ("running", "canceling"))
        for job in sorted((job for job in everything if job.status == "pending"), key=lambda job: job.id)[
            : max(0, free)
        ]:
            self._begin(job)

    def _begin(self, job: Job) -> None:
        job.started_at, job.began = now(), time.time()
        job.pipeline.started_at = job.pipeline.started_at or job.started_at
        self._set(job, "running")
        if job.deployment:
            self._set_deployment(job.deployment, "running")
        needs = job.spec.needs
        givers = [
            other
            for other in job.pipeline.current
            if other.files and (other.name in needs if needs is not None else other in self._before(job))
        ]
        environment = {**self._settings().job_environment, **job.variables, "CI_JOB_STARTED_AT": job.started_at}
        self._runner.start(job, environment, givers)

    def _ended(self, job: Job, ended: Ended) -> None:
        """Called from the job's thread when its script is over."""
        with self._lock:
            job.files, job.finished_at, job.duration = list(ended.files), now(), time.time() - job.began
            if job.status == "canceling":
                self._finish(job, "canceled")
            else:
                job.failure_reason = ended.reason or None
                self._finish(job, "failed" if ended.reason else "success")

    def _finish(self, job: Job, status: str) -> None:
        self._set(job, status)
        self._log.commit(f"job {status}", job.id)
        if job.deployment:
            self._set_deployment(job.deployment, status)
        self._advance(job.pipeline)

    def _bridge(self, job: Job) -> None:
        """Starts the downstream pipeline; without ``strategy: depend`` the bridge has done its duty."""
        trigger = job.spec.trigger or {}
        own = {
            **job.spec.variables,
            **(job.pipeline.variables if trigger.get("forward", {}).get("pipeline_variables") else {}),
        }
        variables = {name: expand(value, job.variables) for name, value in own.items()}
        try:
            job.downstream = self._create_downstream(job, trigger, variables)
        except ConfigError:
            job.failure_reason = "downstream_pipeline_creation_failed"
            self._finish(job, "failed")
            return
        job.started_at = now()
        if trigger.get("strategy") in ("depend", "mirror"):
            self._set(job, "running")
            self._follow_downstream(job)
        else:
            self._finish(job, "success")

    def _create_downstream(self, job: Job, trigger: Mapping[str, Any], variables: Mapping[str, str]) -> Pipeline:
        inputs = dict(trigger.get("inputs") or {})
        if "project" in trigger:
            project = next((p for p in self.projects.values() if p.path == trigger["project"]), None)
            if project is None:
                raise ConfigError("Downstream project could not be found")
            ref = trigger.get("branch") or project.source.default_branch
            return self.create(project, Wanted(ref, "pipeline", job.user, variables, inputs, bridge=job))
        include = trigger["include"]
        first = include[0] if isinstance(include, list) else include
        path = first if isinstance(first, str) else first["local"]
        return self.create(
            job.pipeline.project, Wanted(job.pipeline.ref, "parent_pipeline", job.user, variables, inputs, path, job)
        )

    def _follow_downstream(self, job: Job) -> None:
        """A bridge with ``strategy: depend`` takes over what became of its pipeline."""
        if job.downstream and job.status == "running" and job.downstream.status in COMPLETED:
            job.finished_at = now()
            self._finish(job, {"success": "success", "canceled": "canceled"}.get(job.downstream.status, "failed"))

    # What people do.

    def play(self, job: Job) -> None:
        """Starts a manual or scheduled job. ValueError when it is not one that can be played."""
        blocked = job.deployment is not None and job.deployment.status == "blocked"
        if job.status not in ("manual", "scheduled", "skipped") or blocked:
            raise ValueError("Unplayable Job")
        job.released = True
        self._enqueue(job)
        self._log.commit("play job", job.id)
        self._wake(job.pipeline, job)

    def retry(self, job: Job) -> Job:
        """A new job in the old one's place. ValueError when the old one is not over."""
        if job.status not in COMPLETED or job.retried:
            raise ValueError("Job is not retryable")
        job.retried = True
        new = self._new_job(job.pipeline, job.spec, job.user)
        new.released = job.released or job.when == "manual"
        job.pipeline.jobs.append(new)
        self._log.commit("retry job", new.id)
        self._enqueue(new)
        self._wake(job.pipeline, new)
        return new

    def _wake(self, pipeline: Pipeline, job: Job) -> None:
        """What was skipped after this job gets another chance."""
        stages = pipeline.stages
        for other in pipeline.current:
            later = (
                job.name in other.spec.needs
                if other.spec.needs is not None
                else stages.index(other.stage) > stages.index(job.stage)
            )
            if other is not job and later and other.status == "skipped":
                self._set(other, "created")
        self._advance(pipeline)

    def retry_pipeline(self, pipeline: Pipeline) -> None:
        """Every failed or canceled job again, in the same pipeline."""
        for job in pipeline.current:
            if job.status in ("failed", "canceled"):
                self.retry(job)

    def cancel(self, job: Job) -> None:
        """A running job ends soon, a waiting one at once."""
        if job.status == "running" and job.spec.trigger is None:
            self._set(job, "canceling")
            self._runner.cancel(job)
        elif job.status not in COMPLETED and job.status != "canceling":
            job.finished_at = now()
            if job.downstream:
                self.cancel_pipeline(job.downstream)
            self._finish(job, "canceled")

    def cancel_pipeline(self, pipeline: Pipeline) -> None:
        for job in pipeline.current:
            self.cancel(job)
        self._log.commit("cancel pipeline", pipeline.id)
        self._advance(pipeline)

    def decide_deployment(self, deployment: Deployment, user: User, status: str, comment: str) -> dict[str, Any]:
        """One person's word on a blocked deployment; the last missing approval frees its job."""
        entry = {"user": user, "status": status, "created_at": now(), "comment": comment}
        deployment.approvals = [old for old in deployment.approvals if old["user"] is not user] + [entry]
        self._log.commit(f"deployment {status}", deployment.id)
        if status == "rejected":
            self._set_deployment(deployment, "failed")
            deployment.job.failure_reason = "deployment_rejected"
            self._finish(deployment.job, "failed")
        elif self.missing_approvals(deployment) == 0:
            deployment.job.released = self._settings().approved_deployment_starts
            self._set_deployment(deployment, "created")
            if deployment.job.released:
                self._enqueue(deployment.job)
            self._advance(deployment.job.pipeline)
        return entry

    @staticmethod
    def missing_approvals(deployment: Deployment) -> int:
        given = sum(1 for entry in deployment.approvals if entry["status"] == "approved")
        return max(0, deployment.environment.required_approvals - given)

    # Statuses.

    def _set(self, job: Job, status: str) -> None:
        job.status = status
        self.tell(job)

    @staticmethod
    def _set_deployment(deployment: Deployment, status: str) -> None:
        deployment.status, deployment.updated_at = status, now()

    def _refresh(self, pipeline: Pipeline) -> None:
        """Works the pipeline's status out anew and tells who follows it."""
        status = statuses.of_pipeline(pipeline.current)
        if status == pipeline.status:
            return
        pipeline.status = status
        pipeline.updated_at = now()
        pipeline.finished_at = pipeline.updated_at if status in COMPLETED else None
        pipeline.duration = time.time() - pipeline.born if status in COMPLETED else None
        self.tell(pipeline)
        if pipeline.bridge:
            self._follow_downstream(pipeline.bridge)
