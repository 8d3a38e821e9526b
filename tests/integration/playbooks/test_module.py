# One task as a step: any module, run as a playbook would run it.
from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.operation import Done, Failed
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Unsafe


def test_the_result_is_what_register_would_hold(project: Any) -> None:
    outcome = project.run_module(
        "ansible.builtin.shell",
        "echo '{{ what }}'; echo '{{ what }}' >&2",
        keywords={"register": "out", "changed_when": "'hello' in out.stdout", "environment": {"X": "{{ what }}"}},
        extra_vars={"what": "hello {{ 7 * 7 }}"},
        inventory=[],
    )
    assert isinstance(outcome, Done), outcome
    assert outcome.changed
    assert outcome.result["stdout_lines"] == ["hello {{ 7 * 7 }}"]
    assert (outcome.result["rc"], outcome.result["changed"]) == (0, True)
    assert "invocation" not in outcome.result
    assert set(outcome.result["artifacts"]) == {"output", "events"}


def test_a_long_result_comes_whole_and_unsafe_text_as_it_is(project: Any) -> None:
    text = "{{ not a template }}" + "x" * 100_000
    outcome = project.run_module(
        "ansible.builtin.command", {"argv": ["printf", "%s", Unsafe(text)], "stdin": None}, inventory=[]
    )
    assert isinstance(outcome, Done), outcome
    assert outcome.result["stdout"] == text


def test_a_failure_names_the_module_and_keeps_its_result(project: Any) -> None:
    outcome = project.run_module(
        "ansible.builtin.command", {"argv": ["sh", "-c", "echo broken >&2; exit 7"]}, inventory=[]
    )
    assert isinstance(outcome, Failed) and outcome.failure == "failed"
    assert outcome.message.startswith("ansible.builtin.command failed on localhost: ") and "broken" in outcome.message
    assert outcome.result["rc"] == 7


def test_a_delegated_task_goes_to_that_host_and_not_to_this_one(project: Any) -> None:
    """A play on localhost has a local connection, which a host that names none would inherit."""
    mark = project.folder / "ran here"
    (project.folder / "inventory").write_text("far ansible_host=127.0.0.1 ansible_port=1\n")
    outcome = project.run_module(
        "ansible.builtin.file",
        {"path": str(mark), "state": "touch"},
        keywords={"delegate_to": "far"},
        inventory=["inventory"],
    )
    assert isinstance(outcome, Failed) and outcome.failure == "transient", outcome
    assert not mark.exists()


def test_a_local_task_may_look_at_the_inventory(project: Any, tmp_path: Path) -> None:
    outcome = project.run_module(
        "ansible.builtin.command", {"argv": ["echo", "{{ groups['routers'] | join(' ') }}"]}, inventory=["inventory"]
    )
    assert isinstance(outcome, Done), outcome
    assert outcome.result["stdout"] == "r1 r2"
