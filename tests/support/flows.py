"""Random workflows and a fake world for the tests of the core: what a leaf's attempts come to, and a naive model of what must follow."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from ansible_collections.netops.changerail.plugins.plugin_utils.core import commands as c
from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.core import retry
from ansible_collections.netops.changerail.plugins.plugin_utils.core.decide import State, apply, fold, pending
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import (
    Action,
    Loop,
    Position,
    Retry,
    Step,
    Workflow,
)

HERE = Position("change.yml", 1, 1)
RETRIES = Retry(retries=2, delay=10.0, retry_on=("transient", "failed"))


def workflow(*steps: Step) -> Workflow:
    return Workflow("a change", steps, {}, None, ".", "change.yml", {"change.yml": ""}, "0" * 64)


def leaf(name: str, **keywords: object) -> Step:
    return Step(id=name, name=name, at=HERE, action=Action("test.world.act", {}, HERE), **keywords)  # type: ignore[arg-type]


def block(name: str, *steps: Step, **keywords: object) -> Step:
    return Step(id=name, name=name, at=HERE, steps=steps, **keywords)  # type: ignore[arg-type]


def started(at: float = 0.0) -> e.RunStarted:
    return e.RunStarted(at, "run-1", "a change", "change.yml", ".", {}, "0" * 64, {}, {}, {}, {})


@dataclass(frozen=True)
class World:
    """What every attempt comes to, decided by a seed: the same for the engine and for the model. ``likely`` outcomes are drawn from."""

    seed: int
    likely: tuple[str, ...] = ("ok", "ok", "ok", "ok", "failed", "transient", "rejected")

    def _draw(self, *parts: object) -> int:
        return int.from_bytes(hashlib.sha256(repr((self.seed, *parts)).encode()).digest()[:4], "big")

    def outcome(self, path: str, attempt: int) -> str:
        """ "" when the attempt succeeds, else a failure class."""
        drawn = self.likely[self._draw("outcome", path, attempt) % len(self.likely)]
        return "" if drawn == "ok" else drawn

    def when(self, path: str) -> bool:
        return self._draw("when", path) % 4 != 0

    def until(self, path: str, attempt: int) -> bool:
        return self._draw("until", path, attempt) % 3 != 0


class Model:
    """The naive reference: runs a workflow by plain recursion, no cancel, no timeouts, no fail_fast. ``performed`` are the attempts in any order."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.performed: set[tuple[str, int]] = set()

    def run(self, flow: Workflow) -> str:
        return "failed" if self._sequence(flow.steps, "") == "failed" else "succeeded"

    def _step(self, step: Step, path: str) -> str:
        if step.loop is None:
            return self._once(step, path)
        statuses = []
        for index in range(len(step.loop.items)):
            statuses.append(self._once(step, f"{path}[{index}]"))
            if step.loop.at_once == 1 and statuses.count("failed") > step.loop.max_failures:
                break
        if statuses.count("failed") > step.loop.max_failures:
            return "ignored" if step.ignore_errors else "failed"
        return "ok"

    def _once(self, step: Step, path: str) -> str:
        if step.when and not self.world.when(path):
            return "skipped"
        status = self._leaf(step, path) if step.action else self._container(step, path)
        return "ignored" if status == "failed" and step.ignore_errors else status

    def _leaf(self, step: Step, path: str) -> str:
        rules = retry.policy(step, {})
        attempt = 0
        while True:
            attempt += 1
            self.performed.add((path, attempt))
            failure = self.world.outcome(path, attempt)
            again = failure in rules.retry_on
            if step.until and failure in ("", "failed"):
                again = not self.world.until(path, attempt) or (bool(failure) and again)
                if failure == "" and not again:
                    return "ok"
            elif not failure:
                return "ok"
            if not again or attempt > int(rules.retries):
                return "failed"

    def _container(self, step: Step, path: str) -> str:
        if step.parallel:
            failed = "failed" in [self._step(child, f"{path}/{child.id}") for child in step.steps]
            status = "failed" if failed else "ok"
        else:
            status = self._sequence(step.steps, path)
        if status == "failed" and step.rescue:
            status = self._sequence(step.rescue, path)
        if self._sequence(step.always, path) == "failed":
            status = "failed"
        return status

    def _sequence(self, steps: tuple[Step, ...], path: str) -> str:
        for step in steps:
            if self._step(step, f"{path}/{step.id}" if path else step.id) == "failed":
                return "failed"
        return "ok"


