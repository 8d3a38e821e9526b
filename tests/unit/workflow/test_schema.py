"""The JSON Schema is valid itself, knows every keyword and operation, and accepts the examples."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.actions import ours
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.keywords import STEP, TASK, TOP
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.schema import schema

ROOT = Path(__file__).resolve().parents[3]


def _is_workflow(path: Path) -> bool:
    documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    return len(documents) == 1 and isinstance(documents[0], dict) and isinstance(documents[0].get("steps"), list)


EXAMPLES = [path for path in sorted((ROOT / "examples").rglob("*.yml")) if _is_workflow(path)]


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema())


def test_it_knows_every_keyword_with_its_meaning() -> None:
    document = schema()
    assert set(document["properties"]) == set(TOP)
    step = document["$defs"]["step"]["properties"]
    assert {name for name in (*STEP, *TASK, *ours("operations")) if name not in step} == set()
    assert all(step[name]["description"] == STEP[name].doc for name in STEP)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_accepts_the_examples(path: Path) -> None:
    document = yaml.safe_load(path.read_text())
    assert [error.message for error in Draft202012Validator(schema()).iter_errors(document)] == []
