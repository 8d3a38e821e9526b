# Cancel stops a playbook with everything it started, and says what was left undone.
from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from support.calls import eventually, finished

from ansible_collections.netops.changerail.plugins.module_utils.operation import Done, Failed
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks import processes
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.attempt import Attempt
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.operations import PLAYBOOK

# Takes no interrupt, has a session of its own and starts one more of its kind.
STUBBORN = "trap '' INT TERM HUP; echo $$ >> '{pids}'; setsid sh -c 'echo $$ >> \"{pids}\"; sleep 300' & sleep 300"


def living(pids: Path) -> list[int]:
    return [
        pid
        for pid in map(int, pids.read_text().split())
        if Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def test_cancel_leaves_no_process_and_says_what_was_running(project: Any, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    playbook = project.tasks(
        {"name": "First", "ansible.builtin.command": "true"},
        {"name": "Deploy", "ansible.builtin.shell": STUBBORN.format(pids=pids)},
        {"name": "Never", "ansible.builtin.command": "true"},
    )
    made = project.playbook(playbook)
    handle = PLAYBOOK.start(made).handle
    eventually(lambda: pids.exists() and len(pids.read_text().split()) == 4, 60)
    began = time.monotonic()

    outcome = PLAYBOOK.cancel(made, handle)

    assert time.monotonic() - began < 30
    assert isinstance(outcome, Failed) and outcome.failure == "cancelled"
    assert "task 'Deploy' was running on r1, r2; the last to finish was 'First' on r1, r2" in outcome.message
    assert living(pids) == []
    assert processes.carriers(Attempt(made.context.folder).job()["marker"]) == []
    assert PLAYBOOK.start(made) == PLAYBOOK.poll(made, handle) == outcome


def test_cancel_works_without_the_supervisor(project: Any, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    made = project.playbook(
        project.tasks({"name": "Deploy", "ansible.builtin.shell": STUBBORN.format(pids=pids)}, hosts="r1")
    )
    handle = PLAYBOOK.start(made).handle
    eventually(lambda: pids.exists() and len(pids.read_text().split()) == 2, 60)
    os.kill(Attempt(made.context.folder).started()["pid"], signal.SIGKILL)

    outcome = PLAYBOOK.cancel(made, handle)

    assert isinstance(outcome, Failed) and outcome.failure == "cancelled", outcome
    assert "task 'Deploy' was running on r1" in outcome.message
    assert living(pids) == []
    assert PLAYBOOK.start(made) == outcome


def test_cancel_interrupts_although_the_engine_was_started_in_the_background(project: Any, gate: Any) -> None:
    """A shell without job control starts background jobs with SIGINT ignored, which children inherit."""
    made = project.playbook(project.tasks(gate.task, hosts="r1"))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        handle = PLAYBOOK.start(made).handle
    finally:
        signal.signal(signal.SIGINT, before)
    gate.wait()
    outcome = PLAYBOOK.cancel(made, handle)
    assert isinstance(outcome, Failed) and outcome.failure == "cancelled", outcome
    assert Attempt(made.context.folder).outcome()["rc"] == 99


def test_cancel_right_after_the_start(project: Any, tmp_path: Path) -> None:
    made = project.playbook(project.tasks({"ansible.builtin.pause": {"seconds": 60}}, hosts="r1"))
    handle = PLAYBOOK.start(made).handle
    outcome = PLAYBOOK.cancel(made, handle)
    assert isinstance(outcome, Failed) and outcome.failure == "cancelled", outcome
    assert not (made.context.folder / "env" / "extravars").exists()


def test_cancel_before_the_first_task(project: Any, tmp_path: Path) -> None:
    reached = tmp_path / "reached"
    inventory = project.folder / "slow.sh"
    inventory.write_text(f"#!/bin/sh\ntouch '{reached}'\nexec sleep 300\n", encoding="utf-8")
    inventory.chmod(0o700)
    made = project.playbook(project.tasks({"ansible.builtin.debug": {}}), inventory=["slow.sh"])
    handle = PLAYBOOK.start(made).handle
    eventually(reached.exists, 60)
    outcome = PLAYBOOK.cancel(made, handle)
    assert isinstance(outcome, Failed) and outcome.failure == "cancelled", outcome
    assert "no task had begun" in outcome.message


def test_cancel_comes_too_late(project: Any) -> None:
    made = project.playbook(project.tasks({"ansible.builtin.debug": {}}))
    outcome = finished(PLAYBOOK, made, PLAYBOOK.start(made), 60)
    assert isinstance(outcome, Done)
    assert PLAYBOOK.cancel(made, {}) == outcome


def test_what_never_began_is_cancelled_at_once(project: Any) -> None:
    made = project.playbook(project.tasks({"ansible.builtin.debug": {}}))
    assert PLAYBOOK.cancel(made, {}) == Failed("cancelled", "nothing was run")
