"""What happens on failure, skip, cancel, timeout, in loops and with people: one test a rule."""

from __future__ import annotations

import pytest
from support.flows import block, leaf, started, workflow
from support.play import HOLD, Play

from ansible_collections.netops.changerail.plugins.plugin_utils.core import commands as c
from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.core.decide import apply, fold
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Loop, Retry


def cancel(play: Play, force: bool = False) -> Play:
    return play.record(e.CancelRequested(play.now, "ann", "no longer wanted", force))


class TestSequence:
    def test_steps_run_in_order_and_a_failure_ends_the_run_with_its_message(self):
        play = Play(workflow(leaf("a"), leaf("b"), leaf("c")), {"b": ["failed"]})
        assert play.performed == ["a", "b"]
        assert (play.status, play.ending) == ("failed", "b: b failed")

    def test_an_ignored_failure_lets_the_run_go_on_and_makes_ok_false_afterwards(self):
        play = Play(workflow(leaf("a", ignore_errors=True, register="a"), leaf("b")), {"a": ["failed"]})
        assert play.status == "succeeded"
        assert play.registered["a"] == {
            "msg": "a failed",
            "failed": True,
            "changed": False,
            "skipped": False,
            "attempts": 1,
            "failure": "failed",
        }
        assert (play.seen["a"]["ok"], play.seen["b"]["ok"]) == (True, False)

    def test_a_skipped_step_registers_that_it_was_skipped(self):
        play = Play(workflow(leaf("a", when=("x",), register="a"), leaf("b")), entry={"a": {"when": False}})
        assert play.performed == ["b"]
        assert play.registered["a"] == {"skipped": True, "changed": False, "failed": False}

    def test_a_condition_that_cannot_be_evaluated_fails_the_step_and_can_be_rescued(self):
        flow = workflow(block("b", leaf("a", when=("x",)), rescue=(leaf("r"),)))
        broken = _with_broken_entry(flow, "b/a", "change.yml:3:5: 'x' is undefined")
        assert broken.performed == ["b/r"]
        assert broken.seen["b/r"]["failed_step"]["message"] == "change.yml:3:5: 'x' is undefined"
        assert broken.status == "succeeded"


def _with_broken_entry(flow, path, error):
    class Broken(Play):
        def obey(self, command):
            if command == c.Evaluate(path, 1, "enter"):
                self.record(e.Evaluated(self.now, path, 1, "enter", {}, error))
            else:
                super().obey(command)

    return Broken(flow)


