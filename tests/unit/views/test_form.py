"""The form of a workflow's variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.netops.changerail.plugins.plugin_utils.views.form import as_entered, fields, filled
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Workflow
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load

TEXT = """
name: Form
vars:
  prefix: 203.0.113.0/24
  port: 53
  share: 0.5
  quick: false
  sites: [fra, ams]
  notes: |
    two
    lines
  title: "Advertise {{ prefix }}"
  password: !vault |
    $ANSIBLE_VAULT;1.1;AES256
    6162
steps:
  - ansible.builtin.debug: {msg: "{{ prefix }}{{ port }}{{ share }}{{ quick }}{{ sites }}{{ notes }}{{ title }}"}
"""


@pytest.fixture
def workflow(tmp_path: Path) -> Workflow:
    (tmp_path / "w.yml").write_text(TEXT, encoding="utf-8")
    return load(tmp_path / "w.yml")


def as_sent(workflow: Workflow, **changed: str) -> dict[str, str]:
    """What a browser sends for the form."""
    sent = {field.name: field.value for field in fields(workflow) if field.kind != "switch" or field.checked}
    return {**sent, **changed}


def test_kinds_come_from_the_defaults(workflow: Workflow) -> None:
    assert {field.name: field.kind for field in fields(workflow)} == {
        "prefix": "text",
        "port": "number",
        "share": "number",
        "quick": "switch",
        "sites": "structure",
        "notes": "lines",
        "title": "text",
        "password": "secret",
    }
    assert [field.name for field in fields(workflow) if field.computed] == ["title"]
    assert "ANSIBLE_VAULT" not in repr(fields(workflow))


def test_what_is_left_as_it_was_keeps_the_default(workflow: Workflow) -> None:
    sent = {name: value.replace("\n", "\r\n") for name, value in as_sent(workflow).items()}
    assert filled(workflow, sent) == ({}, {})


def test_values_have_the_types_of_the_defaults(workflow: Workflow) -> None:
    sent = as_sent(
        workflow, port="5353", share="1e-1", quick="true", sites="- fra\n- {name: muc}", prefix="{{ 7 * 7 }}"
    )
    assert filled(workflow, sent) == (
        {"prefix": "{{ 7 * 7 }}", "port": 5353, "share": 0.1, "quick": True, "sites": ["fra", {"name": "muc"}]},
        {},
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("port", "many"),
        ("share", "nan"),
        ("share", "inf"),
        ("sites", "fra"),
        ("sites", "[fra"),
        ("sites", "!!python/object/apply:os.system [id]"),
        ("sites", ""),
    ],
)
def test_what_is_wrong_is_said_by_name(workflow: Workflow, name: str, text: str) -> None:
    values, wrong = filled(workflow, as_sent(workflow, **{name: text}))
    assert values == {}
    assert list(wrong) == [name]


def test_nobody_sets_what_the_workflow_does_not_declare(workflow: Workflow) -> None:
    sent = as_sent(workflow, ansible_connection="local", sites="[fra]\nansible_user: root")
    values, wrong = filled(workflow, sent)
    assert values == {}
    assert list(wrong) == ["sites"]


def test_a_form_comes_back_as_it_was_left_without_its_secrets(workflow: Workflow) -> None:
    left = {field.name: field.value for field in as_entered(workflow, as_sent(workflow, port="x", password="hunter2"))}
    assert (left["port"], left["quick"], left["password"]) == ("x", "false", "")


def test_a_variable_whose_name_says_that_it_is_secret_is_asked_for_as_one(tmp_path: Path) -> None:
    variables = "{api_token: '', snmp_secret: kept-back, password: null, tokens: [a], secret: false}"
    (tmp_path / "w.yml").write_text(f"name: w\nvars: {variables}\nsteps: [ansible.builtin.debug: {{msg: x}}]\n")
    workflow = load(tmp_path / "w.yml")
    assert [field.kind for field in fields(workflow)] == ["secret", "secret", "secret", "structure", "switch"]
    assert "kept-back" not in repr(fields(workflow))
    assert filled(workflow, {"api_token": "typed", "snmp_secret": "", "tokens": '["a"]'}) == (
        {"api_token": "typed"},
        {},
    )
    assert "typed" not in repr(as_entered(workflow, {"api_token": "typed"}))
