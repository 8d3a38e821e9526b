# The collection in a collections path, and the package of it installed in the same environment, as in many images. Run by pytest.
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# Templates have Ansible load what it loads collections with, before the engine loads what playbooks take.
WORKFLOW = """\
steps:
  - ansible.builtin.debug: {msg: "{{ 1 + 1 }}"}
  - ansible.builtin.import_playbook: say.yml
"""
SAY = "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - ansible.builtin.debug: {msg: said}\n"


@pytest.fixture
def collections(tmp_path: Path) -> Path:
    """A collections path of its own with a copy of what Ansible loads."""
    copy = tmp_path / "collections" / "ansible_collections" / "netops" / "changerail"
    copy.mkdir(parents=True)
    for name in ("plugins", "meta", "galaxy.yml"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, copy / name)
    return tmp_path / "collections"


def test_a_playbook_drives_a_run_with_the_copy_it_uses(collections: Path, tmp_path: Path) -> None:
    (tmp_path / "change.yml").write_text(WORKFLOW)
    (tmp_path / "say.yml").write_text(SAY)
    task = {"netops.changerail.workflow": {"workflow": "change.yml", "run_id": "NET-8", "inventory": ["localhost,"]}}
    play = {"hosts": "localhost", "gather_facts": False, "tasks": [task]}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local", "play.yml"],
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections), "CHANGERAIL_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    journal = (tmp_path / "home" / "runs" / "NET-8" / "journal.jsonl").read_text(encoding="utf-8")
    assert '"event":"run_finished"' in journal and '"status":"succeeded"' in journal
