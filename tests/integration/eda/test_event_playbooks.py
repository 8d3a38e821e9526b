# The playbooks that rulebooks call, with an event that somebody hostile posted, on every ansible-core; as ansible-rulebook calls them. Run by pytest.
from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import FileJournal
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder

WORKFLOW = """\
name: "Look at {{ text }}"
vars: {text: "", number: 0}
steps:
  - ansible.builtin.debug: {msg: "{{ text }}"}
    register: said
"""


class Rule:
    """Calls a playbook as the action run_playbook does: extra vars from a file, in a folder that is gone afterwards, limited to localhost."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "project").mkdir()

    def run(self, playbook: str, payload: Mapping[str, Any], **extra_vars: Any) -> subprocess.CompletedProcess[str]:
        file = self.folder / "extravars"
        file.write_text(yaml.dump({**extra_vars, "ansible_eda": {"event": {"payload": payload, "meta": {}}}}))
        inventory = self.folder / "inventory.yml"
        inventory.write_text("all: {hosts: {localhost: {ansible_connection: local}}}\n")
        command = ["-i", str(inventory), "--limit", "localhost", "-e", f"@{file}", playbook]
        return subprocess.run(
            [sys.executable, "-m", "ansible", "playbook", *command],
            cwd=self.folder / "project",
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )


@pytest.fixture
def rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rule:
    monkeypatch.setenv("CHANGERAIL_HOME", str(tmp_path / "home"))
    return Rule(tmp_path)


def test_what_an_event_says_is_data_and_the_same_event_starts_one_run(rule: Rule, tmp_path: Path) -> None:
    workflow, mark = tmp_path / "look.yml", tmp_path / "mark"
    workflow.write_text(WORKFLOW)
    evil = f"{{{{ lookup('ansible.builtin.pipe', 'touch {mark}') }}}}"
    given = {
        "workflow": str(workflow),
        "event_values": {"text": "payload.text", "number": "payload.number || `7`"},
        "event_key": ["payload.id"],
    }
    for dummy in range(2):
        done = rule.run("netops.changerail.run_on_event", {"text": evil, "id": evil}, **given)
        assert done.returncode == 0, done.stdout + done.stderr
    (journal,) = tmp_path.glob("home/runs/look-*/journal.jsonl")
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    assert events[0]["variables"] == {"text": evil, "number": 7}
    assert [event["result"]["msg"] for event in events if event["event"] == "step_finished"] == [evil]
    # Whoever drives the run goes on with it: that is no failure of the event that comes again.
    with FileJournal(RunFolder(journal.parent)):
        elsewhere = rule.run(
            "netops.changerail.resume_on_event", {"run": journal.parent.name}, event_values={"run_id": "payload.run"}
        )
    assert elsewhere.returncode == 0, elsewhere.stdout + elsewhere.stderr
    gone_on = rule.run("netops.changerail.resume_on_event", {"run": evil}, event_values={"run_id": "payload.run"})
    assert gone_on.returncode != 0 and "none of that name" in gone_on.stdout + gone_on.stderr
    assert not mark.exists()


def test_an_event_without_the_value_starts_nothing_and_says_what_it_has(rule: Rule, tmp_path: Path) -> None:
    (tmp_path / "look.yml").write_text(WORKFLOW)
    done = rule.run(
        "netops.changerail.run_on_event",
        {"id": 1},
        workflow=str(tmp_path / "look.yml"),
        event_values={"text": "payload.text"},
        event_key=["payload.id"],
    )
    assert done.returncode != 0
    said = " ".join((done.stdout + done.stderr).split())
    assert "the event has nothing at 'payload.text'; it has meta, payload" in said
    assert not (tmp_path / "home").exists()
