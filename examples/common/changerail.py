"""Runs the command `changerail` as a user would, in an environment of its own; the demo, the lab and their people use it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
CHANGE = CHECKOUT / "examples" / "change"
PROGRAMS = Path(sys.executable).parent
PATIENCE = 60.0
"""Seconds after which a command that only looks or answers is given up."""


@dataclass(frozen=True)
class Changerail:
    """``inside`` makes a command line run somewhere else (a network namespace), or gives it back as it is. ``folder`` is where it is typed."""

    environment: Mapping[str, str]
    inside: Callable[[Sequence[str]], list[str]] = list
    folder: Path = CHANGE

    @property
    def program(self) -> Path:
        return PROGRAMS / "changerail"

    def run(self, *arguments: str) -> int:
        """Run it on this terminal, or wherever our output goes; give its exit code. An interrupt is its business, not ours."""
        before = signal.signal(signal.SIGINT, lambda number, frame: None)
        try:
            return subprocess.run(
                self._command(arguments), env=self.environment, cwd=self.folder, check=False
            ).returncode
        finally:
            signal.signal(signal.SIGINT, before)

    def ask(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run it aside and keep what it says; ``given`` is what it can read."""
        return subprocess.run(
            self._command(arguments),
            input=given,
            env=self.environment,
            cwd=self.folder,
            timeout=PATIENCE,
            capture_output=True,
            text=True,
            check=False,
        )

    def status(self, run: str) -> dict[str, Any]:
        """How the run stands; {} before it has begun."""
        said = self.ask("status", run, "--json")
        document: dict[str, Any] = json.loads(said.stdout) if said.returncode != 2 and said.stdout else {}
        return document

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return self.inside([str(self.program), *arguments])


def environment(home: Path, project: Path, scratch: Path) -> dict[str, str]:
    """An environment in which nothing of the user's own settings counts and nothing outside of ``home`` and ``scratch`` is written.

    ``scratch`` is for Ansible's modules, whose path must have a plain name; that of ``home`` may be any.
    """
    own = ("ANSIBLE_", "CHANGERAIL_", "GIT_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return {
        **kept,
        "PATH": os.pathsep.join([str(PROGRAMS), kept.get("PATH", os.defpath)]),
        "CHANGERAIL_HOME": str(home / "state"),
        "CHANGERAIL_CONFIG": str(project),
        "ANSIBLE_CONFIG": str(CHANGE / "ansible.cfg"),
        "ANSIBLE_HOME": str(home / "ansible"),
        "ANSIBLE_REMOTE_TMP": str(scratch),
        "ANSIBLE_COLLECTIONS_PATH": os.environ.get("ANSIBLE_COLLECTIONS_PATH", str(CHECKOUT / "build" / "dev")),
    }
