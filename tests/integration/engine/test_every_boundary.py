"""Every boundary of a run of each construct: the engine dies there, is taken up again, and all is as if nothing had happened."""

from __future__ import annotations

import getpass
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.constructs import FLOWS, Flow, People
from support.faults import Died, Fate, surround
from support.runs import Bench
from support.summary import lasting, summary

from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.run import Surround, drive


@dataclass(frozen=True)
class Outcome:
    """``summary`` as in support/summary.py, ``effects`` in no order, ``died`` the boundaries at which an engine died."""

    summary: object
    effects: list[str]
    died: tuple[str, ...]


def played(flow: Flow, place: Path, deaths: tuple[int, ...], power: bool) -> Outcome:
    """The outcome of the flow when its engines die at their ``deaths``-th boundaries, one engine after the other."""
    bench = Bench(place)
    people = People(flow, bench)
    folder = bench.create(flow.text, variables={"me": getpass.getuser()}, files=flow.files)
    died: list[str] = []
    for last in (*deaths, 0):
        before = folder.journal.read_bytes()
        people.look(folder)
        fate = Fate(folder, last, power)
        with pytest.MonkeyPatch.context() as patch:
            surround(patch, fate)
            try:
                drive(folder, Surround(environment={}, observer=people.observer(folder), clock=people.clock))
            except Died:
                died.append(fate.where)
        fate.settle()
        assert not fate.wrong
        whole = before[: before.rfind(b"\n") + 1]
        assert folder.journal.read_bytes().startswith(whole), "an event was lost"
    history = bench.events(folder)
    assert not list(folder.inbox.glob("*.json"))
    answers = [event.answer for event in history if isinstance(event, (e.Answered, e.BreakGlass))]
    assert len(answers) == len(set(answers)) == flow.counting
    return Outcome(lasting(summary(history)), sorted(bench.log()), tuple(died))


@pytest.mark.parametrize("power", [False, True], ids=["process dies", "machine dies"])
@pytest.mark.parametrize("flow", FLOWS, ids=[flow.name for flow in FLOWS])
def test_whoever_dies_at_any_boundary_of_a_run_changes_nothing(flow, power, tmp_path, record_property):
    calm = played(flow, fresh(tmp_path), (), False)
    boundary = 0
    while True:
        boundary += 1
        # A second death at the same count comes in the recovery from the first.
        outcome = played(flow, fresh(tmp_path), (boundary, boundary), power)
        if not outcome.died:
            break
        assert (outcome.summary, outcome.effects) == (calm.summary, calm.effects), outcome.died
    record_property("boundaries died at", boundary - 1)
    assert boundary > 5


def fresh(place: Path) -> Path:
    """The same empty folder each time, so that nothing differs by where it lies."""
    folder = place / "bench"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder
