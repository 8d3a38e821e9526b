# http: what is shown of an address, how long to wait, which failures count as not taken.
from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.servers import Answer, Web, web

from ansible_collections.netops.changerail.plugins.module_utils import http
from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.provider import NoAnswer


@pytest.fixture
def server() -> Iterator[Web]:
    with web() as running:
        yield running


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/x?y=1#z", "https://a.example/x?y=1"),
        ("https://user:s3cret@a.example:8443/x", "https://a.example:8443/x"),
        (
            "https://a.example/?access_token=s3cret&page=2&x-api-key=s3cret&sig=s3cret",
            "https://a.example/?access_token=***&page=2&x-api-key=***&sig=***",
        ),
        ("https://[::1", "(an address that cannot be read)"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert http.redacted(url) == shown


@pytest.mark.parametrize(
    ("home", "url", "same"),
    [
        ("https://a.example", "https://a.example/x", True),
        ("https://a.example", "https://a.example:443/x", True),
        ("http://a.example", "https://a.example/x", True),
        ("https://a.example", "http://a.example/x", False),
        ("https://a.example", "https://a.example:8443/x", False),
        ("https://a.example", "https://b.example/x", False),
        ("https://a.example", "https://a.example.evil.example/x", False),
        ("https://a.example", "https://a.example@evil.example/x", False),
        ("https://a.example", "https://a.example:bad/x", False),
    ],
)
def test_credentials_belong_to_one_place(home: str, url: str, same: bool) -> None:
    assert http.same_place(home, url) is same


def test_retry_after_is_a_number_or_a_date() -> None:
    now = time.time()
    assert http.retry_after("120", now) == 120
    assert http.retry_after(formatdate(now + 90, usegmt=True), now) == pytest.approx(90, abs=1)
    assert http.retry_after(formatdate(now - 90, usegmt=True), now) == 0
    assert http.retry_after("999999999", now) == 86400
    assert [http.retry_after(text, now) for text in ("", "soon", "-5", "1.5", "nan")] == [None] * 5


@given(st.text())
def test_any_retry_after_header_is_read(header: str) -> None:
    seconds = http.retry_after(header, 0.0)
    assert seconds is None or 0 <= seconds <= 86400


@given(st.text(), st.lists(st.text()))
def test_no_address_breaks_what_shows_it(url: str, secrets: list[str]) -> None:
    assert isinstance(http.redacted(url), str)
    assert isinstance(http.secrets_in(url), tuple)
    http.same_place(url, url)
    http.masked({url: [url]}, tuple(secrets))


@pytest.mark.parametrize(
    ("status", "failure", "wait"), [(429, "transient", 7.0), (503, "transient", 7.0), (403, "failed", 7.0)]
)
def test_statuses_have_failure_classes(server: Web, status: int, failure: str, wait: float) -> None:
    server.answers["/"] = Answer(status, "no", {"Retry-After": "7"})
    reply = http.Client(http.Peer(server.url)).send("GET", "/")
    with pytest.raises(OperationError) as error:
        reply.raise_for_status()
    assert (error.value.failure, error.value.retry_after) == (failure, wait)


def test_a_write_without_a_usable_answer_is_in_doubt(server: Web) -> None:
    client = http.Client(http.Peer(server.url))
    server.answers |= {
        "/cut": Answer(cut=True),
        "/broken": Answer(502, "bad gateway"),
        "/page": Answer(200, "<html>"),
        "/busy": Answer(429, "later"),
    }
    with pytest.raises(NoAnswer):
        client.send("POST", "/cut", content=b"{}")
    with pytest.raises(NoAnswer):
        client.send("POST", "/broken", content=b"{}").raise_for_status()
    with pytest.raises(NoAnswer):
        client.send("POST", "/page", content=b"{}").json()
    with pytest.raises(OperationError) as error:
        client.send("POST", "/busy", content=b"{}").raise_for_status()
    assert error.value.failure == "transient"


def test_a_write_whose_answer_is_too_long_is_in_doubt(server: Web) -> None:
    server.answers["/"] = Answer(201, "x" * 100)
    client = http.Client(http.Peer(server.url), limit=99)
    with pytest.raises(NoAnswer, match="larger than 99 bytes"):
        client.send("POST", "/", content=b"{}")
    with pytest.raises(OperationError, match="larger than 99 bytes") as caught:
        client.send("GET", "/")
    assert caught.value.failure == "failed"


def test_a_write_that_was_never_sent_is_transient() -> None:
    with web() as gone:
        url = gone.url
    with pytest.raises(OperationError) as error:
        http.Client(http.Peer(url)).send("POST", "/", content=b"{}")
    assert error.value.failure == "transient"
    assert "Connection refused" in str(error.value)


def test_a_write_is_not_redirected(server: Web) -> None:
    server.answers |= {"/": Answer(307, headers={"Location": "/there"}), "/there": Answer()}
    with pytest.raises(OperationError, match="a write is not sent to another address"):
        http.Client(http.Peer(server.url)).send("POST", "/", content=b"{}")
    assert [request.path for request in server.asked] == ["/"]


def test_neither_cookies_nor_netrc_are_used(server: Web, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = f"{tmp_path}/netrc"
    with open(netrc, "w", encoding="utf-8") as file:
        file.write("machine 127.0.0.1 login u password p\n")
    monkeypatch.setenv("NETRC", netrc)
    server.answers["/"] = Answer(headers={"Set-Cookie": "session=1; Path=/"})
    client = http.Client(http.Peer(server.url))
    client.send("GET", "/")
    client.send("GET", "/")
    assert not {"Cookie", "Authorization"} & set(server.asked[-1].headers)
    assert server.asked[-1].headers["User-Agent"] == http.USER_AGENT


@pytest.mark.parametrize("body", ["<html>asleep</html>", "NaN", "[" * 100000])
def test_what_is_no_json_is_said_to_be_so(server: Web, body: str) -> None:
    server.answers["/"] = Answer(200, body)
    with pytest.raises(OperationError, match="expected JSON, got text/plain"):
        http.Client(http.Peer(server.url)).send("GET", "/").json()


def test_a_connection_says_how_to_prove_who_we_are(server: Web) -> None:
    server.answers["/"] = Answer()
    for connection, header in (
        ({"username": "u", "password": "p"}, "Basic dTpw"),
        ({"token": "t"}, "Bearer t"),
        ({"headers": {"Authorization": "Custom x"}}, "Custom x"),
    ):
        http.Client(http.peer_of({"url": server.url, **connection})).send("GET", "/")
        assert server.asked[-1].headers["Authorization"] == header


class Raw(threading.Thread):
    """Answers each connection with ``pieces``, one after the other with ``pause`` seconds between, and counts what it could send."""

    def __init__(self, pieces: Sequence[bytes], pause: float = 0.0) -> None:
        super().__init__(daemon=True)
        self._pieces, self._pause = pieces, pause
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.sent = self.connections = 0
        self.start()

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, dummy = self._listening.accept()
                self.connections += 1
                with connection:
                    self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        while connection.recv(65536):
            for piece in self._pieces:
                connection.sendall(piece)
                self.sent += 1
                time.sleep(self._pause)

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._listening.close()


def test_a_reply_that_comes_byte_by_byte_has_an_end() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    with Raw([head, *[b"x"] * 1000], pause=0.02) as drips:
        client = http.Client(http.Peer(drips.url), patience=http.Patience(whole=0.2))
        with pytest.raises(OperationError, match="not complete after"):
            client.send("GET", "/")
        assert drips.sent < 500, "it was not waited for all of it"


PACKED = gzip.compress(b"packed " * 5000)
BODIES = {
    "length": (b"Content-Length: 9\r\n\r\n", [b"with ", b"more"], b"with more"),
    "chunked": (
        b"Transfer-Encoding: chunked\r\n\r\n",
        [b"5\r\nwith \r\n", b"4\r\nmo", b"re\r\n0\r\n\r\n"],
        b"with more",
    ),
    "empty": (b"Content-Length: 0\r\n\r\n", [], b""),
    "packed": (
        b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(PACKED),
        [PACKED[:5], PACKED[5:20], PACKED[20:]],
        b"packed " * 5000,
    ),
}


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_is_read_whole_in_whatever_pieces_it_comes_and_the_connection_kept(kind: str) -> None:
    head, pieces, body = BODIES[kind]
    with Raw([b"HTTP/1.1 200 OK\r\n" + head, *pieces], pause=0.01) as server:
        client = http.Client(http.Peer(server.url))
        assert [client.send("GET", "/").body for _time in range(2)] == [body, body]
        assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nno chunk\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 7\r\n\r\nno gzip",
    ],
)
def test_a_body_that_breaks_off_is_a_failure_and_of_a_write_a_doubt(answer: bytes) -> None:
    class Once(Raw):
        def _serve(self, connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(answer)

    with Once([]) as server:
        with pytest.raises(OperationError) as error:
            http.Client(http.Peer(server.url)).send("GET", "/")
        assert error.value.failure == "transient"
        with pytest.raises(NoAnswer):
            http.Client(http.Peer(server.url)).send("POST", "/", content=b"{}")
