"""The firewall team's read-only API: `python -m examples.lab.firewall_api HOST PORT` runs in the firewall's namespace.

`GET /rules/<name>` looks for a rule with that comment in what `nft` says right now: `{"name", "state": "active" | "absent"}`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


class Rules(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        collection, _slash, name = unquote(self.path.lstrip("/")).partition("/")
        if collection != "rules" or not name:
            self._answer(404, {"error": "expected /rules/<name>"})
        else:
            self._answer(200, {"name": name, "state": "active" if name in _comments() else "absent"})

    def _answer(self, status: int, document: dict[str, str]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent: who asked what stands in the run's journal."""


def _comments() -> set[str]:
    listed = subprocess.run(["nft", "-j", "list", "ruleset"], check=True, stdout=subprocess.PIPE, timeout=30)
    return {item["rule"].get("comment", "") for item in json.loads(listed.stdout)["nftables"] if "rule" in item}


def main() -> None:
    host, port = sys.argv[1:]
    server = ThreadingHTTPServer((host, int(port)), Rules)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
