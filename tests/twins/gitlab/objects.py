# Artifacts' bytes: answered at once, or by redirect to an object store on another host. For the GitLab twin's API.
from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from werkzeug.wrappers import Response

from ansible_collections.netops.changerail.tests.twins.gitlab.settings import Settings
from ansible_collections.netops.changerail.tests.twins.kit.web import Exchange, Router

OTHER_HOST = "localhost"
"""The same server by another name: to a client, another host."""
_CREDENTIALS = ("PRIVATE-TOKEN", "Authorization", "JOB-TOKEN", "Cookie")


@dataclass(frozen=True)
class Stored:
    content: bytes
    content_type: str
    name: str


class Objects:
    """The store behind the redirects; like a real one it refuses a request that brings credentials beside its signed address."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self._stored: dict[str, Stored] = {}

    def register(self, router: Router) -> None:
        router.add("GET", "/_objects/{key}", self.fetch)

    def answer(self, exchange: Exchange, content: bytes, content_type: str, name: str) -> Response:
        stored = Stored(content, content_type, name)
        if not self._settings().objects_elsewhere:
            return _file(stored)
        key = secrets.token_urlsafe(24)
        self._stored[key] = stored
        port = exchange.request.environ["SERVER_PORT"]
        return Response(
            status=302, headers={"Location": f"{exchange.request.scheme}://{OTHER_HOST}:{port}/_objects/{key}"}
        )

    def fetch(self, exchange: Exchange) -> Response:
        """An address works once."""
        if any(name in exchange.request.headers for name in _CREDENTIALS):
            return Response(
                "<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>",
                400,
                content_type="application/xml",
            )
        stored = self._stored.pop(exchange.path["key"], None)
        return (
            _file(stored)
            if stored
            else Response("<Error><Code>NoSuchKey</Code></Error>", 404, content_type="application/xml")
        )


def _file(stored: Stored) -> Response:
    return Response(
        stored.content,
        headers={"Content-Disposition": f'attachment; filename="{stored.name}"'},
        content_type=stored.content_type,
    )
