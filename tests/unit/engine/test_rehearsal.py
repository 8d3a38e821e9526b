"""Rehearsals: the engine in virtual time, with outcomes and answers from a scenario."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from textwrap import indent

import pytest
from support.rehearsing import Stage, project

from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.rehearsal import Bounds, rehearse
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project

HOUR, DAY = 3600.0, 86400.0
PEOPLE = project(anna="netsec", ben="netsec", carl="cab", requester="netsec")


@pytest.fixture
def stage(tmp_path: Path):
    def make(steps: str, head: str = "") -> Stage:
        return Stage(tmp_path, indent(steps, "  "), head)

    return make


# Evaluated as in a run


def test_results_conditions_loops_and_facts_are_evaluated(stage):
    told = stage(
        """
- {id: plan, netops.changerail.pipeline: {project: plan}, register: plan}
- {id: fact, ansible.builtin.set_fact: {sites: "{{ plan.sites | reverse | list }}"}}
- id: each
  loop: "{{ sites }}"
  ansible.builtin.import_playbook: deploy.yml
  when: item != 'ber'
- {id: check, ansible.builtin.assert: {that: ["sites[0] == 'lon'", plan.changed]}}
- {id: never, netops.changerail.notify: {to: [a], message: m}, when: plan.sites | length > 3}
"""
    )
    (told.folder / "deploy.yml").write_text("[]\n")
    seen = told.rehearse("steps: {plan: {done: {sites: [ams, ber, lon]}, changed: true}}").seen
    assert (seen.status, seen.message) == ("succeeded", "")
    assert seen.performed == ("plan", "fact", "each[lon]", "each[ams]", "check")


def test_what_the_scenario_gives_is_data(stage):
    told = stage(
        """
- {id: plan, netops.changerail.pipeline: {project: plan}, register: plan}
- {id: say, ansible.builtin.debug: {msg: "it says {{ plan.text }}"}}
"""
    ).rehearse("steps: {plan: {done: {text: '{{ 1 + 1 }}'}}}")
    assert told.events(e.StepFinished, "say")[0].message == "it says {{ 1 + 1 }}"


def test_a_value_that_no_step_gave_fails_its_step_and_the_rehearsal_with_a_hint(stage):
    told = stage(
        """
- {id: plan, netops.changerail.pipeline: {project: plan}, register: plan}
- {id: tell, netops.changerail.notify: {to: [oncall], message: "{{ plan.url }}"}}
"""
    ).rehearse("expect: {status: failed}")
    assert told.seen.status == "failed"
    assert "change.yml:" in told.seen.message
    assert "in a rehearsal plan is what the scenario gives plan under done" in told.seen.message
    assert [(check.what, check.passed) for check in told.seen.checks] == [
        ("every template has a value", False),
        ("status: failed", True),
    ]


@pytest.mark.parametrize(
    "expression",
    [
        "lookup('pipe', 'true')",
        "lookup('pipe', 'true', errors='ignore')",
        "lookup('ansible.builtin.url', 'http://127.0.0.1:9/') | default('x')",
        "query('env', 'HOME')",
        "lookup('template', 'inner.j2')",
    ],
)
def test_lookups_that_reach_further_than_files_are_refused(stage, expression):
    here = stage(f'- {{id: one, ansible.builtin.debug: {{msg: "{{{{ {expression} }}}}"}}}}\n')
    (here.folder / "inner.j2").write_text("{{ lookup('lines', 'true') }}")
    told = here.rehearse()
    assert told.seen.status == "failed"
    assert "is not done in a rehearsal; keep it in a variable" in told.seen.message


def test_lookups_that_read_files_or_rearrange_values_are_done(stage):
    here = stage(
        """- {id: one, ansible.builtin.debug: {msg: "{{ lookup('file', 'a.txt') }} {{ query('dict', {'k': 1})[0].key }}"}}"""
    )
    (here.folder / "a.txt").write_text("text")
    assert here.rehearse().events(e.StepFinished, "one")[0].message == "text k"


def test_a_variable_that_is_looked_up_can_be_given(stage):
    here = stage(
        '- {id: one, ansible.builtin.debug: {msg: "{{ site }}"}}\n', "vars: {site: \"{{ lookup('env', 'SITE') }}\"}\n"
    )
    assert here.rehearse("vars: {site: ams}").events(e.StepFinished, "one")[0].message == "ams"


def test_vaulted_values_stay_closed(stage):
    vaulted = "!vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n"
    here = stage(
        '- {id: one, ansible.builtin.debug: {msg: "{{ token }}"}}\n', f"vars:\n  token: {indent(vaulted, '  ')}"
    )
    assert here.rehearse().events(e.StepFinished, "one")[0].message == "********"


# Time


def test_retries_wait_in_virtual_time_and_the_last_outcome_holds_for_further_attempts(stage):
    here = stage(
        """