class TestBlock:
    def flow(self, **keywords):
        return workflow(
            block("b", leaf("one"), leaf("two"), rescue=(leaf("undo"),), always=(leaf("record"),), **keywords),
            leaf("after"),
        )

    def test_without_a_failure_rescue_is_left_out_and_always_runs(self):
        play = Play(self.flow())
        assert play.performed == ["b/one", "b/two", "b/record", "after"]
        assert play.seen["b/record"]["ok"] is True

    def test_a_rescued_block_succeeds_and_rescue_and_always_see_the_failure(self):
        play = Play(self.flow(), {"b/one": ["failed"]})
        assert play.performed == ["b/one", "b/undo", "b/record", "after"]
        assert play.seen["b/undo"]["failed_step"]["path"] == "b/one"
        assert play.seen["b/undo"]["ok"] is False
        assert play.seen["b/record"]["failed_step"]["message"] == "b/one failed"
        assert play.seen["b/record"]["ok"] is True
        assert play.seen["after"]["ok"] is True

    def test_a_failing_rescue_fails_the_block_after_always_and_keeps_both_errors(self):
        play = Play(self.flow(), {"b/one": ["failed"], "b/undo": ["failed"]})
        assert play.performed == ["b/one", "b/undo", "b/record"]
        failure = play.seen["b/record"]["failed_step"]
        assert (failure["path"], failure["previous"]["path"]) == ("b/undo", "b/one")
        assert play.seen["b/record"]["ok"] is False
        assert play.ending == "b/undo: b/undo failed"

    def test_a_failing_always_fails_the_block_even_after_a_rescue(self):
        play = Play(self.flow(), {"b/one": ["failed"], "b/record": ["failed"]})
        assert (play.status, play.ending) == ("failed", "b/record: b/record failed")

    def test_when_on_a_block_is_evaluated_once_and_false_runs_nothing_of_it(self):
        play = Play(self.flow(when=("x",)), entry={"b": {"when": False}})
        assert play.performed == ["after"]
        evaluations = [event for event in play.history if isinstance(event, e.Evaluated)]
        assert len(evaluations) == 1

    def test_a_timeout_stops_the_body_only_and_may_be_rescued(self):
        play = Play(self.flow(timeout=60), {"b/one": [HOLD]})
        timer = play.tick()
        assert (timer.timer, timer.due) == ("timeout", c.Due(1060.0, 60.0))
        assert play.stops == [c.Stop("b/one", 1, "cancel")]
        play.finish("b/one", "cancelled")
        assert play.performed == ["b/one", "b/undo", "b/record", "after"]
        assert play.seen["b/undo"]["failed_step"]["failure"] == "timeout"
        assert play.status == "succeeded"

    def test_a_timeout_that_comes_during_rescue_changes_nothing(self):
        play = Play(self.flow(timeout=60), {"b/one": ["failed"], "b/undo": [HOLD]})
        play.tick()
        assert not play.stops
        play.finish("b/undo")
        assert play.status == "succeeded"


class TestParallel:
    def flow(self, **keywords):
        return workflow(block("p", leaf("x"), leaf("y"), leaf("z"), parallel=True, **keywords), leaf("after"))

    def test_all_branches_start_at_once_and_converge(self):
        play = Play(self.flow(), {f"p/{name}": [HOLD] for name in "xyz"})
        assert play.performed == ["p/x", "p/y", "p/z"]
        play.finish("p/z").finish("p/x")
        assert "after" not in play.performed
        play.finish("p/y")
        assert play.performed[-1] == "after"

    def test_throttle_limits_how_many_run(self):
        play = Play(self.flow(throttle=2), {f"p/{name}": [HOLD] for name in "xyz"})
        assert play.performed == ["p/x", "p/y"]
        play.finish("p/x")
        assert play.performed == ["p/x", "p/y", "p/z"]

    def test_the_others_finish_when_one_fails_and_rescue_sees_all_failures(self):
        flow = self.flow(rescue=(leaf("undo"),))
        play = Play(flow, {"p/x": ["failed"], "p/y": ["rejected"], "p/z": [HOLD]})
        assert play.performed == ["p/x", "p/y", "p/z"]
        play.finish("p/z")
        assert play.performed[3:] == ["p/undo", "after"]
        failure = play.seen["p/undo"]["failed_step"]
        assert [one["path"] for one in failure["failures"]] == ["p/x", "p/y"]
        assert failure["message"] == "2 of 3 failed: p/x: p/x failed; p/y: p/y rejected"

    def test_fail_fast_stops_the_others_waits_for_them_and_fails_even_if_one_finishes_well_meanwhile(self):
        play = Play(self.flow(fail_fast=True), {f"p/{name}": [HOLD] for name in "xyz"})
        play.finish("p/x", "failed")
        assert play.stops == [c.Stop("p/y", 1, "cancel"), c.Stop("p/z", 1, "cancel")]
        assert play.status == "running"
        play.finish("p/y").finish("p/z", "cancelled")
        assert (play.status, play.ending) == ("failed", "p/x: p/x failed")


