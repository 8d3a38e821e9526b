# Plays tasks of our modules with the real ansible-playbook, and has the twins they talk to; pytest loads it.
from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.repository import make

from ansible_collections.netops.changerail.tests.twins.gitlab.access import TOKEN
from ansible_collections.netops.changerail.tests.twins.kit.start import Running, running
from ansible_collections.netops.changerail.tests.twins.servicenow.people import INTEGRATION, PASSWORD

PROJECT = "net/edge"
LIMIT = 90


@dataclass(frozen=True)
class Played:
    """What came of a play: each task's registered result, and all that Ansible printed."""

    results: list[dict[str, Any]]
    printed: str

    @property
    def one(self) -> dict[str, Any]:
        """The result of the only task."""
        (result,) = self.results
        return result


Play = Callable[..., Played]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Plays tasks on localhost, each to its end whatever comes of it; they are ``r0``, ``r1``, … to the tasks after them.

    ``arguments`` go to ansible-playbook; ``defaults`` are the play's module_defaults.
    """

    def run(
        *tasks: Mapping[str, Any], arguments: tuple[str, ...] = (), defaults: Mapping[str, Any] | None = None
    ) -> Played:
        results, book = tmp_path / "results.json", tmp_path / "play.yml"
        numbered = [{**task, "register": f"r{number}", "ignore_errors": True} for number, task in enumerate(tasks)]
        names = ", ".join(f"r{number}" for number in range(len(tasks)))
        keep = {"dest": str(results), "content": f"{{{{ [{names}] | to_json }}}}"}
        kept = {"ansible.builtin.copy": keep, "check_mode": False, "diff": False}
        head = {"hosts": "localhost", "gather_facts": False, "module_defaults": dict(defaults or {})}
        book.write_text(json.dumps([{**head, "tasks": [*numbered, kept]}]))
        command = [str(Path(sys.executable).with_name("ansible-playbook")), str(book), *arguments]
        environment = {**os.environ, "CHANGERAIL_HOME": str(tmp_path / "home"), "ANSIBLE_LOCALHOST_WARNING": "false"}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return Played(json.loads(results.read_text()), done.stdout + done.stderr)

    return run


@pytest.fixture(scope="module")
def servicenow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running("servicenow", tmp_path_factory.mktemp("servicenow"), settings={"flow_delay": 0}) as twin:
        yield twin


@pytest.fixture(scope="module")
def gitlab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    repository = make(tmp_path_factory.mktemp("repository"))
    with running("gitlab", tmp_path_factory.mktemp("gitlab"), "--project", f"{PROJECT}={repository}") as twin:
        yield twin


@pytest.fixture
def servicenow_defaults(servicenow: Running) -> dict[str, Any]:
    """Credentials given once for all modules that talk to ServiceNow."""
    connection = {"url": servicenow.url, "username": INTEGRATION, "password": PASSWORD, "interval": 0.05}
    return {"group/netops.changerail.servicenow": {"servicenow": connection}}


@pytest.fixture
def gitlab_defaults(gitlab: Running) -> dict[str, Any]:
    return {"group/netops.changerail.gitlab": {"gitlab": {"url": gitlab.url, "token": TOKEN, "interval": 0.05}}}
