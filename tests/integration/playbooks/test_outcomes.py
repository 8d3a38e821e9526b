# What comes out of a playbook that ran: results, failure classes and messages, on a real ansible-playbook.
from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from support.calls import finished

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.operation import Done, Failed
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.operations import PLAYBOOK

# A connection that never comes up, so that no server and no ssh is needed.
NO_CONNECTION = '''
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
name: dead
short_description: never connects
description: never connects
author: tests
"""


class Connection(ConnectionBase):
    transport = "dead"
    has_pipelining = False

    def _connect(self):
        raise AnsibleConnectionFailure("no route to this host")

    def exec_command(self, *args, **kwargs):
        self._connect()

    def put_file(self, *args, **kwargs):
        self._connect()

    def fetch_file(self, *args, **kwargs):
        self._connect()

    def close(self):
        pass
'''


def test_everything_a_playbook_leaves_behind(project: Any) -> None:
    playbook = project.tasks(
        {"name": "Schreiben (Köln)", "ansible.builtin.copy": {"content": "router bgp {{ asn }}\n", "dest": "{{ target }}/{{ inventory_hostname }}"}},
        {"ansible.builtin.copy": {"content": "{{ item }}\n", "dest": "{{ target }}/{{ item }}"}, "loop": ["l1", "l2"], "when": "inventory_hostname == 'r1'"},
        {"block": [{"name": "Rescued", "ansible.builtin.fail": {"msg": "not so bad"}}], "rescue": [{"ansible.builtin.debug": {"msg": "saved"}}]},
        {"ansible.builtin.set_stats": {"data": {"prefixes": ["203.0.113.0/24"], "count": 2}}, "run_once": True},
        {"ansible.builtin.set_stats": {"data": {"uptime": "{{ inventory_hostname }} up"}, "per_host": True}},
        name="plays/déploy 'it \"now\".yml",
    )  # fmt: skip
    (project.folder / "inventory").rename(project.folder / "meine Geräte")
    target = project.folder / "out put"
    target.mkdir()

    outcome = project.run(
        playbook, inventory=["meine Geräte"], diff=True, extra_vars={"asn": 64512, "target": str(target)}
    )

    assert isinstance(outcome, Done), outcome
    result = outcome.result
    assert outcome.changed and result["changed"] and result["rc"] == 0
    assert result["stats"] == {"prefixes": ["203.0.113.0/24"], "count": 2}
    assert result["host_stats"] == {"r1": {"uptime": "r1 up"}, "r2": {"uptime": "r2 up"}}
    counts = {"changed": 1, "failures": 0, "unreachable": 0, "rescued": 1, "ignored": 0}
    assert result["hosts"]["r2"] == {"ok": 3, "skipped": 1, **counts}
    assert result["failed_tasks"] == []
    assert (target / "r1").read_text() == "router bgp 64512\n"
    for artifact in result["artifacts"].values():
        assert hashlib.sha256(Path(artifact["path"]).read_bytes()).hexdigest() == artifact["sha256"]
    diff = Path(result["artifacts"]["diff"]["path"]).read_text(encoding="utf-8")
    assert "# r1: Schreiben (Köln)\n" in diff and "\n+router bgp 64512\n" in diff
    assert "\n+l1\n" in diff and "\n+l2\n" in diff
    assert json.loads(json.dumps(result)) == result


def test_a_failed_task_is_named_with_its_hosts_and_its_words(project: Any) -> None:
    outcome = project.run(
        project.tasks(
            {"ansible.builtin.command": "false", "ignore_errors": True},
            {
                "block": [{"name": "Rescued", "ansible.builtin.fail": {"msg": "no"}}],
                "rescue": [{"ansible.builtin.debug": {}}],
            },
            {"name": "Commit", "ansible.builtin.shell": "echo 'commit refused' >&2; exit 3"},
        )
    )
    assert isinstance(outcome, Failed) and outcome.failure == "failed"
    assert outcome.message.startswith("site.yml: task 'Commit' failed on r1, r2: ")
    assert outcome.message.endswith("commit refused")
    failed = {(task["host"], task["task"]) for task in outcome.result["failed_tasks"]}
    assert failed == {("r1", "Commit"), ("r2", "Commit")}
    assert outcome.result["rc"] == 2


def test_unreachable_alone_is_transient_but_not_beside_a_failure(project: Any) -> None:
    project.write("connection_plugins/dead.py", NO_CONNECTION)
    (project.folder / "inventory").write_text("r1 ansible_connection=local\nr2 ansible_connection=dead\n")
    reach = {"ansible.builtin.command": "true"}

    outcome = project.run(project.tasks(reach))
    assert isinstance(outcome, Failed) and outcome.failure == "transient", outcome
    assert outcome.message.startswith("site.yml: r2 unreachable: ") and "no route to this host" in outcome.message
    assert outcome.result["hosts"]["r2"]["unreachable"] == 1

    outcome = project.run(project.tasks(reach, {"ansible.builtin.command": "false"}), attempt=2)
    assert isinstance(outcome, Failed) and outcome.failure == "failed"
    assert "failed on r1" in outcome.message