- {id: one, netops.changerail.pipeline: {project: p}, retries: 3, delay: 1h}
- {id: two, netops.changerail.pipeline: {project: p}, retries: 2, delay: 2h, ignore_errors: true}
"""
    )
    told = here.rehearse("steps: {one: [transient, {transient: again, after: 30m}, done], two: transient}")
    assert told.seen.performed == ("one", "one", "one", "two", "two", "two")
    assert [told.after(event) for event in told.events(e.StepStarted)] == [
        pytest.approx(hours * HOUR) for hours in (0, 1, 2.5, 2.5, 4.5, 6.5)
    ]
    assert told.events(e.StepFinished, "one")[1].message == "again"


def test_a_step_that_goes_on_for_ever_meets_its_timeout(stage):
    told = stage(
        """
- block:
    - {id: slow, timeout: 4h, netops.changerail.pipeline: {project: p}}
  rescue:
    - {id: said, ansible.builtin.debug: {msg: "{{ failed_step.failure }}: {{ failed_step.message }}"}}
"""
    ).rehearse("steps: {'*/slow': never}")
    assert told.seen.status == "succeeded"
    assert told.seen.took == pytest.approx(4 * HOUR)
    assert told.events(e.StepFinished)[-1].message == "timeout: not done within 14400.0 s; stopped"


def test_a_run_that_nothing_can_move_is_waiting(stage):
    told = stage("- {id: one, netops.changerail.pipeline: {project: p}}\n").rehearse("steps: {one: never}")
    assert (told.seen.status, told.seen.message) == ("waiting", "one: goes on for ever")
    assert told.seen.took == pytest.approx(366 * DAY, rel=0.01)


def test_pauses_take_their_time_and_prompts_are_answered(stage):
    told = stage(
        """
- {id: rest, ansible.builtin.pause: {minutes: 90}}
- {id: look, ansible.builtin.pause: {prompt: Does it look right?}}
"""
    ).rehearse("default_answer: approve")
    assert told.seen.status == "succeeded"
    assert told.seen.took == pytest.approx(1.5 * HOUR)
    assert told.events(e.Answered)[0].choice == "continue"


def test_a_cancel_stops_what_is_live_and_runs_always(stage):
    told = stage(
        """
- block:
    - {id: one, netops.changerail.pipeline: {project: p}}
    - {id: two, netops.changerail.pipeline: {project: p}}
  always:
    - {id: close, netops.changerail.change_record: {short_description: x}}
"""
    ).rehearse("steps: {'*/one': {done: {}, after: 2h}}\ncancel: {after: 1h, by: anna, reason: no longer wanted}")
    assert (told.seen.status, told.seen.message) == ("cancelled", "no longer wanted")
    assert told.seen.performed == ("block/one", "block/close")
    assert told.seen.took == pytest.approx(HOUR)


def test_branches_run_at_once(stage):
    told = stage(
        """
- id: both
  parallel:
    - {id: a, netops.changerail.pipeline: {project: p}}
    - {id: b, netops.changerail.pipeline: {project: p}}
- {id: after, netops.changerail.pipeline: {project: p}}
"""
    ).rehearse("steps: {both/a: {done: {}, after: 3h}, both/b: {done: {}, after: 1h}}")
    assert told.seen.took == pytest.approx(3 * HOUR)
    assert [event.path for event in told.events(e.StepFinished)] == ["both/b", "both/a", "after"]


def test_two_rehearsals_are_the_same(stage):
    here = stage("- {id: one, netops.changerail.pipeline: {project: p}, retries: 2, backoff: 2}\n")
    said = "steps: {one: [transient, transient, done]}"
    assert here.rehearse(said).rehearsal.events == here.rehearse(said).rehearsal.events


# Change windows


WINDOW = (
    "- {id: window, netops.changerail.window: {windows: [{days: [tue], from: '22:00', to: '23:00'}], duration: 15m}}\n"
)


def test_a_window_of_the_workflow_opens_in_virtual_time(stage):
    told = stage(WINDOW).rehearse()
    assert told.seen.took == pytest.approx(DAY + 14 * HOUR)
    assert told.events(e.StepFinished)[0].result["start"] == "2030-01-08T22:00:00+00:00"


def test_it_is_already_open(stage):
    told = stage(WINDOW).rehearse("now: 2030-01-08T23:30+01:00")
    assert (told.seen.status, told.seen.took) == ("succeeded", 0.0)
    assert told.rehearsal.scenario.begins == datetime(2030, 1, 8, 22, 30, tzinfo=UTC).timestamp()


def test_a_calendar_at_an_address_must_be_said(stage):
    here = stage("- {id: window, netops.changerail.window: {calendar: ['https://example.net/c.ics']}}\n")
    told = here.rehearse()
    assert "a rehearsal contacts nothing; say when the window opens" in told.rehearsal.unsaid
    assert not told.seen.passed
    assert here.rehearse("steps: {window: {done: {}, after: 3h}}").seen.took == pytest.approx(3 * HOUR)


# People

APPROVAL = "- {id: ask, netops.changerail.approval: {groups: [netsec], quorum: 2, deadline: 1d}}\n"


def test_quorum_groups_and_four_eyes_are_judged_as_in_a_run(stage):
    told = stage(APPROVAL).rehearse(
        """
