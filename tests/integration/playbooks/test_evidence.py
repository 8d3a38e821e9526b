# The callback evidence: playbooks that somebody runs beside changerail, in the journal of a run. Run by pytest.
from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.netops.changerail.plugins.plugin_utils import api
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import EvidenceAdded
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import FileJournal
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import StateFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.views.evidence import fault

ANSIBLE_PLAYBOOK = str(Path(sys.executable).with_name("ansible-playbook"))
SECRET = "correct-horse-battery"
WORKFLOW = """\
name: Advertise a prefix
steps:
  - name: Look at it
    netops.changerail.approval: {four_eyes: false}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CHANGERAIL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def environment(run: str) -> dict[str, str]:
    named = {"CHANGERAIL_EVIDENCE_RUN": run} if run else {}
    return {**os.environ, "ANSIBLE_CALLBACKS_ENABLED": "netops.changerail.evidence", **named}


def played(project: Any, *tasks: Any, run: str = "", arguments: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    command = [ANSIBLE_PLAYBOOK, "-i", "inventory", project.tasks(*tasks, name="deploy.yml", hosts="r1"), *arguments]
    return subprocess.run(
        command, cwd=project.folder, env=environment(run), capture_output=True, text=True, timeout=90, check=False
    )


def copying(project: Any) -> dict[str, Any]:
    return {
        "name": "Filter",
        "ansible.builtin.copy": {"dest": str(project.folder / "f"), "content": "permit\n", "mode": "0600"},
    }


def everything(folder: Path) -> str:
    return "".join(path.read_text() for path in folder.rglob("*") if path.is_file())


def test_without_a_run_of_that_name_it_is_a_run_of_its_own(project, home):
    shown = {"name": "Log in", "ansible.builtin.debug": {"msg": "with {{ device_password }}"}}
    hidden = {"name": "Hidden", "ansible.builtin.debug": {"msg": "quiet"}, "no_log": True}
    secret = ("-e", f"device_password={SECRET}")
    done = played(project, copying(project), shown, hidden, run="CHG-1", arguments=("--diff", "-v", *secret))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"recorded as run CHG-1: {home}/runs/CHG-1/journal.jsonl" in done.stdout
    run = api.status("CHG-1")
    assert (run.state, run.name, run.finished) == ("succeeded", "deploy.yml", True)
    (step,) = api.evidence("CHG-1").steps.values()
    (attempt,) = step.attempts
    assert (attempt.failure, attempt.changed, attempt.result["hosts"]["r1"]["changed"]) == ("", True, 1)
    assert attempt.ended > attempt.began == run.began
    files = {artifact.name: artifact for artifact in attempt.artifacts}
    assert "+permit" in Path(files["diff"].path).read_text()
    assert [fault(artifact) for artifact in files.values()] == ["", ""]
    assert SECRET not in everything(home) and "quiet" not in everything(home)
    assert api.resume("CHG-1").state == "succeeded"


def test_a_playbook_that_failed_is_a_run_that_failed(project, home):
    done = played(project, {"name": "Filter", "ansible.builtin.fail": {"msg": "device says no"}})
    assert done.returncode == 2
    run = api.status("last")
    assert (run.run.startswith("deploy-"), run.state) == (True, "failed")
    assert run.message == "deploy.yml: task 'Filter' failed on r1: device says no"


def test_it_is_evidence_of_a_run_that_waits_and_of_one_that_is_over(project, home, tmp_path):
    (tmp_path / "change.yml").write_text(WORKFLOW)
    api.run("change.yml", run_id="CHG-2", until_waiting=True)
    assert played(project, copying(project), run="CHG-2", arguments=("--diff",)).returncode == 0
    assert api.status("CHG-2").state == "waiting"
    api.answer("CHG-2", "approve")
    assert api.resume("CHG-2").state == "succeeded"
    assert played(project, {"ansible.builtin.fail": {"msg": "too late"}}, run="CHG-2").returncode == 2

    first, second = [event for event in api.events("CHG-2") if isinstance(event, EvidenceAdded)]
    assert (first.name, first.failure, first.changed, sorted(first.files)) == (
        "deploy.yml",
        "",
        True,
        ["diff", "events", "outcome"],
    )
    assert (second.failure, "too late" in second.message, sorted(second.files)) == (
        "failed",
        True,
        ["events", "outcome"],
    )
    assert api.status("CHG-2").state == "succeeded"
    evidence = api.evidence("CHG-2")
    recorded = [artifact for name, artifact in evidence.artifacts if name == "deploy.yml"]
    assert [artifact.name for artifact in recorded] == ["events", "diff", "outcome", "events", "outcome"]
    assert [fault(artifact) for artifact in recorded] == [""] * 5
    told = [entry.text for entry in evidence.timeline if entry.kind == "evidence"]
    assert told[0] == "recorded deploy.yml: changed"


def test_a_run_that_somebody_drives_gets_it_from_its_inbox(project, home, tmp_path):
    (tmp_path / "change.yml").write_text(WORKFLOW)
    api.run("change.yml", run_id="CHG-3", until_waiting=True)
    with FileJournal(StateFolder(home).open("CHG-3")):
        done = played(project, copying(project), run="CHG-3", arguments=("-v",))
    assert done.returncode == 0
    assert "which has not recorded it yet; it lies in its inbox" in done.stdout
    assert not [event for event in api.events("CHG-3") if isinstance(event, EvidenceAdded)]
    api.resume("CHG-3", until_waiting=True)
    assert len([event for event in api.events("CHG-3") if isinstance(event, EvidenceAdded)]) == 1


def test_what_goes_wrong_is_a_warning_and_fails_nothing(project, home):
    home.write_text("no folder")
    done = played(project, copying(project), run="CHG-4")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "netops.changerail.evidence: this playbook is not recorded:" in done.stdout + done.stderr
    home.unlink()
    done = played(project, copying(project), run="no/id")
    assert done.returncode == 0
    assert "'no/id'" in done.stdout + done.stderr


def test_an_interrupted_playbook_is_recorded_as_one_of_which_nobody_knows(project, home, gate):
    command = [ANSIBLE_PLAYBOOK, "-i", "inventory", project.tasks(gate.task, hosts="r1")]
    playbook = subprocess.Popen(
        command, cwd=project.folder, env=environment("CHG-5"), stdout=subprocess.DEVNULL, start_new_session=True
    )
    gate.wait()
    os.killpg(playbook.pid, signal.SIGINT)
    playbook.wait(60)
    run = api.status("CHG-5")
    assert run.state == "failed"
    assert "did not come to its end: task 'Wait at the gate' was running on r1" in run.message


def test_a_playbook_that_a_run_starts_is_not_recorded_twice(project, home, monkeypatch):
    monkeypatch.setenv("ANSIBLE_CALLBACKS_ENABLED", "netops.changerail.evidence")
    assert project.run(project.tasks(copying(project))).changed
    assert not home.exists()
