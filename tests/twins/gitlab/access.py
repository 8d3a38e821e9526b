# Who asks, and what they may: access tokens with scopes and roles, trigger tokens, the rate limit. For the GitLab twin's API.
from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field

from werkzeug.wrappers import Response

from ansible_collections.netops.changerail.tests.twins.gitlab.entities import ROLES, Project, Token, Trigger, User
from ansible_collections.netops.changerail.tests.twins.gitlab.settings import Settings
from ansible_collections.netops.changerail.tests.twins.kit.web import Exchange, Refused, answer

MINUTE = 60
SELF = User(1, "changerail", "Changerail")
DEVELOPER = User(2, "developer", "Developer")
REVIEWER = User(3, "reviewer", "Reviewer")
READER = User(4, "reader", "Reader")
OUTSIDER = User(5, "outsider", "Outsider")

TOKEN = "glpat-changerail"
TOKENS = {
    TOKEN: Token(SELF, ("api",), "maintainer"),
    "glpat-developer": Token(DEVELOPER, ("api",), "developer"),
    "glpat-reviewer": Token(REVIEWER, ("api",), "maintainer"),
    "glpat-reader": Token(READER, ("read_api",), "reporter"),
    "glpat-outsider": Token(OUTSIDER, ("api",), ""),
}
TRIGGER_TOKEN = "glptt-changerail"
"""Every project's first trigger token."""


@dataclass
class Access:
    """The doors of the server."""

    _started: float = field(default_factory=time.time)
    _counts: dict[tuple[str, int], int] = field(default_factory=dict)

    def identify(self, exchange: Exchange, settings: Settings) -> Token:
        """The caller's token; Refused as GitLab refuses."""
        text = _token_text(exchange)
        token = TOKENS.get(text)
        if token is None:
            raise Refused(unauthorized())
        if settings.token_life and time.time() > self._started + settings.token_life:
            raise Refused(expired())
        if "api" not in token.scopes and exchange.request.method not in ("GET", "HEAD"):
            raise Refused(insufficient_scope())
        self._count(exchange, token.user.username, settings)
        return token

    def _count(self, exchange: Exchange, username: str, settings: Settings) -> None:
        if not settings.rate_limit:
            return
        minute = int(time.time() // MINUTE)
        seen = self._counts[(username, minute)] = self._counts.get((username, minute), 0) + 1
        if seen > settings.rate_limit:
            wait = (minute + 1) * MINUTE - time.time()
            raise Refused(too_many(wait, settings.rate_limit, seen))


def trigger_owner(project: Project, token: str) -> Trigger | None:
    return next((trigger for trigger in project.triggers if secrets.compare_digest(trigger.token, token)), None)


def need(exchange: Exchange, role: str) -> None:
    """Refuses a caller whose role in the project is lower."""
    if ROLES.get(exchange.account.role, 0) < ROLES[role]:
        raise Refused(answer({"message": "403 Forbidden"}, 403))


def unauthorized() -> Response:
    return answer({"message": "401 Unauthorized"}, 401)


def expired() -> Response:
    document = {
        "error": "invalid_token",
        "error_description": "Token is expired. You can either do re-authorization or token refresh.",
    }
    return answer(document, 401)


def insufficient_scope() -> Response:
    text = "The request requires higher privileges than provided by the access token."
    return answer({"error": "insufficient_scope", "error_description": text, "scope": "api"}, 403)


def too_many(seconds: float, limit: int = 2000, observed: int = 2001) -> Response:
    """429 with a plain text: not JSON."""
    reset = time.time() + seconds
    headers = {
        "Retry-After": str(max(0, round(seconds))),
        "RateLimit-Limit": str(limit),
        "RateLimit-Name": "throttle_authenticated_api",
        "RateLimit-Observed": str(observed),
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": str(int(reset)),
        "RateLimit-ResetTime": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(reset)),
    }
    return Response("Retry later\n", 429, headers, content_type="text/plain")


def _token_text(exchange: Exchange) -> str:
    request = exchange.request
    scheme, dummy, value = request.headers.get("Authorization", "").partition(" ")
    bearer = value if scheme.lower() == "bearer" else ""
    return request.headers.get("PRIVATE-TOKEN") or bearer or request.args.get("private_token", "")
