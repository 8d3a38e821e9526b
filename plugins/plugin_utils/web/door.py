# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signing in and out with a browser, and what stands around every page: the session's cookie, the token of its forms, errors as pages."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, ChangerailError
from ansible_collections.netops.changerail.plugins.plugin_utils.people.accounts import LoggedIn, Passwords
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import plain
from ansible_collections.netops.changerail.plugins.plugin_utils.people.sign_in import is_loopback
from ansible_collections.netops.changerail.plugins.plugin_utils.web import answers, callers
from ansible_collections.netops.changerail.plugins.plugin_utils.web.actions import Actions
from ansible_collections.netops.changerail.plugins.plugin_utils.web.answers import Away, NotFound, Refused
from ansible_collections.netops.changerail.plugins.plugin_utils.web.openid import LASTS, Beginnings, Provider
from ansible_collections.netops.changerail.plugins.plugin_utils.web.rendering import renderer
from ansible_collections.netops.changerail.plugins.plugin_utils.web.server import Server
from ansible_collections.netops.changerail.plugins.plugin_utils.web.sessions import (
    OPENID,
    PROXY,
    Attempts,
    Session,
    Sessions,
    same,
)

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_LOG = logging.getLogger("changerail.serve")
SIGN_IN = "/sign-in"
SIGN_IN_OPENID = f"{SIGN_IN}/openid"
BACK = f"{SIGN_IN_OPENID}/back"
"""The redirect URI that is registered at the provider."""
_FIELDS = 1000


@dataclass(frozen=True)
class Visit:
    """One request of somebody who has signed in. ``form`` is what was sent with a POST, ``query`` what stands behind the address's ``?``."""

    server: Server
    actions: Actions
    by: LoggedIn
    session: Session
    run: str
    workflow: str
    query: Mapping[str, str]
    form: Mapping[str, str]
    render: Callable[..., Response]