@pytest.mark.parametrize(
    ("inventory", "options", "expected"),
    [
        pytest.param("[routers]\n", {}, "no host matched in play 'Deploy'", id="no host in the group"),
        pytest.param("[routers]\nr1 ansible_connection=local\n", {"tags": ["nothing"]}, "no task was run on any host", id="no task with the tag"),
        pytest.param("[routers]\nr1 ansible_connection=local\n", {"limit": "r9"}, "ansible-playbook ended with 1: ", id="limit matches nothing"),
        pytest.param("[routers\nr1\n", {}, "inventory", id="inventory that cannot be parsed"),
    ],
)  # fmt: skip
def test_a_playbook_that_reached_no_host_has_failed(
    project: Any, inventory: str, options: dict[str, Any], expected: str
) -> None:
    (project.folder / "inventory").write_text(inventory)
    project.write(
        "deploy.yml",
        [{"name": "Deploy", "hosts": "routers", "gather_facts": False, "tasks": [{"ansible.builtin.debug": {}}]}],
    )
    outcome = project.run("deploy.yml", **options)
    assert isinstance(outcome, Failed) and outcome.failure == "failed"
    assert expected in outcome.message


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"playbook": "gone.yml"}, "playbook gone.yml: no such file"),
        ({"playbook": "site.yml", "inventory": ["gone"]}, "inventory gone: no such file or folder"),
    ],
)
def test_what_is_missing_is_said_before_anything_runs(project: Any, options: dict[str, Any], expected: str) -> None:
    project.tasks({"ansible.builtin.debug": {}})
    made = project.playbook(**options)
    with pytest.raises(OperationError, match=expected):
        PLAYBOOK.start(made)
    assert not (made.context.folder / "job.json").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- hosts: all\n  tasks: [}\n", "site.yml"),
        ("- hosts: all\n  tasks:\n    - no.such.module: {}\n", "no.such.module"),
    ],
    ids=["YAML", "module"],
)
def test_a_playbook_that_cannot_be_parsed_says_why(project: Any, text: str, expected: str) -> None:
    outcome = project.run(project.write("site.yml", text))
    assert isinstance(outcome, Failed) and outcome.failure == "failed"
    assert "ansible-playbook ended with 4" in outcome.message and expected in outcome.message


def test_a_dry_run_changes_nothing_and_shows_the_difference(project: Any) -> None:
    target = project.folder / "r1.conf"
    playbook = project.tasks({"ansible.builtin.copy": {"content": "new\n", "dest": str(target)}}, hosts="r1")
    outcome = project.run(playbook, check=True)
    assert isinstance(outcome, Done) and outcome.changed
    assert not target.exists()
    assert "+new" in Path(outcome.result["artifacts"]["diff"]["path"]).read_text()


def test_a_playbook_of_a_collection(project: Any) -> None:
    root = project.folder / "collections"
    project.write(
        "collections/ansible_collections/demo/net/playbooks/hello.yml",
        [
            {
                "hosts": "r1",
                "gather_facts": False,
                "tasks": [{"ansible.builtin.set_stats": {"data": {"hello": "{{ whom }}"}}}],
            }
        ],
    )
    environment = {"ANSIBLE_COLLECTIONS_PATH": str(root)}
    outcome = project.run("demo.net.hello", extra_vars={"whom": "world"}, environment=environment)
    assert isinstance(outcome, Done), outcome
    assert outcome.result["stats"] == {"hello": "world"}


def test_the_project_keeps_its_own_settings_and_callbacks(project: Any) -> None:
    """Our environment variables must not hide what ansible.cfg says."""
    project.write(
        "callbacks here/note.py",
        "import os\nfrom ansible.plugins.callback import CallbackBase\n"
        "DOCUMENTATION = 'name: note\\ntype: notification\\nshort_description: n\\ndescription: n\\nauthor: tests'\n"
        "class CallbackModule(CallbackBase):\n"
        "    CALLBACK_TYPE, CALLBACK_NAME, CALLBACK_NEEDS_ENABLED = 'notification', 'note', True\n"
        "    def v2_playbook_on_stats(self, stats):\n"
        "        open('noted', 'w').close()\n",
    )
    project.write(
        "ansible.cfg",
        "[defaults]\ncallback_plugins = callbacks here\ncallbacks_enabled = note\ninventory = inventory\n",
    )
    outcome = project.run(project.tasks({"ansible.builtin.debug": {}}), inventory=[])
    assert isinstance(outcome, Done), outcome
    assert set(outcome.result["hosts"]) == {"r1", "r2"}
    assert (project.folder / "noted").exists()


def test_the_private_data_directory_is_one_of_ansible_runner(project: Any) -> None:
    from ansible_runner.config.runner import RunnerConfig
    from ansible_runner.runner import Runner

    made = project.playbook(project.tasks({"ansible.builtin.debug": {"msg": "for people"}}))
    finished(PLAYBOOK, made, PLAYBOOK.start(made), 60)
    runner = Runner(RunnerConfig(private_data_dir=str(made.context.folder), ident="playbook"))
    assert "for people" in runner.stdout.read()
    folder = made.context.folder / "artifacts" / "playbook"
    assert (folder / "rc").read_text() == "0" and (folder / "status").read_text() == "successful"
    assert list(runner.events) == []
