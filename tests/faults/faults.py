"""``make faults``: every call of the ServiceNow and GitLab clients, and whole workflows, while both systems fail at random.

First single calls: changes that live through every step there is (changes.py) on two ServiceNow instances, and pipelines and approvals in GitLab
(pipelines.py), tried again as the engine would. Then whole workflows by the engine itself, several at once (workflows.py). A quarter of all requests
meets a fault; now and then a system does what it is asked and keeps silent. What the systems hold in the end is compared with what was reported:
nothing may be there twice, nothing missing, nothing hang, nothing be called done that is not. What is chosen by chance follows from the seed; in
which order the threads come to run does not.
"""

from __future__ import annotations

import argparse
import faulthandler
import itertools
import os
import random
import secrets
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Protocol

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "collections")]

# E402: behind the line that says where the tests' own packages are.
from ansible_collections.netops.changerail.plugins.module_utils import http  # noqa: E402
from ansible_collections.netops.changerail.tests.twins.gitlab.access import TRIGGER_TOKEN  # noqa: E402
from faults.changes import Change  # noqa: E402
from faults.pipelines import Deployment  # noqa: E402
from faults.steps import DOUBLED, FALSE_SUCCESS, HANG, LOST, OTHER, Steps, Wrong  # noqa: E402
from faults.systems import (  # noqa: E402
    INSTANCES,
    READ_TIMEOUT,
    Systems,
    doubled_in_gitlab,
    doubled_in_servicenow,
    systems,
)
from faults.workflows import INSTANCE, Workflow, people  # noqa: E402

CALLS_AT_ONCE, WORKFLOWS_AT_ONCE = 12, 4
CALLS_OF_A_LIFE = 10
"""About so many; few calls are made by few lives at once, as each goes to its end."""
CALLS_OF_A_WORKFLOW = 50
"""One workflow for so many single calls."""
SHARES_OF_GITLAB: Mapping[str, float] = {"both": 0.5, "servicenow": 0.0, "gitlab": 1.0}
"""Of the lives, by which system is called; a change's has a dozen calls, a pipeline's one."""
SILENT_EVERY = 40
"""Lives after which a system keeps silent once."""
GITLAB: Sequence[Mapping[str, str]] = ({}, {"trigger_token": TRIGGER_TOKEN})
"""How a pipeline is started: settings of the connection. Where its key is an input, nobody can tell a lost request, and a person is asked."""
MOST_SHOWN = 20
LIMIT = 300.0
"""Seconds without anything coming to its end, after which what is left hangs."""


class Life(Protocol):
    """Something that is lived through once, in a thread of its own."""

    calls: int

    def live(self) -> None:
        """Raises Wrong."""


