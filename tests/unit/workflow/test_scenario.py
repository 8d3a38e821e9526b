"""Scenario files: what they say, and that every mistake in one is reported at once and in its place."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ansible_collections.netops.changerail.plugins.module_utils.errors import CheckError
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.scenario import Answer, Outcome, matches
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.scenario_file import load

WORKFLOW = """
name: a change
vars: {sites: [ams, lon], prefix: x}
steps:
  - {id: ask, approval: {groups: [netsec]}}
  - id: deploy
    block:
      - {id: site, loop: "{{ sites }}", pipeline: {project: "{{ prefix }}"}}
      - {id: say, debug: {msg: hello}}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("change.yml").write_text(WORKFLOW, encoding="utf-8")
    Path("people.yml").write_text("people: {}\n", encoding="utf-8")


def read(text: str, **keywords):
    Path("scenario.yml").write_text(text, encoding="utf-8")
    return load("scenario.yml", **keywords)


def mistakes(text: str) -> list[str]:
    with pytest.raises(CheckError) as caught:
        read(text)
    return [str(mistake) for mistake in caught.value.mistakes]


def test_a_scenario_in_short():
    scenario = read("workflow: change.yml\n")
    assert (scenario.name, scenario.workflow.name, scenario.requester) == ("scenario", "a change", "requester")
    assert scenario.begins == datetime(2030, 1, 7, 8, tzinfo=UTC).timestamp()
    assert scenario.outcome("ask", 1) is None


def test_a_scenario_in_full():
    scenario = read(
        """
name: full
workflow: change.yml
project: people.yml
requester: anna
now: 2030-02-01T10:00+02:00
vars: {prefix: !unsafe "{{ x }}", sites: [ber]}
default_answer: deny
steps:
  ask: {answer: approve, by: ben, after: 2h, comment: fine, assurance: asserted}
  deploy/site:
    - transient
    - {failed: no route, after: 5m, result: {rc: 2}, changed: true, answers: [{answer: retry, by: carl}]}
    - {done: {n: 1}, changed: true}
    - failed:
cancel: {after: 3h, reason: enough}
expect: {status: failed, message: no route, within: 1d, told: oncall, steps: ask, includes: ["deploy/*"], excludes: [deploy/say]}
""",
        variables={"sites": ["lon"]},
    )
    assert (scenario.name, scenario.requester, str(scenario.project)) == ("full", "anna", "people.yml")
    assert scenario.begins == datetime(2030, 2, 1, 8, tzinfo=UTC).timestamp()
    assert scenario.variables == {"prefix": "{{ x }}", "sites": ["lon"]}
    assert scenario.default_answer == "deny"
    assert scenario.outcome("ask", 1) == Outcome(
        "asks", answers=(Answer("approve", "ben", 7200.0, "fine", "asserted"),)
    )
    assert [scenario.outcome("deploy/site[lon]", attempt) for attempt in range(1, 6)] == [
        Outcome("transient"),
        Outcome("failed", 300.0, "no route", {"rc": 2}, True, (Answer("retry", "carl"),)),
        Outcome("done", result={"n": 1}, changed=True),
        Outcome("failed"),
        Outcome("failed"),
    ]
    assert (scenario.cancel.after, scenario.cancel.reason) == (10800.0, "enough")
    expect = scenario.expect
    assert (expect.steps, expect.includes, expect.excludes) == (("ask",), ("deploy/*",), ("deploy/say",))
    assert (expect.status, expect.message, expect.within, expect.told) == ("failed", "no route", 86400.0, ("oncall",))


def test_the_workflow_of_the_command_line_wins(tmp_path):
    Path("other.yml").write_text("name: another\nsteps: [{id: one, debug: {msg: x}}]\n", encoding="utf-8")
    assert read("workflow: change.yml\n", workflow="other.yml").workflow.name == "another"


@pytest.mark.parametrize(
    ("pattern", "path", "meant"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/bc", False),
        ("a/b", "a[x]/b[y]", True),
        ("a[x]/b", "a[x]/b", True),
        ("a[x]/b", "a[y]/b", False),
        ("a[x]/b", "a[x]/b[z]", True),
        ("a/*", "a[x]/b/c[y]", True),
        ("*/c", "a/b/c", True),
        ("*/c", "c", False),
        ("*[x]/b", "a[x]/b", True),
        ("a.b", "aXb", False),
    ],
)
def test_which_steps_a_pattern_means(pattern, path, meant):
    assert matches(pattern, path) is meant


