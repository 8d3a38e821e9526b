"""The tables of the language agree with Ansible and with what the engine does."""

from __future__ import annotations

import pytest

from ansible_collections.netops.changerail.plugins.plugin_utils.engine.builtins import builtin
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.actions import ENGINE_OPTIONS, builtin_modules
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.keywords import STEP, TASK
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import ENGINE_MODULES


def test_every_task_keyword_of_ansible_is_ours_or_goes_to_the_task() -> None:
    from ansible.playbook.task import Task

    not_for_authors = {"action", "async_val", "loop_with", "notify"}
    assert set(TASK) == set(Task.fattributes) - not_for_authors - set(STEP)


@pytest.mark.parametrize("name", ENGINE_MODULES)
def test_what_the_checker_knows_of_an_engine_module_is_what_the_engine_takes(name: str) -> None:
    operation = builtin(f"ansible.builtin.{name}", lambda condition: True, lambda expression: None)
    assert name in builtin_modules()
    if name == "set_fact":
        return
    declared = ENGINE_OPTIONS[name]
    checked = {
        option: {key: spec[key] for key in spec if key != "default"} for option, spec in operation.options.items()
    }
    assert checked == {
        option: {key: spec[key] for key in spec if key != "default"} for option, spec in declared.spec.items()
    }
    assert tuple(declared.raw) == tuple(operation.raw_options)
