# The role change around a user's own playbooks: waits, is answered, goes on; rolls back; names are looked at first. Run by pytest.
from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.netops.changerail.plugins.plugin_utils import api

PLAYBOOKS = {
    "validate": {
        "ansible.builtin.copy": {"content": "{{ prefix }}\n", "dest": "{{ place }}/router", "mode": "0600"},
        "check_mode": True,
    },
    "deploy": {"ansible.builtin.copy": {"content": "{{ prefix }}\n", "dest": "{{ place }}/router", "mode": "0600"}},
    "verify": {"ansible.builtin.assert": {"that": "not broken | default(false)", "fail_msg": "no route"}},
    "rollback": {"ansible.builtin.file": {"path": "{{ place }}/router", "state": "absent"}},
}
# Each play drives playbooks of its own; on a busy machine each of them may take half a minute.
pytestmark = pytest.mark.timeout(600)

TITLE = "Advertise {{ prefix }}"
"""As a survey or a ticket may give it: it is data and never evaluated."""


@dataclass(frozen=True)
class Site:
    """A folder with four playbooks, a project file and an inventory, as a user has one."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def change(self, **options: Any) -> subprocess.CompletedProcess[str]:
        """Plays the role; what is not said is as in most of these tests."""
        given = {
            "change_id": "NET-1",
            "change_title": "{{ lookup('ansible.builtin.file', 'title') }}",
            **{f"change_{name}": f"playbooks/{name}.yml" for name in PLAYBOOKS},
            "change_notify": ["terminal"],
            "change_variables": {"prefix": "203.0.113.0/24", "place": str(self.folder)},
            "change_wait": False,
            **options,
        }
        role = {"name": "Change", "ansible.builtin.include_role": {"name": "netops.changerail.change"}, "vars": given}
        play = {"hosts": "localhost", "gather_facts": False, "tasks": [role]}
        (self.folder / "change.yml").write_text(json.dumps([play]))
        return subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventory", "change.yml"],
            cwd=self.folder,
            env={
                **os.environ,
                "CHANGERAIL_HOME": str(self.home),
                "CHANGERAIL_CONFIG": str(self.folder / "changerail.yml"),
            },
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
        )

    def answer(self, step: str, choice: str = "approve") -> None:
        assert api.answer("NET-1", choice, step=step, person="anna", home=self.home).counted

    def states(self) -> Mapping[str, str]:
        return {step.path: step.state for step in api.steps("NET-1", home=self.home).walk()}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "title").write_text(TITLE)
    (tmp_path / "inventory").write_text("r1 ansible_connection=local\n")
    local = {"records": str(tmp_path / "records"), "approvals": {"assess": ["cab"], "authorize": ["cab"]}}
    project = {
        "connections": {"local": local},
        "defaults": {"assurance": "asserted"},
        "people": {"anna": {"groups": ["cab"]}},
    }
    (tmp_path / "changerail.yml").write_text(json.dumps(project))
    (tmp_path / "changerail.yml").chmod(0o600)
    for name, task in PLAYBOOKS.items():
        play = {"hosts": "r1", "gather_facts": False, "tasks": [{"name": name, **task}]}
        (tmp_path / "playbooks" / f"{name}.yml").write_text(json.dumps([play]))
    return Site(tmp_path)


def test_it_waits_for_people_and_the_same_play_goes_on(site):
    approvals = [{"name": "Security", "title": "May it be reached?", "subject": {"prefix": "203.0.113.0/24"}}]
    dependencies = [{"name": "Handed over", "file": {"path": str(site.folder / "inventory")}, "until": "exists"}]
    options = {
        "change_approvals": approvals,
        "change_dependencies": dependencies,
        "change_window": {"windows": [{"from": "00:00", "to": "24:00"}]},
        "change_record": {"risk": "low"},
    }
    first = site.change(**options)
    assert first.returncode == 0, first.stdout + first.stderr
    change = api.status("NET-1", home=site.home)
    assert (change.state, change.name) == ("waiting", TITLE)
    # They begin side by side, so either may be the first.
    messages = {wait.step: wait.message for wait in change.waiting_for}
    assert set(messages) == {"change/approvals/approval-1", "change/approvals/board"}
    assert messages["change/approvals/approval-1"] == "May it be reached?"
    site.answer("approval-1")
    for dummy in ("assess", "authorize"):
        site.answer("board")
        api.resume("NET-1", until_waiting=True, home=site.home)
    (review,) = api.questions("NET-1", home=site.home)
    assert review.path == "change/review"
    assert "+203.0.113.0/24" in Path(next(iter(review.question.show.values()))).read_text()
    assert not (site.folder / "router").exists()
    site.answer("review")
    done = site.change(**options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (site.folder / "router").read_text() == "203.0.113.0/24\n"
    change = api.status("NET-1", home=site.home)
    assert (change.state, change.results["record"]["state"], change.results["record"]["fields"]["risk"]) == (
        "succeeded",
        "closed",
        "low",
    )
    assert not list(site.folder.glob(".*.yml"))


def test_what_does_not_verify_is_rolled_back_and_the_play_fails(site):
    options = {"change_type": "standard", "change_keep_project": True}
    variables = {"prefix": "203.0.113.0/24", "place": str(site.folder), "broken": True}
    begun = site.change(**options, change_variables=variables)
    assert begun.returncode == 0, begun.stdout + begun.stderr
    # The run has its own copy.
    (site.folder / "playbooks" / "deploy.yml").write_text("- hosts: all\n  tasks: [{ansible.builtin.fail: {}}]\n")
    site.answer("review")
    failed = site.change(**options, change_variables=variables)
    assert failed.returncode == 2
    assert "Rolled back: verify.yml: task 'verify' failed on r1: no route" in failed.stdout
    states = site.states()
    assert (states["change/deployment/deploy"], states["change/deployment/rollback"], states["change/close"]) == (
        "changed",
        "changed",
        "changed",
    )
    assert not (site.folder / "router").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"change_rollback": "playbooks/undo.yml"}, "playbooks/undo.yml; expected the path of a playbook"),
        ({"change_review": {"group": ["netops"]}}, "group"),
        ({"change_record": {"x }} y": 1}}, "not the name of an option: x }} y"),
    ],
)
def test_nothing_is_started_when_a_name_is_wrong(site, options, said):
    failed = site.change(**options)
    assert failed.returncode == 2
    assert said in failed.stdout
    assert not list(site.home.glob("runs/*/journal.jsonl"))
    assert not (site.folder / "records").exists()
