# The callback plugin by itself: enabled by its full name in a plain ansible-playbook run.
from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def test_a_plain_run_writes_its_events(project: Any, tmp_path: Path) -> None:
    events = tmp_path / "events here.jsonl"
    project.write(
        "ansible.cfg",
        f"[defaults]\ncallbacks_enabled = netops.changerail.events\n[callback_changerail_events]\nevents_file = {events}\nmax_result = 5000\n",
    )
    playbook = project.tasks(
        {"name": "Long", "ansible.builtin.debug": {"msg": "{{ 'x' * 100000 }}"}},
        {"name": "Many", "ansible.builtin.set_fact": {"many": "{{ range(50000) | list }}"}},
        {"name": "Skipped", "ansible.builtin.debug": {}, "when": "false"},
        hosts="r1",
    )
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventory", playbook]

    subprocess.run(command, cwd=project.folder, env=dict(os.environ), check=True, capture_output=True)

    assert events.stat().st_mode & 0o777 == 0o600
    lines = events.read_bytes().splitlines(keepends=True)
    assert all(len(line) < 6000 for line in lines)
    told = [json.loads(line) for line in lines]
    assert [event["event"] for event in told] == ["playbook", "play", *["task", "begin", "result"] * 3, "stats"]
    results = [event for event in told if event["event"] == "result"]
    assert [event["status"] for event in results] == ["ok", "ok", "skipped"]
    assert "100000 characters in all" in results[0]["res"]["msg"]
    assert "50000 items in all" in results[1]["res"]["ansible_facts"]["many"][-1]
    assert told[-1]["hosts"]["r1"]["ok"] == 2


def test_without_a_file_it_does_nothing(project: Any) -> None:
    project.write("ansible.cfg", "[defaults]\ncallbacks_enabled = netops.changerail.events\n")
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        "-i",
        "inventory",
        project.tasks({"ansible.builtin.debug": {}}),
    ]
    done = subprocess.run(command, cwd=project.folder, env=dict(os.environ), check=True, capture_output=True, text=True)
    assert "events" not in done.stdout + done.stderr


def test_the_file_is_locked_while_the_playbook_lives(project: Any, gate: Any, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    environment = {
        **os.environ,
        "ANSIBLE_CALLBACKS_ENABLED": "netops.changerail.events",
        "CHANGERAIL_EVENTS_FILE": str(events),
    }
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        "-i",
        "inventory",
        project.tasks(gate.task, hosts="r1"),
    ]
    playbook = subprocess.Popen(command, cwd=project.folder, env=environment, stdout=subprocess.DEVNULL)
    gate.wait()
    with events.open("rb") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    gate.open()
    assert playbook.wait() == 0
    with events.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
