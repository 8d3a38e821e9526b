"""``make crash``: kills engines at many moments of many runs and shows that nothing is lost and nothing happens twice.

Each run is one of the workflows in flows.py against a world that counts (world.py) and people who answer (people.py). Its engines are killed with
SIGKILL, one after the other, until one is left to finish. Then the run must have come to what an undisturbed one comes to, with each effect once.
Two runs go on at a time. Everything by chance follows from the seed; what went wrong is kept in .work/crash.
"""

from __future__ import annotations

import argparse
import itertools
import random
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, fields
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "collections")]

# E402: behind the line that says where the tests' own packages are.
from crash.flows import FLOWS, Flow  # noqa: E402
from crash.run import Came, Counts, Run, Wrong  # noqa: E402

KEPT = TESTS.parent / ".work" / "crash"
AT_ONCE = 2
KILLS_OF_A_RUN = (3, 9)
"""At least and at most; a run may be over before."""
LIMIT = 1800.0
"""Seconds after which no further run is begun."""


@dataclass(frozen=True)
class Task:
    """Run ``number`` of this crash test: which flow, how many of its engines are killed, and the chance for everything else in it."""

    number: int
    flow: Flow
    kills: int
    chance: random.Random


def tasks(seed: int) -> Iterator[Task]:
    """Runs without end, every flow at least once."""
    for number in itertools.count():
        chance = random.Random(f"{seed}/{number}")
        flow = FLOWS[number] if number < len(FLOWS) else chance.choices(FLOWS, [flow.share for flow in FLOWS])[0]
        yield Task(number, flow, chance.randint(*KILLS_OF_A_RUN), chance)


class Crashes:
    """All runs of one crash test, below ``place``."""

    def __init__(self, place: Path, seed: int) -> None:
        self._place = place
        self._seed = seed
        self._calm: dict[str, Came] = {}
        self.problems: list[str] = []
        self.counts = Counts()
        self.runs = 0

    def prepare(self) -> None:
        """Learn what each flow comes to when nothing is disturbed."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for flow, came in zip(FLOWS, pool.map(self._undisturbed, FLOWS), strict=True):
                self._calm[flow.name] = came

    def one(self, task: Task) -> tuple[Counts, str]:
        """Do one run; what was counted in it, and what was wrong or ""."""
        folder = self._place / str(task.number)
        run = Run(folder, task.flow, task.chance)
        try:
            with run:
                came = run.disturbed(task.kills)
                _compare(came, self._calm[task.flow.name])
        except Wrong as wrong:
            kept = KEPT / f"{self._seed}-{task.number}"
            shutil.copytree(folder, kept, dirs_exist_ok=True, ignore=lambda _path, names: {"wake"} & set(names))
            return (
                run.counts,
                f"run {task.number} ({task.flow.name}): {wrong}\n  kept in {kept}; killed: {'; '.join(run.killed)}",
            )
        shutil.rmtree(folder)
        return run.counts, ""

    def _undisturbed(self, flow: Flow) -> Came:
        with Run(self._place / f"calm-{FLOWS.index(flow)}", flow, None) as run:
            return run.undisturbed()


def _compare(came: Came, calm: Came) -> None:
    """Raises Wrong where the two differ."""
    for field in fields(Came):
        one, other = getattr(came, field.name), getattr(calm, field.name)
        if one != other:
            raise Wrong(f"{field.name} differ: {one}, undisturbed: {other}")


def crash(kills: int, seed: int) -> int:
    """Kill so many engines; returns the exit code."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="crash-") as folder:
        crashes = Crashes(Path(folder).resolve(), seed)
        try:
            crashes.prepare()
        except Wrong as wrong:
            print(f"WRONG without any kill: {wrong}")
            return 1
        todo = tasks(seed)
        going: set[Future[tuple[Counts, str]]] = set()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while True:
                while len(going) < AT_ONCE and crashes.counts.kills < kills and time.monotonic() - began < LIMIT:
                    going.add(pool.submit(crashes.one, next(todo)))
                if not going:
                    break
                over, going = wait(going, return_when=FIRST_COMPLETED)
                for future in over:
                    _take(crashes, *future.result(), kills)
    took = time.monotonic() - began
    print(
        f"\n{crashes.counts.as_text(crashes.runs)}; {len(crashes.problems)} runs with anything doubled or lost; seed {seed}, {took:.0f} s"
    )
    for problem in crashes.problems:
        print(f"WRONG: {problem}")
    if crashes.counts.kills < kills:
        print(f"WRONG: no more kills within {LIMIT:.0f} s")
    return 1 if crashes.problems or crashes.counts.kills < kills else 0


def _take(crashes: Crashes, counts: Counts, problem: str, kills: int) -> None:
    crashes.runs += 1
    crashes.counts.add(counts)
    if problem:
        crashes.problems.append(problem)
    if sys.stderr.isatty():
        wrong = f", {len(crashes.problems)} WRONG" if crashes.problems else ""
        print(f"\r{crashes.counts.kills} of {kills} kills{wrong} ", end="", file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kills", type=int, nargs="?", default=300, help="how many engines are killed")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(1_000_000), help="repeats the moments of another time"
    )
    options = parser.parse_args(arguments)
    print(f"killing {options.kills} engines; seed {options.seed}", flush=True)
    return crash(options.kills, options.seed)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
