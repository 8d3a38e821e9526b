# What the tests of real playbooks share: a project folder to write playbooks into, and ways to run them.
from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.calls import call, eventually, finished

from ansible_collections.netops.changerail.plugins.module_utils.operation import Call, Done, Failed
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.operations import MODULE, PLAYBOOK

LIMIT = 60.0
# Fewer processes for each module.
QUICK = {"ANSIBLE_PIPELINING": "true"}


@dataclass(frozen=True)
class Project:
    """A folder with playbooks and an inventory, as a user has one."""

    folder: Path

    def write(self, name: str, plays: Any) -> str:
        """A playbook, as JSON, which is YAML too. Text is written as it is."""
        text = plays if isinstance(plays, str) else json.dumps(plays)
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return name

    def tasks(self, *tasks: Mapping[str, Any], name: str = "site.yml", hosts: str = "all") -> str:
        """A playbook of one play on local connections."""
        return self.write(name, [{"hosts": hosts, "gather_facts": False, "tasks": list(tasks)}])

    def playbook(self, playbook: str, *, attempt: int = 1, **options: Any) -> Call:
        options.setdefault("inventory", ["inventory"])
        context = {name: options.pop(name) for name in ("check", "environment") if name in options}
        context["environment"] = {**os.environ, **QUICK, **context.get("environment", {})}
        return call(PLAYBOOK, self.folder, {"playbook": playbook, **options}, attempt=attempt, **context)

    def module(self, module: str, args: Any = None, **options: Any) -> Call:
        return call(
            MODULE, self.folder, {"module": module, "args": args, **options}, environment={**os.environ, **QUICK}
        )

    def run(self, playbook: str, **options: Any) -> Done | Failed:
        """The outcome of a playbook run to its end."""
        made = self.playbook(playbook, **options)
        return finished(PLAYBOOK, made, PLAYBOOK.start(made), LIMIT)  # type: ignore[return-value]

    def run_module(self, module: str, args: Any = None, **options: Any) -> Done | Failed:
        made = self.module(module, args, **options)
        return finished(MODULE, made, MODULE.start(made), LIMIT)  # type: ignore[return-value]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with the hosts r1 and r2, both this machine."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "inventory").write_text("[routers]\nr[1:2] ansible_connection=local\n", encoding="utf-8")
    return Project(folder)


@dataclass(frozen=True)
class Gate:
    """A task that waits in the middle of a playbook until the test lets it go on."""

    folder: Path

    @property
    def task(self) -> dict[str, Any]:
        """Says once that it is there, then waits for the gate to open."""
        script = 'echo here >> "$1/reached"; n=0; until [ -e "$1/open" ] || [ $n -ge 1200 ]; do n=$((n + 1)); sleep 0.05; done'
        return {
            "name": "Wait at the gate",
            "ansible.builtin.command": {"argv": ["sh", "-c", script, "gate", str(self.folder)]},
        }

    def reached(self) -> int:
        """How often a task came to the gate."""
        path = self.folder / "reached"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def wait(self, hosts: int = 1) -> None:
        eventually(lambda: self.reached() >= hosts, LIMIT)

    def open(self) -> None:
        (self.folder / "open").touch()


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    folder = tmp_path / "gate"
    folder.mkdir()
    return Gate(folder)
