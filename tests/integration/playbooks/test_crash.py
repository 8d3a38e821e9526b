# Kills at bad moments: whatever dies, the playbook runs once, and how it ended is known or said to be unknown.
from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.calls import eventually, finished

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.operation import Call, Done, Failed, Waiting
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks import processes, supervisor
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.attempt import Attempt, Stage
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.operations import PLAYBOOK

KILLS = 6
# Starts a playbook as an engine does, and says so just before.
STARTER = """
import os, sys
from pathlib import Path
from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.operation import Call, Context
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.operations import PLAYBOOK
import ansible_runner
attempt, folder, base = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
context = Context(f"r1/step/{attempt}", "r1", "step", attempt, folder, base=base, environment=dict(os.environ))
print("ready", flush=True)
PLAYBOOK.start(Call({"playbook": "site.yml", "inventory": ["inventory"]}, context))
os.read(0, 1)
"""


def starter(made: Call, base: Path) -> subprocess.Popen[bytes]:
    """An engine of its own that starts site.yml and then stays until its standard input ends."""
    arguments = [sys.executable, "-c", STARTER, str(made.context.attempt), str(made.context.folder), str(base)]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def mark_once(path: Path) -> dict[str, Any]:
    return {"ansible.builtin.shell": f"echo once >> '{path}'"}


def kill(pid: int) -> None:
    """Kill a process that this test started, and wait until it is gone."""
    descriptor = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        eventually(lambda: not Path(f"/proc/{pid}/stat").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text(), 20)
    finally:
        os.close(descriptor)


def playbook_of(attempt: Attempt) -> int:
    """The pid of ansible-playbook, while its supervisor lives."""
    marker, parent = attempt.job()["marker"], attempt.started()["pid"]
    return next(
        pid
        for pid in processes.carriers(marker)
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1] == str(parent)
    )


def test_killing_the_engine_neither_stops_nor_repeats_the_playbook(project: Any, tmp_path: Path) -> None:
    chance = random.Random(0)
    for number in range(1, KILLS + 1):
        marks = tmp_path / f"marks-{number}"
        playbook = project.tasks(mark_once(marks), hosts="r1")
        made = project.playbook(playbook, attempt=number)
        engine = starter(made, project.folder)
        assert engine.stdout is not None
        engine.stdout.readline()
        time.sleep(chance.uniform(0, 0.15))  # not to wait for something: this is the moment of the kill
        engine.kill()
        engine.communicate()

        outcome = finished(PLAYBOOK, made, PLAYBOOK.start(made), 60)

        assert isinstance(outcome, Done), outcome
        assert PLAYBOOK.start(made) == outcome
        assert marks.read_text() == "once\n"


def test_two_starts_at_once_run_it_once(project: Any, tmp_path: Path) -> None:
    made = project.playbook(project.tasks(mark_once(tmp_path / "marks"), hosts="r1"))
    engines = [starter(made, project.folder) for dummy in range(3)]
    for engine in engines:
        engine.communicate()
    outcome = finished(PLAYBOOK, made, PLAYBOOK.start(made), 60)
    assert isinstance(outcome, Done), outcome
    assert (tmp_path / "marks").read_text() == "once\n"


def test_a_playbook_whose_supervisor_was_killed_goes_on_and_its_outcome_is_recovered(
    project: Any, gate: Any, tmp_path: Path
) -> None:
    last = {"ansible.builtin.set_stats": {"data": {"came": "to the end"}}}
    made = project.playbook(
        project.tasks(gate.task, mark_once(tmp_path / "marks"), last, hosts="r1"), extra_vars={"secret": "HUSH"}
    )
    outcome = PLAYBOOK.start(made)
    gate.wait()
    attempt = Attempt(made.context.folder)
    kill(attempt.started()["pid"])

    assert attempt.stage() is Stage.ORPHANED
    assert isinstance(PLAYBOOK.start(made), Waiting)
    outcome = PLAYBOOK.poll(made, outcome.handle)
    assert isinstance(outcome, Waiting) and "supervisor was killed" in outcome.message
    gate.open()

    outcome = finished(PLAYBOOK, made, outcome, 60)
    assert isinstance(outcome, Done), outcome
    assert outcome.result["stats"] == {"came": "to the end"} and outcome.result["rc"] == 0
    assert (tmp_path / "marks").read_text() == "once\n"
    assert PLAYBOOK.start(made) == outcome


