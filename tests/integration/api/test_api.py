# Runs from a script: the public Python interface, the example that uses it, and what ansible-runner makes of a run's folders. Run by pytest.
from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import ansible_runner
import pytest
from support.pages import ROOT

from ansible_collections.netops.changerail.plugins.module_utils.errors import (
    AuthorError,
    CheckError,
    JournalDamaged,
    RunIsHeld,
    UnknownRun,
)
from ansible_collections.netops.changerail.plugins.plugin_utils import api
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.main import run as command_line
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    Answered,
    EngineStopped,
    RunFinished,
    RunStarted,
    StepFinished,
)

WORKFLOW = """\
name: Advertise {{ prefix }}
vars: {prefix: 203.0.113.0/24}
steps:
  - name: Look at it
    netops.changerail.approval: {four_eyes: false}
    register: looked
  - name: Say so
    ansible.builtin.debug: {msg: "{{ prefix }} by {{ looked.decision }}"}
    register: said
"""
PLAYBOOK = """\
- hosts: r1
  gather_facts: false
  tasks:
    - ansible.builtin.copy: {dest: "{{ target }}", content: "{{ prefix }}", mode: "0600"}
"""
EXAMPLE = ROOT / "examples" / "scripts" / "change_of_ticket.py"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the runs are; there is no project file anywhere near."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CHANGERAIL_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    path = tmp_path / "change.yml"
    path.write_text(WORKFLOW)
    return path


def test_a_change_from_its_start_to_its_end(home, workflow):
    seen: list[object] = []
    change = api.run(
        workflow, variables={"prefix": "198.51.100.0/24"}, until_waiting=True, observer=seen.append, home=home
    )
    assert (change.state, change.finished, change.name) == ("waiting", False, "Advertise 198.51.100.0/24")
    assert isinstance(seen[-1], EngineStopped)
    (wait,) = change.waiting_for
    assert (wait.step, wait.choices) == ("look-at-it", ("approve", "deny"))
    assert api.questions(change.run, home=home)[0].path == "look-at-it"

    sent = api.answer(change.run, "approve", comment="fine", home=home)
    assert (sent.step, sent.counted, sent.refused) == ("look-at-it", True, "")
    done = api.resume(change.run, home=home)
    assert (done.state, done.waiting_for) == ("succeeded", ())
    assert done.results["said"]["msg"] == "198.51.100.0/24 by approve"
    assert api.resume(change.run, home=home) == done == api.status("last", home=home)

    history = list(api.events(change.run, home=home))
    assert isinstance(history[0], RunStarted) and isinstance(history[-2], RunFinished)
    assert [event.comment for event in history if isinstance(event, Answered)] == ["fine"]
    assert "answered" in [entry.kind for entry in api.timeline(change.run, home=home)]
    assert {step.path: step.state for step in api.steps(change.run, home=home).walk()}["say-so"] == "ok"
    assert api.evidence(change.run, home=home).answers[0]["comment"] == "fine"
    assert [run.run for run in api.runs(home=home)] == [change.run]


def test_values_cannot_be_changed(home, workflow):
    change = api.start(workflow, home=home)
    assert (change.state, change.driver) == ("interrupted", "")
    with pytest.raises(dataclasses.FrozenInstanceError):
        change.state = "succeeded"


def test_events_come_from_an_iterator_that_drives(home, workflow):
    change = api.start(workflow, run_id="NET-1", home=home)
    assert isinstance(list(api.drive("NET-1", until_waiting=True, home=home))[-1], EngineStopped)
    api.answer("NET-1", "approve", home=home)
    paths = [event.path for event in api.drive(change.run, home=home) if isinstance(event, StepFinished)]
    assert paths == ["look-at-it", "say-so"]
    assert list(api.drive(change.run, home=home)) == []


def test_an_iterator_that_is_left_puts_the_run_down(home, workflow):
    api.start(workflow, run_id="NET-1", home=home)
    driving = api.drive("NET-1", home=home)
    next(driving)
    with pytest.raises(RunIsHeld):
        api.resume("NET-1", home=home)
    driving.close()
    assert api.status("NET-1", home=home).driver == ""
    assert api.resume("NET-1", until_waiting=True, home=home).state == "waiting"


def test_time_is_limited(home, workflow):
    change = api.run(workflow, timeout=0.5, home=home)
    assert (change.finished, change.driver) == (False, "")
    assert list(api.follow(change.run, timeout=0, home=home)) == []


