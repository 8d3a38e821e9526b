"""Whose forwarded headers are believed, and who is answered at all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ansible_collections.netops.changerail.plugins.plugin_utils.web.peers import (
    PEER,
    Networks,
    Peers,
    came_through_unnamed_proxy,
)

FORWARDED = [(b"x-forwarded-for", b"203.0.113.9"), (b"x-forwarded-proto", b"https")]


def ask(
    client: tuple[str, int] | None,
    proxies: tuple[str, ...] = (),
    plain: bool = False,
    headers: list[tuple[bytes, bytes]] | None = None,
) -> tuple[dict[str, Any] | None, int]:
    """The scope the application sees (None: it was not asked) and the status that was sent."""
    seen: dict[str, Any] = {}
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        seen.update(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {}

    scope = {"type": "http", "client": client, "scheme": "http", "headers": FORWARDED if headers is None else headers}
    asyncio.run(Peers(app, proxies, plain)(scope, receive, send))
    return seen or None, sent[0]["status"]


def test_a_named_proxy_is_believed():
    seen, _status = ask(("192.0.2.10", 1), ("192.0.2.0/24",))
    assert seen is not None
    assert (seen["client"][0], seen["scheme"], seen[PEER]) == ("203.0.113.9", "https", "192.0.2.10")


@pytest.mark.parametrize("proxies", [(), ("192.0.2.11",), ("unix",)])
def test_nobody_else_is(proxies):
    seen, _status = ask(("192.0.2.10", 1), proxies)
    assert seen is not None
    assert (seen["client"][0], seen["scheme"], seen[PEER]) == ("192.0.2.10", "http", "192.0.2.10")
    assert came_through_unnamed_proxy(seen, proxies)


def test_not_even_this_machine_unless_named():
    seen, _status = ask(("127.0.0.1", 1))
    assert seen is not None and seen["client"][0] == "127.0.0.1"


@pytest.mark.parametrize("client", [None, ("", 0)])
def test_through_a_socket_file(client):
    believed, _status = ask(client, ("unix",))
    assert believed is not None and believed["client"][0] == "203.0.113.9"
    not_believed, _status = ask(client)
    assert not_believed is not None and not_believed["client"] == client


def test_what_a_client_puts_before_the_proxys_own_word_is_not_believed():
    headers = [(b"x-forwarded-for", b"10.0.0.1, 203.0.113.9")]
    seen, _status = ask(("192.0.2.10", 1), ("192.0.2.10",), headers=headers)
    assert seen is not None and seen["client"][0] == "203.0.113.9"


def test_plain_http_is_for_the_proxy_alone():
    assert ask(("198.51.100.1", 1), ("192.0.2.10",), plain=True) == (None, 421)
    assert ask(("192.0.2.10", 1), ("192.0.2.10",), plain=True)[1] == 200


def test_networks():
    networks = Networks(["127.0.0.0/8", "2001:db8::/32", "unix"])
    assert "127.1.2.3" in networks and "::ffff:127.0.0.1" in networks and "2001:db8::1%eth0" in networks
    assert "128.0.0.1" not in networks and "" not in networks and "nonsense" not in networks