class TestLoop:
    def flow(self, **loop):
        return workflow(leaf("l", loop=Loop(items="{{ sites }}", **loop), register="l"), leaf("after"))

    def test_in_order_it_stops_after_the_first_failure(self):
        play = Play(self.flow(), {"l[b]": ["failed"]}, items={"l": ["a", "b", "c"]})
        assert play.performed == ["l[a]", "l[b]"]
        assert play.status == "failed"
        assert play.registered["l"]["failed"] is True
        assert [result["item"] for result in play.registered["l"]["results"]] == ["a", "b"]

    def test_a_failure_budget_lets_it_go_on(self):
        play = Play(self.flow(max_failures=1), {"l[a]": ["failed"]}, items={"l": ["a", "b", "c"]})
        assert play.performed == ["l[a]", "l[b]", "l[c]", "after"]
        assert [result["failed"] for result in play.registered["l"]["results"]] == [True, False, False]

    def test_at_once_all_start_and_results_come_in_the_order_of_the_items(self):
        play = Play(self.flow(at_once=0), {f"l[{n}]": [HOLD] for n in "abc"}, items={"l": ["a", "b", "c"]})
        assert play.performed == ["l[a]", "l[b]", "l[c]"]
        for name in "cab":
            play.finish(f"l[{name}]", {"site": name})
        assert [result["site"] for result in play.registered["l"]["results"]] == ["a", "b", "c"]

    def test_an_empty_loop_is_skipped(self):
        play = Play(self.flow(), items={"l": []})
        assert play.performed == ["after"]
        assert play.registered["l"] == {"results": [], "skipped": True, "changed": False, "failed": False}

    def test_a_block_in_a_loop_keeps_what_its_steps_register_to_the_iteration(self):
        inner = block(
            "b", leaf("one", register="one"), leaf("two"), loop=Loop(items="{{ sites }}", at_once=0), register="all"
        )
        play = Play(
            workflow(inner, leaf("after")),
            {"b[a]/one": [{"n": 1}], "b[b]/one": [{"n": 2}]},
            items={"b": ["a", "b"]},
        )
        assert play.seen["b[a]/two"]["one"]["n"] == 1
        assert play.seen["b[b]/two"]["one"]["n"] == 2
        assert "one" not in play.seen["after"]
        assert [result["one"]["n"] for result in play.registered["all"]["results"]] == [1, 2]

    def test_a_pause_lies_between_items(self):
        play = Play(self.flow(pause=30.0), items={"l": ["a", "b"]})
        assert play.performed == ["l[a]"]
        assert play.refolded() == [c.SetTimer("l", 1, "pause", c.Due(1030.0, 30.0))]
        play.tick()
        assert play.performed == ["l[a]", "l[b]", "after"]


