"""The action ``workflow`` at a server: what a playbook starts and answers is driven there, so nothing is lost with the machine the playbook ran on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.team import Team, team

from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import Answered, RunStarted

PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - netops.changerail.{action}: {options}
      register: done
      ignore_errors: true
    - ansible.builtin.copy: {{content: "{{{{ done | to_json }}}}", dest: "{out}"}}
"""


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with team(tmp_path_factory.mktemp("played")) as made:
        yield made


def play(people: Team, user: str, action: str = "workflow", **options: Any) -> dict[str, Any]:
    """What the action gives in a playbook of ``user``, whose own state folder is empty."""
    out, book = people.bench.folder / "out.json", people.bench.folder / "play.yml"
    book.write_text(PLAY.format(action=action, options=json.dumps(options), out=out))
    named = {
        "CHANGERAIL_SERVER": people.server.url,
        "CHANGERAIL_TOKEN": people.tokens[user],
        "CHANGERAIL_HOME": str(people.bench.folder / "elsewhere"),
    }
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local", str(book)]
    done = subprocess.run(
        command, env={**os.environ, **named}, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(out.read_text())


def test_a_playbook_starts_a_run_another_answers_and_sees_it_end(people: Team) -> None:
    world = {"world": str(people.bench.world)}
    begun = play(people, "requester", workflow="asks.yml", run_id="played", variables=world, wait=False)
    assert (begun["state"], begun["started"], begun["changed"]) == ("waiting", True, True)
    assert begun["waiting_for"][0]["step"] == "ask"
    (event,) = people.bench.events(people.bench.state.open("played"), RunStarted)
    assert event.requester["name"] == "requester"
    answered = play(people, "approver", run_id="played", answer={"choice": "approve", "comment": "fine"})
    assert (answered["step"], answered["counted"], answered["changed"]) == ("ask", True, True)
    (event,) = people.bench.events(people.bench.state.open("played"), Answered)
    assert (event.person, event.assurance, event.comment) == ("approver", "authenticated", "fine")
    ended = play(people, "requester", workflow="asks.yml", run_id="played", timeout="60s")
    assert (ended["state"], ended["started"]) == ("succeeded", False)
    assert not (people.bench.folder / "elsewhere").exists()


def test_workflow_info_tells_of_the_runs_there(people: Team) -> None:
    for run in ("told-1", "told-2"):
        people.create("asks", run, "somebody")
        people.until(run)
    one = play(people, "viewer", "workflow_info", run_id="told-1")
    assert [(run["run"], run["state"]) for run in one["runs"]] == [("told-1", "waiting")]
    assert one["runs"][0]["waiting_for"][0]["step"] == "ask" and one["runs"][0]["journal"] == ""
    every = play(people, "viewer", "workflow_info", finished=False)
    assert {"told-1", "told-2"} <= {run["run"] for run in every["runs"]} and every["unreadable"] == []
    nobody = play(people, "viewer", "workflow_info", run_id="nobody")
    assert nobody["failed"] and f"none of that name at {people.server.url}" in nobody["msg"]
    assert not (people.bench.folder / "elsewhere").exists()