def test_the_most_exact_pattern_wins():
    scenario = read(
        """
workflow: change.yml
steps:
  "*": {failed: any}
  "deploy/*": {failed: later glob}
  deploy/site: {failed: each}
  deploy/site[lon]: {failed: lon}
"""
    )
    said = [scenario.outcome(path, 1).message for path in ("ask", "deploy/say", "deploy/site[ams]", "deploy/site[lon]")]
    assert said == ["any", "any", "each", "lon"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: x\n", "1:1: 'workflow' is missing; expected the workflow's path; or name it on the command line"),
        ("workflow: chagne.yml\n", "1:11: chagne.yml: No such file or directory; expected a workflow; did you mean 'change.yml'?"),
        ("workflow: change.yml\nproject: no.yml\n", "2:10: no.yml: No such file or directory; expected a project file"),
        ("workflow: change.yml\nstps: {}\n", "2:1: unknown keyword 'stps'; did you mean 'steps'?"),
        ("workflow: change.yml\nnow: 8:00\n", "2:6: 8:00; expected a date and time"),
        ("workflow: change.yml\nsteps: [a]\n", "2:8: a list; expected a mapping of step paths to outcomes"),
        ("workflow: change.yml\nsteps: {depoy/site: done}\n", "2:9: no step 'depoy/site'; expected a step's path; did you mean 'deploy/site'?"),
        ("workflow: change.yml\nsteps: {deploy: done}\n", "2:9: deploy holds steps and does nothing itself; expected a step in it, or deploy/*"),
        ("workflow: change.yml\nsteps: {'ask[x]': done}\n", "2:9: ask is no loop; expected its path without brackets"),
        ("workflow: change.yml\nsteps: {deploy/say: done}\n", "2:9: ansible.builtin.debug is done as in a run; expected no outcome for it"),
        ("workflow: change.yml\nsteps: {deploy/site: {answer: approve}}\n", "2:9: netops.changerail.pipeline asks nobody"),
        ("workflow: change.yml\nsteps: {ask: dnoe}\n", "2:14: 'dnoe'; expected one of done, failed, transient, rejected, timeout, unknown, never, or a map"),
        ("workflow: change.yml\nsteps: {ask: []}\n", "2:14: an empty list"),
        ("workflow: change.yml\nsteps: {ask: {}}\n", "2:14: an outcome that says nothing"),
        ("workflow: change.yml\nsteps: {ask: {done: {}, failed: x}}\n", "2:14: done and failed at once"),
        ("workflow: change.yml\nsteps: {ask: {failed: x, answer: approve}}\n", "2:14: answer beside an outcome"),
        ("workflow: change.yml\nsteps: {ask: {done: {}, by: ben}}\n", "2:14: by without answer"),
        ("workflow: change.yml\nsteps: {ask: {after: 1h, answers: [{answer: deny}]}}\n", "2:14: after beside answers"),
        ("workflow: change.yml\nsteps: {ask: {done: {}, result: {}}}\n", "2:14: result without a failure"),
        ("workflow: change.yml\nsteps: {ask: {done: [1]}}\n", "2:21: a list; expected a mapping"),
        ("workflow: change.yml\nsteps: {ask: {answers: [{by: ben}]}}\n", "2:25: 'answer' is missing"),
        ("workflow: change.yml\nvars: {x: !vault $ANSIBLE_VAULT;1.1;AES256}\n", "2:11: a vaulted value; expected plain text; a rehearsal needs no secrets"),
        ("workflow: change.yml\nexpect: {steps: [deploy/site]}\n", "2:18: deploy/site is a loop; expected the item in brackets, as in deploy/site[…]"),
        ("workflow: change.yml\nexpect: {steps: ['deploy/*']}\n", "2:18: no step 'deploy/*'"),
        ("workflow: change.yml\nexpect: {excludes: aks}\n", "2:20: no step 'aks'; expected a step's path; did you mean 'ask'?"),
        ("workflow: change.yml\ncancel: {}\n", "2:9: 'after' is missing"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_place_and_says_what_to_write(text, expected):
    assert any(mistake.startswith(f"scenario.yml:{expected}") for mistake in mistakes(text)), mistakes(text)


def test_all_mistakes_come_at_once_those_of_the_workflow_too():
    Path("change.yml").write_text(WORKFLOW.replace("groups", "gruops"), encoding="utf-8")
    found = mistakes("workflow: change.yml\ndefault_answer: maybe\nexpect: {status: fine}\n")
    assert [mistake.partition(" ")[0] for mistake in found] == [
        "scenario.yml:2:17:",
        "scenario.yml:3:18:",
        "change.yml:5:26:",
    ]


def test_a_scenario_that_is_no_yaml():
    assert mistakes("a: [\n")[0].startswith("scenario.yml:2:1:")
    with pytest.raises(CheckError, match=r"nowhere\.yml:1:1: nowhere\.yml: No such file"):
        load("nowhere.yml")