class TestRetry:
    def test_a_transient_failure_is_retried_with_backoff_up_to_the_ceiling(self):
        rules = Retry(retries=4, delay=10.0, backoff=2.0, max_delay=30.0)
        play = Play(workflow(leaf("a", retry=rules)), {"a": ["transient"] * 5})
        waits = []
        while play.status == "running":
            before = play.now
            waits.append(play.tick().due.moment - before)
        assert play.performed == ["a", "a#2", "a#3", "a#4", "a#5"]
        for wait, full in zip(waits, (10.0, 20.0, 30.0, 30.0), strict=True):
            assert full * 0.8 <= wait <= full
        assert play.status == "failed"

    def test_the_ceiling_does_not_cut_the_delay_as_written(self):
        play = Play(workflow(leaf("a", retry=Retry(retries=1, delay=3600.0))), {"a": ["transient"]})
        assert play.tick().due == c.Due(4600.0, 3600.0)

    @pytest.mark.parametrize("failure", ["failed", "rejected", "timeout", "cancelled"])
    def test_other_failures_are_not_retried_by_default(self, failure):
        play = Play(workflow(leaf("a", retry=Retry(retries=3))), {"a": [failure]})
        assert (play.performed, play.status) == (["a"], "failed")

    def test_a_rejection_is_never_retried(self):
        rules = Retry(retries=3, retry_on=("failed", "rejected"))
        play = Play(workflow(leaf("a", retry=rules)), {"a": ["rejected"]})
        assert (play.performed, play.status) == (["a"], "failed")

    def test_the_time_the_other_side_names_is_a_lower_bound(self):
        play = Play(workflow(leaf("a", retry=Retry(retries=1, delay=1.0))), {"a": [HOLD]})
        play.record(e.StepFinished(play.now, "a", 1, "transient", "429", False, {}, 120.0))
        assert play.tick().due.moment == 1120.0

    def test_until_repeats_until_it_holds_and_counts_attempts(self):
        play = Play(
            workflow(leaf("a", until=("x",), register="a", retry=Retry(retries=5, delay=1.0))),
            judged={"a": [{"until": False}, {"until": False}, {"until": True}]},
        )
        while play.status == "running":
            play.tick()
        assert play.performed == ["a", "a#2", "a#3"]
        assert play.registered["a"]["attempts"] == 3
        assert play.status == "succeeded"

    def test_failed_when_decides_instead_of_the_operation(self):
        held = Play(workflow(leaf("a", failed_when=("x",))), {"a": ["failed"]}, judged={"a": [{"failed": False}]})
        assert held.status == "succeeded"
        broken = Play(workflow(leaf("a", failed_when=("x",))), judged={"a": [{"failed": True}]})
        assert (broken.status, broken.ending) == ("failed", "a: failed_when holds")

    def test_a_step_timeout_is_for_each_attempt(self):
        rules = Retry(retries=1, delay=5.0, retry_on=("timeout",))
        play = Play(workflow(leaf("a", timeout=60, retry=rules)), {"a": [HOLD, HOLD]})
        play.tick()
        assert play.stops == [c.Stop("a", 1, "timeout")]
        play.finish("a", "cancelled")
        play.tick()
        assert play.performed == ["a", "a#2"]
        play.finish("a", "", 2)
        assert play.status == "succeeded"

    def test_late_and_repeated_events_change_nothing(self):
        play = Play(workflow(leaf("a", retry=Retry(retries=1)), leaf("b")), {"a": ["transient", HOLD]})
        play.tick()
        play.finish("a", "", 1)
        assert play.performed == ["a", "a#2"]
        play.finish("a", "", 2).finish("a", "failed", 2)
        assert play.status == "succeeded"


class TestCancel:
    def flow(self):
        inner = block("b", leaf("one"), leaf("two"), rescue=(leaf("undo"),), always=(leaf("record"),))
        return workflow(inner, leaf("after"))

    def test_live_steps_are_stopped_no_rescue_always_runs_and_the_run_ends_cancelled(self):
        play = cancel(Play(self.flow(), {"b/one": [HOLD]}))
        assert play.stops == [c.Stop("b/one", 1, "cancel")]
        play.finish("b/one", "cancelled")
        assert play.performed == ["b/one", "b/record"]
        assert (play.status, play.ending) == ("cancelled", "no longer wanted")

    def test_what_runs_under_always_goes_on_unless_forced(self):
        play = cancel(Play(self.flow(), {"b/record": [HOLD]}))
        assert play.stops == []
        play = cancel(play, force=True)
        assert play.stops == [c.Stop("b/record", 1, "cancel")]
        play.finish("b/record", "cancelled")
        assert play.status == "cancelled"

    def test_a_delayed_retry_is_dropped_at_once(self):
        play = cancel(Play(workflow(leaf("a", retry=Retry(retries=3))), {"a": ["transient"]}))
        assert play.status == "cancelled"

    def test_a_second_cancel_without_force_changes_nothing(self):
        play = cancel(cancel(Play(self.flow(), {"b/one": [HOLD]})))
        assert len(play.stops) == 1


