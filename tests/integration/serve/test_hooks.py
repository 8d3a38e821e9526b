"""Webhooks at a real server: they wake the step that waits, start the workflow they may start, and are refused when they prove nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.calls import eventually
from support.runs import Bench
from support.serving import PATIENCE, Serving

from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.run import create
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.people.inbox import wake_server
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load

PROJECT = """\
hooks:
  firewall:
    kind: hmac
    secret: {env: FIREWALL_HOOK}
    start:
      workflow: remediate
      run_id: join('-', ['INC', incident])
      when: event == 'link down'
      variables: {interface: interface}
"""
WAITS = """\
name: Waits for a file that is looked at once an hour
vars: {ready: ""}
steps:
  - {id: firewall, netops.changerail.dependency: {file: {path: "{{ ready }}"}, interval: 1h}}
"""
REMEDIATE = """\
name: Bring {{ interface }} up again
vars: {interface: ""}
steps:
  - {id: say, netops.changerail.notify: {to: [terminal], message: "{{ interface }}"}}
"""
SECRET = "a secret of thirty-two characters!"


class Desk:
    """A server with one source of hooks, and its state folder."""

    def __init__(self, folder: Path) -> None:
        self.bench = Bench(folder)
        workflows = folder / "workflows"
        workflows.mkdir()
        self.waits = workflows / "waits.yml"
        self.waits.write_text(WAITS)
        (workflows / "remediate.yml").write_text(REMEDIATE)
        config = folder / "hooks.yml"
        config.write_text(PROJECT)
        config.chmod(0o600)
        options = ["--config", str(config), "--workflows", str(workflows)]
        self.server = Serving(self.bench.state.path, options, {"FIREWALL_HOOK": SECRET})

    def post(self, body: bytes, secret: str = SECRET, name: str = "firewall") -> tuple[int, dict[str, Any]]:
        moment = str(int(time.time()))
        proof = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "X-Changerail-Timestamp": moment,
            "X-Changerail-Signature": f"sha256={proof}",
        }
        request = urllib.request.Request(f"{self.server.url}/hooks/{name}", body, headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, {}

    def start(self, run: str, ready: Path) -> RunFolder:
        variables = {"ready": str(ready)}
        folder = create(
            load(self.waits, variables), state=self.bench.state, variables=variables, options={}, requester={}, run=run
        )
        wake_server(folder)
        return folder


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    made = Desk(tmp_path_factory.mktemp("hooks"))
    with made.server:
        made.server.wait_until_ready()
        yield made


def test_a_hook_wakes_the_step_that_would_look_again_in_an_hour(desk: Desk, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    run = desk.start("CHG1", ready)
    eventually(lambda: desk.bench.events(run, e.StepWaiting), PATIENCE)
    ready.touch()
    assert desk.post(b'{"step": "CHG1/firewall"}') == (202, {"received": True})
    (ended,) = eventually(lambda: desk.bench.events(run, e.RunFinished), PATIENCE)
    assert ended.status == "succeeded"


def test_a_hook_is_no_truth(desk: Desk, tmp_path: Path) -> None:
    """It says that the step is done; the step looks, and waits on."""
    run = desk.start("CHG2", tmp_path / "never")
    eventually(lambda: desk.bench.events(run, e.StepWaiting), PATIENCE)
    assert desk.post(b'{"step": "CHG2/firewall", "state": "done"}')[0] == 202
    # Another run that is woken after it has been through by then.
    ready = tmp_path / "ready"
    other = desk.start("CHG3", ready)
    eventually(lambda: desk.bench.events(other, e.StepWaiting), PATIENCE)
    ready.touch()
    desk.post(b'{"step": "CHG3/firewall"}')
    eventually(lambda: desk.bench.events(other, e.RunFinished), PATIENCE)
    assert not desk.bench.events(run, e.StepFinished)


def test_a_hook_starts_a_run_once_and_is_its_requester(desk: Desk) -> None:
    body = json.dumps({"event": "link down", "incident": "0042", "interface": "et-0/0/1 {{ 7 * 7 }}"}).encode()
    assert desk.post(body)[0] == 202
    run = eventually(lambda: desk.bench.state.open("INC-0042") if _is_there(desk, "INC-0042") else None, PATIENCE)
    eventually(lambda: desk.bench.events(run, e.RunFinished), PATIENCE)
    # The same incident again, in another delivery.
    assert desk.post(body.replace(b'{"event"', b'{"again": 1, "event"'))[0] == 202
    (started,) = desk.bench.events(run, e.RunStarted)
    assert started.variables == {"interface": "et-0/0/1 {{ 7 * 7 }}"}
    assert (started.requester["name"], started.requester["assurance"]) == ("hook firewall", "authenticated")
    (finished,) = desk.bench.events(run, e.StepFinished)
    assert "{{ 7 * 7 }}" in finished.message


def test_what_proves_nothing_is_refused_and_what_may_not_be_started_is_not(desk: Desk) -> None:
    body = json.dumps({"event": "link down", "incident": "0043", "interface": "et-0/0/1"}).encode()
    assert desk.post(body, secret="guessed")[0] == 401
    assert desk.post(body, name="nobody")[0] == 404
    assert desk.post(json.dumps({"event": "link up", "incident": "0043"}).encode())[0] == 202
    assert desk.post(json.dumps({"event": "link down", "incident": "../../0043"}).encode())[0] == 202
    eventually(lambda: "could not start remediate as run INC-../../0043" in desk.server.log, PATIENCE)
    assert not _is_there(desk, "INC-0043")
    assert desk.post(b"x" * 1_000_001)[0] == 413
    assert SECRET not in desk.server.log


def _is_there(desk: Desk, run: str) -> bool:
    return (desk.bench.state.path / "runs" / run / "journal.jsonl").exists()