class Faults:
    """One run of the fault test in ``place``, against ``world``."""

    def __init__(self, place: Path, world: Systems, seed: int, system: str) -> None:
        self._place, self._world, self._seed, self._share = place, world, seed, SHARES_OF_GITLAB[system]
        self.wrong: Counter[str] = Counter()
        self.problems: list[str] = []
        self.calls = self.workflows = self.faults = 0

    def run_calls(self, wanted: int) -> None:
        """So many single calls, or a few more, as a life goes to its end."""
        lives = map(self._life, itertools.count())
        self._fail(undo=True)
        width = min(CALLS_AT_ONCE, 1 + wanted // CALLS_OF_A_LIFE)
        self._do(width, lambda: next(lives) if self.calls < wanted else None, wanted)
        self._look()

    def run_workflows(self, wanted: int) -> None:
        """So many workflows by the engine."""
        workflows = map(self._workflow, range(wanted))
        self._fail(undo=False)
        with people(self._world.servicenow[INSTANCE]):
            self._do(WORKFLOWS_AT_ONCE, lambda: next(workflows, None), wanted)
        self.workflows = wanted
        self._look()

    def closing(self) -> str:
        """The figures in a line."""
        wrong = self.wrong
        return (
            f"faults: {self.calls:,} calls and {self.workflows} workflows under {self.faults:,} faults:"
            f" {wrong[DOUBLED]} records or pipelines doubled, {wrong[LOST]} pieces of evidence lost, {wrong[HANG]} hangs,"
            f" {wrong[FALSE_SUCCESS]} false successes, {wrong[OTHER]} other wrong ends"
        )

    def _life(self, number: int) -> Life:
        chance = random.Random(f"{self._seed}/{number}")
        instance = chance.choice(list(INSTANCES))
        gitlab = chance.choice(GITLAB)
        folder = self._place / f"life-{number}"
        steps = Steps(folder, self._world.connections(instance, **gitlab), f"life-{number}")
        if number % SILENT_EVERY == SILENT_EVERY - 1:
            self._world.fall_silent(number // SILENT_EVERY)
        if chance.random() < self._share:
            return Deployment(steps, self._world, number, chance)
        return Change(steps, self._world.servicenow[instance], folder, number, chance)

    def _workflow(self, number: int) -> Life:
        chance = random.Random(f"{self._seed}/workflow/{number}")
        return Workflow(self._place / f"workflow-{number}", self._world, number, chance)

    def _fail(self, undo: bool) -> None:
        self._world.fail(self._seed, undo)

    def _do(self, width: int, begin: Callable[[], Life | None], wanted: int) -> None:
        """Live so many lives at once until no further one is begun. Raises TimeoutError when what is left hangs."""
        pool, going = ThreadPoolExecutor(width), dict[Future[tuple[str, str]], Life]()
        lived = 0
        while True:
            while len(going) < width and (life := begin()) is not None:
                going[pool.submit(_lived, life)] = life
            if not going:
                break
            over, dummy = wait(going, timeout=LIMIT, return_when=FIRST_COMPLETED)
            if not over:
                faulthandler.dump_traceback()
                raise TimeoutError(f"{len(going)} lives have not ended in {LIMIT:.0f} s")
            for future in over:
                self.calls += going.pop(future).calls
                lived += 1
                self._note(*future.result())
            self._show(lived, wanted)
        pool.shutdown()

    def _look(self) -> None:
        """No faults any more; what the systems were made to do more than once."""
        self.faults += self._world.faults()
        for twin in self._world.twins:
            twin.no_faults()
        for name, twin in self._world.servicenow.items():
            for problem in doubled_in_servicenow(twin):
                self._note(DOUBLED, f"{name}: {problem}")
        for problem in doubled_in_gitlab(self._world.gitlab):
            self._note(DOUBLED, f"gitlab: {problem}")

    def _note(self, kind: str, text: str) -> None:
        if kind:
            self.wrong[kind] += 1
            self.problems.append(text)

    def _show(self, lived: int, wanted: int) -> None:
        if sys.stderr.isatty():
            done = f"{self.calls} calls" if self.workflows else f"{lived} lives, {self.calls} calls"
            wrong = f", {len(self.problems)} WRONG" if self.problems else ""
            print(f"\r{done}, of {wanted} wanted{wrong} ", end="", file=sys.stderr, flush=True)


def _lived(life: Life) -> tuple[str, str]:
    """The kind and the text of what was wrong, or "" and ""."""
    try:
        life.live()
    except Wrong as wrong:
        return wrong.kind, str(wrong)
    except Exception:  # noqa: BLE001 - a defect of any kind is a finding like the others, and the rest goes on
        return OTHER, traceback.format_exc()
    return "", ""


def faults(calls: int, workflows: int, seed: int, system: str) -> int:
    """Do them all; returns the exit code."""
    began = time.monotonic()
    http.READ_TIMEOUT = READ_TIMEOUT
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        place = Path(folder).resolve()
        with systems(place / "systems") as world:
            test = Faults(place, world, seed, system)
            try:
                test.run_calls(calls)
                test.run_workflows(workflows)
            except TimeoutError as error:
                test.wrong[HANG] += 1
                test.problems.append(str(error))
    for problem in test.problems[:MOST_SHOWN]:
        print(f"WRONG: {problem}")
    print(f"seed {seed}, {time.monotonic() - began:.0f} s")
    print(test.closing(), flush=True)
    return 1 if test.problems else 0


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("calls", type=int, nargs="?", default=2000, help="how many single calls are made")
    parser.add_argument("--workflows", type=int, help=f"how many workflows run (one for {CALLS_OF_A_WORKFLOW} calls)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="repeats what chance chose")
    parser.add_argument("--system", choices=SHARES_OF_GITLAB, default="both", help="which is called by single calls")
    options = parser.parse_args(arguments)
    workflows = options.calls // CALLS_OF_A_WORKFLOW if options.workflows is None else options.workflows
    print(f"{options.calls} calls and {workflows} workflows; seed {options.seed}", flush=True)
    return faults(options.calls, workflows, options.seed, options.system)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # A thread that hangs would keep the process alive.
    os._exit(code)
