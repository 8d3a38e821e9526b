"""The heart: time per event of ``decide`` for chains and fan-outs, and of folding a long history."""

from __future__ import annotations

import time
from collections.abc import Iterator

from support.flows import block, leaf, started, workflow

from ansible_collections.netops.changerail.plugins.plugin_utils.core import commands as c
from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.core.decide import apply
from ansible_collections.netops.changerail.plugins.plugin_utils.core.state import State
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Workflow
from bench.figure import Figure

SIZES = (1_000, 10_000, 50_000)


def chain(size: int) -> Workflow:
    return workflow(*(leaf(f"s{n}") for n in range(size)))


def fan_out(size: int) -> Workflow:
    return workflow(block("p", *(leaf(f"s{n}") for n in range(size)), parallel=True))


def play(flow: Workflow, history: list[e.Event] | None = None) -> tuple[float, int]:
    """Run ``flow`` with every step succeeding; seconds spent in ``apply`` alone, and how many events there were. ``history`` collects them."""
    state = State(flow)
    batch: list[e.Event] = [started()]
    spent, events = 0.0, 0
    while batch:
        begin = time.perf_counter()
        commands = [command for event in batch for command in apply(state, event)]
        spent += time.perf_counter() - begin
        events += len(batch)
        if history is not None:
            history += batch
        batch = [event for command in commands for event in _answers(command)]
    if state.status != "succeeded":
        raise RuntimeError(f"the benchmark's run ended {state.status}")
    return spent, events


def _answers(command: c.Command) -> list[e.Event]:
    if isinstance(command, c.Perform):
        return [
            e.StepStarted(1.0, command.path, command.attempt, "key"),
            e.StepFinished(1.0, command.path, command.attempt, "", "done", False, {}),
        ]
    return [e.RunFinished(1.0, *command)] if isinstance(command, c.Finish) else []


def figures() -> Iterator[Figure]:
    for shape, make in (("chain", chain), ("fan-out", fan_out)):
        smallest = None
        for size in SIZES:
            flow = make(size)
            runs = [play(flow) for dummy in range(3)]
            micro = min(spent / events for spent, events in runs) * 1e6
            smallest = smallest or micro
            yield Figure(
                "decide",
                f"{shape} of {size:,} steps",
                micro,
                "µs/event",
                f"{SIZES[0]:,} steps",
                micro / smallest,
                "flat, 4 to 7 µs",
            )
