# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is at the other end: the client a named reverse proxy speaks of, else the peer itself. Stands around the whole application.

After it ``scope["client"]`` and ``scope["scheme"]`` can be relied upon; ``scope["changerail.peer"]`` is the address of the peer itself ("" through a socket
file), for what only a proxy may say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from ansible_collections.netops.changerail.plugins.plugin_utils.web.asgi import Application, Receive, Scope, Send

UNIX = "unix"
"""Stands for whoever may connect to the server's socket file."""
PEER = "changerail.peer"
PROXIED = "changerail.proxied"
"""In the scope of a request that a named proxy hands on."""
_FORWARDED = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-real-ip", b"forwarded")


class Networks:
    """Addresses and networks; an IPv4 address is the same when it comes written as IPv6."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._networks: list[IPv4Network | IPv6Network] = [
            ip_network(text, strict=False) for text in texts if text != UNIX
        ]

    def __contains__(self, address: object) -> bool:
        try:
            found = ip_address(str(address).partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None)
        return any((mapped or found) in network for network in self._networks)


class Peers:
    """Believes forwarded headers from ``proxies`` and from nobody else; when ``plain``, nobody else is answered at all."""

    def __init__(self, app: Application, proxies: Sequence[str], plain: bool) -> None:
        from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

        trusted = [text for text in proxies if text != UNIX]
        self._app = app
        # A socket file has no peer that could be named; its own permissions say who may connect.
        self._forwarded = ProxyHeadersMiddleware(app, "*" if UNIX in proxies else trusted)  # type: ignore[arg-type]
        self._networks = Networks(trusted)
        self._unix = UNIX in proxies
        self._plain = plain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        peer = str(client[0]) if client and client[0] else ""
        scope[PEER] = peer
        if peer in self._networks or (not peer and self._unix):
            scope[PROXIED] = True
            await self._forwarded(scope, receive, send)  # type: ignore[arg-type]
        elif self._plain:
            await _refuse(send)
        else:
            await self._app(scope, receive, send)


def came_through_unnamed_proxy(scope: Scope, proxies: Sequence[str]) -> bool:
    """Whether a proxy that nobody named stands between: who asks is then not known, and must not be taken for the proxy."""
    peer = scope.get(PEER, "")
    named = peer in Networks(proxies) or (not peer and UNIX in proxies)
    return not named and any(name in _FORWARDED for name, _value in scope["headers"])


async def _refuse(send: Send) -> None:
    body = b"Only through the reverse proxy.\n"
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 421, "headers": headers})
    await send({"type": "http.response.body", "body": body})
