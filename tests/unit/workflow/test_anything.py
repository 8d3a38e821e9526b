"""No text gives anything but a workflow or a list of mistakes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.netops.changerail.plugins.module_utils.errors import CheckError
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.keywords import (
    ESCALATION,
    LOOP_CONTROL,
    STEP,
    TASK,
    TOP,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Workflow
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load, load_sources

WORDS = [*TOP, *STEP, *TASK[:3], *LOOP_CONTROL, *ESCALATION, "block", "parallel", "import_playbook", "import_workflow"]
ACTIONS = ["debug", "approval", "assert", "set_fact", "pause", "command", "cisco.ios.ios_config", "nonsense", "a.b"]
TEXTS = [
    "",
    "x",
    "{{ x }}",
    "{{",
    "{% if %}",
    "x == 1",
    "{{ x }} == 1",
    "yes",
    "2h",
    "change.yml",
    "../x",
    ".",
    "msg=x",
    "\x1b",
    "é",
]
CASES = sorted(Path(__file__).with_name("cases").glob("*.yml"))
CORPUS = [case["workflow"] for file in CASES for case in yaml.safe_load(file.read_text())]
PIECES = [
    *("{{", "}}", "{", "}", "[", "]", "- ", ": ", "? ", "\n", "\n  ", "\t", "#", "%", "'", '"', "|\n", "---\n"),
    *("&a ", "*a", "<<: *a", "!vault ", "!unsafe "),
]


@pytest.fixture(autouse=True, scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("anything"))
        yield


def outcome(text: str) -> Workflow | None:
    """Both doors; anything but a workflow or mistakes is an error of the test."""
    Path("change.yml").write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        workflow = load("change.yml")
    except CheckError as error:
        assert error.mistakes
        assert all(str(mistake) for mistake in error.mistakes)
        return None
    assert load_sources(workflow.main, workflow.sources, workflow.folder) == workflow
    return workflow


scalars = st.one_of(st.none(), st.booleans(), st.integers(-2, 5), st.floats(), st.sampled_from(TEXTS))
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from([*WORDS, *ACTIONS, *TEXTS]), inner, max_size=4)
    ),
    max_leaves=12,
)
steps = st.dictionaries(st.sampled_from(WORDS), trees, max_size=3).flatmap(
    lambda step: st.sampled_from([*ACTIONS, *WORDS]).flatmap(
        lambda action: trees.map(lambda args: {action: args, **step})
    )
)
workflows = st.fixed_dictionaries(
    {"steps": st.lists(steps, max_size=4)}, optional={word: trees for word in TOP if word != "steps"}
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.one_of(trees, workflows))
def test_any_tree(document: object) -> None:
    outcome(yaml.safe_dump(document, allow_unicode=True))


@settings(deadline=None)
@given(st.text())
def test_any_text(text: str) -> None:
    outcome(text)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(CORPUS), st.integers(), st.integers(1, 6))
def test_any_damage_to_a_workflow(text: str, seed: int, times: int) -> None:
    chance = random.Random(seed)
    for dummy in range(times):
        begin = chance.randrange(len(text) + 1)
        end = min(len(text), begin + chance.randrange(8))
        middle = chance.choice([*PIECES, "", text[chance.randrange(len(text) + 1) :][: chance.randrange(40)]])
        text = text[:begin] + middle + text[end:]
    outcome(text)
