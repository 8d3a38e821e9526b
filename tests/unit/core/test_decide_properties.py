"""The core by property: random workflows, random order, a crash at any boundary, against a naive model."""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.flows import Driver, Model, World, flows

from ansible_collections.netops.changerail.plugins.plugin_utils.core import commands as c
from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.core.decide import fold, pending
from ansible_collections.netops.changerail.plugins.plugin_utils.core.state import ALWAYS, Container, Leaf

CASES = int(os.environ.get("PROPERTY_CASES", "500"))
many = settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
seeds = st.integers(0, 2**32)


@pytest.fixture(autouse=True)
def _count(record_property):
    record_property("property cases", CASES)


@many
@given(flows(), seeds)
def test_every_run_ends_as_the_model_says_with_the_same_attempts(flow, seed):
    world = World(seed)
    model = Model(world)
    expected = model.run(flow)
    driver = Driver(flow, world, random.Random(seed))
    assert driver.run() == expected
    assert set(driver.effects) == model.performed


@many
@given(flows(), seeds)
def test_crashes_change_neither_the_end_nor_the_effects(flow, seed):
    world = World(seed)
    calm = Driver(flow, world, random.Random(seed))
    shaken = Driver(flow, world, random.Random(seed + 1), crash_rate=0.15)
    assert shaken.run() == calm.run()
    assert shaken.effects == calm.effects


@many
@given(flows(with_fail_fast=True), seeds, st.integers(0, 60))
def test_what_is_pending_follows_from_the_state_alone(flow, seed, length):
    """Also when the run is cancelled on the way: commands not yet answered are those ``pending`` names, and refolding gives the same."""
    driver = Driver(flow, World(seed), random.Random(seed))
    for position in range(length):
        if driver.state.status != "running":
            break
        if position == length // 2 and seed % 2:
            driver.record(e.CancelRequested(driver.now, "somebody", "no longer wanted"))
        else:
            driver.perform(driver.outstanding.pop(driver._next()))
        wanted = set(pending(driver.state))
        assert wanted <= set(driver.outstanding)
        assert {command for command in driver.outstanding if not _is_stale(driver, command)} == wanted
        assert list(pending(fold(flow, driver.history))) == list(pending(driver.state))


@many
@given(flows(with_fail_fast=True), seeds, st.integers(1, 40))
def test_cancel_reaches_every_leaf_but_those_under_always_and_the_run_ends_cancelled(flow, seed, length):
    driver = Driver(flow, World(seed), random.Random(seed))
    for dummy in range(length):
        if driver.state.status != "running":
            return
        driver.perform(driver.outstanding.pop(driver._next()))
    if driver.state.status != "running" or driver.state.ending:
        return
    before = {leaf.path: leaf.stop for leaf in driver.state.leaves()}
    driver.record(e.CancelRequested(driver.now, "somebody", "no longer wanted"))
    sheltered = {leaf.path: leaf.stop for leaf in driver.state.leaves() if _under_always(leaf)}
    assert sheltered == {path: before.get(path, "") for path in sheltered}
    assert all(leaf.stop == "cancel" for leaf in driver.state.leaves() if leaf.path not in sheltered)
    assert driver.run() == "cancelled"
    assert not driver.state.live


@many
@given(flows(with_fail_fast=True), seeds)
def test_no_attempt_is_performed_twice_and_attempts_come_one_after_the_other(flow, seed):
    driver = Driver(flow, World(seed), random.Random(seed), crash_rate=0.05)
    driver.run()
    finished: dict[str, int] = {}
    for event in driver.history:
        if isinstance(event, e.StepStarted):
            assert event.attempt <= finished.get(event.path, 0) + 1
        elif isinstance(event, e.StepFinished):
            finished[event.path] = max(event.attempt, finished.get(event.path, 0))


def _under_always(node: Leaf) -> bool:
    parent = node.parent
    while parent is not None:
        if isinstance(parent, Container) and parent.section == ALWAYS:
            return True
        parent = parent.parent
    return False


def _is_stale(driver: Driver, command: c.Command) -> bool:
    """Nothing waits for this command any more: it was replaced by a Stop, or the event that would answer it changes nothing."""
    before, now = list(pending(driver.state)), driver.now
    if isinstance(command, c.Perform) and c.Stop(command.path, command.attempt, "cancel") in before:
        return True
    state = fold(driver.flow, [*driver.history, *driver.answer(command)])
    driver.now = now
    return list(pending(state)) == before and command not in before
