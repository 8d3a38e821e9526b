# The pages of the filters and lookups say what the plugins take and give. Run by pytest.
from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
PLUGINS = "ansible_collections.netops.changerail.plugins"
FILTERS = sorted(path.stem for path in (ROOT / "plugins" / "filter").glob("*.py"))
LOOKUPS = sorted(path.stem for path in (ROOT / "plugins" / "lookup").glob("*.py"))
PAGES = [*(("filter", name) for name in FILTERS), *(("lookup", name) for name in LOOKUPS)]


def loaded(kind: str, name: str) -> Any:
    return importlib.import_module(f"{PLUGINS}.{kind}.{name}")


@pytest.mark.parametrize("name", FILTERS)
def test_the_options_of_a_filter_are_the_parameters_of_its_function(name: str) -> None:
    page = yaml.safe_load(loaded("filter", name).DOCUMENTATION)
    (function,) = loaded("filter", name).FilterModule().filters().values()
    first, *others = inspect.signature(function).parameters.values()
    assert first.default is inspect.Parameter.empty
    declared = {"_input": None} | {
        one.name: None if one.default in (inspect.Parameter.empty, ()) else one.default for one in others
    }
    documented = {option: entry.get("default") or None for option, entry in page["options"].items()}
    assert documented == declared
    required = {option for option, entry in page["options"].items() if entry.get("required")}
    assert required == {"_input", *(one.name for one in others if one.default is inspect.Parameter.empty)}


def values(returned: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, entry in returned.items():
        yield name, entry
        yield from values(entry.get("contains") or {})


@pytest.mark.parametrize(("kind", "name"), PAGES)
def test_the_page_is_complete(kind: str, name: str) -> None:
    module = loaded(kind, name)
    page = yaml.safe_load(module.DOCUMENTATION)
    assert page["name"] == name
    for option in page["options"].values():
        assert option["description"] and option["type"]
    for value, entry in values(yaml.safe_load(module.RETURN)):
        assert {"description", "type"} <= set(entry), value
        assert "sample" in entry or "contains" in entry, value
    assert f"netops.changerail.{name}" in module.EXAMPLES
