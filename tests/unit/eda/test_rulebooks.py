# The rulebooks of the collection and of its documentation: what they name is there, and no value of an event gets where Ansible takes it for a template.
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jmespath
import pytest
import yaml
from support.event_source import event_source

ROOT = Path(__file__).resolve().parents[3]
EDA = ROOT / "extensions" / "eda"
PAGE = ROOT / "docs" / "how-to" / "event-driven.md"
OURS = "netops.changerail."
SOURCE = event_source()


def rulesets() -> Iterator[Any]:
    """Every set of rules, with where it stands."""
    for file in sorted((EDA / "rulebooks").glob("*.yml")):
        yield from (pytest.param(one, id=f"{file.name}: {one['name']}") for one in yaml.safe_load(file.read_text()))
    for text in PAGE.read_text(encoding="utf-8").split("```yaml\n")[1:]:
        document = yaml.safe_load(text.partition("```")[0])
        if isinstance(document, list) and "sources" in document[0]:
            yield from (pytest.param(one, id=f"{PAGE.name}: {one['name']}") for one in document)


@pytest.mark.parametrize("ruleset", list(rulesets()))
def test_what_a_rulebook_names_is_there(ruleset: dict[str, Any]) -> None:
    for source in ruleset["sources"]:
        (name,) = source.keys() - {"name", "filters"}
        if name.startswith(OURS):
            assert name == f"{OURS}runs"
            assert set(source[name]) <= SOURCE._OPTIONS
    called = [rule["action"]["run_playbook"] for rule in ruleset["rules"] if "run_playbook" in rule["action"]]
    for call in called:
        assert (ROOT / "playbooks" / f"{call['name'].removeprefix(OURS)}.yml").exists(), call["name"]
        given = call["extra_vars"]
        assert "event" not in str([value for value in given.values() if "{{" in str(value)])
        for path in [*given["event_values"].values(), *given.get("event_key", ())]:
            jmespath.compile(path)


def test_the_source_documents_its_options_and_its_examples_use_them() -> None:
    documented = yaml.safe_load(SOURCE.DOCUMENTATION)["options"]
    assert set(documented) == SOURCE._OPTIONS - {"eda_feedback_queue"}
    for source in yaml.safe_load(SOURCE.EXAMPLES):
        assert set(source[f"{OURS}runs"] or {}) <= set(documented)


def test_extensions_are_where_eda_looks() -> None:
    (extension,) = yaml.safe_load((ROOT / "meta" / "extensions.yml").read_text())["extensions"]
    assert list((ROOT / "extensions" / extension["args"]["ext_dir"]).glob("*.py"))
