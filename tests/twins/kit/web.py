# Requests in, answers out: routes and the exchange a handler works on. For the twins.
from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from werkzeug.wrappers import Request, Response


class Refused(Exception):
    """Ends an exchange with this answer: a refusal in the twin's own error shape."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


@dataclass
class Exchange:
    """One request while it is answered.

    ``path`` holds the parts the route names, ``fault`` the kind of fault the handler itself must commit ("" for none),
    ``account`` who asks, once the twin has found out, ``headers`` what the answer must carry whatever the handler returns.
    """

    request: Request
    path: Mapping[str, str]
    fault: str = ""
    account: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.args

    @property
    def base(self) -> str:
        """The twin's own address as the client wrote it, without a trailing slash."""
        return self.request.host_url.rstrip("/")


Handler = Callable[[Exchange], Response]


@dataclass(frozen=True)
class Route:
    method: str
    pattern: re.Pattern[str]
    handler: Handler


class Router:
    """Routes over the *raw* path, so that ``net%2Fedge`` stays one segment, as GitLab wants it.

    ``{name}`` stands for one segment, ``{name*}`` for the rest of the path; both reach the handler percent-decoded.
    """

    def __init__(self) -> None:
        self._routes: list[Route] = []

    def add(self, method: str, template: str, handler: Handler) -> None:
        pattern = re.sub(
            r"\\\{(\w+)(\\\*)?\\\}", lambda m: f"(?P<{m[1]}>{'.+' if m[2] else '[^/]+'})", re.escape(template)
        )
        self._routes.append(Route(method, re.compile(pattern + "/?"), handler))

    def find(self, request: Request) -> tuple[Handler, dict[str, str]] | None:
        """The handler and the path's parts. HEAD is answered as GET; ``X-HTTP-Method-Override`` counts."""
        raw = request.environ["REQUEST_URI"].partition("?")[0]
        method = request.headers.get("X-HTTP-Method-Override", request.method).upper()
        method = "GET" if method == "HEAD" else method
        for route in self._routes:
            found = route.pattern.fullmatch(raw)
            if found and route.method == method:
                return route.handler, {name: unquote(value) for name, value in found.groupdict().items()}
        return None


def answer(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(json.dumps(document), status, headers, content_type="application/json;charset=UTF-8")


def nothing(status: int = 204) -> Response:
    """An answer without a body."""
    return Response(status=status)
