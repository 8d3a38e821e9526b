"""The verbs that read: status, list, show, graph, on a recorded history laid into a state folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.recorded import recorded

from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import FileJournal
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder, StateFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import login

Changerail = Callable[..., Any]

TWO_QUESTIONS = 10
"""Events of the history after which two people are waited for."""
DEPLOYING = 33
RUN = "advertise-20251122-7f2c"


@pytest.fixture
def waiting(state: StateFolder) -> RunFolder:
    return recorded("deploy-fails").laid_into(state, TWO_QUESTIONS)


@pytest.fixture
def finished(state: StateFolder) -> RunFolder:
    return recorded("deploy-fails").laid_into(state)


@pytest.mark.parametrize("name", [RUN, "advertise", "20251122-7f2c", "7f2c", "last"])
def test_a_run_is_found_by_any_end_of_its_id(changerail: Changerail, waiting: RunFolder, name: str) -> None:
    assert f"run {RUN}" in changerail("status", name).out


def test_what_could_be_several_runs_is_said_to_be(
    changerail: Changerail, state: StateFolder, waiting: RunFolder
) -> None:
    with FileJournal(state.create("advertise-20251122-aaaa")) as journal:
        journal.append(recorded("deploy-fails").events[:2])
    said = changerail("status", "advertise")
    assert said.code == 2
    assert "advertise-20251122-aaaa" in said.err
    assert RUN in said.err


def test_an_unknown_run_is_exit_code_2(changerail: Changerail) -> None:
    assert changerail("status", "nope").code == 2
    assert changerail("status").code == 2


def test_status_says_first_who_is_waited_for_and_how_to_answer(changerail: Changerail, waiting: RunFolder) -> None:
    said = changerail("status")
    assert said.code == 0
    assert "? group netsec: Security review (approve or reject)" in said.out
    assert "changerail answer 20251122-7f2c change-advisory-board approve" in said.out
    assert said.out.index("group netsec:") < said.out.index("Open the change record")
    assert "changerail resume 20251122-7f2c goes on with it" in said.out


def test_status_as_json(changerail: Changerail, waiting: RunFolder) -> None:
    document = changerail("status", "--json").json
    assert (document["run"], document["state"]) == (RUN, "waiting")
    assert [question["path"] for question in document["questions"]] == [
        "approvals/security-review",
        "approvals/change-advisory-board",
    ]
    assert document["counts"] == {"asking": 2, "changed": 1, "pending": 7}
    assert document["steps"][0]["message"] == "CHG0030001"


def test_a_run_nobody_drives_is_interrupted_and_one_that_is_driven_runs(
    changerail: Changerail, state: StateFolder
) -> None:
    folder = recorded("deploy-fails").laid_into(state, DEPLOYING)
    assert changerail("status", "--json").json["state"] == "interrupted"
    with FileJournal(folder):
        assert changerail("status", "--json").json["state"] == "running"


def test_list_shows_the_newest_first_and_who_is_waited_for(
    changerail: Changerail, state: StateFolder, waiting: RunFolder
) -> None:
    with FileJournal(state.create("older-20200101-0001")) as journal:
        journal.append([replace(recorded("deploy-fails").events[0], at=1.0)])
    said = changerail("list")
    lines = said.out.splitlines()
    assert lines[1].startswith(RUN)
    assert "group netsec: Security review (and 1 more)" in lines[1]
    assert lines[2].startswith("older-20200101-0001")
    assert [run["state"] for run in changerail("list", "--json").json] == ["waiting", "interrupted"]


def test_list_of_nothing_is_an_empty_list(changerail: Changerail) -> None:
    assert changerail("list").code == 0
    assert changerail("list", "--json").json == []


def test_list_shows_a_damaged_run_as_unreadable_and_the_others_as_they_are(
    changerail: Changerail, state: StateFolder, waiting: RunFolder
) -> None:
    broken = state.create("broken-20251122-0001")
    broken.journal.write_bytes(b"{}\n")
    said = changerail("list")
    assert said.code == 0
    assert "unreadable" in said.out
    assert "group netsec" in said.out


def test_list_mine_asks_the_project_file_for_my_groups(
    changerail: Changerail, waiting: RunFolder, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project.yml"
    monkeypatch.setenv("CHANGERAIL_CONFIG", str(project))
    for group, runs in (("cab", [RUN]), ("dba", [])):
        project.write_text(f"people:\n  berta:\n    os_user: {login(os.getuid())}\n    groups: [{group}]\n")
        project.chmod(0o600)
        assert [run["run"] for run in changerail("list", "--mine", "--json").json] == runs


def test_a_damaged_journal_is_exit_code_5_with_its_line(changerail: Changerail, finished: RunFolder) -> None:
    data = finished.journal.read_bytes()
    finished.journal.write_bytes(data.replace(b"CHG0030001", b"CHG0030002", 1))
    for words in (["status"], ["show"], ["resume", RUN], ["answer", RUN, "approve"], ["cancel", RUN]):
        said = changerail(*words)
        assert said.code == 5
        assert "line 4" in said.err
    assert finished.journal.read_bytes() != data


def test_show_a_run_has_every_step_and_where_the_journal_lies(changerail: Changerail, finished: RunFolder) -> None:
    said = changerail("show")
    assert 'policy "EDGE-OUT" is not defined' in said.out
    assert "always: Close the record" in said.out
    assert str(finished.journal) in said.out


def test_show_a_step_has_its_attempts_answers_and_artifacts(changerail: Changerail, finished: RunFolder) -> None:
    said = changerail("show", RUN, "change-advisory-board")
    assert "bert: approve (os_user): fine \\x1b[31mred" in said.out
    assert "asked    Change advisory board (approve or reject)" in said.out
    said = changerail("show", RUN, "one-site-after-the-other[fra1]/deploy")
    assert "attempt 1 of 4" in said.out
    assert "attempt 2 of 4" in said.out
    assert "outcome  transient" in said.out
    document = changerail("show", RUN, "validate", "--json").json
    assert document["attempts"][0]["result"]["artifacts"]["edge.diff"]["size"] == 311


def test_show_a_step_that_is_not_there_names_those_that_come_near(changerail: Changerail, finished: RunFolder) -> None:
    said = changerail("show", RUN, "validat")
    assert said.code == 2
    assert "validate" in said.err


def test_show_a_step_that_could_be_several(changerail: Changerail, finished: RunFolder) -> None:
    said = changerail("show", RUN, "verify")
    assert said.code == 2
    assert "[ams1]/verify" in said.err
    assert "[fra1]/verify" in said.err


def test_show_the_timeline_of_a_run_and_of_a_step(changerail: Changerail, finished: RunFolder) -> None:
    whole = changerail("show", RUN, "--timeline").out.splitlines()
    assert "anna started run" in whole[0]
    assert whole[-1].endswith("run succeeded after 1h 24m")
    of_step = changerail("show", RUN, "security-review", "--timeline").out
    assert "carla: approve (signed)" in of_step
    assert "bert" not in of_step
    assert changerail("show", RUN, "--timeline", "--json").json[0]["who"] == "anna"


def test_show_an_artifact_that_is_gone_or_changed_shows_nothing(changerail: Changerail, finished: RunFolder) -> None:
    said = changerail("show", RUN, "validate", "--artifact", "edge.diff")
    assert (said.code, said.out) == (1, "")
    assert "No such file" in said.err
    said = changerail("show", RUN, "validate", "--artifact", "nope")
    assert said.code == 2
    assert "it has edge.diff" in said.err


@pytest.mark.parametrize(
    ("form", "sign"), [("mermaid", "flowchart TD"), ("dot", "digraph"), ("text", "- Validate  [changed]")]
)
def test_graph_of_a_run(changerail: Changerail, finished: RunFolder, form: str, sign: str) -> None:
    said = changerail("graph", RUN, "--format", form)
    assert said.code == 0
    assert sign in said.out


def test_graph_of_a_file(changerail: Changerail, state: StateFolder) -> None:
    Path("change.yml").write_text("steps:\n  - name: Wait\n    ansible.builtin.pause: {seconds: 1}\n")
    said = changerail("graph", "change.yml", "--format", "text")
    assert said.out.splitlines() == ["change", "- Wait"]
    assert list(state.all()) == []