steps:
  ask:
    answers:
      - {answer: approve, by: requester, after: 1h}
      - {answer: approve, by: carl, after: 2h}
      - {answer: approve, by: anna, after: 3h}
      - {answer: approve, by: anna, after: 4h}
      - {answer: approve, by: ben, after: 5h, assurance: asserted}
      - {answer: approve, by: ben, after: 6h}
""",
        PEOPLE,
    )
    assert (told.seen.status, told.seen.took) == ("succeeded", pytest.approx(6 * HOUR))
    reasons = [event.reason for event in told.events(e.AnswerRefused)]
    for reason, words in zip(reasons, ["four eyes", "not entitled", "already", "only asserted"], strict=True):
        assert words in reason
    assert told.events(e.StepFinished)[0].result["decision"] == "approve"


def test_a_deadline_denies(stage):
    told = stage(APPROVAL).rehearse(
        "steps: {ask: {answers: [{answer: approve, by: anna}, {answer: approve, by: ben, after: 1d}]}}", PEOPLE
    )
    assert "only 1 of 2 decided by 2030-01-08 08:00:00 UTC" in told.seen.message
    assert told.seen.took == pytest.approx(DAY)
    assert told.events(e.StepFinished)[0].failure == "rejected"


def test_without_a_name_as_many_answer_as_the_decision_takes(stage):
    told = stage(APPROVAL).rehearse("steps: {ask: {answer: approve, after: 2h}}", PEOPLE)
    assert [event.person for event in told.events(e.Answered)] == ["anna", "ben"]
    assert told.seen.took == pytest.approx(2 * HOUR)
    told = stage(APPROVAL).rehearse("default_answer: deny", PEOPLE)
    assert [(event.person, event.choice) for event in told.events(e.Answered)] == [("anna", "deny")]
    assert told.seen.status == "failed"


def test_where_the_project_names_nobody_the_scenario_is_believed(stage):
    told = stage(APPROVAL).rehearse("steps: {ask: {answers: [{answer: approve, by: anybody}, {answer: approve}]}}")
    assert [event.person for event in told.events(e.Answered)] == ["anybody", "somebody of netsec"]
    assert told.seen.status == "succeeded"


def test_a_question_that_the_scenario_does_not_answer_ends_the_rehearsal(stage):
    told = stage(f"{APPROVAL}- {{id: after, netops.changerail.pipeline: {{project: p}}}}\n").rehearse(
        "expect: {status: waiting}", PEOPLE
    )
    assert "add 'ask: {answer: approve}' under steps" in told.rehearsal.unsaid
    assert not told.seen.passed
    assert told.seen.performed == ("ask",)


def test_an_answer_that_does_not_count_leaves_the_question_open(stage):
    told = stage("- {id: ask, netops.changerail.approval: {groups: [netsec]}}\n").rehearse(
        "steps: {ask: {answer: approve, by: requester}}", PEOPLE
    )
    assert (told.seen.status, told.seen.message) == ("waiting", "ask waits for group netsec")


def test_an_outcome_instead_of_an_answer(stage):
    told = stage(APPROVAL).rehearse("steps: {ask: {rejected: not tonight, after: 1h}}", PEOPLE)
    assert (told.seen.status, told.seen.message) == ("failed", "ask: not tonight")
    assert not told.events(e.StepWaiting, "ask")[0].question


def test_too_few_people_fail_as_in_a_run(stage):
    told = stage("- {id: ask, netops.changerail.approval: {groups: [cab], quorum: 2}}\n").rehearse(
        "default_answer: approve", PEOPLE
    )
    assert "2 must approve, but only 1 could" in told.seen.message


def test_an_approval_in_a_change_record_takes_all_whom_the_scenario_names(stage):
    here = stage(
        """
