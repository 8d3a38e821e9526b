# Runs in the templates of a real playbook: the filters status, timeline and evidence, and the lookup run. Run by pytest.
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.netops.changerail.plugins.plugin_utils import api

WORKFLOW = """\
name: Advertise a prefix
steps:
  - name: Reviews
    block:
      - name: Look at it
        netops.changerail.approval: {four_eyes: false}
        register: looked
  - name: Log in
    ansible.builtin.debug: {msg: "{{ looked.decision }}"}
    no_log: true
    register: login
  - name: Say so
    ansible.builtin.debug: {msg: "{{ looked.decision }} it is"}
    register: said
"""
INJECTED = "{{ lookup('ansible.builtin.file', '/etc/hostname') }}"
READ = {
    "status": "{{ name | netops.changerail.status }}",
    "timeline": "{{ name | netops.changerail.timeline }}",
    "evidence": "{{ name | netops.changerail.evidence }}",
    "run": "{{ lookup('netops.changerail.run', name) }}",
    "by_result": "{{ {'run': name} | netops.changerail.timeline }}",
}
WRONG = {
    "no_run": "{{ 'nobody' | netops.changerail.status }}",
    "no_name": "{{ [1] | netops.changerail.evidence }}",
    "not_there": "{{ lookup('netops.changerail.run', 'nobody') }}",
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a playbook got, by the names of READ and WRONG, of a run with an answer whose comment is a template."""
    folder = tmp_path_factory.mktemp("templates")
    (folder / "change.yml").write_text(WORKFLOW)
    change = api.run(folder / "change.yml", run_id="NET-7", until_waiting=True, home=folder / "home")
    api.answer(change.run, "approve", comment=INJECTED, home=folder / "home")
    api.resume(change.run, home=folder / "home")
    # A fact is evaluated again when it is used: then what people wrote must still be text.
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.set_fact": {f"read_{name}": template}, "ignore_errors": True, "register": f"r_{name}"}
        for name, template in {**READ, **WRONG}.items()
    ]
    shown = ", ".join(
        [f"'{name}': read_{name}" for name in READ] + [f"'{name}': r_{name}.msg | string" for name in WRONG]
    )
    keep = {"dest": str(folder / "told.json"), "content": f"{{{{ {{{shown}}} | to_json }}}}", "mode": "0600"}
    play = {"hosts": "localhost", "gather_facts": False, "vars": {"name": "NET-7"}}
    (folder / "play.yml").write_text(json.dumps([{**play, "tasks": [*tasks, {"ansible.builtin.copy": keep}]}]))
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "play.yml"],
        cwd=folder,
        env={**os.environ, "CHANGERAIL_HOME": str(folder / "home"), "ANSIBLE_LOCALHOST_WARNING": "false"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads((folder / "told.json").read_text())
    return found


def test_the_status_has_every_step_at_any_depth(told):
    status = told["status"]
    assert (status["run"], status["state"], status["finished"], status["waiting_for"]) == (
        "NET-7",
        "succeeded",
        True,
        [],
    )
    assert [(step["path"], step["kind"], step["state"]) for step in status["steps"]] == [
        ("reviews", "block", "ok"),
        ("reviews/look-at-it", "step", "ok"),
        ("log-in", "step", "ok"),
        ("say-so", "step", "ok"),
    ]
    assert status["counts"]["ok"] == 3


def test_the_timeline_says_who_did_what(told):
    (answered,) = [entry for entry in told["timeline"] if entry["kind"] == "answered"]
    assert (answered["path"], bool(answered["who"])) == ("reviews/look-at-it", True)
    assert told["by_result"] == told["timeline"]


def test_what_a_person_wrote_is_never_evaluated(told):
    assert told["evidence"]["answers"][0]["comment"] == INJECTED
    assert any(INJECTED in entry["text"] for entry in told["timeline"])
    assert told["run"]["results"]["looked"]["answers"][0]["comment"] == INJECTED


def test_the_lookup_gives_what_the_steps_registered(told):
    assert told["run"]["results"]["said"]["msg"] == "approve it is"
    assert not told["run"]["results"]["login"]["msg"]


def test_what_is_no_run_is_named(told):
    assert "status: run 'nobody'" in told["no_run"]
    assert "expected the name of a run, or what netops.changerail.workflow returned, got '[1]'" in told["no_name"]
    assert "run: run 'nobody'" in told["not_there"]
