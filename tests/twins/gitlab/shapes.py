# The API's entities and the webhooks' payloads, made of what the twin remembers. Pure. For the GitLab twin's API and hooks.
from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

from ansible_collections.netops.changerail.tests.twins.gitlab import statuses
from ansible_collections.netops.changerail.tests.twins.gitlab.entities import (
    Deployment,
    Environment,
    Hook,
    Job,
    MergeRequest,
    Pipeline,
    Project,
    Trigger,
    User,
)  # fmt: skip
from ansible_collections.netops.changerail.tests.twins.gitlab.moments import in_payload, iso

Entity = dict[str, Any]


class Shapes:
    """``base`` is the address links start with."""

    def __init__(self, base: str) -> None:
        self._base = base

    def user(self, user: User) -> Entity:
        return {
            "id": user.id,
            "username": user.username,
            "name": user.name,
            "state": "active",
            "locked": False,
            "avatar_url": None,
            "web_url": f"{self._base}/{user.username}",
        }

    def project(self, project: Project) -> Entity:
        namespace, dummy, name = project.path.rpartition("/")
        return {
            "id": project.id,
            "name": name,
            "path": name,
            "path_with_namespace": project.path,
            "name_with_namespace": f"{namespace} / {name}",
            "default_branch": project.source.default_branch,
            "created_at": project.created_at,
            "web_url": f"{self._base}/{project.path}",
            "namespace": {"id": 1, "name": namespace, "path": namespace, "kind": "group", "full_path": namespace},
        }

    def pipeline_basic(self, pipeline: Pipeline) -> Entity:
        return {
            "id": pipeline.id,
            "iid": pipeline.iid,
            "project_id": pipeline.project.id,
            "sha": pipeline.sha,
            "ref": pipeline.ref,
            "status": pipeline.status,
            "source": pipeline.source,
            "created_at": pipeline.created_at,
            "updated_at": pipeline.updated_at,
            "web_url": f"{self._base}/{pipeline.project.path}/-/pipelines/{pipeline.id}",
        }

    def pipeline_listed(self, pipeline: Pipeline) -> Entity:
        return {**self.pipeline_basic(pipeline), "name": pipeline.name}

    def pipeline(self, pipeline: Pipeline) -> Entity:
        return {
            **self.pipeline_basic(pipeline),
            "before_sha": "0" * 40,
            "tag": pipeline.tag,
            "yaml_errors": None,
            "user": self.user(pipeline.user),
            "started_at": pipeline.started_at,
            "finished_at": pipeline.finished_at,
            "committed_at": None,
            "duration": None if pipeline.duration is None else int(pipeline.duration),
            "queued_duration": 0,
            "coverage": None,
            "detailed_status": self._detailed(pipeline),
        }

    def pipeline_with_name(self, pipeline: Pipeline) -> Entity:
        return {**self.pipeline(pipeline), "name": pipeline.name}

    def _detailed(self, pipeline: Pipeline) -> Entity:
        warned = pipeline.status == "success" and statuses.has_warnings(pipeline.current)
        shown = "passed" if pipeline.status == "success" else pipeline.status
        return {
            "icon": "status_warning" if warned else f"status_{pipeline.status}",
            "text": "Warning" if warned else shown.capitalize(),
            "label": "passed with warnings" if warned else shown,
            "group": "success-with-warnings" if warned else pipeline.status,
            "tooltip": shown,
            "has_details": True,
            "details_path": f"/{pipeline.project.path}/-/pipelines/{pipeline.id}",
            "illustration": None,
            "favicon": f"/assets/ci_favicons/favicon_status_{pipeline.status}.png",
        }

    def job_basic(self, job: Job) -> Entity:
        return {
            "id": job.id,
            "status": job.status,
            "stage": job.stage,
            "name": job.name,
            "ref": job.pipeline.ref,
            "tag": job.pipeline.tag,
            "coverage": None,
            "allow_failure": job.allow_failure,
            "created_at": job.created_at,
            "started_at": job.started_at,
            "finished_at": job.finished_at,
            "erased_at": None,
            "duration": job.duration,
            "queued_duration": 0.0,
            "user": self.user(job.user),
            "commit": self._commit(job.pipeline),
            "pipeline": self.pipeline_basic(job.pipeline),
            "failure_reason": job.failure_reason,
            "web_url": f"{self._base}/{job.pipeline.project.path}/-/jobs/{job.id}",
            "project": {"ci_job_token_scope_enabled": False},
        }

    def job(self, job: Job) -> Entity:
        entity = {
            **self.job_basic(job),
            "artifacts": [],
            "runner": None,
            "runner_manager": None,
            "artifacts_expire_at": None,
            "archived": False,
            "tag_list": [],
        }
        if job.trace.exists():
            entity["artifacts"].append(
                {"file_type": "trace", "size": job.trace.stat().st_size, "filename": "job.log", "file_format": None}
            )
        if job.files:
            size = job.archive.stat().st_size
            entity["artifacts_file"] = {"filename": "artifacts.zip", "size": size}
            entity["artifacts"].append(
                {"file_type": "archive", "size": size, "filename": "artifacts.zip", "file_format": "zip"}
            )
        return entity

    def bridge(self, job: Job) -> Entity:
        return {
            **self.job_basic(job),
            "downstream_pipeline": self.pipeline_basic(job.downstream) if job.downstream else None,
        }

    def _commit(self, pipeline: Pipeline) -> Entity:
        subject, name, mail, date = pipeline.commit
        return {
            "id": pipeline.sha,
            "short_id": pipeline.sha[:8],
            "created_at": date,
            "parent_ids": [],
            "title": subject,
            "message": subject,
            "author_name": name,
            "author_email": mail,
            "authored_date": date,
            "committer_name": name,
            "committer_email": mail,
            "committed_date": date,
            "trailers": {},
            "extended_trailers": {},
            "web_url": f"{self._base}/{pipeline.project.path}/-/commit/{pipeline.sha}",
        }

    def trigger(self, trigger: Trigger, whole: bool) -> Entity:
        """``whole`` shows all of the token, which only its owner sees."""
        return {
            "id": trigger.id,
            "token": trigger.token if whole else trigger.token[:4],
            "description": trigger.description,
            "created_at": trigger.created_at,
            "updated_at": trigger.created_at,
            "last_used": None,
            "expires_at": None,
            "owner": self.user(trigger.owner),
        }

    def environment(self, environment: Environment) -> Entity:
        return {
            "id": environment.id,
            "name": environment.name,
            "slug": environment.name.lower().replace("/", "-"),
            "external_url": None,
            "created_at": environment.created_at,
            "updated_at": environment.created_at,
            "tier": "production" if environment.name.startswith("prod") else "other",
            "state": "available",
        }

    def protected_environment(self, environment: Environment) -> Entity:
        return {
            "name": environment.name,
            "deploy_access_levels": [
                {
                    "id": 1,
                    "access_level": 40,
                    "access_level_description": "Maintainers",
                    "user_id": None,
                    "group_id": None,
                }
            ],
            "required_approval_count": environment.required_approvals,
            "approval_rules": environment.approval_rules,
        }

    def deployment(self, deployment: Deployment) -> Entity:
        job = deployment.job
        return {
            "id": deployment.id,
            "iid": deployment.iid,
            "ref": job.pipeline.ref,
            "sha": job.pipeline.sha,
            "created_at": deployment.created_at,
            "updated_at": deployment.updated_at,
            "status": deployment.status,
            "user": self.user(job.user),
            "environment": self.environment(deployment.environment),
            "deployable": self.job(job),
        }

    def deployment_with_approvals(self, deployment: Deployment, missing: int) -> Entity:
        return {
            **self.deployment(deployment),
            "pending_approval_count": missing,
            "approvals": [self.deployment_approval(entry) for entry in deployment.approvals],
        }

    def deployment_approval(self, entry: Entity) -> Entity:
        return {**entry, "user": self.user(entry["user"])}

    def hook(self, hook: Hook, project: Project) -> Entity:
        return {
            "id": hook.id,
            "url": hook.url,
            "name": None,
            "description": None,
            "created_at": hook.created_at,
            "enable_ssl_verification": True,
            "alert_status": _alert(hook),
            "disabled_until": iso(hook.disabled_until) if _alert(hook) == "temporarily_disabled" else None,
            "url_variables": [],
            "custom_headers": [],
            "project_id": project.id,
            **hook.events,
        }

    def merge_request(self, request: MergeRequest, project: Project) -> Entity:
        return {
            "id": request.id,
            "iid": request.iid,
            "project_id": project.id,
            "title": request.title,
            "description": None,
            "state": request.state,
            "created_at": request.created_at,
            "updated_at": request.created_at,
            "source_branch": request.source_branch,
            "target_branch": request.target_branch,
            "sha": request.sha,
            "author": self.user(request.author),
            "merge_status": "can_be_merged",
            "web_url": f"{self._base}/{project.path}/-/merge_requests/{request.iid}",
        }

    def approvals(self, request: MergeRequest, viewer: User) -> Entity:
        left = max(0, request.approvals_required - len(request.approved_by))
        return {
            "user_has_approved": viewer in request.approved_by,
            "user_can_approve": viewer not in request.approved_by and viewer != request.author,
            "approved": left == 0,
            "approved_by": [
                {"user": self.user(user), "approved_at": request.created_at} for user in request.approved_by
            ],
            "approvals_required": request.approvals_required,
            "approvals_left": left,
        }

    def approval_state(self, request: MergeRequest) -> Entity:
        rule = {
            "id": 1,
            "name": "All Members",
            "rule_type": "any_approver",
            "approvals_required": request.approvals_required,
            "approved": len(request.approved_by) >= request.approvals_required,
            "approved_by": [self.user(user) for user in request.approved_by],
        }
        return {"approval_rules_overwritten": False, "rules": [rule]}

    def pipeline_payload(self, pipeline: Pipeline) -> Entity:
        """What a Pipeline Hook carries."""
        attributes = {
            "id": pipeline.id,
            "iid": pipeline.iid,
            "name": pipeline.name,
            "ref": pipeline.ref,
            "tag": pipeline.tag,
            "sha": pipeline.sha,
            "before_sha": "0" * 40,
            "source": pipeline.source,
            "status": pipeline.status,
            "detailed_status": self._detailed(pipeline)["label"],
            "stages": _stages(pipeline.current),
            "created_at": in_payload(pipeline.created_at),
            "finished_at": in_payload(pipeline.finished_at),
            "duration": None if pipeline.duration is None else int(pipeline.duration),
            "queued_duration": 0,
            "variables": [{"key": key, "value": value} for key, value in pipeline.variables.items()],
            "url": f"{self._base}/{pipeline.project.path}/-/pipelines/{pipeline.id}",
        }
        return {
            "object_kind": "pipeline",
            "object_attributes": attributes,
            "merge_request": None,
            "user": self.user(pipeline.user),
            "project": self.project(pipeline.project),
            "commit": self._commit(pipeline),
            "builds": [self._build(job) for job in pipeline.current],
            **self._source(pipeline),
        }

    def job_payload(self, job: Job) -> Entity:
        """What a Job Hook carries."""
        return {
            "object_kind": "build",
            "ref": job.pipeline.ref,
            "sha": job.pipeline.sha,
            "build_id": job.id,
            "build_name": job.name,
            "build_stage": job.stage,
            "build_status": job.status,
            "build_started_at": in_payload(job.started_at),
            "build_finished_at": in_payload(job.finished_at),
            "build_duration": job.duration,
            "build_allow_failure": job.allow_failure,
            "build_failure_reason": job.failure_reason or "unknown_failure",
            "pipeline_id": job.pipeline.id,
            "project_id": job.pipeline.project.id,
            "project_name": job.pipeline.project.path,
            "user": self.user(job.user),
            "commit": {**self._commit(job.pipeline), "id": job.pipeline.id, "name": job.pipeline.name},
            "project": self.project(job.pipeline.project),
            **self._source(job.pipeline),
        }

    def _source(self, pipeline: Pipeline) -> Entity:
        """The pipeline that started this one, if one did."""
        if pipeline.bridge is None:
            return {}
        above = pipeline.bridge.pipeline
        project = {
            key: value
            for key, value in self.project(above.project).items()
            if key in ("id", "web_url", "path_with_namespace")
        }
        return {"source_pipeline": {"project": project, "pipeline_id": above.id, "job_id": pipeline.bridge.id}}

    def _build(self, job: Job) -> Entity:
        return {
            "id": job.id,
            "stage": job.stage,
            "name": job.name,
            "status": job.status,
            "created_at": in_payload(job.created_at),
            "started_at": in_payload(job.started_at),
            "finished_at": in_payload(job.finished_at),
            "duration": job.duration,
            "failure_reason": job.failure_reason,
            "when": job.when,
            "manual": job.when == "manual",
            "allow_failure": job.allow_failure,
            "user": self.user(job.user),
        }


def _alert(hook: Hook) -> str:
    if hook.disabled_until == math.inf:
        return "disabled"
    return "temporarily_disabled" if hook.disabled_until > time.time() else "executable"


def _stages(jobs: Sequence[Job]) -> list[str]:
    return list(dict.fromkeys(job.stage for job in jobs))
