# Every behaviour of a GitLab that differs between versions and settings or is known only by report. For the whole twin.
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Settings:
    """One server's behaviour; each field can be set at start-up and through ``/_twin/settings``. Times are in seconds.

    A field below "by report" was never seen on the wire: tests should pass with either value.
    """

    version: str = "18.2.0-ee"
    variables_read_role: str = "developer"
    """Who may read a pipeline's variables; in some versions it takes a maintainer."""
    runner_slots: int = 2
    """Jobs that run at once; 0 leaves every job pending."""
    variables_minimum_role: str = "developer"
    """``ci_pipeline_variables_minimum_override_role``: developer, maintainer, owner or no_one_allowed."""
    objects_elsewhere: bool = False
    """Artifacts are answered by a redirect to an object store on another host, which refuses requests that bring a token."""
    rate_limit: int = 0
    """Requests per user and minute; 0 for none."""
    token_life: float = 0
    """Access tokens are void this long after the twin's start; 0 for never."""
    job_environment: Mapping[str, str] = field(default_factory=dict)
    """More variables every job gets, as a runner's own environment would give them."""
    hook_delivery: str = "in order"
    """What becomes of webhooks: "in order", "twice", "backwards" (the later event before the earlier one) or "lost"."""
    hook_rest: float = 60
    """How long a hook is not delivered to after ``hooks.MOST_FAILURES`` failures of 5xx or without an answer; after 4xx it never is again."""
    hook_retry_after: float = 0.2
    """How long after a failed delivery a hook is delivered again, once."""

    # By report.
    creation_lag: float = 0
    """How long a new pipeline is missing from lists."""
    cancel_status: int = 201
    """The documentation says 200, the API description 201."""
    erased_trace_status: int = 404
    """What is answered for the log of a job that was erased: 404, 410, or 204 for an empty one."""
    approved_deployment_starts: bool = True
    """Off: after the last approval of a deployment its job must still be played."""
    workflow_name_expands: bool = True
    """Off: variables in ``workflow:name`` stay as they are written."""
