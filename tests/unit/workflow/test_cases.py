"""The golden cases: what `changerail check` says, line by line, and what the JSON Schema makes of the same file.

A report of a wrong or missing message is a case more in cases/*.yml.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from ansible_collections.netops.changerail.plugins.module_utils.errors import CheckError
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load, load_sources
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.schema import schema


class _Loader(yaml.SafeLoader):
    """YAML as an editor reads it."""


_Loader.add_multi_constructor("!", lambda loader, tag, node: loader.construct_scalar(node))


def _cases() -> list[Any]:
    files = sorted(Path(__file__).with_name("cases").glob("*.yml"))
    cases = [(file.stem, case) for file in files for case in yaml.safe_load(file.read_text())]
    return [pytest.param(case, id=f"{theme}: {case['name']}") for theme, case in cases]


CASES = _cases()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _write(folder: Path, case: dict[str, Any]) -> None:
    for name, text in {"change.yml": case["workflow"], **case.get("files", {})}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize("case", CASES)
def test_every_mistake_is_listed_and_nothing_else(case: dict[str, Any], folder: Path) -> None:
    _write(folder, case)
    found: list[str] = []
    try:
        load("change.yml")
    except CheckError as error:
        found = [str(mistake).replace(str(folder), "FOLDER") for mistake in error.mistakes]
    assert found == case["mistakes"]


@pytest.mark.parametrize("case", [case for case in CASES if not case.values[0]["mistakes"]])
def test_what_a_journal_keeps_is_the_same_workflow(case: dict[str, Any], folder: Path) -> None:
    _write(folder, case)
    workflow = load("change.yml")
    for path in [*folder.rglob("*.yml")]:
        path.unlink()
    assert load_sources(workflow.main, workflow.sources, workflow.folder) == workflow


@pytest.mark.parametrize("case", [case for case in CASES if "schema" in case.values[0]])
def test_the_schema_agrees(case: dict[str, Any]) -> None:
    document = yaml.load(case["workflow"], Loader=_Loader)
    found = [error.message for error in Draft202012Validator(schema()).iter_errors(document)]
    assert ("refused" if found else "accepted") == case["schema"], found
