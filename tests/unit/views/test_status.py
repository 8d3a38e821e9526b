"""What the status view says of the steps in each situation a run can be in."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from support.flows import RETRIES, block, leaf, started, workflow

from ansible_collections.netops.changerail.plugins.module_utils.question import Question
from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.row import row_of
from ansible_collections.netops.changerail.plugins.plugin_utils.views.outline import outline
from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import (
    RunStatus,
    Status,
    StepStatus,
    status,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import from_dict
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Loop, Step, Workflow

QUESTION = Question("approval", "May it?", ("approve", "reject"), ("approve",), groups=("netsec",), quorum=2)


def begun(path: str, at: float = 1.0, attempt: int = 1, operation: str = "") -> e.StepStarted:
    return e.StepStarted(at, path, attempt, "key", operation=operation)


def ended(path: str, failure: str = "", at: float = 2.0, attempt: int = 1, *, changed: bool = False) -> e.StepFinished:
    return e.StepFinished(at, path, attempt, failure, failure and "it broke", changed, {})


def seen(steps: Iterable[Step], *events: e.Event) -> RunStatus:
    return status(workflow(*steps), [started(), *events])


def at(run: RunStatus, path: str) -> StepStatus:
    return next(step for step in run.walk() if step.path == path)


def states(run: RunStatus) -> dict[str, str]:
    return {step.path: step.state for step in run.walk()}


def test_steps_go_from_pending_over_running_to_ok_or_changed() -> None:
    steps = (leaf("one"), leaf("two"), leaf("three"))
    events = (begun("one"), ended("one"), begun("two"), ended("two", changed=True), begun("three"))
    assert states(seen(steps)) == {"one": "running", "two": "pending", "three": "pending"}
    assert states(seen(steps, *events)) == {"one": "ok", "two": "changed", "three": "running"}


def test_a_false_condition_skips_and_a_failed_step_leaves_the_rest_unreached() -> None:
    steps = (leaf("one", when=("x",)), leaf("two"), block("three", leaf("in")))
    run = seen(steps, e.Evaluated(1, "one", 1, "enter", {"when": False}), begun("two"), ended("two", "failed"))
    assert states(run) == {"one": "skipped", "two": "failed", "three": "unreached", "three/in": "unreached"}
    assert at(run, "two").message == "it broke"
    assert at(run, "two").failure == "failed"


def test_an_ignored_failure_is_called_so() -> None:
    run = seen((leaf("one", ignore_errors=True), leaf("two")), begun("one"), ended("one", "failed"))
    assert states(run) == {"one": "ignored", "two": "running"}


def test_a_failure_that_is_retried_says_which_attempt_and_when() -> None:
    run = seen((leaf("one", retry=RETRIES),), begun("one"), ended("one", "transient", at=5.0))
    step = at(run, "one")
    assert (step.state, step.attempt, step.attempts, step.next_try) == ("retrying", 1, 3, 15.0)
    run = seen(
        (leaf("one", retry=RETRIES),),
        begun("one"),
        ended("one", "transient", at=5.0),
        e.TimerFired(15, "one", 1, "retry"),
        begun("one", 15, 2),
    )
    step = at(run, "one")
    assert (step.state, step.attempt, step.next_try, step.began) == ("running", 2, None, 1.0)


def test_retries_that_are_a_template_are_not_known_before_the_step_is_entered() -> None:
    step = leaf("two", retry=type(RETRIES)(retries="{{ n }}"))
    assert at(seen((leaf("one"), step)), "two").attempts is None
    entered = e.Evaluated(1, "two", 1, "enter", {"when": True, "retries": 4})
    assert at(seen((step,), entered, begun("two")), "two").attempts == 5


def test_a_question_shows_who_is_asked_and_how_many_answered() -> None:
    asked = e.StepWaiting(2, "one", 1, {}, "", QUESTION.as_dict(), True)
    answer = e.Answered(3, "one", QUESTION.id, "a1", "approve", "berta", ["netsec"], "os_user")
    step = at(seen((leaf("one"),), begun("one"), asked, answer), "one")
    assert step.state == "asking"
    assert step.question is not None
    assert (step.question.approvals, step.question.question.quorum, step.question.since) == (1, 2, 2)
    assert at(seen((leaf("one"),), begun("one"), asked, ended("one")), "one").question is None


def test_a_question_that_changes_loses_its_answers() -> None:
    asked = e.StepWaiting(2, "one", 1, {}, "", QUESTION.as_dict(), True)
    answer = e.Answered(3, "one", QUESTION.id, "a1", "approve", "berta", ["netsec"], "os_user")
    other = Question("approval", "May it now?", ("approve", "reject"), ("approve",), groups=("netsec",), quorum=2)
    again = e.StepWaiting(4, "one", 1, {}, "", other.as_dict(), True)
    question = at(seen((leaf("one"),), begun("one"), asked, answer, again), "one").question
    assert question is not None
    assert (question.question.title, question.given, question.since) == ("May it now?", (), 4)


def test_long_waits_are_waiting_and_short_ones_running() -> None:
    short = e.StepWaiting(2, "one", 1, {}, "pipeline 7 runs", None, False)
    long = e.StepWaiting(2, "one", 1, {}, "no such record yet", None, True)
    assert at(seen((leaf("one"),), begun("one"), short), "one").state == "running"
    run = seen((leaf("one"),), begun("one"), long)
    assert at(run, "one").state == "waiting"
    assert (run.summary.state, run.summary.waits[0].message) == ("waiting", "no such record yet")


def test_a_run_that_was_put_down_waits_for_what_does_not_take_long_too() -> None:
    looking = e.StepWaiting(2, "one", 1, {}, "pipeline 7 runs", None, False)
    put_down = e.EngineStopped(3, "waiting")
    taken_up = e.EngineStarted(9, "host", 1, "root", "0", 0)
    one = (leaf("one"),)
    assert seen(one, begun("one"), looking).summary.waits == ()
    run = seen(one, begun("one"), looking, put_down)
    assert (run.summary.state, [(wait.message, wait.since) for wait in run.summary.waits]) == (
        "waiting",
        [("pipeline 7 runs", 2)],
    )
    assert seen(one, begun("one"), looking, put_down, taken_up).summary.waits == ()
    assert seen(one, begun("one"), looking, put_down, taken_up, ended("one"), put_down).summary.waits == ()


def test_a_wait_names_the_operation_that_waits() -> None:
    def waiting(path: str, message: str) -> e.StepWaiting:
        return e.StepWaiting(2, path, 1, {}, message, None, True)

    steps = (block("all", leaf("a"), leaf("b"), leaf("c"), parallel=True),)
    run = seen(
        steps,
        begun("all/a", operation="window"),
        begun("all/b", operation="dependency"),
        begun("all/c"),
        waiting("all/a", "not yet open"),
        waiting("all/b", "the list of change windows is not there"),
        waiting("all/c", "of a journal that says no operation"),
        waiting("all/a", "still not open"),
    )
    row = row_of(from_dict(json.loads(json.dumps(run.summary.as_dict()))))
    assert {wait.path: wait.kind for wait in row.waits} == {
        "all/a": "window",
        "all/b": "dependency",
        "all/c": "unknown",
    }
    assert not any(wait.asks or wait.waits_for("ann", ["netsec"]) for wait in row.waits)


def test_a_container_is_as_urgent_as_the_most_urgent_step_in_it() -> None:
    steps = (block("both", leaf("a"), leaf("b"), parallel=True),)
    asked = e.StepWaiting(2, "both/a", 1, {}, "", QUESTION.as_dict(), True)
    assert at(seen(steps, begun("both/a"), begun("both/b")), "both").state == "running"
    assert at(seen(steps, begun("both/a"), asked, begun("both/b")), "both").state == "asking"


def test_a_branch_that_failed_tells_that_the_whole_will_fail_while_others_go_on() -> None:
    run = seen(
        (block("both", leaf("a"), leaf("b"), parallel=True),),
        begun("both/a"),
        begun("both/b"),
        ended("both/a", "failed"),
    )
    assert (at(run, "both").state, at(run, "both").failure) == ("running", "failed")
    rescued = block("both", leaf("a"), leaf("b"), parallel=True, rescue=(leaf("r"),))
    run = seen((rescued,), begun("both/a"), begun("both/b"), ended("both/a", "failed"))
    assert at(run, "both").failure == ""


def test_a_rescued_block_is_rescued_and_names_the_failure() -> None:
    steps = (block("b", leaf("a"), leaf("never"), rescue=(leaf("r"),), always=(leaf("z"),)),)
    events = (begun("b/a"), ended("b/a", "failed"))
    assert states(seen(steps, *events)) == {
        "b": "running", "b/a": "failed", "b/never": "unreached", "b/r": "running", "b/z": "pending",
    }  # fmt: skip
    run = seen(steps, *events, begun("b/r"), ended("b/r"), begun("b/z"), ended("b/z"))
    assert (at(run, "b").state, at(run, "b").message) == ("rescued", "it broke")
    assert at(run, "b/r").section == "rescue"


def test_a_rescue_that_is_not_needed_is_not_reached() -> None:
    run = seen((block("b", leaf("a"), rescue=(leaf("r"),)), leaf("c")), begun("b/a"), ended("b/a"))
    assert states(run) == {"b": "ok", "b/a": "ok", "b/r": "unreached", "c": "running"}


def test_a_loop_shows_its_items_once_they_are_known() -> None:
    steps = (block("deploy", leaf("a"), loop=Loop("{{ sites }}")),)
    assert states(seen(steps)) == {"deploy": "running"}
    run = seen(steps, e.Expanded(1, "deploy", ["ams1", "fra1"], ["ams1", "fra1"]), begun("deploy[ams1]/a"))
    assert states(run) == {
        "deploy": "running",
        "deploy[ams1]": "running",
        "deploy[ams1]/a": "running",
        "deploy[fra1]": "pending",
        "deploy[fra1]/a": "pending",
    }
    assert at(run, "deploy[fra1]").label == "fra1"


def test_a_loop_in_order_that_fails_leaves_the_other_items_unreached() -> None:
    steps = (leaf("deploy", loop=Loop("{{ sites }}")),)
    expanded = e.Expanded(1, "deploy", [1, 2, 3], ["1", "2", "3"])
    run = seen(
        steps, expanded, begun("deploy[1]"), ended("deploy[1]"), begun("deploy[2]"), ended("deploy[2]", "failed")
    )
    assert states(run) == {"deploy": "failed", "deploy[1]": "ok", "deploy[2]": "failed", "deploy[3]": "unreached"}


def test_a_cancelled_run_shows_who_cancelled_and_what_was_stopped() -> None:
    steps = (block("b", leaf("a"), leaf("c"), always=(leaf("z"),)), leaf("d"))
    run = seen(steps, begun("b/a"), e.CancelRequested(2, "carla", "wrong site"))
    assert run.summary.cancelling == "carla: wrong site"
    run = seen(steps, begun("b/a"), e.CancelRequested(2, "carla", "wrong site"), ended("b/a", "cancelled"))
    assert states(run) == {"b": "running", "b/a": "cancelled", "b/c": "unreached", "b/z": "running", "d": "pending"}


def test_an_intervention_is_a_question_at_the_step() -> None:
    question = Question("intervention", "How to go on?", ("retry", "abort"), ("retry",))
    run = seen(
        (leaf("one"),), begun("one"), ended("one", "unknown"), e.InterventionAsked(3, "one", 1, question.as_dict())
    )
    assert at(run, "one").state == "asking"
    assert run.summary.questions[0].question.kind == "intervention"


def test_the_json_of_a_status_has_what_scripts_need() -> None:
    document = seen((block("b", leaf("a")),), begun("b/a")).as_dict()
    assert document["state"] == "running"
    assert document["counts"] == {"running": 1}
    (inner,) = document["steps"][0]["steps"]
    assert (inner["path"], inner["state"], inner["began"]) == ("b/a", "running", 1.0)


def wide(count: int) -> Workflow:
    return workflow(
        *(block(f"b{number}", *(leaf(f"s{inner}") for inner in range(10))) for number in range(count // 10))
    )


def test_an_event_changes_only_the_steps_it_touches() -> None:
    fold = Status(wide(10_000))
    fold.apply(started())
    fold.apply(begun("b0/s0"))
    before = fold.snapshot()
    fold.apply(ended("b0/s0"))
    after = fold.snapshot()
    assert before.steps[0] is not after.steps[0]
    assert all(old is new for old, new in zip(before.steps[1:], after.steps[1:], strict=True))


@pytest.mark.parametrize("height", [5, 22, 48])
def test_ten_thousand_steps_fit_a_terminal_with_what_runs_in_sight(height: int) -> None:
    fold = Status(wide(10_000))
    fold.apply(started())
    for block_number in range(500):
        for number in range(10):
            path = f"b{block_number}/s{number}"
            fold.apply(begun(path))
            fold.apply(ended(path))
    fold.apply(begun("b500/s0"))
    lines = outline(fold.snapshot().steps, height)
    assert len(lines) <= height
    assert "b500/s0" in [line.step.path for line in lines if line.step is not None]
