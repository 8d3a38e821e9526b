"""The world of the crash test: an HTTP server that commits before it answers, may then be slow, cut the connection or refuse, and counts by key."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

FAULTS = ("none",) * 7 + ("slow", "refuse", "cut")
"""What happens to a request, drawn for each; a refused one has no effect, a cut one has."""


class World:
    """``made`` counts the things made by key, ``stopped`` those stopped. ``meets`` is called with "received" and "committed" for each request."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._guard = threading.Lock()
        self._plans: dict[str, Mapping[str, Any]] = {}
        self.made: Counter[str] = Counter()
        self.stopped: set[str] = set()
        self.meets: Callable[[str], None] = lambda moment: None

    def fault(self) -> str:
        """What happens to the next request."""
        with self._guard:
            return self._chance.choice(FAULTS)

    def make(self, key: str, plan: Mapping[str, Any]) -> None:
        with self._guard:
            self.made[key] += 1
            self._plans[key] = plan

    def stop(self, key: str) -> None:
        with self._guard:
            if key in self.made:
                self.stopped.add(key)

    def state(self, key: str) -> str:
        """ "unknown", "running", "done" or "stopped"."""
        with self._guard:
            if key not in self.made:
                return "unknown"
            if key in self.stopped:
                return "stopped"
            plan = self._plans[key]
            run = key.partition("/")[0]
            after = not plan.get("after") or f"{run}/{plan['after']}/1" in self.made
            return "done" if after and not plan.get("hold") else "running"


@contextlib.contextmanager
def serving(world: World) -> Iterator[str]:
    """The URL of a running server of ``world``."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            fault = world.fault()
            world.meets("received")
            _empty, _things, key, *verb = self.path.split("/")
            key = unquote(key)
            if fault == "refuse":
                self.send_error(503)
                return
            if self.command == "POST" and verb:
                world.stop(key)
            elif self.command == "POST":
                world.make(key, body)
            world.meets("committed")
            if fault == "cut":
                self.close_connection = True
                return
            if fault == "slow":
                time.sleep(0.1)
            content = json.dumps({"state": world.state(key)}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            # Whoever asked may have been killed.
            with contextlib.suppress(ConnectionError):
                self.wfile.write(content)

        do_GET = do_POST = handle_any

        def log_message(self, *args: Any) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
