"""The verbs `rehearse` and `test`: what they show, their exit codes, and that they leave the world alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.scenario_words import (
    ANSWER,
    CANCEL,
    EXPECT,
    OUTCOME,
    SCENARIO,
)

CHECKOUT = Path(__file__).resolve().parents[3]
PAGE = CHECKOUT / "docs" / "rehearsal.md"
SCENARIOS = CHECKOUT / "examples" / "change" / "scenarios"
PRACTICE = CHECKOUT / "examples" / "practice" / "scenarios"

Changerail = Callable[..., Any]

WORKFLOW = """
name: a change
vars: {site: ams}
steps:
  - {id: ask, netops.changerail.approval: {groups: [netsec]}}
  - {id: deploy, netops.changerail.pipeline: {project: "{{ site }}"}}
  - {id: tell, netops.changerail.notify: {to: [requester], message: done}}
"""
GOOD = (
    "name: all goes well\nworkflow: change.yml\ndefault_answer: approve\nexpect: {status: succeeded, told: requester}\n"
)
BAD = """
name: not as thought
workflow: change.yml
steps: {ask: {answer: deny, by: anna, comment: not tonight}}
expect: {status: succeeded, steps: [ask, deploy, tell], excludes: ask, message: tonight, within: 1h, told: requester}
"""


@pytest.fixture
def folder(state: object) -> Path:
    Path("change.yml").write_text(WORKFLOW, encoding="utf-8")
    return Path.cwd()


def test_what_was_as_expected(changerail: Changerail, folder: Path) -> None:
    (folder / "good.yml").write_text(GOOD, encoding="utf-8")
    said = changerail("rehearse", "change.yml", "--scenario", "good.yml", "-e", "site=lon")
    assert said.code == 0, said.err
    assert "all goes well" in said.out
    assert re.search(r"\+0s .* ask: somebody of netsec: approve \(signed\)", said.out)
    assert "✓ status: succeeded" in said.out
    assert "as expected: succeeded after 0.0s" in said.out


def test_what_was_not_is_shown_line_by_line(changerail: Changerail, folder: Path) -> None:
    (folder / "bad.yml").write_text(BAD, encoding="utf-8")
    said = changerail("rehearse", "-s", "bad.yml")
    assert said.code == 1
    shown = said.out[said.out.index("✗ status") :].splitlines()
    assert [line for line in shown if not line.startswith("✓")] == [
        "✗ status: succeeded",
        "    it is failed: ask: anna: deny (not tonight)",
        "✗ steps: exactly these, in this order",
        "      ask",
        "    - deploy",
        "    - tell",
        "✗ excludes: ask",
        "    performed: ask",
        "✗ told: exactly these",
        "    - requester",
        "not as expected: failed after 0.0s",
    ]
    assert "✓ message: tonight" in shown
    assert "✓ within: 1h 00m" in shown


def test_as_json(changerail: Changerail, folder: Path) -> None:
    (folder / "bad.yml").write_text(BAD, encoding="utf-8")
    said = changerail("rehearse", "-s", "bad.yml", "--json")
    assert said.code == 1
    document = said.json
    assert (document["passed"], document["status"], document["performed"]) == (False, "failed", ["ask"])
    assert {check["what"]: check["passed"] for check in document["checks"]}["message: tonight"] is True
    assert document["run"]["steps"][0]["path"] == "ask"
    assert document["timeline"][0]["kind"] == "run"


def test_a_folder_of_scenarios(changerail: Changerail, folder: Path) -> None:
    (folder / "s").mkdir()
    (folder / "s" / "1.yml").write_text(GOOD.replace("change.yml", "../change.yml"), encoding="utf-8")
    (folder / "s" / "changerail.yml").write_text("people: {}\n", encoding="utf-8")
    assert changerail("test", "s").out.splitlines() == [
        "✓ all goes well  succeeded after 0.0s, 3 steps",
        "1 passed",
    ]
    (folder / "s" / "2.yaml").write_text(BAD.replace("change.yml", "../change.yml"), encoding="utf-8")
    said = changerail("test", "s")
    assert said.code == 1
    assert "✗ not as thought  failed after 0.0s, 1 steps" in said.out
    assert "    ✗ excludes: ask\n        performed: ask\n" in said.out
    assert said.out.splitlines()[-1] == "1 passed, 1 failed"
    assert [one["passed"] for one in changerail("test", "s", "--json").json] == [True, False]


def test_wrong_files_are_exit_code_2_and_all_are_reported(changerail: Changerail, folder: Path) -> None:
    (folder / "s").mkdir()
    said = changerail("test", "s")
    assert (said.code, "no scenario files" in said.err) == (2, True)
    assert changerail("test", "nowhere").code == 2
    for name in ("1", "2"):
        (folder / "s" / f"{name}.yml").write_text("workflow: ../change.yml\nexpect: {stauts: failed}\n")
    said = changerail("test", "s")
    assert said.code == 2
    assert said.err.splitlines() == [
        f"s/{name}.yml:2:10: unknown keyword 'stauts'; did you mean 'status'?" for name in ("1", "2")
    ]


def test_the_people_are_those_of_the_project_file(changerail: Changerail, folder: Path) -> None:
    (folder / "changerail.yml").write_text("people: {anna: {groups: [netsec]}, ben: {}}\n", encoding="utf-8")
    (folder / "other.yml").write_text("people: {anna: {}, ben: {groups: [netsec]}}\n", encoding="utf-8")
    (folder / "s.yml").write_text("workflow: change.yml\nsteps: {ask: {answer: approve, by: ben}}\n", encoding="utf-8")
    assert changerail("rehearse", "-s", "s.yml", "--json").json["status"] == "waiting"
    assert changerail("rehearse", "-s", "s.yml", "--json", "--config", "other.yml").json["status"] == "succeeded"
    with (folder / "s.yml").open("a") as file:
        file.write("project: other.yml\n")
    assert changerail("rehearse", "-s", "s.yml", "--json").json["status"] == "succeeded"


@pytest.mark.parametrize("scenarios", [SCENARIOS, PRACTICE], ids=["reference flow", "practice"])
def test_the_scenarios_of_the_examples(changerail: Changerail, scenarios: Path) -> None:
    said = changerail("test", str(scenarios))
    assert said.code == 0, said.out + said.err
    assert said.out.splitlines()[-1] == f"{len(list(scenarios.glob('*.yml'))) - 1} passed"


def test_the_page_has_every_word_and_its_example_is_true(changerail: Changerail, folder: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    for words in (SCENARIO, OUTCOME, ANSWER, CANCEL, EXPECT):
        for word in words:
            assert f"`{word}`" in page, word
    workflow, scenario = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    (folder / "scenarios").mkdir()
    (folder / "change.yml").write_text(workflow, encoding="utf-8")
    (folder / "scenarios" / "failed.yml").write_text(scenario, encoding="utf-8")
    said = changerail("test", "scenarios")
    assert said.code == 0, said.out + said.err


AUDITED = """
import os, sys
import ansible.plugins.filter.core, ansible.plugins.loader, ansible.template, ansible.vars.manager  # what loading Ansible does is no rehearsal
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.main import run

FORBIDDEN = ("socket.", "subprocess.", "os.", "shutil.", "tempfile.", "ftplib.", "http.", "smtplib.", "urllib.")
HARMLESS = ("os.listdir", "os.scandir", "os.walk", "os.fwalk", "os.putenv", "os.unsetenv", "os.listxattr", "os.getxattr")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
seen = []

def audit(event, args):
    if event == "open":
        if isinstance(args[2], int) and args[2] & WRITING:
            seen.append((event, args))
    elif event.startswith(FORBIDDEN) and event not in HARMLESS:
        seen.append((event, args))

sys.addaudithook(audit)
code = run(sys.argv[1:])
sys.stdout.flush()
found = list(seen)
open(os.devnull, "w").close()
assert len(seen) == len(found) + 1, "the hook does not see what it should"
sys.exit(f"{found}" if found else code)
"""


def test_a_rehearsal_contacts_starts_and_writes_nothing(folder: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "ANSIBLE_HOME": str(tmp_path / "ansible")}
    done = subprocess.run(
        [sys.executable, "-c", AUDITED, "test", str(SCENARIOS)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith(" passed")
    assert not (tmp_path / "state").exists()
