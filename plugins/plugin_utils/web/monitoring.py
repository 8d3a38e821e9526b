# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What machines ask the server about itself: ``/metrics`` for Prometheus, ``/healthz`` (it lives) and ``/readyz`` (it has taken up its runs)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.plugin_utils.web.peers import Networks, came_through_unnamed_proxy
from ansible_collections.netops.changerail.plugins.plugin_utils.web.server import Server

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route


def routes(server: Server) -> list[Route]:
    """The routes; none needs a login. Metrics name groups and workflows, so only the addresses of the settings may read them."""
    from starlette.responses import JSONResponse, PlainTextResponse
    from starlette.responses import Response as Plain
    from starlette.routing import Route

    allowed = Networks(server.settings.metrics_from)

    def metrics(request: Request) -> Response:
        client = request.client.host if request.client else ""
        if client not in allowed or came_through_unnamed_proxy(request.scope, server.settings.proxies):
            return PlainTextResponse("Metrics are not for this address; see --metrics-from.\n", 403)
        body, kind = server.observers.metrics.exposition(request.headers.get("accept", ""))
        return Plain(body, media_type=kind)

    def healthz(_request: Request) -> Response:
        problem = server.scheduler.problem
        return JSONResponse({"status": "failing" if problem else "ok", "problem": problem}, 503 if problem else 200)

    def readyz(_request: Request) -> Response:
        problem = server.scheduler.problem or ("" if server.scheduler.ready else "not all runs are taken up yet")
        return JSONResponse(
            {"status": "not ready" if problem else "ready", "problem": problem}, 503 if problem else 200
        )

    return [Route("/metrics", metrics), Route("/healthz", healthz), Route("/readyz", readyz)]
