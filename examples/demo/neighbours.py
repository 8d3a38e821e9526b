"""What stands in for other teams' systems in the demo: a firewall's API and a name server on loopback; demo.py starts them."""

from __future__ import annotations

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

RULE = "edge-203.0.113.0-24"
NAME = "edge.example.net"
ADDRESS = "203.0.113.1"


class Firewall(ThreadingHTTPServer):
    """`GET /rules/<name>` gives ``{"name", "state"}``; ``add`` is what the firewall team does."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Rule)
        self._active: set[str] = set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def add(self, rule: str) -> None:
        self._active.add(rule)

    def state(self, rule: str) -> str:
        return "active" if rule in self._active else "requested"


class _Rule(BaseHTTPRequestHandler):
    server: Firewall

    def do_GET(self) -> None:
        name = self.path.removeprefix("/rules/")
        body = json.dumps({"name": name, "state": self.server.state(name)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent: who asked what stands in the run's journal."""


class NameServer(socketserver.ThreadingUDPServer):
    """Answers for the A records it was given and knows no other name; ``add`` is what the DNS team does."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Query)
        self._records: dict[str, str] = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def add(self, name: str, address: str) -> None:
        self._records[f"{name}."] = address

    def address(self, name: str) -> str | None:
        return self._records.get(name)


class _Query(socketserver.BaseRequestHandler):
    server: NameServer

    def handle(self) -> None:
        wire, connection = self.request
        query = dns.message.from_wire(wire)
        asked = query.question[0]
        answer = dns.message.make_response(query)
        address = self.server.address(asked.name.to_text().lower())
        if address is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif asked.rdtype == dns.rdatatype.A:
            answer.answer.append(dns.rrset.from_text(asked.name, 60, "IN", "A", address))
        connection.sendto(answer.to_wire(), self.client_address)
