"""The people of the crash test: they answer and cancel with ``changerail``, whether an engine runs or not, and are sometimes killed in the middle of it."""

from __future__ import annotations

import random
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import read
from ansible_collections.netops.changerail.plugins.plugin_utils.views.waiting import open_questions
from crash.flows import Flow

LOOK_EVERY = 0.05
KILLED = 0.25
"""The share of commands in the middle of which whoever gives them is killed; they give them again then."""
PATIENCE = 60.0

Launch = Callable[[Sequence[str]], "subprocess.Popen[str]"]
Deed = tuple[tuple[str, str], list[str]]
"""What it is about, and the arguments of the command."""
_CANCEL = ("", "cancel")


class People(threading.Thread):
    """Look at the run's journal until ``over`` is set. ``launch`` starts a ``changerail`` command; ``chance`` is None for people who are never killed.

    ``counted`` is how often an answer was said to count, ``given`` how many commands came to their end, ``killed`` how many did not.
    ``busy`` is set while something is to be answered.
    """

    def __init__(self, flow: Flow, run: str, journal: Path, launch: Launch, chance: random.Random | None) -> None:
        super().__init__(name="people", daemon=True)
        self._flow = flow
        self._run = run
        self._journal = journal
        self._launch = launch
        self._chance = chance
        self._size = 0
        self._events: list[e.Event] = []
        self._times: Counter[tuple[str, str]] = Counter()
        self.over = threading.Event()
        self.busy = threading.Event()
        self.counted = 0
        self.given = 0
        self.killed = 0
        self.complaints: list[str] = []

    def run(self) -> None:
        try:
            while not self.over.wait(LOOK_EVERY):
                self._act()
        except Exception as error:  # noqa: BLE001 - told to whoever judges the run
            self.complaints.append(f"{type(error).__name__}: {error}")

    def _act(self) -> None:
        deed = self._next()
        if deed is None:
            self.busy.clear()
            return
        self.busy.set()
        subject, arguments = deed
        if self._do(arguments):
            self._times[subject] += 1

    def _next(self) -> Deed | None:
        """What is to be done now."""
        self._look()
        for asked in open_questions(self._events):
            subject = (asked.path, asked.question.id)
            wanted = self._flow.answers.get(asked.path, ())
            if self._times[subject] < len(wanted):
                return subject, ["answer", self._run, asked.path, *wanted[self._times[subject]]]
        waiting = {event.path for event in self._events if isinstance(event, e.StepWaiting)}
        if self._flow.cancelled_at in waiting and not self._times[_CANCEL]:
            return _CANCEL, ["cancel", self._run, "-m", "no longer wanted"]
        return None

    def _look(self) -> None:
        size = self._journal.stat().st_size if self._journal.exists() else 0
        if size != self._size:
            self._size = size
            self._events = [record.event for record in read(self._journal)]

    def _do(self, arguments: Sequence[str]) -> bool:
        """Give a command; whether it came to its end."""
        process = self._launch(arguments)
        dies = self._chance is not None and self._chance.random() < KILLED
        try:
            output, errors = process.communicate(
                timeout=self._chance.uniform(0, 1.0) if dies and self._chance else PATIENCE
            )
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            self.killed += 1
            return False
        self.given += 1
        self.counted += output.startswith("counted")
        # 1 is an answer that does not count; 2 a question that is over, or a run.
        if process.returncode not in (0, 1, 2) or "Traceback" in errors or "unexpected" in errors:
            self.complaints.append(f"{' '.join(arguments)}: exit code {process.returncode}: {errors}")
        return True