def test_when_all_was_killed_nobody_knows_and_nothing_is_run_again(project: Any, gate: Any, tmp_path: Path) -> None:
    made = project.playbook(project.tasks({"name": "First", **mark_once(tmp_path / "marks")}, gate.task))
    handle = PLAYBOOK.start(made).handle
    gate.wait(2)
    attempt = Attempt(made.context.folder)
    kill(attempt.started()["pid"])
    for pid in processes.carriers(attempt.job()["marker"]):
        processes.send(pid, attempt.job()["marker"], signal.SIGKILL)
    eventually(lambda: attempt.stage() is Stage.LOST)

    for outcome in (PLAYBOOK.poll(made, handle), PLAYBOOK.start(made), PLAYBOOK.cancel(made, handle)):
        assert isinstance(outcome, Failed) and outcome.failure == "unknown"
        assert (
            "task 'Wait at the gate' was running on r1, r2; the last to finish was 'First' on r1, r2" in outcome.message
        )
        assert outcome.result["in_flight"] == {"Wait at the gate": ["r1", "r2"]}
        assert set(outcome.result["finished_tasks"]) == {"First"}
    assert (tmp_path / "marks").read_text() == "once\nonce\n"


def test_a_playbook_killed_under_a_living_supervisor_is_unknown(project: Any, gate: Any) -> None:
    made = project.playbook(project.tasks(gate.task, hosts="r1"))
    outcome = PLAYBOOK.start(made)
    gate.wait()
    attempt = Attempt(made.context.folder)
    kill(playbook_of(attempt))
    # Its worker goes on with the task, so it is not over yet.
    assert attempt.stage() is Stage.RUNNING
    gate.open()
    outcome = finished(PLAYBOOK, made, outcome, 60)
    assert processes.carriers(attempt.job()["marker"]) == []
    assert isinstance(outcome, Failed) and outcome.failure == "unknown"
    assert "killed by SIGKILL" in outcome.message and "'Wait at the gate' was running on r1" in outcome.message


def test_a_shutdown_is_no_cancel(project: Any, gate: Any) -> None:
    """When a machine shuts down, every process gets a SIGTERM."""
    made = project.playbook(project.tasks(gate.task, hosts="r1"))
    outcome = PLAYBOOK.start(made)
    gate.wait()
    attempt = Attempt(made.context.folder)
    processes.send(attempt.started()["pid"], attempt.job()["marker"], signal.SIGTERM)
    outcome = finished(PLAYBOOK, made, outcome, 60)
    assert isinstance(outcome, Failed) and outcome.failure == "unknown"
    assert "stopped by SIGTERM" in outcome.message and "'Wait at the gate' was running on r1" in outcome.message
    assert processes.carriers(attempt.job()["marker"]) == []


def test_a_supervisor_that_dies_before_it_began_has_run_nothing(project: Any, tmp_path: Path) -> None:
    made = project.playbook(project.tasks(mark_once(tmp_path / "marks"), hosts="r1"))
    obstacle = made.context.folder / f"{supervisor.STARTED}.tmp"
    obstacle.mkdir()

    outcome = finished(PLAYBOOK, made, PLAYBOOK.start(made), 60)
    assert isinstance(outcome, Failed) and outcome.failure == "transient"
    assert "nothing was run" in outcome.message and "Is a directory" in outcome.message

    obstacle.rmdir()
    outcome = finished(PLAYBOOK, made, PLAYBOOK.start(made), 60)
    assert isinstance(outcome, Done), outcome
    assert (tmp_path / "marks").read_text() == "once\n"


def test_files_of_another_attempt_are_not_taken_for_ones_own(project: Any) -> None:
    made = project.playbook(project.tasks({"ansible.builtin.debug": {}}))
    finished(PLAYBOOK, made, PLAYBOOK.start(made), 60)
    other = replace(made, context=replace(made.context, key="r1/step/2", attempt=2))
    with pytest.raises(OperationError, match="expected the files of r1/step/2, but they are those of r1/step/1"):
        PLAYBOOK.start(other)


def test_the_files_being_gone_is_unknown(project: Any) -> None:
    made = project.playbook(project.tasks({"ansible.builtin.debug": {}}))
    outcome = PLAYBOOK.poll(made, {"name": "site.yml", "began": 0.0})
    assert isinstance(outcome, Failed) and outcome.failure == "unknown"
