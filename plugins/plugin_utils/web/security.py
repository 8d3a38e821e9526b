# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every request: headers that browsers obey, and an end to bodies that are too large or too slow. ``web.app`` puts it around the routes."""

from __future__ import annotations

import asyncio

from ansible_collections.netops.changerail.plugins.plugin_utils.web.answers import said
from ansible_collections.netops.changerail.plugins.plugin_utils.web.asgi import (
    Application,
    Message,
    Receive,
    Scope,
    Send,
)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing inline, nothing from elsewhere, in nobody's frame."""
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
LARGEST = 1_000_000
"""Bytes of a request's body."""
SLOWEST = 20.0
"""Seconds until a request's body must be there."""


class SafeHeaders:
    """Sets HEADERS on every answer; what a route said of the same name does not count."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        names = {name for name, _value in HEADERS}

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [pair for pair in message.get("headers", ()) if pair[0].lower() not in names]
                message = {**message, "headers": [*own, *HEADERS]}
            await send(message)

        await self._inner(scope, receive, with_headers)


class Bounds:
    """Reads the whole body before a route begins: answers 413 to more than ``largest`` bytes and 408 when it takes over ``slowest`` seconds.

    A route therefore never holds a half of a request, and none that is sent drop by drop keeps one busy.
    """

    def __init__(self, inner: Application, largest: int = LARGEST, slowest: float = SLOWEST) -> None:
        self._inner = inner
        self._largest = largest
        self._slowest = slowest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        try:
            body = await asyncio.wait_for(self._body(receive), self._slowest)
        except ConnectionResetError:
            return
        except TimeoutError:
            await _refuse(scope, send, 408, f"the request was not complete after {self._slowest:g} seconds")
            return
        if body is None:
            await _refuse(scope, send, 413, f"the request is larger than {self._largest} bytes")
            return
        waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def read() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._inner(scope, read, send)

    async def _body(self, receive: Receive) -> bytes | None:
        """The body; None when it is too large. Raises ConnectionResetError when the client has gone: half of a request is none."""
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionResetError
            body += message.get("body", b"")
            if len(body) > self._largest:
                return None
            if not message.get("more_body", False):
                return bytes(body)


async def _refuse(scope: Scope, send: Send, status: int, why: str) -> None:
    kind, body = said(scope.get("path", ""), status, why)
    headers = [(b"content-type", kind.encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