def test_a_refused_answer_says_why_and_a_cancel_ends_the_run(home, workflow, tmp_path):
    workflow.write_text(WORKFLOW.replace("four_eyes: false", "people: [nobody-here]"))
    change = api.run(workflow, until_waiting=True, home=home)
    sent = api.answer(change.run, "approve", step="look-at-it", home=home)
    assert not sent.counted
    assert sent.refused
    api.cancel(change.run, "not today", home=home)
    assert api.resume(change.run, home=home).state == "cancelled"


def test_what_is_wrong_is_an_error_and_not_a_traceback_of_somebody_else(home, workflow, tmp_path):
    with pytest.raises(UnknownRun, match="none of that name"):
        api.status("strange", home=home)
    change = api.run(workflow, until_waiting=True, home=home)
    with pytest.raises(AuthorError, match="expected one of approve, deny"):
        api.answer(change.run, "perhaps", home=home)
    wrong = tmp_path / "wrong.yml"
    wrong.write_text("name: Wrong\nsteps:\n  - netops.changerail.aproval: {}\n")
    with pytest.raises(CheckError, match=r"wrong\.yml:3"):
        api.start(wrong, home=home)
    change.journal.write_bytes(change.journal.read_bytes().replace(b"Advertise", b"Withdraws"))
    with pytest.raises(JournalDamaged):
        api.status(change.run, home=home)
    assert list(api.runs(home=home)) == []
    assert list(api.unreadable(home=home)) == [change.run]


def test_the_command_line_sees_the_same_runs(home, workflow, monkeypatch, capsys):
    change = api.run(workflow, until_waiting=True, home=home)
    monkeypatch.setenv("CHANGERAIL_HOME", str(home))
    assert command_line(["answer", change.run, "approve"]) == 0
    assert command_line(["resume", change.run]) == 0
    assert api.status(change.run).state == "succeeded"


def test_the_example(home, workflow, tmp_path):
    def call() -> subprocess.CompletedProcess[str]:
        words = [sys.executable, str(EXAMPLE), "NET-4711", str(workflow), '{"prefix": "198.51.100.0/24"}']
        environment = {**os.environ, "CHANGERAIL_HOME": str(home)}
        return subprocess.run(words, capture_output=True, text=True, env=environment, timeout=60, check=False)

    waiting = call()
    assert waiting.returncode == 3, waiting.stderr
    assert "NET-4711: look-at-it waits for" in waiting.stdout
    api.answer("NET-4711", "approve", home=home)
    done = call()
    assert done.returncode == 0, done.stderr
    assert "say-so ok" in done.stdout
    again = call()
    assert (again.returncode, again.stdout) == (0, "NET-4711: succeeded \n")
    workflow.write_text("steps: 1")
    assert (
        subprocess.run([sys.executable, EXAMPLE, "NET-1", workflow], check=False, capture_output=True).returncode == 2
    )


def test_the_folder_of_a_playbook_is_one_of_ansible_runner(home, tmp_path):
    """What was run is there under ansible-runner's names, and ansible-runner runs something else in the same folder."""
    (tmp_path / "deploy.yml").write_text(PLAYBOOK)
    target = tmp_path / "r1.conf"
    book = tmp_path / "change.yml"
    book.write_text("name: Deploy\nsteps:\n  - name: Deploy\n    ansible.builtin.import_playbook: deploy.yml\n")
    inventory = tmp_path / "inventory.yml"
    host = f"{{ansible_connection: local, ansible_python_interpreter: {sys.executable}}}"
    inventory.write_text(f"all: {{hosts: {{r1: {host}}}}}\n")
    variables = {"prefix": "203.0.113.0/24", "target": str(target)}
    change = api.run(book, variables=variables, inventory=[str(inventory)], home=home)
    assert change.state == "succeeded", change.message
    (folder,) = change.folder.glob("steps/deploy/attempt-1")
    artifacts = folder / "artifacts" / "playbook"
    assert (artifacts / "rc").read_text() == "0"
    assert (artifacts / "status").read_text() == "successful"
    assert "changed=1" in (artifacts / "stdout").read_text()

    again = ansible_runner.run(
        private_data_dir=str(folder),
        ident="again",
        playbook=str(tmp_path / "deploy.yml"),
        inventory=str(inventory),
        extravars={**variables, "prefix": "198.51.100.0/24"},
        envvars={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        quiet=True,
    )
    assert (again.status, again.rc, again.stats["changed"]) == ("successful", 0, {"r1": 1}), again.stdout.read()
    assert target.read_text() == "198.51.100.0/24"
    assert {path.name for path in (folder / "artifacts").iterdir()} == {"playbook", "again"}
    assert api.status(change.run, home=home) == change
