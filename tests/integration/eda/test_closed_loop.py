# An event starts a workflow, somebody answers, the network is repaired and the record is closed: by the real ansible-rulebook. Run by pytest.
# The files are those of docs/how-to/event-driven.md, the rulebooks those of the collection and of that page.
from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.calls import eventually
from support.pages import ROOT, blocks

PROGRAMS = ROOT / ".work" / "venv-eda" / "bin"
PAGE = ROOT / "docs" / "how-to" / "event-driven.md"
PATIENCE = 60.0
MERGED = """\
name: Deploy {{ title }}
vars: {project: "", ref: "", title: "", merge_request: "", author: ""}
steps:
  - ansible.builtin.debug: {msg: "{{ ref }}"}
"""


pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(shutil.which("java") is None, reason="there is no Java: openjdk-17-jre-headless brings it"),
    pytest.mark.skipif(
        not (PROGRAMS / "ansible-rulebook").exists(), reason="there is no ansible-rulebook: make eda-venv"
    ),
]


class Site:
    """The page's files in one folder, with the rulebooks that run there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        for block in blocks(PAGE):
            if block.kind == "file":
                (folder / block.argument).write_text(block.text, encoding="utf-8")
        (folder / "changerail.yml").chmod(0o600)
        (folder / "merged.yml").write_text(MERGED)
        (folder / "localhost.yml").write_text("all: {hosts: {localhost: {ansible_connection: local}}}\n")
        self.environment = {
            **os.environ,
            "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "PYTHONUNBUFFERED": "1",
            "CHANGERAIL_HOME": str(self.home),
            "CHANGERAIL_CONFIG": str(folder / "changerail.yml"),
        }
        self.ports: dict[str, int] = {}

    @contextlib.contextmanager
    def rulebook(self, name: str, **variables: Any) -> Iterator[None]:
        """ansible-rulebook in a session of its own; afterwards nothing of it is left."""
        file = self.folder / f"{name}.vars.yml"
        file.write_text(yaml.safe_dump(variables))
        command = ["ansible-rulebook", "-r", name, "-i", "localhost.yml", "--vars", file.name, "--shutdown-delay", "1"]
        with open(self.folder / f"{name}.log", "wb") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            left = of_session(process.pid)
            if left:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(20)
        assert not left, f"{name} did not end with its group: {left}; {self.log(name)}"

    def webhook(self, name: str, **variables: Any) -> contextlib.AbstractContextManager[None]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.ports[name] = probe.getsockname()[1]
        return self.rulebook(name, port=self.ports[name], token="s3cr3t", **variables)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def post(self, name: str, endpoint: str, payload: Mapping[str, Any], token: str = "s3cr3t") -> int:
        """Send an event; waits until somebody listens."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ports[name]}/{endpoint}",
            json.dumps(payload).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )

        def status() -> int:
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return int(answer.status)
            except urllib.error.HTTPError as error:
                return error.code
            except OSError:
                return 0

        return int(eventually(status, PATIENCE, lambda: f"nobody listens: {self.log(name)}"))

    def runs(self) -> list[str]:
        return sorted(path.parent.name for path in self.home.glob("runs/*/journal.jsonl"))

    def events(self, run: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.home / "runs" / run / "journal.jsonl").read_text().splitlines()]


def of_session(leader: int) -> list[str]:
    """The processes of the session or the group of ``leader``, those that ended and wait to be collected aside."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _bracket, rest = path.read_text().rpartition(")")
            state, _parent, group, session = rest.split()[:4]
            if str(leader) in (group, session) and state not in "ZX":
                found.append(name)
    return found


def started_in(environment_of: str) -> list[str]:
    """Processes with this in their environment: what ansible-runner starts has a session of its own."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if environment_of.encode() in path.read_bytes().split(b"\0"):
                found.append(path.with_name("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def test_from_the_event_over_the_answer_to_the_closed_record(tmp_path: Path) -> None:
    site = Site(tmp_path)
    workflows = {
        "interface_down": str(tmp_path / "interface-down.yml"),
        "merged": str(tmp_path / "merged.yml"),
        "branch": "main",
    }
    start, go_on, watch = "netops.changerail.start", "netops.changerail.go_on", "watch.yml"
    with site.webhook(start, **workflows), site.webhook(go_on), site.rulebook(watch, home=str(site.home)):
        down = {"router": "r1", "interface": "ge-0/0/1", "state": "down", "since": 1767225600}
        assert site.post(start, "interface", down, token="guessed") == 401
        assert site.post(start, "interface", {**down, "state": "up"}) == 200
        # Twice, as monitoring does it.
        assert site.post(start, "interface", down) == site.post(start, "interface", down) == 200
        eventually(lambda: site.log(start).count("PLAY RECAP") == 2, PATIENCE, lambda: site.log(start))
        (run,) = site.runs()
        assert run.startswith("interface-down-r1-ge-0-0-1-1767225600-")
        eventually(
            lambda: f"{run} asks group netops: May the traffic be moved?" in site.log(watch),
            PATIENCE,
            lambda: site.log(watch),
        )
        assert not (tmp_path / "r1.conf").exists()

        assert site.post(go_on, "answer", {"run_id": run, "choice": "approve", "person": "anna"}) == 200
        eventually(
            lambda: f"{run} succeeded: ge-0/0/1 of r1 is down" in site.log(watch),
            PATIENCE,
            lambda: site.log(go_on) + site.log(watch),
        )
        assert (tmp_path / "r1.conf").read_text() == "drain ge-0/0/1\n" and not (tmp_path / "r2.conf").exists()
        (answer,) = [event for event in site.events(run) if event["event"] == "answered"]
        assert (answer["person"], answer["assurance"]) == ("anna", "asserted")
        (record,) = [json.loads(path.read_text()) for path in (site.home / "records").glob("*.json")]
        assert (record["state"], record["fields"]["close_code"]) == ("closed", "successful")

        request = {
            "iid": 7,
            "title": "{{ 6 * 7 }}",
            "url": "https://git.example.net/7",
            "merge_commit_sha": "ab12",
            "target_branch": "main",
        }
        merge = {
            "object_kind": "merge_request",
            "user": {"username": "bob"},
            "project": {"path_with_namespace": "net/intent"},
        }
        site.post(start, "gitlab", {**merge, "object_attributes": {**request, "action": "open"}})
        site.post(start, "gitlab", {**merge, "object_attributes": {**request, "action": "merge"}})
        eventually(
            lambda: "succeeded: Deploy {{ 6 * 7 }}" in site.log(watch),
            PATIENCE,
            lambda: site.log(start) + site.log(watch),
        )
        assert [name.rpartition("-")[0] for name in site.runs()] == [run.rpartition("-")[0], "merged-net-intent-7"]
        eventually(lambda: site.log(start).count("PLAY RECAP") == 3, PATIENCE, lambda: site.log(start))
        eventually(lambda: site.log(go_on).count("PLAY RECAP") == 1, PATIENCE, lambda: site.log(go_on))
    assert started_in(f"CHANGERAIL_HOME={site.home}") == []
