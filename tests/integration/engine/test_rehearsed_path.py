"""A rehearsal takes the path that a run with the same outcomes takes: both are done, and what they record is compared."""

from __future__ import annotations

import getpass
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from support.runs import Bench

from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.rehearsal import rehearse
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.scenario_file import load

ME = getpass.getuser()

CASES: dict[str, tuple[str, str, Sequence[tuple[str, str, str]]]] = {
    "rescue and always": (
        """
  - id: deploy
    block:
      - {id: one, example.world.act: {world: "{{ world }}"}}
      - {id: two, example.world.act: {world: "{{ world }}", failure: failed}}
      - {id: three, example.world.act: {world: "{{ world }}"}}
    rescue:
      - {id: undo, example.world.act: {world: "{{ world }}"}, when: failed_step.failure == 'failed'}
      - {id: out, ansible.builtin.fail: {msg: "rolled back: {{ failed_step.message }}"}}
    always:
      - {id: record, example.world.act: {world: "{{ world }}"}, when: not ok}
  - {id: after, example.world.act: {world: "{{ world }}"}}
""",
        "deploy/two: {failed: the world says failed}",
        (),
    ),
    "retries, then ignored": (
        """
  - {id: one, example.world.act: {world: "{{ world }}", failure: transient, times: 2}, retries: 2, delay: 0}
  - {id: two, example.world.act: {world: "{{ world }}", failure: transient}, retries: 1, delay: 0, ignore_errors: true}
  - {id: three, example.world.act: {world: "{{ world }}"}, when: not ok}
""",
        """one: [transient, transient, done]
  two: {transient: the world says transient}""",
        (),
    ),
    "until and failed_when": (
        """
  - id: one
    example.world.act: {world: "{{ world }}", result: {n: 4}}
    register: one
    until: one.attempts == 3
    retries: 5
    delay: 0
  - {id: two, example.world.act: {world: "{{ world }}", result: {n: 4}}, register: two, failed_when: two.n > one.n - 1}
""",
        """one: {done: {n: 4}}
  two: {done: {n: 4}}""",
        (),
    ),
    "loops": (
        """
  - id: each
    loop: [ams, ber, lon]
    loop_control: {max_failures: 1}
    block:
      - {id: in, example.world.act: {world: "{{ world }}", failure: "{{ 'failed' if item == 'ber' else '' }}"}}
      - {id: out, example.world.act: {world: "{{ world }}"}}
    register: all
  - {id: stop, example.world.act: {world: "{{ world }}", failure: failed}, loop: "{{ [1, 2] }}"}
""",
        """each[ber]/in: {failed: the world says failed}
  stop: {failed: the world says failed}""",
        (),
    ),
    "a timeout": (
        """
  - {id: slow, timeout: 2, example.world.act: {world: "{{ world }}", until: never}}
""",
        "slow: never",
        (),
    ),
    "approved": (
        f"""
  - {{id: ask, netops.changerail.approval: {{people: [{ME}], four_eyes: false}}, register: said}}
  - {{id: after, example.world.act: {{world: "{{{{ world }}}}"}}, when: "said.answers[0].person == '{ME}'"}}
""",
        f"ask: {{answer: approve, by: {ME}}}",
        (("ask", "approve", "fine"),),
    ),
    "denied": (
        f"""
  - id: change
    block:
      - {{id: ask, netops.changerail.approval: {{people: [{ME}], four_eyes: false}}}}
      - {{id: never, example.world.act: {{world: "{{{{ world }}}}"}}}}
    always:
      - {{id: record, example.world.act: {{world: "{{{{ world }}}}"}}}}
""",
        f"change/ask: {{answer: deny, by: {ME}, comment: not tonight}}",
        (("change/ask", "deny", "not tonight"),),
    ),
    "a person decides after a failure": (
        """
  - id: one
    example.world.act: {world: "{{ world }}", failure: failed, times: 2}
    escalate: {to: [oncall], after: 1h}
  - {id: two, example.world.act: {world: "{{ world }}", failure: failed}, escalate: {to: [oncall], after: 1h}}
  - {id: three, example.world.act: {world: "{{ world }}"}}
""",
        f"""one:
    - {{failed: the world says failed, answers: [{{answer: retry, by: {ME}}}]}}
    - {{failed: the world says failed, answers: [{{answer: retry, by: {ME}}}]}}
    - done
  two: {{failed: the world says failed, answers: [{{answer: skip, by: {ME}}}]}}""",
        (("one", "retry", ""), ("one", "retry", ""), ("two", "skip", "")),
    ),
    "branches": (
        """
  - id: both
    parallel:
      - {id: a, example.world.act: {world: "{{ world }}", until: "start|run-1|both|b|1", failure: failed}}
      - {id: b, example.world.act: {world: "{{ world }}", until: never}}
    fail_fast: true
    rescue:
      - {id: undo, example.world.act: {world: "{{ world }}"}}
""",
        """both/a: {failed: the world says failed}
  both/b: never""",
        (),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_path_is_that_of_the_run(tmp_path, case):
    steps, said, answers = CASES[case]
    bench = Bench(tmp_path)
    folder = bench.create(f"name: a change\nsteps:{steps}")
    ending = bench.drive(folder, until_waiting=True)
    for path, choice, comment in answers:
        bench.answer(folder, choice, path=path, comment=comment)
        ending = bench.drive(folder, until_waiting=True)
    scenario = tmp_path / "scenario.yml"
    scenario.write_text(f"workflow: change.yml\nsteps:\n  {said}\n", encoding="utf-8")
    rehearsal = rehearse(load(scenario, None, {"world": str(bench.world)}), Project())
    assert rehearsal.unsaid == ""
    ran, rehearsed = bench.events(folder), rehearsal.events
    # Branches of a parallel come in any order.
    ordered = sorted if case == "branches" else list
    assert ordered(performed(rehearsed)) == ordered(performed(ran))
    assert ordered(decided(rehearsed)) == ordered(decided(ran))
    assert ending.status == rehearsed[-1].status
    if case != "a timeout":
        assert ending.message == rehearsed[-1].message


def performed(events: Iterable[Any]) -> list[tuple[str, int]]:
    return [(event.path, event.attempt) for event in events if isinstance(event, e.StepStarted)]


def decided(events: Iterable[Any]) -> list[tuple[Any, ...]]:
    """What was evaluated and how attempts ended, without times and texts."""
    found: list[tuple[Any, ...]] = []
    for event in events:
        match event:
            case e.Evaluated():
                found.append(("evaluated", event.path, event.attempt, event.purpose, str(event.values)))
            case e.Expanded():
                found.append(("expanded", event.path, str(event.labels)))
            case e.StepFinished():
                found.append(("finished", event.path, event.attempt, event.failure))
            case e.InterventionDecided():
                found.append(("decided", event.path, event.choice))
            case e.Answered():
                found.append(("answered", event.path, event.person, event.choice))
    return found
