# What the GitLab twin remembers: projects, pipelines, jobs and what hangs on them. Values that change; no behaviour but small questions.
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COMPLETED = ("success", "failed", "canceled", "skipped")
ACTIVE = ("waiting_for_resource", "preparing", "waiting_for_callback", "pending", "running", "canceling")
ROLES = {"guest": 10, "reporter": 20, "developer": 30, "maintainer": 40, "owner": 50}


@dataclass(frozen=True)
class User:
    id: int
    username: str
    name: str


@dataclass(frozen=True)
class Token:
    """An access token: whose, what for ("api", "read_api"), and the role it gives in every project ("" for none)."""

    user: User
    scopes: tuple[str, ...]
    role: str


@dataclass
class Trigger:
    id: int
    token: str
    description: str
    owner: User
    created_at: str


@dataclass
class Hook:
    """A webhook out; ``signing_token`` is ``whsec_<base64>`` where signatures are wanted. Nothing is delivered before ``disabled_until``."""

    id: int
    url: str
    token: str
    created_at: str
    events: dict[str, bool]
    uuid: str
    signing_token: str = ""
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    failures: int = 0
    disabled_until: float = 0


@dataclass
class Environment:
    id: int
    name: str
    created_at: str
    required_approvals: int = 0
    approval_rules: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class MergeRequest:
    iid: int
    id: int
    title: str
    source_branch: str
    target_branch: str
    sha: str
    author: User
    created_at: str
    approvals_required: int = 1
    state: str = "opened"
    approved_by: list[User] = field(default_factory=list)


@dataclass
class Job:
    """One job of a pipeline, or a bridge when ``spec.trigger`` is set. ``files`` are the artifacts' names in the archive."""

    id: int
    name: str
    stage: str
    spec: Any
    pipeline: Pipeline
    variables: dict[str, str]
    when: str
    allow_failure: bool
    user: User
    created_at: str
    folder: Path
    status: str = "created"
    started_at: str | None = None
    finished_at: str | None = None
    began: float = 0
    duration: float | None = None
    failure_reason: str | None = None
    retried: bool = False
    kept: bool = False
    erased: bool = False
    files: list[str] = field(default_factory=list)
    downstream: Pipeline | None = None
    deployment: Deployment | None = None
    released: bool = False
    """Somebody played it, or its deployment was approved: ``when: manual`` holds it no longer."""

    @property
    def trace(self) -> Path:
        return self.folder / "trace.log"

    @property
    def archive(self) -> Path:
        return self.folder / "artifacts.zip"


@dataclass
class Deployment:
    id: int
    iid: int
    environment: Environment
    job: Job
    created_at: str
    updated_at: str
    status: str = "created"
    approvals: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Pipeline:
    id: int
    iid: int
    project: Project
    ref: str
    sha: str
    source: str
    user: User
    created_at: str
    updated_at: str
    born: float
    tag: bool = False
    commit: tuple[str, str, str, str] = ("", "", "", "")
    """Subject, author's name and mail, ISO date."""
    name: str | None = None
    status: str = "created"
    started_at: str | None = None
    finished_at: str | None = None
    duration: float | None = None
    variables: dict[str, str] = field(default_factory=dict)
    """As given by whoever created it."""
    all_variables: dict[str, str] = field(default_factory=dict)
    stages: tuple[str, ...] = ()
    jobs: list[Job] = field(default_factory=list)
    bridge: Job | None = None
    """The job of another pipeline that started this one."""

    @property
    def current(self) -> list[Job]:
        """The jobs without those that were retried since."""
        return [job for job in self.jobs if not job.retried]


@dataclass
class Project:
    """``source`` reads the repository (see source.py)."""

    id: int
    path: str
    source: Any
    created_at: str
    pipelines: list[Pipeline] = field(default_factory=list)
    triggers: list[Trigger] = field(default_factory=list)
    hooks: list[Hook] = field(default_factory=list)
    environments: list[Environment] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)
    merge_requests: list[MergeRequest] = field(default_factory=list)
    statuses: list[dict[str, Any]] = field(default_factory=list)

    def environment(self, name: str) -> Environment | None:
        return next((environment for environment in self.environments if environment.name == name), None)
