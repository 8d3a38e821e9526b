# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The web application: every route of the server, behind what holds for all of them. ``cli/verbs/serve.py`` serves it; tests call it in their process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.plugin_utils.web import answers, api, hooks, monitoring, pages
from ansible_collections.netops.changerail.plugins.plugin_utils.web.actions import Actions
from ansible_collections.netops.changerail.plugins.plugin_utils.web.logs import AccessLog
from ansible_collections.netops.changerail.plugins.plugin_utils.web.peers import Peers
from ansible_collections.netops.changerail.plugins.plugin_utils.web.security import Bounds, SafeHeaders
from ansible_collections.netops.changerail.plugins.plugin_utils.web.server import Server

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from ansible_collections.netops.changerail.plugins.plugin_utils.web.asgi import Application


def application(server: Server, version: str) -> Application:
    """The ASGI application of ``server``."""
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException

    actions = Actions(server)
    routes = Starlette(
        routes=[
            *monitoring.routes(server),
            *api.routes(server, actions, version),
            *pages.routes(server, actions),
            *hooks.routes(server, actions),
        ],
        exception_handlers={HTTPException: _plainly, Exception: _defect},
    )
    return Peers(AccessLog(SafeHeaders(Bounds(routes))), server.settings.proxies, server.settings.plain)


def _plainly(request: Request, error: Exception) -> Response:
    from starlette.exceptions import HTTPException

    status, message = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "defect")
    headers = error.headers if isinstance(error, HTTPException) else None
    return _answered(request, status, message, headers)


def _defect(request: Request, _error: Exception) -> Response:
    return _answered(request, 500, "this is a defect; the server's log has the whole", None)


def _answered(request: Request, status: int, message: str, headers: Mapping[str, str] | None) -> Response:
    from starlette.responses import Response as Plain

    kind, body = answers.said(request.url.path, status, message)
    return Plain(body, status, headers, kind)
