"""Thousands of waiting runs in one server: memory, idle CPU, from an answer to the next step, restarts; for 1,000 and for 10,000.

Each number of runs is measured in a process of its own: ``python tests/bench/server.py 10000 FOLDER`` prints JSON.
"""

from __future__ import annotations

import gc
import getpass
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles

sys.path.insert(0, str(Path(__file__).parent.parent))

from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.run import Surround, create
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import FIRST, Record, line_of
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import read
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import StateFolder, private_folder
from ansible_collections.netops.changerail.plugins.plugin_utils.people.answering import answer_item
from ansible_collections.netops.changerail.plugins.plugin_utils.people.inbox import put
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.memory import settle
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.scheduler import Scheduler
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load
from bench.figure import Figure, compared

SIZES = (1_000, 10_000)
ANSWERS = 300
IDLE = 20.0
"""Seconds that an idle server is watched."""
SURVEYS = 60.0
"""Seconds between two looks of the server for what nobody told it of."""
PATIENCE = 600.0
AIMS: Mapping[str, tuple[str, str, str]] = {
    "memory": ("memory of one more run", "kB", "under 5 kB"),
    "idle": ("idle CPU, of one core", "%", "under 1 %"),
    "median": ("an answer to the next step's start, median", "ms", "under 20 ms"),
    "p99": ("the same, 99 in 100", "ms", "under 100 ms"),
    "restart": ("restart until all are taken up", "s", "under 10 s"),
    "first": ("first start, with every journal read", "s", ""),
    "rows": ("all rows, sorted and filtered for one person", "ms", "under 200 ms"),
}


def figures() -> Iterator[Figure]:
    return compared("server", AIMS, SIZES, _measured)


def _measured(size: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=".work") as place:
        command = [sys.executable, __file__, str(size), str(Path(place).absolute())]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=1800, check=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def measure(size: int, folder: Path) -> dict[str, float]:
    """The figures for so many waiting runs, made in ``folder``."""
    state = StateFolder(folder / "state")
    made = waiting_run(folder, state)
    for number in range(1, size):
        copied(state, made, f"run-{number:05d}")
    first = wall_until_taken_up(state)
    before = _resident()
    watch = _Watch()
    scheduler = Scheduler(state, Surround(environment={}), observer=watch)
    began = time.perf_counter()
    scheduler.start()
    _await(scheduler)
    restart = time.perf_counter() - began
    settle()
    memory = (_resident() - before) / size / 1024
    cpu = time.process_time()
    time.sleep(IDLE)
    idle = (time.process_time() - cpu) / IDLE
    cpu = time.process_time()
    scheduler._look_around()
    idle += (time.process_time() - cpu) / SURVEYS
    rows = _rows(scheduler)
    waits = _answered(scheduler, state, watch, size)
    scheduler.stop()
    return {
        "memory": memory,
        "idle": idle * 100,
        "median": median(waits) * 1e3,
        "p99": quantiles(waits, n=100)[98] * 1e3,
        "restart": restart,
        "first": first,
        "rows": rows * 1e3,
    }


def wall_until_taken_up(state: StateFolder) -> float:
    """Seconds of a first start, in a process of its own: it leaves the entries and no memory."""
    program = f"import sys; sys.path[:0] = {sys.path!r}; from bench.server import first_start; first_start({str(state.path)!r})"
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, timeout=PATIENCE, check=True
    )
    return float(done.stdout)


def first_start(state: str) -> None:
    scheduler = Scheduler(StateFolder(Path(state)), Surround(environment={}))
    began = time.perf_counter()
    scheduler.start()
    _await(scheduler)
    print(time.perf_counter() - began)
    scheduler.stop()


def _await(scheduler: Scheduler) -> None:
    if not scheduler.taken_up.wait(PATIENCE):
        raise RuntimeError("the server did not take all runs up")
    end = time.monotonic() + PATIENCE
    while scheduler.load.held or scheduler.load.turns_wanted:
        if time.monotonic() > end:
            raise RuntimeError(f"the server does not come to rest: {scheduler.load}")
        time.sleep(0.005)


def waiting_run(folder: Path, state: StateFolder) -> list[e.Event]:
    """A real run driven until it waits for an approval; its events."""
    ask = f"{{id: ask, netops.changerail.approval: {{people: [{getpass.getuser()}], four_eyes: false, deadline: 30d}}}}"
    flow = folder / "asking.yml"
    flow.write_text(f"name: asking\nsteps:\n  - {ask}\n  - {{id: after, ansible.builtin.debug: {{msg: over}}}}\n")
    run = create(load(flow), state=state, variables={}, options={}, requester={"name": "ann"}, run="run-00000")
    scheduler = Scheduler(state, Surround(environment={}))
    scheduler.start()
    _await(scheduler)
    scheduler.stop()
    return [record.event for record in read(run.journal)]


def copied(state: StateFolder, made: list[e.Event], run: str) -> None:
    """The same history under another id, as an engine would have written it."""
    lines, digest = [], FIRST
    for number, event in enumerate(made, 1):
        if isinstance(event, e.RunStarted):
            event = replace(event, run=run)
        elif isinstance(event, e.StepStarted):
            event = replace(event, key=f"{run}/{event.path}/{event.attempt}")
        line, digest = line_of(event, number, digest)
        lines.append(line)
    place = private_folder(state.runs / run)
    private_folder(place / "inbox")
    (place / "journal.jsonl").write_bytes(b"".join(lines))


def _resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _rows(scheduler: Scheduler) -> float:
    """Seconds for the rows of a list: those that wait for somebody, the newest first."""
    took, me = [], getpass.getuser()
    for dummy in range(5):
        began = time.perf_counter()
        rows = [row for row in scheduler.rows() if any(wait.waits_for(me, ("netops",)) for wait in row.waits)]
        rows.sort(key=lambda row: (row.began, row.run), reverse=True)
        took.append(time.perf_counter() - began)
    return median(took)


class _Watch:
    """When the first step after an answer started, by run."""

    def __init__(self) -> None:
        self.started: dict[str, float] = {}
        self.changed = threading.Condition()

    def __call__(self, run: str, record: Record) -> None:
        if isinstance(record.event, e.StepStarted):
            with self.changed:
                self.started[run] = time.perf_counter()
                self.changed.notify()


def _answered(scheduler: Scheduler, state: StateFolder, watch: _Watch, size: int) -> list[float]:
    """Seconds from the moment an answer is given, as by the command line, to the record that the next step started."""
    waits = []
    numbers = random.Random(0).sample(range(size), ANSWERS)
    for number in numbers:
        run = f"run-{number:05d}"
        row = scheduler.row(run)
        if row is None:
            raise RuntimeError(f"{run} is not known")
        item = answer_item(run, "ask", row.waits[0].question, "approve", "", "", time.time())
        began = time.perf_counter()
        put(state.open(run), item)
        with watch.changed:
            if not watch.changed.wait_for(lambda run=run: run in watch.started, timeout=60):
                raise RuntimeError(f"{run} did not go on: {scheduler.row(run)}")
        waits.append(watch.started[run] - began)
    return waits


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), Path(sys.argv[2]))))