class Door:
    """What the pages of ``server`` have in common."""

    def __init__(self, server: Server, actions: Actions, clock: Callable[[], float] = time.monotonic) -> None:
        self._server = server
        self._actions = actions
        self._sessions = Sessions(clock)
        self._attempts = Attempts(clock)
        self._passwords = Passwords()
        self._provider = _provider(server)
        self._beginnings = Beginnings(clock)
        self._render = renderer()

    def page(self, handler: Callable[[Visit], Response]) -> Any:
        """The endpoint of a page: whoever has not signed in is sent to do so, a form without its token is refused."""
        from starlette.concurrency import run_in_threadpool

        async def endpoint(request: Request) -> Response:
            body = await request.body()
            return await run_in_threadpool(self._visited, handler, request, body)

        return endpoint

    def sign_in(self) -> Any:
        """The endpoint of the page to sign in at."""
        from starlette.concurrency import run_in_threadpool

        async def endpoint(request: Request) -> Response:
            body = await request.body()
            if request.method == "GET":
                return await run_in_threadpool(self._to_sign_in, request)
            return await run_in_threadpool(self._signed_in, request, body)

        return endpoint

    def to_provider(self) -> Any:
        """The endpoint that sends a browser to the OpenID Connect provider."""
        return self._answering(self._to_provider)

    def from_provider(self) -> Any:
        """The endpoint that a browser comes back to from the provider."""
        return self._answering(self._from_provider)

    def _answering(self, handler: Callable[[Request], Response]) -> Any:
        """The endpoint of ``handler``, whose errors are pages."""
        from starlette.concurrency import run_in_threadpool

        def answered(request: Request) -> Response:
            try:
                return handler(request)
            except ChangerailError as error:
                return self._html("error.html", answers.status_of(error), None, message=str(error))

        async def endpoint(request: Request) -> Response:
            return await run_in_threadpool(answered, request)

        return endpoint

    def sign_out(self) -> Any:
        """The endpoint that ends a session."""

        inner = self.page(self._signed_out)

        async def endpoint(request: Request) -> Response:
            response: Response = await inner(request)
            if response.status_code in (200, 303):
                self._sessions.end(request.cookies.get(_cookie(request), ""))
                response.delete_cookie(
                    _cookie(request), path="/", secure=_secure(request), httponly=True, samesite="lax"
                )
            return response

        return endpoint

    def _signed_out(self, visit: Visit) -> Response:
        from starlette.responses import RedirectResponse

        onward, home = "", self._server.settings.public_url
        if self._provider is not None and visit.session.way == OPENID:
            try:
                onward = self._provider.farewell(home and home + SIGN_IN)
            except ChangerailError as error:
                _LOG.warning("signed out here alone: %s", error, extra={"person": visit.by.who.person})
        if not onward:
            return RedirectResponse(SIGN_IN, 303)
        # Not a redirect: the policy has forms lead nowhere but here.
        return self._html("signed_out.html", 200, None, onward=onward, provider=urlsplit(onward).netloc)

    def _visited(self, handler: Callable[[Visit], Response], request: Request, body: bytes) -> Response:
        from starlette.responses import RedirectResponse

        by, session = None, None
        try:
            by, session = self._who(request)
            if session is None or by is None:
                place = request.url.path + (f"?{request.url.query}" if request.url.query else "")
                return RedirectResponse(
                    f"{SIGN_IN}?next={quote(place, safe='')}" if request.method == "GET" else SIGN_IN, 303
                )
            form = _form(body) if request.method == "POST" else {}
            if request.method == "POST" and not (
                self._from_here(request) and same(form.get("token", ""), session.token)
            ):
                raise Refused(
                    "this form is not from a page of yours, or you have signed in anew since: go back, load the page again"
                )

            def render(template: str, status: int = 200, /, **values: Any) -> Response:
                return self._html(template, status, by, token=session.token, **values)

            run, workflow = request.path_params.get("run", ""), request.path_params.get("workflow", "")
            return handler(
                Visit(self._server, self._actions, by, session, run, workflow, dict(request.query_params), form, render)
            )
        except ChangerailError as error:
            status = answers.status_of(error)
            if status >= 500:
                _LOG.error("%s %s: %s", request.method, request.url.path, error)
            token = session.token if session is not None else ""
            return self._html("error.html", status, by, token=token, message=str(error))

    def _to_sign_in(self, request: Request) -> Response:
        """The page to sign in at; whom a proxy has let in goes on."""
        from starlette.responses import RedirectResponse

        onward = _next(request.query_params.get("next", ""))
        try:
            if callers.of_proxy(self._server, request) is not None:
                return RedirectResponse(onward, 303)
        except ChangerailError as error:
            return self._html("error.html", answers.status_of(error), None, message=str(error))
        return self._sign_in_page(200, "", "", onward)

    def _who(self, request: Request) -> tuple[LoggedIn | None, Session | None]:
        """Who visits and with which session, None for nobody. Raises Refused, StorageError."""
        proxied = callers.of_proxy(self._server, request)
        if proxied is None:
            session = self._sessions.of(request.cookies.get(_cookie(request), ""))
            if session is None or session.way == PROXY:
                return None, None
            return callers.of_session(self._server, session), session
        session, begins = self._sessions.proxied(proxied.user.name)
        if begins:
            address = request.client.host if request.client else ""
            _LOG.info("signed in at the proxy", extra={"person": proxied.user.name, "client": address})
        return proxied, session

    def _signed_in(self, request: Request, body: bytes) -> Response:
        from starlette.responses import RedirectResponse

        address = request.client.host if request.client else ""
        try:
            form = _form(body)
            name, onward = plain(form.get("name", ""))[:100], _next(form.get("next", ""))
            if not self._from_here(request):
                raise Refused("this form is from another site")
            if not self._attempts.left(name, address):
                _LOG.warning("too many attempts to sign in", extra={"person": name, "client": address})
                problem = "Too many attempts. Wait five minutes."
                return self._sign_in_page(429, problem, name, onward)
            user = callers.accounts_of(self._server).users.get(name)
        except ChangerailError as error:
            return self._html("error.html", answers.status_of(error), None, token="", message=str(error))
        if not self._passwords.verify(user, form.get("password", "")):
            self._attempts.failed(name, address)
            _LOG.warning("could not sign in", extra={"person": name, "client": address})
            problem = "Name or password is wrong."
            return self._sign_in_page(401, problem, name, onward)
        self._attempts.succeeded(name, address)
        self._sessions.end(request.cookies.get(_cookie(request), ""))
        id_, dummy = self._sessions.begin(name)
        _LOG.info("signed in", extra={"person": name, "client": address})
        response = RedirectResponse(onward, 303)
        _keep(request, response, id_)
        return response

    def _to_provider(self, request: Request) -> Response:
        from starlette.responses import RedirectResponse

        provider, home = self._openid(), self._home(request)
        onward = _next(request.query_params.get("next", ""))
        state, browser, begun = self._beginnings.begin(onward, home + BACK)
        response = RedirectResponse(provider.address(state, begun), 303)
        name, secure = _cookie(request, "-openid"), _secure(request)
        # Lax: the provider's answer is a link from another site.
        response.set_cookie(name, browser, int(LASTS), path="/", secure=secure, httponly=True, samesite="lax")
        return response

    def _from_provider(self, request: Request) -> Response:
        from starlette.responses import RedirectResponse

        provider, said = self._openid(), dict(request.query_params)
        begun = self._beginnings.take(said.get("state", ""), request.cookies.get(_cookie(request, "-openid"), ""))
        found = provider.identity(said, begun)
        sign_in = self._server.around.project.sign_in
        grants = sign_in.grants(found.groups) if sign_in is not None else ()
        self._sessions.end(request.cookies.get(_cookie(request), ""))
        id_, dummy = self._sessions.begin(found.name, OPENID, grants)
        address = request.client.host if request.client else ""
        _LOG.info("signed in with OpenID Connect", extra={"person": found.name, "client": address})
        response = RedirectResponse(begun.onward, 303)
        _keep(request, response, id_)
        name = _cookie(request, "-openid")
        response.delete_cookie(name, path="/", secure=_secure(request), httponly=True, samesite="lax")
        return response

    def _openid(self) -> Provider:
        if self._provider is None:
            raise NotFound("nobody signs in with OpenID Connect here: the project file's sign_in has no openid")
        return self._provider

    def _home(self, request: Request) -> str:
        """The server's address for a browser that comes back: what ``--public-url`` says, or on this machine what the browser says. Raises Away."""
        if self._server.settings.public_url:
            return self._server.settings.public_url
        if not is_loopback(request.url.hostname or ""):
            raise Away("to sign in with OpenID Connect here, the server must be told its address: --public-url")
        return f"{request.url.scheme}://{request.url.netloc}"

    def _sign_in_page(self, status: int, problem: str, name: str, onward: str) -> Response:
        values = {"problem": problem, "name": name, "next": onward}
        provider = self._provider.host if self._provider is not None else ""
        return self._html("sign_in.html", status, None, **values, provider=provider)

    def _from_here(self, request: Request) -> bool:
        """Whether a form comes from a page of this server, as far as the browser says so."""
        site = request.headers.get("sec-fetch-site", "same-origin")
        origin = request.headers.get("origin")
        own = {request.headers.get("host", ""), urlsplit(self._server.settings.public_url).netloc}
        return site in ("same-origin", "none") and (origin is None or urlsplit(origin).netloc in own)

    def _html(self, template: str, status: int, by: LoggedIn | None, /, **values: Any) -> Response:
        from starlette.responses import HTMLResponse

        person = by.who.person if by is not None else ""
        text = self._render(template, person=person, **{"token": "", **values})
        return HTMLResponse(text.encode(errors="replace"), status, {"Cache-Control": "no-store"})