@dataclass
class Driver:
    """Drives the core through the fake world in a random order, crashing and recovering as told.

    ``history`` is the journal; ``effects`` counts what the world did by (path, attempt) and survives a crash, as the world does.
    ``attempts_now`` guards that no two attempts of a step run at once.
    """

    flow: Workflow
    world: World
    chance: random.Random
    crash_rate: float = 0.0
    history: list[e.Event] = field(default_factory=list)
    effects: dict[tuple[str, int], str] = field(default_factory=dict)
    state: State = field(init=False)
    outstanding: list[c.Command] = field(default_factory=list)
    now: float = 0.0
    crashes: int = 0

    def __post_init__(self) -> None:
        self.state = State(self.flow)
        self.record(started())

    def record(self, *new: e.Event) -> None:
        for event in new:
            self.history.append(event)
            self.outstanding.extend(apply(self.state, event))

    def crash(self) -> None:
        """Forget everything but the journal and the world, and take the run up again."""
        self.crashes += 1
        self.state = fold(self.flow, self.history)
        self.outstanding = list(pending(self.state))

    def run(self, limit: int = 20_000) -> str:
        for dummy in range(limit):
            if self.state.status != "running":
                return self.state.status
            if self.chance.random() < self.crash_rate:
                self.crash()
            if not self.outstanding:
                raise AssertionError("nothing is outstanding and the run is not over")
            self.perform(self.outstanding.pop(self._next()))
        raise AssertionError("the run does not end")

    def _next(self) -> int:
        """Anything may come next, but timers wait until nothing else is left, the earliest first."""
        others = [i for i, command in enumerate(self.outstanding) if not isinstance(command, c.SetTimer)]
        if others:
            return self.chance.choice(others)
        return min(range(len(self.outstanding)), key=lambda i: self.outstanding[i].due)  # type: ignore[union-attr]

    def perform(self, command: c.Command) -> None:
        for event in self.answer(command):
            if self.chance.random() < self.crash_rate:
                self.crash()
                return
            self.record(event)
            if self.chance.random() < 0.05:
                self.repeat(self.chance.choice(self.history))

    def repeat(self, event: e.Event) -> None:
        """Record once more what is history already; nothing may come of it."""
        before = list(pending(self.state))
        self.record(event)
        if list(pending(self.state)) != before:
            raise AssertionError(f"{event} came late and changed what is to be done")

    def answer(self, command: c.Command) -> Iterator[e.Event]:
        """What the world says to a command, event by event; the effect of Perform is committed before its answer is given."""
        if isinstance(command, c.Perform):
            yield e.StepStarted(self.now, command.path, command.attempt, "key")
            outcome = self.effects.get((command.path, command.attempt))
            if outcome is None:
                outcome = self.effects[command.path, command.attempt] = self.world.outcome(
                    command.path, command.attempt
                )
            yield e.StepFinished(self.now, command.path, command.attempt, outcome, outcome or "done", False, {})
        elif isinstance(command, c.Stop):
            done = self.effects.get((command.path, command.attempt))
            yield e.StepFinished(
                self.now, command.path, command.attempt, "" if done == "" else "cancelled", "stopped", False, {}
            )
        elif isinstance(command, c.Evaluate) and command.purpose == "enter":
            yield e.Evaluated(self.now, command.path, command.attempt, "enter", {"when": self.world.when(command.path)})
        elif isinstance(command, c.Evaluate):
            until = self.world.until(command.path, command.attempt)
            yield e.Evaluated(self.now, command.path, command.attempt, "result", {"until": until})
        elif isinstance(command, c.Expand):
            node = self.state.live.get(command.path)
            items = node.step.loop.items if node and node.step.loop else ()
            yield e.Expanded(self.now, command.path, items, [str(index) for index in range(len(items))])
        elif isinstance(command, c.SetTimer):
            self.now = max(self.now, command.due.moment)
            yield e.TimerFired(self.now, command.path, command.attempt, command.timer)
        elif isinstance(command, c.Finish):
            yield e.RunFinished(self.now, command.status, command.message)


def flows(*, with_fail_fast: bool = False) -> st.SearchStrategy[Workflow]:
    """Workflows of every construct, nested a few deep; names are made unique afterwards."""
    fast = st.booleans() if with_fail_fast else st.just(False)
    loops = st.one_of(
        st.none(),
        st.builds(
            Loop,
            items=st.integers(0, 3).map(lambda n: tuple(range(n))),
            at_once=st.sampled_from([0, 1, 2]),
            max_failures=st.sampled_from([0, 0, 1]),
            fail_fast=fast,
            pause=st.sampled_from([0.0, 0.0, 5.0]),
        ),
    )
    common = {
        "when": st.sampled_from([(), (), ("x",)]),
        "loop": st.one_of(st.none(), loops),
        "ignore_errors": st.sampled_from([False, False, False, True]),
        # Far away: it never fires before what else there is to do, but whoever takes the run up must know of it.
        "timeout": st.sampled_from([None, None, None, 1_000_000.0]),
    }
    leaves = st.builds(
        lambda **keywords: leaf("s", **keywords),
        retry=st.sampled_from([None, None, RETRIES]),
        until=st.sampled_from([(), (), ("x",)]),
        **common,
    )

    def containers(children: st.SearchStrategy[Step]) -> st.SearchStrategy[Step]:
        some = st.lists(children, min_size=1, max_size=4).map(tuple)
        few = st.lists(children, max_size=2).map(tuple)
        return st.builds(
            lambda steps, **keywords: block("b", *steps, **keywords),
            steps=some,
            rescue=few,
            always=few,
            parallel=st.booleans(),
            throttle=st.sampled_from([0, 0, 1, 2]),
            fail_fast=fast,
            **common,
        )

    step = st.recursive(leaves, containers, max_leaves=14)
    return st.lists(step, min_size=1, max_size=5).map(lambda steps: workflow(*_numbered(steps)))


def _numbered(steps: list[Step] | tuple[Step, ...], first: int = 0) -> tuple[Step, ...]:
    numbered = []
    for number, step in enumerate(steps, start=first):
        body = _numbered(step.steps)
        rescue = _numbered(step.rescue, len(body))
        always = _numbered(step.always, len(body) + len(rescue))
        numbered.append(replace(step, id=f"{step.id}{number}", steps=body, rescue=rescue, always=always))
    return tuple(numbered)
