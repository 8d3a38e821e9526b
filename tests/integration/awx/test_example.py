# The example as AWX would take it: its credential types and job templates by AWX's own rules, and the page that describes them. Run by pytest.
from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from support.awx import EXAMPLE, INJECTOR_SCHEMA, INPUT_SCHEMA, NOT_ALLOWED, ROOT, credential_type, templates

TYPES = sorted(path.stem for path in (EXAMPLE / "credential_types").glob("*.yml"))
PAGE = (ROOT / "docs" / "awx.md").read_text(encoding="utf-8")
# What a job template of AWX's API has (24.6), as far as the example says anything of it.
FIELDS = {
    *("name", "description", "job_type", "playbook", "allow_simultaneous", "extra_vars", "survey_enabled"),
    *("survey_spec", "ask_variables_on_launch"),
}
QUESTION = {"question_name", "question_description", "variable", "type", "required", "default", "choices", "min", "max"}


@pytest.mark.parametrize("name", TYPES)
def test_a_credential_type_is_one_that_awx_takes(name: str) -> None:
    kind = credential_type(name)
    assert set(kind) == {"name", "description", "kind", "inputs", "injectors"} and kind["kind"] in ("cloud", "net")
    Draft202012Validator(INPUT_SCHEMA).validate(kind["inputs"])
    Draft202012Validator(INJECTOR_SCHEMA).validate(kind["injectors"])
    fields = {entry["id"]: entry for entry in kind["inputs"]["fields"]}
    assert set(kind["inputs"]["required"]) <= set(fields)
    texts = [*kind["injectors"].get("env", {}).values(), *kind["injectors"].get("file", {}).values()]
    used = set(re.findall(r"\{\{ (\w+)[ .]", " ".join(texts))) - {"tower"}
    assert used == set(fields)
    for variable in kind["injectors"]["env"]:
        assert variable not in NOT_ALLOWED and not variable.startswith("ANSIBLE_")
    for field_name, entry in fields.items():
        assert entry.get("secret", False) == bool(re.search("password|token|notify_url", field_name)), field_name


@pytest.mark.parametrize("template", templates().values(), ids=lambda template: template["name"])
def test_a_job_template_asks_for_what_its_playbook_takes(template: dict) -> None:
    assert set(template) <= FIELDS and template["job_type"] == "run"
    (play,) = yaml.safe_load((EXAMPLE / "project" / template["playbook"]).read_text(encoding="utf-8"))
    taken = _documented(ROOT / "playbooks" / f"{play['ansible.builtin.import_playbook'].rpartition('.')[2]}.yml")
    if template["playbook"] == "run.yml":
        workflow = yaml.safe_load(
            (EXAMPLE / "project" / template["extra_vars"]["workflow"]).read_text(encoding="utf-8")
        )
        taken |= set(workflow["vars"])
    named = set(template["extra_vars"])
    for question in template.get("survey_spec", {}).get("spec", ()):
        assert set(question) <= QUESTION and {"question_name", "variable", "type", "required"} <= set(question)
        # What a fixed extra var is made of is the template's own.
        if f"{{{{ {question['variable']} }}}}" not in template["extra_vars"].values():
            named.add(question["variable"])
    assert named <= taken


def _documented(playbook: Path) -> set[str]:
    """The extra vars in the comment at the head of a playbook."""
    head = playbook.read_text(encoding="utf-8").partition("---")[0]
    names = re.findall(r"^#   ([a-z_]+(?:, [a-z_]+)*)  ", head, re.MULTILINE)
    return {name for several in names for name in several.split(", ")}


def test_the_page_has_the_job_templates_of_the_example() -> None:
    rows = re.findall(r"^\| (.+?) \| `netops\.changerail\.(\w+)`", PAGE, re.MULTILINE)
    assert {name: f"{playbook}.yml" for name, playbook in rows} == {
        name: template["playbook"] for name, template in templates().items()
    }


def test_the_page_leads_to_every_part_of_the_example() -> None:
    parts = {path.relative_to(EXAMPLE).parts[0] for path in EXAMPLE.rglob("*") if path.is_file()}
    assert not [part for part in parts if f"examples/awx/{part}" not in PAGE]
