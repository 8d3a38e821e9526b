# The instance's error answers, word for word. For the whole ServiceNow twin.
from __future__ import annotations

from collections.abc import Sequence

from werkzeug.wrappers import Response

from ansible_collections.netops.changerail.tests.twins.kit.web import Refused, answer
from ansible_collections.netops.changerail.tests.twins.servicenow.store import new_id

# The platform names a rule with its sys_id; any will do, but it stays the same.
_RULE_IDS: dict[str, str] = {}


def envelope(status: int, message: str, detail: str | None) -> Response:
    return answer({"error": {"message": message, "detail": detail}, "status": "failure"}, status)


def refused(status: int, message: str, detail: str | None) -> Refused:
    return Refused(envelope(status, message, detail))


def not_authenticated() -> Response:
    response = envelope(401, "User Not Authenticated", "Required to provide Auth information")
    response.headers["WWW-Authenticate"] = 'BASIC realm="Service-now"'
    return response


def no_record() -> Refused:
    return refused(404, "No Record found", "Record doesn't exist or ACL restricts the record retrieval")


def acl(action: str) -> Refused:
    """``action``: Insert, Update or Delete."""
    return refused(403, "Operation Failed", f"ACL Exception {action} Failed due to security constraints")


def data_policy(labels: Sequence[str]) -> Refused:
    return refused(
        403, "Operation Failed", "Data Policy Exception: \n\tThe following fields are mandatory: " + ", ".join(labels)
    )


def rate_limited(seconds: float, limit: int = 100) -> Response:
    response = envelope(429, "Rate limit exceeded", f"Rate limit of {limit} requests per hour for Table API exceeded")
    response.headers["Retry-After"] = str(int(seconds))
    return response


def execution_time() -> Response:
    """A transaction the platform gave up: an error in an answer of status 200."""
    message = "Transaction cancelled: maximum execution time exceeded"
    return envelope(
        200,
        message,
        f"{message} Check logs for error trace or enable glide.rest.debug property to verify REST request processing",
    )


class Aborted(Exception):
    """A business rule aborted the write; each API words it in its own way."""

    def __init__(self, table: str, rule: str) -> None:
        super().__init__(rule)
        identity = _RULE_IDS.setdefault(rule, new_id())
        self.text = f"Operation against file '{table}' was aborted by Business Rule '{rule}^{identity}'. Business Rule Stack:{rule}"
