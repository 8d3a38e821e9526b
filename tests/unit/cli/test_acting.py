"""The verbs that act: check, schema, run, answer, cancel, resume, audit. Real runs, driven in this process until they wait or are over."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import FileJournal
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import StateFolder

Changerail = Callable[..., Any]

FAILS = """
name: Goes wrong
steps:
  - name: Deploy
    ansible.builtin.fail: {msg: commit refused}
"""
ASKS = """
name: Needs people
steps:
  - name: Approvals
    parallel:
      - name: Security
        netops.changerail.approval: {people: [berta, carla], quorum: 2, assurance: asserted}
      - name: Board
        netops.changerail.approval: {people: [dora], assurance: asserted}
"""
ONE = """
name: Needs one
steps:
  - name: Board
    netops.changerail.approval: {people: [dora], assurance: asserted}
  - ansible.builtin.debug: {msg: on we go}
"""


def workflow(text: str) -> str:
    Path("change.yml").write_text(text)
    return "change.yml"


def test_check_prints_every_mistake_with_its_place(changerail: Changerail) -> None:
    said = changerail("check", workflow("steps:\n  - nam: x\n    ansible.builtin.debg: {}\n"))
    assert said.code == 2
    lines = said.out.splitlines()
    assert lines[0].startswith("change.yml:2:5: 'nam'")
    assert lines[1].startswith("change.yml:3:5: 'ansible.builtin.debg'")
    assert lines[2] == "change.yml: 2 mistakes"


def test_check_counts_what_is_right_and_knows_extra_vars(changerail: Changerail) -> None:
    text = "steps:\n  - ansible.builtin.debug: {msg: '{{ site }}'}\n"
    assert changerail("check", workflow(text)).code == 2
    said = changerail("check", "change.yml", "-e", "site=ams1")
    assert (said.code, said.out) == (0, "change.yml: ok (1 step, 1 file)\n")


def test_check_of_several_files_is_as_bad_as_the_worst(changerail: Changerail) -> None:
    Path("bad.yml").write_text("steps: 3\n")
    said = changerail("check", "bad.yml", workflow(FAILS))
    assert said.code == 2
    assert "change.yml: ok" in said.out


def test_schema_is_json_on_standard_output_or_in_a_file(changerail: Changerail) -> None:
    document = changerail("schema").json
    assert "steps" in document["properties"]
    assert changerail("schema", "-o", "schema.json").out == ""
    assert json.loads(Path("schema.json").read_text()) == document
    assert changerail("schema", "-o", "no/such/folder.json").code == 2


def test_a_run_that_fails_is_exit_code_1_and_says_where_and_why(changerail: Changerail) -> None:
    said = changerail("run", workflow(FAILS), "--run-id", "chg-1")
    assert said.code == 1
    assert said.out.splitlines()[0] == "run chg-1"
    ending = said.out[said.out.index("\n\n") :].splitlines()
    assert ending[2:6] == ["✗ deploy", "    commit refused", "    changerail show chg-1 deploy", "run chg-1 failed"]


def test_a_file_or_command_line_that_is_wrong_starts_nothing(changerail: Changerail, state: StateFolder) -> None:
    assert changerail("run", "nope.yml").code == 2
    assert changerail("run", workflow("steps: 3\n")).code == 2
    assert changerail("run", workflow(FAILS), "--run-id", "../x").code == 2
    assert changerail("run", workflow(FAILS), "-e", "no equals sign").code == 2
    assert list(state.all()) == []


def test_a_folder_for_records_starts_at_the_project_file_wherever_the_command_is_called(
    changerail: Changerail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    project.mkdir()
    elsewhere.mkdir()
    (project / "changerail.yml").write_text("connections: {local: {records: kept/records}}\n")
    (project / "changerail.yml").chmod(0o600)
    (project / "change.yml").write_text(
        "steps:\n  - netops.changerail.change_record: {type: standard, short_description: x}\n"
    )
    monkeypatch.chdir(elsewhere)
    said = changerail("run", str(project / "change.yml"), "--config", str(project / "changerail.yml"))
    assert said.code == 0, said.err
    assert list((project / "kept" / "records").glob("*.json"))
    assert not list(elsewhere.iterdir())


def test_a_run_id_that_is_taken_is_refused(changerail: Changerail) -> None:
    changerail("run", workflow(FAILS), "--run-id", "chg-1")
    said = changerail("run", "change.yml", "--run-id", "chg-1")
    assert said.code == 2
    assert "changerail resume chg-1" in said.err


def test_answers_are_counted_until_the_run_can_go_on(changerail: Changerail) -> None:
    said = changerail("run", workflow(ASKS), "--run-id", "chg-1", "--until-waiting")
    assert said.code == 3
    assert "changerail answer chg-1 security approve" in said.out
    assert "changerail resume chg-1" in said.out

    said = changerail("answer", "chg-1", "security", "approve", "--as", "berta", "-m", "looks fine")
    assert (said.code, said.out) == (0, "counted (1 of 2): approve\n")
    said = changerail("answer", "chg-1", "security", "approve", "--as", "berta")
    assert said.code == 1
    assert "refused: berta has answered 'approve' already" in said.out
    said = changerail("answer", "chg-1", "security", "approve", "--as", "carla")
    assert "counted (2 of 2): approve" in said.out
    assert "changerail resume chg-1 goes on with it" in said.out
    said = changerail("answer", "chg-1", "approve", "--as", "dora")
    assert said.code == 2
    assert "several questions" in said.err or "no such step" in said.err

    changerail("answer", "chg-1", "board", "approve", "--as", "dora")
    assert changerail("resume", "chg-1").code == 0
    assert changerail("status", "chg-1", "--json").json["state"] == "succeeded"
    said = changerail("answer", "chg-1", "approve", "--as", "dora")
    assert said.code == 2
    assert "asks nothing" in said.err


def test_with_one_question_open_neither_step_nor_choice_is_needed_on_a_terminal(changerail: Changerail) -> None:
    changerail("run", workflow(ONE), "--run-id", "chg-1", "--until-waiting")
    said = changerail("answer", "chg-1")
    assert said.code == 2
    assert "name your choice, one of approve, deny" in said.err
    said = changerail("answer", "chg-1", "maybe")
    assert said.code == 2
    assert changerail("answer", "chg-1", "board", "maybe").code == 2
    assert "counted: approve" in changerail("answer", "chg-1", "approve", "--as", "dora").out
    said = changerail("resume", "chg-1")
    assert said.code == 0
    assert "debug: ok: on we go" in said.out


def test_somebody_who_was_not_asked_is_refused_and_that_is_recorded(changerail: Changerail) -> None:
    changerail("run", workflow(ONE), "--run-id", "chg-1", "--until-waiting")
    said = changerail("answer", "chg-1", "approve", "--as", "mallory")
    assert said.code == 1
    assert "refused: mallory is not entitled" in said.out
    assert "refused" in changerail("show", "chg-1", "board").out


def test_a_denied_approval_fails_the_run(changerail: Changerail) -> None:
    changerail("run", workflow(ONE), "--run-id", "chg-1", "--until-waiting")
    changerail("answer", "chg-1", "deny", "--as", "dora", "-m", "wrong week")
    said = changerail("resume", "chg-1")
    assert said.code == 1
    assert "wrong week" in said.out


def test_a_cancelled_run_ends_with_exit_code_4(changerail: Changerail) -> None:
    changerail("run", workflow(ONE), "--run-id", "chg-1", "--until-waiting")
    said = changerail("cancel", "chg-1", "--reason", "wrong site")
    assert said.code == 0
    assert "changerail resume chg-1" in said.out
    said = changerail("resume", "chg-1")
    assert said.code == 4
    assert "run chg-1 cancelled: wrong site" in said.out
    said = changerail("cancel", "chg-1")
    assert said.code == 1
    assert "nothing was cancelled" in said.err
    assert changerail("resume", "chg-1").code == 4


def test_only_failures_that_decided_are_named_at_the_end(changerail: Changerail) -> None:
    rescued = """
