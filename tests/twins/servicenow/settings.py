# Every behaviour of an instance that differs between instances or is known only by report. For the whole ServiceNow twin.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Settings:
    """One instance's behaviour; each field can be set at start-up and through ``/_twin/settings``.

    Times are in seconds. A field below "by report" was never seen on the wire: tests should pass with either value.
    """

    clock: str = "real"
    """"real", or "virtual": time stands still until ``/_twin/clock`` moves it."""
    flow_delay: float = 0.05
    """How long after its cause the flow does its next step (approvals asked, state moved, tasks made)."""
    standard_locked_fields: Sequence[str] = ("description", "backout_plan", "test_plan", "implementation_plan")
    change_api: bool = True
    """False: the plug-in is not there, and ``/api/sn_chg_rest`` is answered 400 as an unknown resource."""
    approvals_needed: str = "anyone"
    """"anyone" of a group, or "all" of its members."""
    approval_groups: Mapping[str, str] = field(default_factory=lambda: {"-3": "cab"})
    """Which group is asked in a state; others ask the change's assignment group."""
    auto_review: bool = True
    """Implement moves to Review by itself once no task is open."""
    illegal_move: str = "abort"
    """A forbidden change of state: "abort" (403), "silent" (200 with the old state) or "data_policy" (403)."""
    mandatory: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Data policy: state → columns that must not be empty in it. Example: ``{"3": ["close_code", "close_notes"]}``."""
    field_write_roles: Mapping[str, str] = field(
        default_factory=lambda: {"change_request.cab_delegate": "change_manager"}
    )
    """``table.column`` → role without which a write to the column is ignored."""
    field_read_roles: Mapping[str, str] = field(default_factory=dict)
    """``table.column`` → role without which the column is absent."""
    restricted_category: str = "restricted"
    """Changes of this category are hidden from all but administrators; such rows still count for the page limit."""
    invalid_query_returns_nothing: bool = False
    """``glide.invalid_query.returns_no_rows``; off, a misspelt fragment is dropped and the rest is run."""
    rate_limit: int = 0
    """Requests per user, resource and hour; 0 for no rule."""
    rate_limit_lag: float = 0
    """How late the counting is enforced; up to 30 s on a real instance."""
    token_life: float = 1799
    client_credentials: bool = True
    api_key_prefix: str = ""
    time_zone_hours: float = 0
    """The callers' time zone, for display values of dates."""
    attachment_max_bytes: int = 1024 * 1024 * 1024
    refused_attachment_types: Sequence[str] = ()

    # By report.
    v1_empty_list_is_404: bool = True
    location_header: bool = True
    total_count_with_no_count: bool = False
    change_api_native_types: bool = True
    """Numbers and booleans as such in ``value``; off, strings."""
    change_api_abort_status: int = 400
    change_api_reports_ignored: bool = True
    """``__meta.ignoredFields`` in answers to writes."""
    attachment_hash: bool = True
    attachment_state: str = "available"
    foreign_approval: str = "refuse"
    """Somebody decides another's approval through the Table API: "refuse" (403) or "silent"."""
    rejected_others: str = "cancelled"
    """What the other open approvals become after a rejection."""
    wrong_display_value: str = "empty"
    """A reference written by an unknown display value: "empty" or "keep"."""
    missing_group: str = "accept"
    """Approval asked for without an assignment group: "accept" (and nobody is asked) or "abort"."""
    oauth_refusal_status: int = 401
    legacy_state_model: bool = False
    """Transitions come from the type's state model: ``nextstates`` tells no conditions."""
    default_type: str = "normal"
