"""A wall clock that jumps a day: what waits for a length of time waits that long, in one engine or over two; nothing waits longer than was written."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.runs import Bench
from support.virtual import TICK, Hand, Run

from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.views.evidence import collect, markdown
from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import status
from ansible_collections.netops.changerail.plugins.plugin_utils.views.timeline import timeline
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load_sources

DAY = 86400.0
LATEST = 8 * TICK
"""Seconds after which what is due must have happened: a few turns, as one turn wakes another."""


@dataclass(frozen=True)
class Wait:
    """Something that takes ``length`` seconds: it is ``begun`` with one event and ``over`` with another."""

    name: str
    text: str
    length: float
    begun: Callable[[e.Event], bool]
    over: Callable[[e.Event], bool]


def _asks(event: e.Event) -> bool:
    return isinstance(event, e.StepWaiting)


def _timer(name: str) -> Callable[[e.Event], bool]:
    return lambda event: isinstance(event, e.TimerFired) and event.timer == name


def _finished(path: str, failure: str) -> Callable[[e.Event], bool]:
    return lambda event: isinstance(event, e.StepFinished) and (event.path, event.failure) == (path, failure)


ME = getpass.getuser()
ASK = f"""
name: a change
steps:
  - id: ask
    netops.changerail.approval: {{people: [{ME}], four_eyes: false}}
    escalate: [{{after: 20m, to: [oncall]}}]
"""
ASK_WITH_DEADLINE = ASK.replace("four_eyes: false", "four_eyes: false, deadline: 1h")
WAITS = [
    Wait(
        "retry",
        "name: a\nsteps:\n"
        "  - {id: one, retries: 1, delay: 600, example.world.act: {world: '{{ world }}', failure: transient, times: 1}}\n",
        600,
        _finished("one", "transient"),
        _timer("retry"),
    ),
    Wait(
        "timeout",
        "name: a\nsteps:\n  - {id: before, ansible.builtin.debug: {}}\n"
        "  - {id: one, timeout: 600, example.world.act: {world: '{{ world }}', until: never}}\n",
        600,
        _finished("before", ""),
        _timer("timeout"),
    ),
    Wait(
        "pause between the items of a loop",
        "name: a\nsteps:\n"
        "  - {id: one, loop: [1, 2], loop_control: {pause: 600}, example.world.act: {world: '{{ world }}'}}\n",
        600,
        _finished("one[1]", ""),
        _timer("pause"),
    ),
    Wait(
        "pause",
        "name: a\nsteps:\n  - {id: one, ansible.builtin.pause: {minutes: 10}}\n",
        600,
        _asks,
        _finished("one", ""),
    ),
    Wait("deadline", ASK_WITH_DEADLINE, 3600, _asks, _finished("ask", "rejected")),
    Wait("escalation", ASK, 1200, _asks, lambda event: isinstance(event, e.Escalated)),
]
waits = pytest.mark.parametrize("wait", WAITS, ids=[wait.name for wait in WAITS])


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield Bench(tmp_path)


def put_down(run: Run, wait: Wait) -> None:
    """Drive the run until the wait has begun."""

    def script(hand: Hand) -> None:
        if run.moment(wait.begun) is not None:
            hand.set()

    assert run.drive(script).status == "interrupted"
    assert run.moment(wait.over) is None


def wait_for(run: Run, wait: Wait) -> None:
    """Drive the run until the wait is over."""

    def script(hand: Hand) -> None:
        if run.moment(wait.over) is not None:
            hand.set()

    run.drive(script)


def views_stand(run: Run) -> None:
    """What is shown of the run can be shown although its times do not follow each other."""
    events = run.bench.events(run.folder)
    first = events[0]
    flow = load_sources(first.main, first.sources, first.folder)
    assert status(flow, events)
    assert timeline(events)
    assert markdown(collect(flow, events))


@waits
@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["forward", "back"])
def test_a_jump_while_the_engine_runs_changes_no_length(bench, wait, jump):
    run = Run(bench, wait.text)
    jumped = False

    def script(hand: Hand) -> None:
        nonlocal jumped
        if not jumped and run.moment(wait.begun) is not None:
            run.clock.jump(jump)
            jumped = True
        if run.moment(wait.over) is not None:
            hand.set()

    run.drive(script)
    took = run.moment(wait.over) - run.moment(wait.begun)
    assert wait.length <= took <= wait.length + LATEST
    views_stand(run)


@waits
def test_a_clock_that_was_set_back_while_nobody_drove_the_run_prolongs_nothing_beyond_what_was_written(bench, wait):
    run = Run(bench, wait.text)
    put_down(run, wait)
    run.clock.jump(-DAY)
    taken_up = run.clock.monotonic()
    wait_for(run, wait)
    assert run.moment(wait.over) - taken_up <= wait.length + LATEST
    views_stand(run)


@waits
def test_a_clock_that_was_set_forward_while_nobody_drove_the_run_is_time_that_passed(bench, wait):
    run = Run(bench, wait.text)
    put_down(run, wait)
    run.clock.jump(DAY)
    taken_up = run.clock.monotonic()
    wait_for(run, wait)
    assert run.moment(wait.over) - taken_up <= LATEST
    views_stand(run)


@waits
def test_what_passed_before_the_run_was_put_down_counts(bench, wait):
    run = Run(bench, wait.text)
    put_down(run, wait)
    run.clock.advance(wait.length / 2)
    taken_up = run.clock.monotonic()
    wait_for(run, wait)
    took = run.moment(wait.over) - taken_up
    assert wait.length / 2 - LATEST <= took <= wait.length / 2 + LATEST


def test_an_escalation_level_is_told_once_however_often_the_question_is_looked_at(bench):
    """Answers that do not count make the engine look, too."""
    run = Run(bench, ASK_WITH_DEADLINE)
    sent = 0

    def script(hand: Hand) -> None:
        nonlocal sent
        asked = run.moment(_asks)
        if sent < 5 and asked is not None and run.clock.monotonic() > asked + 600 * sent:
            bench.answer(run.folder, "perhaps")
            sent += 1
        if run.moment(_finished("ask", "rejected")) is not None:
            hand.set()

    run.drive(script)
    assert len(bench.events(run.folder, e.AnswerRefused)) == 5
    assert len(bench.events(run.folder, e.Escalated)) == 1


QUORUM = f"""
name: a change
steps:
  - id: ask
    netops.changerail.approval: {{people: [{ME}, other], four_eyes: false, quorum: 2, deadline: 1h, assurance: asserted}}
"""


def test_answers_given_in_time_while_no_engine_ran_count_after_the_deadline(bench):
    """All of them: a deadline that passed meanwhile does not come between two that lie in the inbox."""
    run = Run(bench, QUORUM)
    asked = Wait("", "", 0, _asks, _finished("ask", "rejected"))
    put_down(run, asked)
    for person in (ME, "other"):
        bench.answer(run.folder, "approve", person=person)
    run.clock.advance(2 * 3600)
    assert run.drive(lambda hand: None).status == "succeeded"
    assert len(bench.events(run.folder, e.Answered)) == 2


def test_an_answer_after_the_deadline_is_refused(bench):
    run = Run(bench, QUORUM, behind=2 * 3600)
    put_down(run, Wait("", "", 0, _asks, _finished("ask", "rejected")))
    bench.answer(run.folder, "approve")
    run.clock.advance(2 * 3600)
    assert run.drive(lambda hand: None).status == "failed"
    assert "too late" in bench.events(run.folder, e.AnswerRefused)[0].reason
