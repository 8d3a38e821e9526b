"""The status view against random runs of every construct: always whole, never contradicting the core, and the same however it was folded."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from support.flows import Driver, World, flows

from ansible_collections.netops.changerail.plugins.plugin_utils.core.state import Leaf
from ansible_collections.netops.changerail.plugins.plugin_utils.views.outline import Line, outline
from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import (
    FAILED,
    LIVE,
    PENDING,
    Status,
    status,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Workflow


def history_of(flow: Workflow, seed: int) -> Driver:
    driver = Driver(flow, World(seed), random.Random(seed))
    driver.run()
    return driver


@settings(max_examples=30, deadline=None)
@given(flow=flows(with_fail_fast=True), seed=st.integers(0, 1000))
def test_a_snapshot_taken_after_every_event_is_the_one_of_a_fresh_fold(flow: Workflow, seed: int) -> None:
    driver = history_of(flow, seed)
    fold = Status(flow)
    for event in driver.history:
        fold.apply(event)
        seen = fold.snapshot()
    assert seen == status(flow, driver.history)


@settings(max_examples=30, deadline=None)
@given(flow=flows(with_fail_fast=True), seed=st.integers(0, 1000))
def test_when_a_run_is_over_no_step_is_live_or_pending(flow: Workflow, seed: int) -> None:
    driver = history_of(flow, seed)
    seen = status(flow, driver.history)
    assert seen.summary.state == driver.state.status
    states = {step.state for step in seen.walk()}
    assert not states & LIVE
    assert PENDING not in states
    assert sum(seen.counts.values()) == sum(1 for step in seen.walk() if step.kind == "step")


@settings(max_examples=30, deadline=None)
@given(flow=flows(), seed=st.integers(0, 1000), part=st.floats(0, 1))
def test_exactly_the_leaves_that_live_in_the_core_live_in_the_view(flow: Workflow, seed: int, part: float) -> None:
    whole = history_of(flow, seed).history
    driver = Driver(flow, World(seed), random.Random(seed))
    driver.history = []
    driver.state = type(driver.state)(flow)
    driver.record(*whole[: 1 + int(part * (len(whole) - 1))])
    seen = status(flow, driver.history)
    live = {node.path for node in driver.state.live.values() if isinstance(node, Leaf)}
    assert {step.path for step in seen.walk() if step.kind == "step" and step.state in LIVE} == live


@settings(max_examples=30, deadline=None)
@given(flow=flows(), seed=st.integers(0, 1000), part=st.floats(0, 1), height=st.integers(1, 30))
def test_an_outline_fits_and_accounts_for_every_failure(flow: Workflow, seed: int, part: float, height: int) -> None:
    whole = history_of(flow, seed).history
    seen = status(flow, whole[: 1 + int(part * (len(whole) - 1))])
    lines = outline(seen.steps, height)
    assert len(lines) <= height
    assert seen.counts.get(FAILED, 0) == sum(map(failures, lines))


def failures(line: Line) -> int:
    """The failed leaves one line stands for."""
    if line.step is None:
        return line.counts.get(FAILED, 0)
    if line.step.kind == "step":
        return int(line.step.state == FAILED)
    return line.step.counts.get(FAILED, 0) if line.folded else 0