class TestIntervention:
    def flow(self, **keywords):
        step = leaf("a", escalate=({"after": 0, "to": ["oncall"]},), register="a", **keywords)
        return workflow(block("b", step, rescue=(leaf("undo"),)), leaf("after"))

    def asked(self, failure="failed", **keywords):
        play = Play(self.flow(**keywords), {"b/a": [failure]})
        assert play.asked == [c.Ask("b/a", 1)]
        assert play.refolded() == [c.Ask("b/a", 1)]
        play.record(e.InterventionAsked(play.now, "b/a", 1, {"id": "q", "title": "how to go on?"}))
        assert play.refolded() == []
        return play

    def decided(self, choice, **keywords):
        play = self.asked(**keywords)
        return play.record(e.InterventionDecided(play.now, "b/a", 1, choice, "ann: why not"))

    def test_retry_is_one_more_attempt(self):
        play = self.decided("retry")
        assert play.performed == ["b/a", "b/a#2", "after"]

    def test_skip_goes_on_with_the_failure_on_record(self):
        play = self.decided("skip")
        assert play.performed == ["b/a", "after"]
        assert play.registered["a"]["failed"] is True

    def test_rollback_goes_to_the_rescue(self):
        assert self.decided("rollback").performed == ["b/a", "b/undo", "after"]

    def test_abort_cancels_the_run(self):
        play = self.decided("abort")
        assert (play.performed, play.status) == (["b/a"], "cancelled")

    def test_a_rejection_asks_nobody(self):
        play = Play(self.flow(), {"b/a": ["rejected"]})
        assert play.asked == []

    def test_what_nobody_can_tell_is_always_asked_and_may_be_treated_as_done(self):
        play = Play(workflow(leaf("a", register="a"), leaf("after")), {"a": ["unknown"]})
        assert play.asked == [c.Ask("a", 1)]
        play.record(e.InterventionAsked(play.now, "a", 1, {"id": "q"}), e.InterventionDecided(play.now, "a", 1, "done"))
        assert play.performed == ["a", "after"]
        assert play.registered["a"]["failed"] is False

    def test_a_step_declared_safe_to_repeat_is_repeated_but_not_for_ever(self):
        play = Play(workflow(leaf("a", on_interrupt="retry")), {"a": ["unknown"] * 9})
        assert play.performed == ["a", "a#2", "a#3", "a#4"]
        assert play.asked == [c.Ask("a", 4)]


class TestQuestions:
    def question(self, play, number):
        return play.record(e.StepWaiting(play.now, "a", 1, {"n": number}, "waits", {"id": f"q{number}"}, True))

    def answer(self, play, question, name="1"):
        return play.record(e.Answered(play.now, "a", question, name, "approve", "bob", ["netops"], "os_user"))

    def test_answers_are_kept_until_what_is_asked_changes(self):
        play = Play(workflow(leaf("a")), {"a": [HOLD]})
        self.answer(self.question(play, 1), "q1")
        assert len(play.state.live["a"].answers) == 1
        self.question(play, 1)
        assert len(play.state.live["a"].answers) == 1
        self.question(play, 2)
        assert play.state.live["a"].answers == ()

    def test_the_same_answer_counts_once_and_one_to_another_question_not_at_all(self):
        play = self.question(Play(workflow(leaf("a")), {"a": [HOLD]}), 1)
        self.answer(self.answer(play, "q1"), "q1")
        self.answer(play, "q0", "2")
        assert len(play.state.live["a"].answers) == 1
        assert play.state.seen == {"1", "2"}


def test_fifty_thousand_skipped_steps_cost_no_stack():
    steps = [leaf(f"s{n}", when=("x",)) for n in range(50_000)]
    flow = workflow(block("p", *steps, parallel=True))
    state = fold(flow, [started()])
    last: list[c.Command] = []
    for step in steps:
        last = apply(state, e.Evaluated(1.0, f"p/{step.id}", 1, "enter", {"when": False}))
    assert last == [c.Finish("succeeded", "")]
