"""Headers of every answer, and the end of requests that are too large or too slow."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ansible_collections.netops.changerail.plugins.plugin_utils.web.asgi import Message, Receive, Scope, Send
from ansible_collections.netops.changerail.plugins.plugin_utils.web.security import Bounds, SafeHeaders


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the body, and tries to weaken a header."""
    message = await receive()
    headers = [(b"X-Frame-Options", b"ALLOWALL"), (b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": message["body"]})


def asked(parts: Iterable[bytes], *, stalls: bool = False, leaves: bool = False, largest: int = 10) -> list[Message]:
    """What is sent for a request whose body comes in ``parts``; with ``stalls`` the rest never comes."""
    sent: list[Message] = []
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    if leaves:
        messages.append({"type": "http.disconnect"})
    elif not stalls:
        messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Message:
        if messages:
            return messages.pop(0)
        return await asyncio.Future()

    async def send(message: Message) -> None:
        sent.append(message)

    bounded = SafeHeaders(Bounds(echo, largest=largest, slowest=0.05 if stalls else 60))
    asyncio.run(bounded({"type": "http"}, receive, send))
    return sent


def test_a_body_arrives_whole() -> None:
    start, body = asked([b"01234", b"56789"])
    assert (start["status"], body["body"]) == (200, b"0123456789")


def test_a_larger_one_is_cut_although_no_length_was_declared() -> None:
    start, body = asked([b"01234", b"56789", b"x"])
    assert start["status"] == 413
    assert b"10 bytes" in body["body"]


def test_a_body_that_does_not_end_is_cut() -> None:
    start, _body = asked([b"01"], stalls=True)
    assert start["status"] == 408


def test_half_of_a_request_reaches_no_route() -> None:
    assert asked([b"01"], leaves=True) == []


def test_every_answer_has_the_headers_once_also_refusals() -> None:
    for start in (asked([b"1"])[0], asked([b"1" * 11])[0]):
        headers = [(name.lower(), value) for name, value in start["headers"]]
        values = dict(headers)
        assert len(values) == len(headers)
        assert values[b"x-frame-options"] == b"DENY"
        assert values[b"x-content-type-options"] == b"nosniff"
        policy = values[b"content-security-policy"]
        assert b"frame-ancestors 'none'" in policy
        assert b"unsafe-inline" not in policy
