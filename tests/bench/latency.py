"""From a person's answer to the start of the next step, with an engine running; and a playbook of 500 tasks against plain ``ansible-playbook``."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

from ansible_collections.netops.changerail.plugins.module_utils.operation import Call, Context, Waiting
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import Answered, StepStarted, StepWaiting
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.run import Surround, create, drive
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import Record
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder, StateFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.people.answering import answer_item
from ansible_collections.netops.changerail.plugins.plugin_utils.people.inbox import put
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load
from bench.figure import Figure, children_cpu, paired

QUESTIONS = 40
TASKS = 500


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(dir=".work") as place:
        folder = Path(place).absolute()
        yield from _answers(folder)
        yield from _long_playbook(folder)


def _answers(folder: Path) -> Iterator[Figure]:
    asking = "".join(
        f"  - {{id: ask-{n}, netops.changerail.approval: {{people: [{getpass.getuser()}], four_eyes: false}}}}\n"
        for n in range(QUESTIONS)
    )
    flow = folder / "asking.yml"
    flow.write_text(f"name: asking\nsteps:\n{asking}  - {{id: end, ansible.builtin.debug: {{msg: over}}}}\n")
    run = create(
        load(flow),
        state=StateFolder(folder / "state"),
        variables={},
        options={},
        requester={"name": "requester"},
        run="asking",
    )
    given: dict[str, float] = {}
    waits: list[float] = []
    asked: list[tuple[str, str]] = []
    wake = threading.Condition()
    last = [""]

    def observe(record: Record) -> None:
        event = record.event
        with wake:
            if isinstance(event, StepWaiting) and event.question:
                asked.append((event.path, event.question["id"]))
            elif isinstance(event, Answered):
                last[0] = event.path
            elif isinstance(event, StepStarted) and last[0] in given:
                waits.append(time.perf_counter() - given.pop(last[0]))
            wake.notify_all()

    answering = threading.Thread(target=_answer_all, args=(run, asked, given, wake), daemon=True)
    answering.start()
    ending = drive(run, Surround(observer=observe))
    answering.join(10)
    if ending.status != "succeeded":
        raise RuntimeError(f"the benchmark's run ended {ending}")
    yield Figure(
        "people",
        f"answer to the next step's start, median of {len(waits)}",
        median(waits) * 1e3,
        "ms",
        aim="under 50 ms",
    )
    yield Figure("people", "the same, 95 in 100", quantiles(waits, n=20)[18] * 1e3, "ms")


def _answer_all(
    run: RunFolder, asked: list[tuple[str, str]], given: dict[str, float], wake: threading.Condition
) -> None:
    for number in range(QUESTIONS):
        with wake:
            wake.wait_for(lambda number=number: len(asked) > number, timeout=30)
            path, question = asked[number]
        item = answer_item(run.run, path, question, "approve", "", "", time.time())
        given[path] = time.perf_counter()
        put(run, item)


def _long_playbook(folder: Path) -> Iterator[Figure]:
    tasks = "".join(f"    - {{name: t{n}, ansible.builtin.debug: {{msg: hello {n}}}}}\n" for n in range(TASKS))
    playbook = folder / "long.yml"
    playbook.write_text(f"- hosts: localhost\n  gather_facts: false\n  tasks:\n{tasks}")
    numbers = iter(range(100))

    def plain() -> float:
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(playbook)]
        return children_cpu(lambda: subprocess.run(command, stdout=subprocess.DEVNULL, timeout=300, check=True))

    def ours() -> float:
        own = folder / f"attempt-{next(numbers)}"
        own.mkdir()
        program = f"import sys; sys.path[:0] = {sys.path!r}; from bench.latency import run_playbook; run_playbook({str(own)!r}, {str(playbook)!r})"
        subprocess.run([sys.executable, "-c", program], timeout=300, check=True, env={**os.environ})
        return float((own / "cpu").read_text())

    mine, theirs, ratio = paired(ours, plain, 3)
    against = f"plain ansible-playbook, {theirs:.1f} s"
    what = f"{TASKS} tasks through the supervisor, CPU of all its processes"
    yield Figure("playbooks", what, mine, "s", against, ratio, "1.05× (ansible-runner alone: 1.2 to 1.3×)")


def run_playbook(own: str, playbook: str) -> None:
    """In a process of its own: run the playbook as a step does, and write the CPU seconds of the supervisor and all below it to ``cpu``."""
    import ctypes
    import resource

    from ansible_collections.netops.changerail.plugins.module_utils.arguments import validated
    from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.operations import PLAYBOOK

    # The supervisor leaves its parent on purpose; as subreaper this process inherits it, and with it what it cost.
    pr_set_child_subreaper = 36
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_child_subreaper, 1, 0, 0, 0)
    folder = Path(own)
    args = validated(PLAYBOOK, {"playbook": playbook, "inventory": ["localhost,"]})
    call = Call(args, Context("r/s/1", "r", "s", 1, folder, base=folder, environment=dict(os.environ)))
    outcome = PLAYBOOK.start(call)
    while isinstance(outcome, Waiting):
        time.sleep(min(outcome.after, 0.2))
        outcome = PLAYBOOK.poll(call, outcome.handle)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            break
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    (folder / "cpu").write_text(str(used.ru_utime + used.ru_stime))
    if not outcome.result.get("hosts"):
        raise RuntimeError(f"the benchmark's playbook ended {outcome}")
