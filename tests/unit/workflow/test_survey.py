# Answers of a survey get the types of the workflow's defaults, and what does not fit is named without being shown. Run by pytest.
from __future__ import annotations

import pytest

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.survey import variables

DECLARED = {"text": "a", "flag": False, "number": 3, "sites": ["fra"], "map": {"a": 1}, "nothing": None}


@pytest.mark.parametrize(
    ("name", "answer", "value"),
    [
        ("text", "true", "true"),
        ("text", "[1]", "[1]"),
        ("nothing", "12", "12"),
        ("flag", "true", True),
        ("flag", " No ", False),
        ("flag", True, True),
        ("number", "12", 12),
        ("number", "1.5", 1.5),
        ("sites", "fra\nams\n", ["fra", "ams"]),
        ("sites", "fra, ams", ["fra", "ams"]),
        ("sites", '["fra", "ams"]', ["fra", "ams"]),
        ("sites", "- fra\n- ams", ["fra", "ams"]),
        ("sites", ["ams"], ["ams"]),
        ("map", '{"a": "{{ b }}"}', {"a": "{{ b }}"}),
        ("map", "a: 2", {"a": 2}),
        ("undeclared", "", ""),
        ("undeclared", "7", "7"),
    ],
)
def test_an_answer_gets_the_type_of_the_default(name, answer, value):
    assert variables(DECLARED, {name: answer}) == {name: value}


@pytest.mark.parametrize("answer", ["", "  ", None])
@pytest.mark.parametrize("name", DECLARED)
def test_nothing_means_the_default(name, answer):
    assert variables(DECLARED, {name: answer}) == {}


@pytest.mark.parametrize(
    ("name", "answer", "expected"),
    [
        ("flag", "hunter2", "true or false"),
        ("number", "hunter2", "a number"),
        ("number", "nan", "a number"),
        ("number", "1e999", "a number"),
        ("sites", "[hunter2", "YAML or JSON"),
        ("map", "hunter2", "a mapping"),
        ("map", "a: 1\nb: [hunter2", "YAML or JSON"),
    ],
)
def test_what_does_not_fit_is_named_and_not_shown(name, answer, expected):
    with pytest.raises(AuthorError, match=f"variable {name}: expected {expected}") as caught:
        variables(DECLARED, {name: answer})
    assert "hunter2" not in str(caught.value)