def _provider(server: Server) -> Provider | None:
    """The OpenID Connect provider of the project file. Raises ChangerailError when the secret for it cannot be had."""
    sign_in = server.around.project.sign_in
    if sign_in is None or sign_in.openid is None:
        return None
    wanted = sign_in.openid
    secret = server.resolver.value(wanted.client_secret) if wanted.client_secret is not None else None
    if secret == "":
        raise AuthorError("sign_in.openid: the client secret is empty; a public client has none at all")
    return Provider(wanted, str(secret or ""))


def _form(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_FIELDS))
    except ValueError as error:
        raise AuthorError(f"the form cannot be read: {error}") from None


def _next(place: str) -> str:
    """Where to go after signing in: a page of this server and nothing else."""
    parts = urlsplit(place)
    inside = place.startswith("/") and not place.startswith(("//", "/\\")) and not parts.netloc and place.isprintable()
    return place if inside else "/runs"


def _keep(request: Request, response: Response, session: str) -> None:
    """Have the browser keep the id of its session."""
    response.set_cookie(_cookie(request), session, path="/", secure=_secure(request), httponly=True, samesite="lax")


def _secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _cookie(request: Request, of: str = "") -> str:
    # With the prefix a browser takes it from this host over TLS alone.
    return f"__Host-changerail{of}" if _secure(request) else f"changerail{of}"