- {id: open, netops.changerail.change_record: {short_description: x}, register: change}
- {id: ask, netops.changerail.approval: {from: "{{ change }}"}}
"""
    )
    told = here.rehearse(
        "steps: {ask: {answers: [{answer: approve, by: somebody elsewhere}, {answer: approve, by: carl, after: 1h}]}}",
        PEOPLE,
    )
    assert (told.seen.status, told.seen.took) == ("succeeded", pytest.approx(HOUR))


def test_a_review_passes_on_what_was_reviewed(stage):
    told = stage(
        """
- {id: plan, netops.changerail.pipeline: {project: p}, register: plan}
- {id: look, netops.changerail.review: {artifact: "{{ plan.artifacts.diff }}", groups: [netsec]}, register: look}
- {id: use, ansible.builtin.debug: {msg: "{{ look.artifacts['edge.diff'].sha256 }} by {{ look.answers[0].person }}"}}
"""
    ).rehearse(
        "default_answer: approve\nsteps: {plan: {done: {artifacts: {diff: {name: edge.diff, sha256: abc}}}}}", PEOPLE
    )
    assert told.events(e.StepWaiting, "look")[0].question["title"] == "Review of edge.diff: look"
    assert told.events(e.StepFinished, "use")[0].message == "abc by anna"


def test_a_question_without_a_title_is_called_as_its_step(stage):
    told = stage(
        """
- {id: one, name: "Security of {{ changerail.run }}", netops.changerail.approval: {groups: [netsec]}}
- {id: two, netops.changerail.approval: {groups: [netsec]}}
- {id: three, name: Another, netops.changerail.approval: {groups: [netsec], title: May it?}}
"""
    ).rehearse("default_answer: approve", PEOPLE)
    titles = [event.question["title"] for path in ("one", "two", "three") for event in told.events(e.StepWaiting, path)]
    assert titles == ["Security of rehearsal", "Approval: two", "May it?"]


ESCALATED = """
- id: one
  netops.changerail.pipeline: {project: p}
  escalate: [{to: [oncall]}, {after: 1h, to: [manager, cab]}]
"""


def test_a_failure_is_escalated_level_by_level_until_somebody_decides(stage):
    told = stage(ESCALATED).rehearse(
        """
steps:
  one: [{failed: no route, answers: [{answer: retry, by: anna, after: 90m, comment: the fibre is back}]}, done]
""",
        PEOPLE,
    )
    assert told.seen.status == "succeeded"
    assert [(event.level, told.after(event)) for event in told.events(e.Escalated)] == [(1, 0.0), (2, HOUR)]
    assert told.seen.told == ("oncall", "manager", "cab")
    assert told.events(e.InterventionDecided)[0].reason == "anna: the fibre is back"


def test_how_to_go_on_after_a_failure_must_be_said(stage):
    told = stage(ESCALATED).rehearse("default_answer: approve\nsteps: {one: failed}", PEOPLE)
    assert "add 'one: {failed: …, answers: [{answer: retry}]}' under steps" in told.rehearsal.unsaid


def test_a_scenario_that_goes_in_circles_ends(stage):
    told = stage(ESCALATED).rehearse("steps: {one: {failed: no route, answers: [{answer: retry, by: anna}]}}", PEOPLE)
    assert "one fails again after 100 attempts that people granted" in told.rehearsal.unsaid


def test_nobody_knows_whether_it_happened(stage):
    told = stage("- {id: one, netops.changerail.pipeline: {project: p}}\n").rehearse(
        "steps: {one: {unknown: the line was cut, answers: [{answer: done, by: anna}]}}", PEOPLE
    )
    assert told.seen.status == "succeeded"


# Bounds


def test_a_rehearsal_ends_at_its_bounds(stage):
    scenario = stage("- {id: again, loop: [1, 2, 3, 4, 5, 6], ansible.builtin.debug: {msg: x}}").scenario()
    whole = rehearse(scenario, Project())
    assert whole.cut == ""
    few = rehearse(scenario, Project(), Bounds(events=5, seconds=60.0, steady=lambda: 0.0))
    assert (few.events, few.cut) == (whole.events[:5], "more than 5 events")
    exactly = rehearse(scenario, Project(), Bounds(len(whole.events), 60.0, lambda: 0.0))
    assert (exactly.events, exactly.cut) == (whole.events, "")
    moments = iter(range(1000))
    slow = rehearse(scenario, Project(), Bounds(1000, 3.0, lambda: float(next(moments))))
    assert (slow.events, slow.cut) == (whole.events[:3], "more than 3 s to rehearse")
