"""Real servers on loopback for the tests of operations: HTTP that answers what it is told, DNS with a zone in a mapping."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


@dataclass
class Answer:
    """What the server answers: a body that is sent as JSON unless it is text, or nothing at all (``cut``) after the request was taken.

    ``after`` are seconds that it takes its time.
    """

    status: int = 200
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    after: float = 0.0


@dataclass
class Request:
    """What the server was asked."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Web:
    """An HTTP server: ``answers`` by path, with its query or without, ``asked`` in order. An unknown path is 404."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.answers: dict[str, Answer] = {}
        self.asked: list[Request] = []


@contextlib.contextmanager
def web() -> Iterator[Web]:
    """A running HTTP server."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            made.asked.append(Request(self.command, self.path, dict(self.headers), body))
            plain = made.answers.get(self.path.partition("?")[0], Answer(404, "nothing here"))
            answer = made.answers.get(self.path, plain)
            time.sleep(answer.after)
            if answer.cut:
                self.close_connection = True
                return
            text = answer.body if isinstance(answer.body, (str, bytes)) else json.dumps(answer.body)
            content = text.encode() if isinstance(text, str) else text
            self.send_response(answer.status)
            kind = "text/plain; charset=utf-8" if isinstance(answer.body, (str, bytes)) else "application/json"
            for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_POST = handle_any

        def log_message(self, *args: Any) -> None:
            """Tests print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made = Web(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


class Names:
    """A DNS server: ``zone`` has the texts of the answers by name and type; a name in ``broken`` is answered with that rcode."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.zone: dict[tuple[str, str], list[str]] = {}
        self.broken: dict[str, str] = {}


@contextlib.contextmanager
def names() -> Iterator[Names]:
    """A running DNS server (UDP)."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            packet, socket = self.request
            query = dns.message.from_wire(packet)
            reply = dns.message.make_response(query)
            reply.flags |= dns.flags.AA
            question = query.question[0]
            name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
            if name in made.broken:
                reply.set_rcode(dns.rcode.from_text(made.broken[name]))
            elif not any(known == name for known, _kind in made.zone):
                reply.set_rcode(dns.rcode.NXDOMAIN)
            elif (name, kind) in made.zone:
                reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *made.zone[name, kind]))
            socket.sendto(reply.to_wire(), self.client_address)

    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler) as server:
        made = Names(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
