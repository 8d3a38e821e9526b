# Which status a pipeline has, given its jobs; which stage or need is settled. Pure. For the GitLab twin's pipelines.
from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.netops.changerail.tests.twins.gitlab.entities import ACTIVE, COMPLETED, Job


def of_pipeline(jobs: Sequence[Job]) -> str:
    """GitLab's composite status: failures that are allowed count as success, optional manual jobs do not count."""
    seen = [_counted(job) for job in jobs]
    statuses = {status for status in seen if status != "ignored"}
    if not statuses or statuses == {"skipped"}:
        return "success" if "ignored" in seen else "skipped"
    if statuses <= {"success", "skipped"}:
        return "success"
    if statuses == {"created"}:
        return "created"
    if "canceling" in statuses:
        return "canceling"
    if statuses & set(ACTIVE):
        return "pending" if statuses <= {"pending", "created"} else "running"
    if "manual" in statuses:
        return "manual"
    if "scheduled" in statuses:
        return "scheduled"
    if "created" in statuses:
        return "running"
    return "failed" if "failed" in statuses else "canceled"


def _counted(job: Job) -> str:
    if job.status == "manual" and job.allow_failure:
        return "ignored"
    if job.status == "failed" and job.allow_failure:
        return "success"
    return job.status


def has_warnings(jobs: Sequence[Job]) -> bool:
    return any(job.status == "failed" and job.allow_failure for job in jobs)


def settled(job: Job) -> bool:
    """Whether the jobs after this one need wait for it no longer."""
    return job.status in COMPLETED or (job.status == "manual" and job.allow_failure)


def hinders(job: Job) -> bool:
    """Whether this settled job keeps ``on_success`` jobs after it from running."""
    return (job.status in ("failed", "canceled") and not job.allow_failure) or (
        job.status == "skipped" and job.spec.when != "on_failure"
    )


def failed(job: Job) -> bool:
    return job.status == "failed" and not job.allow_failure
