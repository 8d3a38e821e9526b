# The same job templates where a server keeps the runs: each job has nothing but the server's address and a token. Run by pytest.
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.awx import Controller, plain, templates
from support.team import Team, team

from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e

TEMPLATES = templates()
CHANGE, ANSWER, ALL, ONE, STATUS, REHEARSE = (
    TEMPLATES[name]
    for name in ("Change", "Answer", "Go on with all changes", "Go on with a change", "Status", "Rehearse")
)
FLOW = """
name: Advertise {{ prefix }}
vars: {prefix: 203.0.113.0/24, sites: [], urgent: false, community: !unsafe "{{ 65000 }}", password: ""}
steps:
  - {id: ask, name: Security review, approval: {groups: [neteng]}, register: review}
  - {id: say, ansible.builtin.debug: {msg: "{{ prefix }} at {{ sites | join(', ') }}"}}
"""


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with team(tmp_path_factory.mktemp("server")) as made:
        (made.workflows / "change.yml").write_text(FLOW)
        yield made


@pytest.fixture
def as_(controller: Controller, people: Team, tmp_path: Path) -> Iterator[Callable[[str], Controller]]:
    """AWX with the token of somebody."""
    empty = tmp_path / "nothing"
    empty.mkdir()

    def of(user: str) -> Controller:
        given = {"changerail_server": {"url": people.server.url, "token": people.tokens[user]}}
        home = {"CHANGERAIL_HOME": str(empty / "home")}
        return replace(controller, credentials=given, environment=home)

    yield of
    assert not list(empty.iterdir()), "nothing of a run was on AWX's machines"


def test_a_change_from_a_survey_over_jobs_that_keep_nothing(as_: Callable[[str], Controller], people: Team) -> None:
    requester, approver, operator = as_("requester"), as_("approver"), as_("operator")
    started = requester.launch(
        CHANGE, "alice", {"ticket": "CHG-7", "sites": "fra\nams", "urgent": "true", "prefix": ""}
    )
    assert started.status == "successful", plain(started.output)
    assert (started.artifacts["run_id"], started.artifacts["run_state"]) == ("CHG-7", "waiting")
    assert started.artifacts["run_waiting_for"][0]["asked"] == "group neteng"
    (begun,) = people.bench.events(people.bench.state.open("CHG-7"), e.RunStarted)
    typed = {"sites": ["fra", "ams"], "urgent": True}
    assert begun.variables == {"ticket": "CHG-7", **typed}, "as the workflow's own defaults"
    assert begun.requester["name"] == "requester"

    again = requester.launch(CHANGE, "alice", {"ticket": "CHG-7"})
    assert again.status == "successful" and again.artifacts["run_id"] == "CHG-7"
    told = operator.launch(STATUS, "alice", {"run_id": "CHG-7"})
    assert told.status == "successful" and "Security review" in plain(told.output)
    own = requester.launch(ANSWER, "alice", {"run_id": "CHG-7", "choice": "approve"})
    assert own.status == "failed" and "requester may not answer" in plain(own.output)
    answered = approver.launch(ANSWER, "bob", {"run_id": "CHG-7", "choice": "approve", "comment": "narrow {{ 1 }}"})
    assert answered.status == "successful", plain(answered.output)
    people.until("CHG-7", "succeeded")
    (answer,) = people.bench.events(people.bench.state.open("CHG-7"), e.Answered)
    assert (answer.person, answer.assurance) == ("approver", "authenticated")
    assert answer.comment == f"narrow {{{{ 1 }}}} (AWX job {answered.id})"
    ended = operator.launch(ONE, None, {"run_id": "CHG-7"}, schedule="every ten minutes")
    assert ended.status == "successful" and ended.artifacts["run_finished"] is True, plain(ended.output)
    assert ended.artifacts["run_results"]["review"]["answers"][0]["person"] == "approver"


def test_a_rehearsal_is_of_the_projects_own_files(as_: Callable[[str], Controller], people: Team) -> None:
    rehearsed = as_("viewer").launch(REHEARSE, "alice", {"scenario": "scenarios/denied.yml"})
    assert rehearsed.status == "successful", plain(rehearsed.output)
    assert "as expected: " in plain(rehearsed.output)


def test_all_runs_are_the_servers_to_go_on_with(as_: Callable[[str], Controller], people: Team) -> None:
    people.create("asks", "all-1", "somebody")
    people.until("all-1")
    done = as_("operator").launch(ALL, None, schedule="every ten minutes")
    assert done.status == "successful", plain(done.output)
    assert done.artifacts["changerail_runs"]["all-1"] == "waiting"


def test_a_survey_of_a_workflow_that_one_may_not_start(as_: Callable[[str], Controller]) -> None:
    refused = as_("viewer").launch(CHANGE, "alice", {"ticket": "CHG-8"})
    assert refused.status == "failed" and "viewer may not start in workflow change" in plain(refused.output)


def test_the_variables_of_a_workflow_are_for_those_who_may_start_it(people: Team) -> None:
    status, document = people.call("requester", "GET", "/workflows/change")
    assert status == 200
    assert document == {
        "workflow": "change",
        "name": "Advertise {{ prefix }}",
        "variables": {
            "prefix": "203.0.113.0/24",
            "sites": [],
            "urgent": False,
            "community": "{{ 65000 }}",
            "password": None,
        },
    }
    assert people.call("viewer", "GET", "/workflows/change")[0] == 403
    assert people.call("requester", "GET", "/workflows/nothing")[0] == 404