steps:
  - name: Rescued
    block:
      - ansible.builtin.fail: {msg: first}
    rescue:
      - ansible.builtin.debug: {msg: back}
  - name: Decisive
    block:
      - ansible.builtin.fail: {msg: second}
"""
    said = changerail("run", workflow(rescued), "--run-id", "chg-1")
    ending = said.out[said.out.index("\n\n") :]
    assert "✗ decisive/fail" in ending
    assert "rescued/fail" not in ending


def test_a_run_that_another_process_drives_is_not_taken_up(changerail: Changerail, state: StateFolder) -> None:
    changerail("run", workflow(ONE), "--run-id", "chg-1", "--until-waiting")
    with FileJournal(state.open("chg-1")):
        said = changerail("resume", "chg-1")
    assert said.code == 1
    assert "driven by another process" in said.err


def test_a_signed_answer_is_verified_by_audit_without_anything_but_allowed_signers(
    changerail: Changerail, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)], check=True, timeout=60)
    public = key.with_suffix(".pub").read_text().strip()
    Path("changerail.yml").write_text(f"people:\n  dora:\n    keys: ['{public}']\n")
    changerail("run", workflow(ONE.replace("asserted", "signed")), "--run-id", "chg-1", "--until-waiting")
    assert "only asserted" in changerail("answer", "chg-1", "approve", "--as", "dora").out
    assert changerail("answer", "chg-1", "approve", "--as", "dora", "--key", str(key)).code == 0

    signers = tmp_path / "allowed_signers"
    signers.write_text(f"dora {public}\n")
    said = changerail("audit", "verify", "chg-1", "--allowed-signers", str(signers))
    assert said.code == 0
    assert "answer of dora at board (line" in said.out
    signers.write_text(f"erik {public}\n")
    said = changerail("audit", "verify", "chg-1", "--allowed-signers", str(signers), "--json")
    assert said.code == 1
    assert said.json[0]["signatures"][0]["error"]


def test_audit_names_the_line_that_was_changed_and_is_exit_code_5(changerail: Changerail, state: StateFolder) -> None:
    changerail("run", workflow(FAILS), "--run-id", "chg-1")
    journal = state.open("chg-1").journal
    said = changerail("audit", "verify", "chg-1")
    assert said.code == 0
    assert "every line is what was written" in said.out
    assert changerail("audit", "verify", str(journal)).code == 0
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([lines[0], lines[1].replace(b"pid", b"pit"), *lines[2:]]))
    said = changerail("audit", "verify", "chg-1")
    assert said.code == 5
    assert "line 2" in said.out
    assert changerail("audit", "verify", "chg-1", "--json").json[0]["damage"]


def test_audit_tells_a_torn_last_line_from_damage(changerail: Changerail, state: StateFolder) -> None:
    changerail("run", workflow(FAILS), "--run-id", "chg-1")
    with open(state.open("chg-1").journal, "ab") as file:
        file.write(b'{"seq": 99')
    said = changerail("audit", "verify", "chg-1")
    assert said.code == 0
    assert "10 bytes of a torn last line" in said.out


def test_export_writes_a_folder_that_stands_alone(changerail: Changerail, state: StateFolder) -> None:
    changerail("run", workflow(FAILS), "--run-id", "chg-1")
    assert changerail("audit", "export", "chg-1", "-o", "evidence").code == 0
    names = {path.name for path in Path("evidence").iterdir()}
    assert names == {"evidence.md", "evidence.json", "journal.jsonl", "SHA256SUMS"}
    for line in Path("evidence/SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256(Path("evidence", name).read_bytes()).hexdigest() == digest
    assert "commit refused" in Path("evidence/evidence.md").read_text()
    assert changerail("audit", "verify", "evidence/journal.jsonl").code == 0
    assert changerail("audit", "export", "chg-1", "-o", "evidence").code == 2


def test_check_mode_and_limits_are_recorded(changerail: Changerail, state: StateFolder) -> None:
    changerail("run", workflow(FAILS), "--run-id", "chg-1", "--check", "-l", "edge", "-i", "hosts.yml", "-i", "a,b")
    first = json.loads(state.open("chg-1").journal.read_text().splitlines()[0])
    assert first["options"] == {
        "check": True,
        "limit": "edge",
        "inventory": [str(Path("hosts.yml").absolute()), "a,b"],
    }
    assert changerail("status", "chg-1", "--json").json["check"] is True


@pytest.mark.parametrize("verb", ["status", "show", "list", "graph", "audit", "answer"])
def test_nothing_that_others_wrote_has_power_over_the_terminal(changerail: Changerail, verb: str) -> None:
    """Names, messages and comments with escape sequences, markup, emoji codes and a reversed direction of writing."""
    hostile = "a \\e[2J [red]b[/] :boom: \\u202e ümläut 🚀"
    text = f'name: "{hostile}"\nsteps:\n  - name: "{hostile}"\n    id: step\n    ansible.builtin.pause: {{prompt: "{hostile}"}}\n'
    changerail("run", workflow(text), "--run-id", "chg-1", "--until-waiting")
    words = {"list": [], "audit": ["verify", "chg-1"], "answer": ["chg-1", "abort", "-m", "x\x1b[2J"]}.get(
        verb, ["chg-1"]
    )
    said = changerail(verb, *words)
    assert "\x1b" not in said.out
    assert "\u202e" not in said.out
    if verb in ("status", "show", "list", "graph"):
        assert "[red]b[/] :boom:" in said.out.replace("#91;", "[").replace("#93;", "]")
        assert "ümläut 🚀" in said.out
