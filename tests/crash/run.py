"""One run of the crash test, from the first engine to the last, and what is made sure of after each death."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any

from support.summary import lasting, summary

from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import records
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder
from crash.engine import Killer, chosen
from crash.flows import Flow
from crash.people import People
from crash.world import World, serving

CHANGERAIL = str(Path(sys.executable).with_name("changerail"))
COLLECTIONS = Path(__file__).resolve().parents[1] / "collections"
RUN = "crash"
EXIT_CODES = {"succeeded": 0, "failed": 1, "cancelled": 4}
PATIENCE = 60.0
"""Seconds the last engine may take to end the run."""
SERVED = 0.35
"""The share of engines after the first that are a server, which takes up what it finds in the state folder."""
SERVER = [CHANGERAIL, "serve", "--listen", "127.0.0.1:0"]
LEFT_ALONE = 0.3
"""The share of deaths after which nobody takes the run up before the people have answered what is open."""
_HELD = "is driven by another process"
_STARTED = re.compile(r"^\S+ \S+  (\S+): started$", re.MULTILINE)


class Wrong(Exception):
    """A guarantee was broken; the text says which."""


@dataclass(frozen=True)
class Came:
    """What a run came to. ``effects`` counts what happened to the world by name and key; what a timeout may cut off is left out."""

    summary: Any
    effects: Counter[str]


@dataclass
class Counts:
    """What was done and seen."""

    kills: int = 0
    killed_servers: int = 0
    events: int = 0
    effects: int = 0
    answers: int = 0
    killed_answers: int = 0

    def add(self, other: Counts) -> None:
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    def as_text(self, runs: int) -> str:
        """The figures of runs in which nothing was wrong."""
        return (
            f"crash: {self.kills} engines killed ({self.killed_servers} of them servers) in {runs} runs, {self.events} events, {self.effects} effects,"
            f" {self.answers} answers and cancels ({self.killed_answers} more killed in the middle)"
        )


class Run:
    """A context manager: the world is served and the people look while it lasts. Without ``chance`` nobody is killed."""

    def __init__(self, folder: Path, flow: Flow, chance: random.Random | None) -> None:
        self._folder = folder
        self._flow = flow
        self._chance = chance
        self._world = World(chance or random.Random(0))
        self._run = RunFolder(folder / "state" / "runs" / RUN)
        self._open = contextlib.ExitStack()
        self._people = People(flow, RUN, self._run.journal, self._command, chance)
        self._recorded = b""
        self._startup = 1.0
        self.counts = Counts()
        self.killed: list[str] = []

    def __enter__(self) -> Run:
        self._folder.mkdir(parents=True)
        url = self._open.enter_context(serving(self._world))
        for name, text in self._flow.written(url, getpass.getuser(), str(self._folder)).items():
            (self._folder / name).write_text(text, encoding="utf-8")
        self._people.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._people.over.set()
        self._people.join()
        self._open.close()

    def undisturbed(self) -> Came:
        """Run it to its end."""
        self._finish()
        return self._came()

    def disturbed(self, kills: int) -> Came:
        """Kill so many engines, or as many as there are before the run is over, and have it finished. Raises Wrong."""
        for dummy in range(kills):
            if not self._killed_one():
                break
        self._finish()
        return self._came()

    # Engines

    def _killed_one(self) -> bool:
        """Start an engine and kill it; False when it came to its end before."""
        if self._chance is None:
            raise ValueError("an undisturbed run")
        number = len(self.killed)
        command = self._engine()
        if command[1] == "resume" and self._chance.random() < SERVED:
            command = SERVER
        moment = chosen(self._chance, self._startup)
        began = time.monotonic()
        with open(self._folder / f"engine-{number}.txt", "wb") as output:
            process = subprocess.Popen(
                command, cwd=self._folder, env=self._environment(), stdout=output, stderr=subprocess.STDOUT
            )
        killer = Killer(process, moment, self._run.journal, self._world)
        if not killer.kill(self._is_over if command is SERVER else lambda: False):
            if _HELD in self._said(number):
                raise Wrong(f"engine {number} could not take the run up: {self._said(number)}")
            # One that had not come so far as to say anything knows no signal yet.
            if command is SERVER and process.returncode != 0 and self._said(number):
                raise Wrong(f"a server ended with {process.returncode}: {self._said(number)}")
            return False
        took = time.monotonic() - began
        self.killed.append(f"{command[1]}: {moment.kind} {moment.count} {moment.delay:.3f} after {took:.2f} s")
        self.counts.kills += 1
        self.counts.killed_servers += command is SERVER
        self._after_death(self._said(number))
        if self._chance.random() < LEFT_ALONE:
            self._leave_alone()
        return True

    def _engine(self) -> list[str]:
        """The command that begins the run, or goes on with it."""
        if self._run.has_begun():
            return [CHANGERAIL, "resume", RUN]
        return [CHANGERAIL, "run", "change.yml", "--run-id", RUN]

    def _finish(self) -> None:
        """Have an engine end the run."""
        engine = self._command(self._engine()[1:])
        try:
            output, errors = engine.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            engine.kill()
            output, errors = engine.communicate()
        status = summary(self._events())["status"] if self._run.has_begun() else "not begun"
        if engine.returncode != EXIT_CODES.get(status):
            raise Wrong(f"the last engine ended with {engine.returncode}, the run is {status}: {output}{errors}")

    def _command(self, arguments: Sequence[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [CHANGERAIL, *arguments],
            cwd=self._folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(COLLECTIONS)]))
        return {
            **os.environ,
            "CHANGERAIL_HOME": str(self._folder / "state"),
            "PYTHONPATH": path,
            "PYTHONUNBUFFERED": "1",
        }

    def _said(self, number: int) -> str:
        return (self._folder / f"engine-{number}.txt").read_text(encoding="utf-8", errors="replace")

    def _leave_alone(self) -> None:
        """Give the people time to answer while no engine runs."""
        deadline = time.monotonic() + 5.0
        while self._people.busy.is_set() and time.monotonic() < deadline:
            time.sleep(0.05)

    # What must hold

    def _after_death(self, said: str) -> None:
        """Nothing recorded before is lost, what was shown is recorded, and what was done was recorded before."""
        data = self._run.journal.read_bytes() if self._run.journal.exists() else b""
        whole = data[: data.rfind(b"\n") + 1]
        if not whole.startswith(self._recorded):
            raise Wrong("a recorded event was lost or changed")
        self._recorded = whole
        started = [event for event in _events(whole) if isinstance(event, e.StepStarted)]
        unknown = set(_STARTED.findall(said)) - {event.path for event in started}
        if unknown:
            raise Wrong(f"shown as started, but not recorded: {unknown}")
        # A change record carries the key without the attempt.
        keys = {key for event in started for key in (event.key, event.key.rpartition("/")[0])}
        early = {key for key in self._effects() if key.partition(" ")[2] not in keys}
        if early:
            raise Wrong(f"done before it was recorded: {early}")

    def _came(self) -> Came:
        """The end of the run, after a look at the people's side of it."""
        self._people.over.set()
        self._people.join()
        events = self._events()
        if not self._run.journal.read_bytes().startswith(self._recorded):
            raise Wrong("a recorded event was lost or changed")
        self._check_answers(events)
        effects = self._effects()
        doubled = {key: count for key, count in effects.items() if count > 1}
        if doubled:
            raise Wrong(f"happened more than once: {doubled}")
        self.counts.events += len(events)
        self.counts.effects += len(effects)
        self.counts.answers += self._people.given
        self.counts.killed_answers += self._people.killed
        maybe = {f"{RUN}/{path}/1" for path in self._flow.maybe}
        surely = Counter({name: count for name, count in effects.items() if name.partition(" ")[2] not in maybe})
        return Came(lasting(summary(events)), surely)

    def _check_answers(self, events: Sequence[e.Event]) -> None:
        """Each answer is recorded once, or lies in the inbox as a whole; none that was said to count is missing."""
        people = self._people
        if people.complaints:
            raise Wrong("; ".join(people.complaints))
        recorded = [event.answer for event in events if isinstance(event, (e.Answered, e.AnswerRefused))]
        accepted = [event.answer for event in events if isinstance(event, e.Answered)]
        wanted = sum(map(len, self._flow.answers.values()))
        if len(recorded) != len(set(recorded)) or len(accepted) != wanted or people.counted > wanted:
            raise Wrong(f"{wanted} answers should count once: {recorded}, of which counted {accepted}")
        if (self._run.inbox / "refused").exists():
            raise Wrong("an item was set aside as damaged")
        for path in self._run.inbox.glob("*.json"):
            json.loads(path.read_bytes())
        drafts = [path for path in self._run.inbox.iterdir() if path.name.startswith(".")]
        if len(drafts) > people.killed:
            raise Wrong(f"drafts of nobody who was killed: {drafts}")

    def _is_over(self) -> bool:
        """Whether the journal says that the run is over; cheap, as it is asked all the time."""
        with open(self._run.journal, "rb") as journal:
            journal.seek(-min(journal.seek(0, os.SEEK_END), 2000), os.SEEK_END)
            return b'"run_finished"' in journal.read()

    def _events(self) -> list[e.Event]:
        return _events(self._run.journal.read_bytes())

    def _effects(self) -> Counter[str]:
        """Every effect by what it is and the key, with how often it happened."""
        marks = self._folder / "marks"
        marked = marks.read_text(encoding="utf-8").splitlines() if marks.exists() else []
        opened = [json.loads(path.read_bytes()) for path in (self._folder / "state" / "records").glob("*.json")]
        return Counter(
            {
                **{f"made {key}": count for key, count in list(self._world.made.items())},
                **{f"stopped {key}": 1 for key in list(self._world.stopped)},
                **{f"marked {key}": count for key, count in Counter(marked).items()},
                **{
                    f"opened {key}": count
                    for key, count in Counter(record["correlation_id"] for record in opened).items()
                },
            }
        )


def _events(data: bytes) -> list[e.Event]:
    """The events of a journal's whole lines; every line is verified."""
    return [record.event for record in records(data.splitlines(keepends=True))]
