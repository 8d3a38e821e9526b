# Values on their way into Ansible, and the environment that a playbook gets.
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks import environment, supervisor
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.environment import playbook_environment
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.variables import author_as_json, data_as_json
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Unsafe, Vaulted


def test_data_that_looks_like_a_template_is_marked_wherever_it_is() -> None:
    values = {
        "a": "{{ x }}",
        "b": [{"c": "{% if %}"}, "{#"],
        "d": "{ plain }",
        "e": 1,
        "f": Vaulted("$ANSIBLE_VAULT;1.1"),
        "g": Unsafe("x"),
    }
    unsafe = "__ansible_unsafe"
    assert json.loads(data_as_json(values)) == {
        "a": {unsafe: "{{ x }}"},
        "b": [{"c": {unsafe: "{% if %}"}}, {unsafe: "{#"}],
        "d": "{ plain }",
        "e": 1,
        "f": {"__ansible_vault": "$ANSIBLE_VAULT;1.1"},
        "g": {unsafe: "x"},
    }


def test_what_the_author_wrote_stays_a_template() -> None:
    assert json.loads(author_as_json({"cmd": "echo {{ x }}", "raw": Unsafe("{{ y }}")})) == {
        "cmd": "echo {{ x }}",
        "raw": {"__ansible_unsafe": "{{ y }}"},
    }


@pytest.mark.parametrize("key", ["__ansible_unsafe", "__ansible_vault"])
def test_marks_in_data_are_refused(key: str) -> None:
    with pytest.raises(OperationError, match="variable answer"):
        data_as_json({"answer": {"deep": [{key: "x"}]}})


def test_callbacks_of_environment_and_configuration_are_kept(tmp_path: Path) -> None:
    (tmp_path / "ansible.cfg").write_text(
        "[defaults]\ncallbacks_enabled = one, netops.changerail.events\ncallback_plugins = a:/b ; why\n"
    )
    base = {"HOME": str(tmp_path / "home"), "SN_PASSWORD": "x"}

    made = playbook_environment(base, tmp_path)
    ours = str(environment.CALLBACKS)
    assert made["SN_PASSWORD"] == "x"
    assert made["ANSIBLE_CALLBACKS_ENABLED"] == "events,one"
    assert made["ANSIBLE_CALLBACK_PLUGINS"] == f"{ours}:{tmp_path}/a:/b"

    chosen = {**base, "ANSIBLE_CALLBACKS_ENABLED": "two", "ANSIBLE_CALLBACK_PLUGINS": "~/c"}
    made = playbook_environment(chosen, tmp_path)
    assert made["ANSIBLE_CALLBACKS_ENABLED"] == "events,two"
    assert made["ANSIBLE_CALLBACK_PLUGINS"] == f"{ours}:{tmp_path}/home/c"


def test_the_configuration_of_a_folder_anybody_may_write_to_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "ansible.cfg").write_text("[defaults]\ncallbacks_enabled = one\n")
    tmp_path.chmod(0o777)
    assert playbook_environment({"HOME": str(tmp_path / "home")}, tmp_path)["ANSIBLE_CALLBACKS_ENABLED"] == "events"


def test_a_configuration_that_cannot_be_read_is_left_to_ansible(tmp_path: Path) -> None:
    (tmp_path / "ansible.cfg").write_text("no section\n")
    assert playbook_environment({"HOME": str(tmp_path / "home")}, tmp_path)["ANSIBLE_CALLBACKS_ENABLED"] == "events"


def test_an_outer_job_of_awx_keeps_its_display_to_itself(tmp_path: Path) -> None:
    outer = {
        "HOME": str(tmp_path), "ANSIBLE_STDOUT_CALLBACK": "awx_display", "ORIGINAL_STDOUT_CALLBACK": "yaml", "AWX_ISOLATED_DATA_DIR": "/runner/artifacts/1",
    }  # fmt: skip
    made = playbook_environment(outer, tmp_path)
    assert made["ANSIBLE_STDOUT_CALLBACK"] == "yaml"
    assert "AWX_ISOLATED_DATA_DIR" not in made and "ORIGINAL_STDOUT_CALLBACK" not in made


def test_the_supervisor_imports_little() -> None:
    """Every playbook pays for its start; it must also work without site-packages."""
    root = str(Path(supervisor.__file__).parents[6])
    script = f"import sys; sys.path.append(sys.argv[1]); import {supervisor.__name__}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, root],
        check=True,
        capture_output=True,
        text=True,
        env=dict(os.environ),
    )
    loaded = set(done.stdout.split())
    assert not loaded & {
        "ansible",
        "ansible_runner",
        "yaml",
        "dataclasses",
        "pathlib",
        "socket",
        "tempfile",
        "importlib.metadata",
    }
