# One WSGI application for a twin: finds the handler, commits the fault this request meets, keeps the log. For the twins' start-up.
from __future__ import annotations

import dataclasses
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from werkzeug.wrappers import Request, Response

from ansible_collections.netops.changerail.tests.twins.kit import faults as kinds
from ansible_collections.netops.changerail.tests.twins.kit.faults import Fault, Faults
from ansible_collections.netops.changerail.tests.twins.kit.log import Log
from ansible_collections.netops.changerail.tests.twins.kit.web import (
    Exchange,
    Handler,
    Refused,
    Router,
    answer,
    nothing,
)

SLEEPING_PAGE = (
    "<html><head><title>Hibernating Instance</title></head><body><h1>Your instance is hibernating.</h1></body></html>"
)


@dataclass(frozen=True)
class Voice:
    """How this system words what a fault answers; ``seconds`` reaches ``rate_limited`` as Retry-After."""

    not_found: Callable[[], Response]
    unauthorized: Callable[[], Response]
    rate_limited: Callable[[float], Response]
    error_body: Callable[[], Response]


class Twin:
    """A twin as a WSGI application.

    ``settings`` is a frozen dataclass of the twin's own, replaced as a whole through ``/_twin/settings``.
    ``before`` runs under the lock before every handler (authentication, the flow's due steps); ``expire`` makes every token void.
    """

    def __init__(self, router: Router, voice: Voice, settings: Any, log: Log) -> None:
        self.router, self.voice, self.settings, self.log = router, voice, settings, log
        self.faults = Faults()
        self.lock = threading.RLock()
        self.before: Callable[[Exchange], None] = lambda exchange: None
        self.expire: Callable[[], None] = lambda: None
        self._add_administration()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        # Read now: a body left in the socket would be taken for the next request when a fault skips the handler.
        request.get_data(cache=True, parse_form_data=False)
        if request.path.startswith("/_twin/"):
            return self._administer(request)(environ, start_response)
        entry = self.log.receive(request.method, environ["REQUEST_URI"])
        fault = self.faults.take(request.method, request.path, request.headers.get(Faults.HEADER))
        entry.fault = fault.kind if fault else ""
        response = self._respond(request, fault)
        if response is None:
            _cut(environ)
            return nothing(500)(environ, start_response)
        entry.status = response.status_code
        return response(environ, start_response)

    def _respond(self, request: Request, fault: Fault | None) -> Response | None:
        """The answer, or None when the connection must be cut."""
        if fault and fault.kind in kinds.BEFORE:
            return self._instead(fault)
        if fault and fault.kind == "slow":
            time.sleep(fault.seconds)
        response = self._handle(request, fault.kind if fault and fault.kind in kinds.WRITES else "")
        return self._after(fault, response) if fault and fault.kind in kinds.AFTER else response

    def _instead(self, fault: Fault) -> Response | None:
        match fault.kind:
            case "html":
                return Response(SLEEPING_PAGE, 200, content_type="text/html")
            case "rate_limit":
                return self.voice.rate_limited(fault.seconds)
            case "server_error":
                return Response(
                    "<html><body><h1>Service Unavailable</h1></body></html>", fault.status, content_type="text/html"
                )
            case "expire_token":
                with self.lock:
                    self.expire()
                return self.voice.unauthorized()
            case "error_body":
                return self.voice.error_body()
        return None

    @staticmethod
    def _after(fault: Fault, response: Response) -> Response | None:
        match fault.kind:
            case "gateway_timeout":
                return Response(
                    "<html><body><h1>504 Gateway Time-out</h1></body></html>", 504, content_type="text/html"
                )
            case "empty_body":
                return Response(b"", 200, content_type="application/json")
            case "lost_answer":
                time.sleep(fault.seconds)
        return None

    def _handle(self, request: Request, fault: str) -> Response:
        found = self.router.find(request)
        if found is None:
            return self.voice.not_found()
        handler, path = found
        return self._run(handler, Exchange(request, path, fault))

    def _run(self, handler: Handler, exchange: Exchange) -> Response:
        with self.lock:
            try:
                self.before(exchange)
                response = handler(exchange)
            except Refused as refusal:
                response = refusal.response
        response.headers.update(exchange.headers)
        return response

    def _add_administration(self) -> None:
        self._administration = Router()
        for method, path, handler in (
            ("GET", "/_twin/faults", lambda exchange: answer(self.faults.as_dict())),
            ("POST", "/_twin/faults", self._plan_faults),
            ("GET", "/_twin/log", lambda exchange: answer(self.log.as_dict())),
            ("DELETE", "/_twin/log", self._clear_log),
            ("GET", "/_twin/settings", lambda exchange: answer(dataclasses.asdict(self.settings))),
            ("PATCH", "/_twin/settings", self._change_settings),
        ):
            self._administration.add(method, path, handler)

    def administer(self, method: str, path: str, handler: Handler) -> None:
        """Adds an endpoint below ``/_twin/``: no authentication, no faults, not in the log."""
        self._administration.add(method, path, handler)

    def _administer(self, request: Request) -> Response:
        found = self._administration.find(request)
        if found is None:
            return answer({"error": f"{request.method} {request.path}: no such endpoint"}, 404)
        handler, path = found
        with self.lock:
            try:
                return handler(Exchange(request, path))
            except (TypeError, ValueError, KeyError) as error:
                return answer({"error": str(error)}, 400)

    def _plan_faults(self, exchange: Exchange) -> Response:
        self.faults.plan(exchange.request.get_json())
        return answer(self.faults.as_dict())

    def _clear_log(self, exchange: Exchange) -> Response:
        self.log.clear()
        return nothing()

    def _change_settings(self, exchange: Exchange) -> Response:
        self.settings = dataclasses.replace(self.settings, **exchange.request.get_json())
        return answer(dataclasses.asdict(self.settings))


def _cut(environ: dict[str, Any]) -> None:
    """Ends the connection under the answer: the client sees it closed without a reply."""
    try:
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    except OSError:
        # The client gave up first; there is nothing left to cut.
        return
