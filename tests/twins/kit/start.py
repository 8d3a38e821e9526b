# Starts a twin in its own process and ends it again. For tests and the demo.
from __future__ import annotations

import json
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 10
"""Seconds a twin may take to end by itself."""


@dataclass(frozen=True)
class Running:
    """A running twin: its address and the folder it keeps its state in."""

    url: str
    folder: Path

    def administer(self, method: str, path: str, document: Any = None) -> Any:
        """Calls ``/_twin/<path>``; the answer as JSON."""
        body = None if document is None else json.dumps(document).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/_twin/{path}", body, headers, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE, context=self._trust()) as reply:
            text = reply.read()
        return json.loads(text) if text else None

    def fault(self, kind: str, **where: Any) -> None:
        """The next request that ``where`` fits (method, path, times, seconds, status) meets this fault."""
        self.administer("POST", "faults", {"queue": [{"kind": kind, **where}]})

    def faults_at_random(self, seed: int, rate: float, **which: Any) -> None:
        self.administer("POST", "faults", {"random": {"seed": seed, "rate": rate, **which}})

    def no_faults(self) -> None:
        self.administer("POST", "faults", {"queue": [], "random": None})

    def set(self, **settings: Any) -> None:
        self.administer("PATCH", "settings", settings)

    def committed(self, what: str) -> list[str]:
        """The ids of what was committed under this name, in order."""
        return [entry["id"] for entry in self.administer("GET", "log")["committed"] if entry["what"] == what]

    def received(self) -> list[dict[str, Any]]:
        return self.administer("GET", "log")["received"]

    def _trust(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cafile=str(self.folder / "ca.pem")) if self.url.startswith("https") else None


@contextmanager
def running(name: str, folder: Path, *arguments: str, settings: Mapping[str, Any] | None = None) -> Iterator[Running]:
    """The twin ``name`` ("servicenow", "gitlab") with its state in ``folder``; ended when the block is left.

    ``arguments`` go to its command line as they are; ``settings`` are fields of its Settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", f"ansible_collections.netops.changerail.tests.twins.{name}"]
    command += ["--port", "0", "--state", str(folder), "--settings", json.dumps(dict(settings or {})), *arguments]
    errors = folder / "twin.log"
    with (
        errors.open("ab") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, text=True) as process,
    ):
        try:
            url = process.stdout.readline().strip()
            if not url:
                raise RuntimeError(f"the {name} twin did not start: {errors.read_text()}")
            yield Running(url, folder)
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
