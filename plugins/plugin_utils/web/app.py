# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The web application: every route of the server, behind what holds for all of them. ``cli/verbs/serve.py`` serves it; tests call it in their process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.plugin_utils.web import monitoring
from ansible_collections.netops.changerail.plugins.plugin_utils.web.logs import AccessLog
from ansible_collections.netops.changerail.plugins.plugin_utils.web.peers import Peers
from ansible_collections.netops.changerail.plugins.plugin_utils.web.security import Bounds, SafeHeaders
from ansible_collections.netops.changerail.plugins.plugin_utils.web.server import Server

if TYPE_CHECKING:
    from ansible_collections.netops.changerail.plugins.plugin_utils.web.asgi import Application


def application(server: Server) -> Application:
    """The ASGI application of ``server``."""
    from starlette.applications import Starlette

    routes = Starlette(routes=[*monitoring.routes(server)])
    return Peers(AccessLog(SafeHeaders(Bounds(routes))), server.settings.proxies, server.settings.plain)
