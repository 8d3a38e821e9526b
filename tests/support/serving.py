"""A real ``changerail serve`` in a process of its own, on a port the system chose; killed, stopped and started as a test likes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.calls import eventually

CHANGERAIL = str(Path(sys.executable).with_name("changerail"))
COLLECTIONS = Path(__file__).resolve().parent.parent / "collections"
PATIENCE = 90.0


class Serving:
    """A server for the state folder ``home``; a context manager, which stops it. ``url`` is where it listens, ``log`` what it wrote."""

    def __init__(
        self,
        home: Path,
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        listen: str = "127.0.0.1:0",
    ) -> None:
        self._home = home
        self._options = options
        self._environment = environment or {}
        self._listen = listen
        self._number = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self._number += 1
        self._log = self._home.parent / f"serve-{self._number}.log"
        path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(COLLECTIONS)]))
        environment = {**os.environ, "CHANGERAIL_HOME": str(self._home), "PYTHONPATH": path, **self._environment}
        with open(self._log, "wb") as log:
            self.process = subprocess.Popen(
                [CHANGERAIL, "serve", "--listen", self._listen, *self._options], env=environment, stderr=log, stdout=log
            )
        self.url = eventually(self._listens, PATIENCE)

    def kill(self) -> None:
        """Kill it as the kernel does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it in an orderly way; its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Status and body of a GET."""
        return fetch(self.url + path, headers)

    def wait_until_ready(self) -> None:
        eventually(lambda: self.get("/readyz")[0] == 200, PATIENCE)

    def __enter__(self) -> Serving:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def _listens(self) -> str:
        assert self.process is not None
        found = re.search(r"serving \S+ on ([^\s\"]+)", self.log)
        if found is None and self.process.poll() is not None:
            raise RuntimeError(f"the server ended with {self.process.returncode}: {self.log}")
        return found[1] if found else ""


def fetch(url: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Status and body of a GET."""
    request = urllib.request.Request(url, headers=dict(headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
