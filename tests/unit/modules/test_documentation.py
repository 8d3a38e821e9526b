# What a module's page says is what the module and its operation take and give. Run by pytest.
from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.netops.changerail.plugins.module_utils import module as door
from ansible_collections.netops.changerail.plugins.module_utils.operation import find

ROOT = Path(__file__).resolve().parents[3]
PLUGINS = "ansible_collections.netops.changerail.plugins"
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
ACTIONS = [name for name in MODULES if (ROOT / "plugins" / "action" / f"{name}.py").exists()]
"""What is done on the controller, or partly: its options are those of the action."""
OPERATIONS = [name for name in MODULES if (ROOT / "plugins" / "module_utils" / "operations" / f"{name}.py").exists()]
OURS = "netops.changerail."
OF_THE_DOOR = {**door.CONNECTIONS, **door.KEY, **door.WAITING}
COMPARED = {"type": "str", "default": None, "choices": None, "required": False, "elements": None, "aliases": []}
"""What an option's documentation and its declaration must agree in, with what stands for nothing said."""


def loaded(name: str) -> Any:
    return importlib.import_module(f"{PLUGINS}.modules.{name}")


def page(name: str) -> dict[str, Any]:
    """A module's documentation, with its fragments' options put in."""
    document = yaml.safe_load(loaded(name).DOCUMENTATION)
    for fragment in document["extends_documentation_fragment"]:
        made = importlib.import_module(f"{PLUGINS}.doc_fragments.{fragment.removeprefix(OURS)}")
        added = yaml.safe_load(made.ModuleDocFragment.DOCUMENTATION)
        document["options"] = {**added.get("options", {}), **document["options"]}
    return document


def differences(
    documented: Mapping[str, Any], declared: Mapping[str, Mapping[str, Any]], place: str = ""
) -> Iterator[str]:
    """Everything in which options as documented differ from options as declared, suboptions too."""
    for name in sorted({*documented, *declared}):
        if name not in documented or name not in declared:
            yield f"{place}{name}: {'documented' if name in documented else 'declared'} only"
            continue
        page, option = documented[name], declared[name]
        for aspect, nothing in COMPARED.items():
            if page.get(aspect, nothing) != option.get(aspect, nothing):
                yield f"{place}{name}: {aspect} is documented as {page.get(aspect)!r} and declared as {option.get(aspect)!r}"
        yield from differences(page.get("suboptions") or {}, option.get("options") or {}, f"{place}{name}.")


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_options_of_a_module_are_those_of_its_operation(name: str) -> None:
    """What a module has beside them is what the door adds, or is named by the module or action itself."""
    kind = "action" if name in ACTIONS else "modules"
    own = getattr(importlib.import_module(f"{PLUGINS}.{kind}.{name}"), "OWN_OPTIONS", {})
    options = {**own, **door.offered(find("operations", name).options)}
    documented = page(name)["options"]
    declared = {**{name: spec for name, spec in OF_THE_DOOR.items() if name in documented}, **options}
    assert list(differences(documented, declared)) == []


@pytest.mark.parametrize("name", ACTIONS)
def test_the_options_of_an_action_are_those_of_its_page(name: str) -> None:
    declared = importlib.import_module(f"{PLUGINS}.action.{name}").SPEC
    assert list(differences(page(name)["options"], declared)) == []


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_task_of_a_playbook_can_be_a_step(name: str) -> None:
    """Where a module's option has another name than the operation's, the operation knows it as an alias."""
    options = find("operations", name).options
    known = {*options, *(alias for option in options.values() for alias in option.get("aliases", ()))}
    assert set(door.offered(options)) <= known


def test_a_difference_is_found_whatever_it_is() -> None:
    """The comparison itself."""
    declared = {"a": {"type": "dict", "options": {"b": {"type": "int", "default": 3}}}, "c": {"required": True}}
    documented = {"a": {"type": "dict", "suboptions": {"b": {"type": "int", "default": 4}}}, "d": {"type": "str"}}
    assert list(differences(documented, declared)) == [
        "a.b: default is documented as 4 and declared as 3",
        "c: declared only",
        "d: documented only",
    ]


def descriptions(options: Mapping[str, Any]) -> Iterator[Any]:
    for option in options.values():
        yield option.get("description")
        yield from descriptions(option.get("suboptions") or {})


@pytest.mark.parametrize("name", MODULES)
def test_the_page_is_complete(name: str) -> None:
    document = page(name)
    assert document["module"] == name
    assert all(descriptions(document["options"]))
    own = {"action"} if name in ACTIONS else set()
    assert set(document["attributes"]) == {"check_mode", "diff_mode", "idempotent"} | own
    assert document["seealso"]


def returned(values: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, value in values.items():
        yield name, value
        yield from returned(value.get("contains") or {})


@pytest.mark.parametrize("name", MODULES)
def test_every_return_value_is_described_with_a_sample(name: str) -> None:
    for value, entry in returned(yaml.safe_load(loaded(name).RETURN)):
        assert {"description", "type"} <= set(entry), value
        assert "sample" in entry or "contains" in entry, value


def examples(name: str) -> list[tuple[str, Any]]:
    """Every task of our modules in a module's examples: module and options."""
    tasks = yaml.safe_load(loaded(name).EXAMPLES)
    return [(key.removeprefix(OURS), task[key]) for task in tasks for key in task if key.startswith(OURS)]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_are_tasks_the_modules_take(name: str) -> None:
    found = examples(name)
    assert name in {module for module, _options in found}
    for module, options in found:
        assert set(options) <= set(page(module)["options"]), module
        if module in OPERATIONS:
            operation = find("operations", module)
            offered = door.offered(operation.options)
            own = {option: value for option, value in options.items() if option in offered}
            result = ArgumentSpecValidator(offered, **operation.constraints).validate(own)
            assert not result.error_messages, (module, result.error_messages)


def test_secret_settings_of_connections_are_never_logged() -> None:
    options = {name: option for spec in door.CONNECTIONS.values() for name, option in spec["options"].items()}
    secret = {name for name in options if any(word in name for word in ("password", "secret", "token", "api_key"))}
    assert {name for name in secret if not options[name].get("no_log")} == set()
    assert options["headers"]["no_log"] is True


def test_every_module_of_a_system_is_in_its_action_group() -> None:
    """Credentials given once, by ``module_defaults``, reach all modules that take them and no other."""
    groups = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))["action_groups"]
    assert set(groups) == set(door.CONNECTIONS)
    for system in groups:
        taking = [name for name in MODULES if system in page(name)["options"]]
        assert groups[system] == taking, json.dumps(groups)
