# What goes into a playbook and must neither be evaluated nor seen: data from outside, secrets.
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.calls import finished

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.operation import Done, Failed
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.operations import PLAYBOOK


def containing(folder: Path, *secrets: str) -> list[str]:
    """The files under ``folder``, names included, in which one of the secrets can be found."""
    found = []
    for path in folder.rglob("*"):
        content = str(path).encode() + (path.read_bytes() if path.is_file() else b"")
        if any(secret.encode() in content for secret in secrets):
            found.append(str(path))
    return found


def test_data_from_outside_is_never_evaluated(project: Any, tmp_path: Path) -> None:
    mark = tmp_path / "evaluated"
    attack = f"{{{{ lookup('pipe', 'touch {mark}') }}}}"
    outside = {
        "plain": attack,
        "deep": {"list": [attack, {"key": attack}], attack: 1},
        "statement": "{% for x in [1] %}{{ x }}{% endfor %}",
        "comment": "{# gone #}kept",
        "text": 'quotes " and \' and \\ and ünicode \U0001f600 and {"json": 1}',
        "number": 3,
        "nothing": None,
        "truth": True,
    }
    playbook = project.tasks(
        {"ansible.builtin.set_fact": {"again": "{{ outside }}", "text": "{{ outside.text }}"}},
        {"ansible.builtin.debug": {"msg": "{{ again }} {{ outside.plain }} {{ changerail.key }}"}},
        {"ansible.builtin.template": {"src": "t.j2", "dest": str(tmp_path / "rendered")}},
        {"ansible.builtin.set_stats": {"data": {"outside": "{{ outside }}", "text": "{{ text }}"}}},
        hosts="r1",
    )
    project.write("t.j2", "{{ outside.plain }}|{{ outside.statement }}|{{ outside.comment }}")

    outcome = project.run(playbook, extra_vars={"outside": outside, "changerail": {"key": "run/step/1"}})

    assert isinstance(outcome, Done), outcome
    assert not mark.exists()
    assert outcome.result["stats"]["outside"] == outside
    assert outcome.result["stats"]["text"] == outside["text"]
    assert (tmp_path / "rendered").read_text() == f"{attack}|{outside['statement']}|{outside['comment']}"


def test_data_that_imitates_a_mark_of_ansible_is_refused(project: Any) -> None:
    made = project.playbook(
        project.tasks({"ansible.builtin.debug": {}}), extra_vars={"answer": [{"__ansible_vault": "x"}]}
    )
    with pytest.raises(OperationError, match="variable answer"):
        PLAYBOOK.start(made)


def test_secrets_are_nowhere(project: Any, gate: Any) -> None:
    """Through extra vars, the environment, a vault, no_log tasks, items, diffs and statistics; on disk and in the process list."""
    secret = [f"HUSH{number}" for number in range(6)]
    password = project.folder / "vault password"
    password.write_text(secret[0])
    target = project.folder / "target"
    target.mkdir()
    vault = [
        str(Path(sys.executable).with_name("ansible-vault")),
        "encrypt_string",
        "--vault-password-file",
        str(password),
    ]
    vaulted = subprocess.run([*vault, "--name", "vaulted", secret[1]], check=True, capture_output=True, text=True)
    project.write("vars.yml", vaulted.stdout)
    hidden = {"no_log": True}
    items = {"loop": ["{{ given }}", "open"], "no_log": "{{ item != 'open' }}"}
    steps: list[dict[str, Any]] = [
        {"ansible.builtin.copy": {"content": "{{ given }} {{ vaulted }}", "dest": f"{target}/1"}, **hidden},
        {"ansible.builtin.copy": {"content": "{{ item }}", "dest": str(target) + "/{{ item | length }}"}, **items},
        {"ansible.builtin.command": "echo {{ lookup('env', 'SECRET_TOKEN') }}", **hidden},
        {"ansible.builtin.set_stats": {"data": {"token": secret[3], "other": 1}}, **hidden},
        {"ansible.builtin.set_stats": {"data": {"seen": 2}}},
        gate.task,
        {"ansible.builtin.command": f"sh -c 'echo {secret[4]}; exit 1'", **hidden},
    ]
    project.write("site.yml", [{"hosts": "r1", "gather_facts": False, "vars_files": ["vars.yml"], "tasks": steps}])
    options = {"diff": True, "extra_vars": {"given": secret[2]}, "vault_password_files": ["vault password"]}
    made = project.playbook("site.yml", environment={"SECRET_TOKEN": secret[5]}, **options)

    outcome = PLAYBOOK.start(made)
    gate.wait()
    # Ansible has read the variables long before the first task.
    assert containing(made.context.folder, *secret) == []
    command_lines = [path.read_bytes() for path in map(Path, _command_line_files()) if path.exists()]
    gate.open()
    outcome = finished(PLAYBOOK, made, outcome, 60)

    assert (target / "1").read_text() == f"{secret[2]} {secret[1]}"
    assert isinstance(outcome, Failed) and outcome.failure == "failed"
    assert not [line for line in command_lines if any(word.encode() in line for word in secret)]
    assert containing(made.context.folder, *secret) == []
    assert not [word for word in secret if word in repr(outcome)]
    assert outcome.result["stats"]["seen"] == 2
    for path in made.context.folder.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def _command_line_files() -> list[str]:
    return [f"/proc/{pid}/cmdline" for pid in os.listdir("/proc") if pid.isdigit()]
