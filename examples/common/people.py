"""The people of the examples: who there is, their keys, the project file that names them, and how they answer by themselves."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.common.changerail import Changerail

LOOK_EVERY = 0.5
"""Seconds between two looks of a crew at its run."""
MOMENT = 1.0
"""Seconds a crew lets pass before it acts, so that the waiting can be seen."""


@dataclass(frozen=True)
class Person:
    """Somebody who takes part. ``says`` is the comment they answer with; the requester may not answer."""

    name: str
    groups: tuple[str, ...] = ()
    says: str = ""

    @property
    def mail(self) -> str:
        return f"{self.name}@example.net"


REQUESTER = Person("requester", ("netops",))
PEOPLE = (
    REQUESTER,
    Person("security-engineer", ("netsec",), "The firewall rule opens ping only"),
    Person("change-manager", ("cab",), "No conflict with other changes"),
    Person("peer", ("netops",), "Read it, and agree"),
    Person("oncall-engineer", ("oncall",), "It cannot wait for the board"),
    Person("service-owner", ("stakeholders",)),
)


def by_name(name: str) -> Person:
    return next(person for person in PEOPLE if person.name == name)


def make_keys(folder: Path) -> None:
    """An SSH key for each person, without a passphrase, in ``folder/<name>``; none where OpenSSH is not installed."""
    folder.mkdir(mode=0o700)
    if shutil.which("ssh-keygen") is None:
        return
    for person in PEOPLE:
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", person.name, "-f", str(folder / person.name)]
        subprocess.run(command, check=True, timeout=60)


class Crew:
    """Answers the questions of one run and does other teams' work for it, each a moment after the run began to wait for it.

    ``work`` maps a step's path to what the team that it waits for does; ``people`` are those who answer. A context manager: it attends
    to the run meanwhile, and leaving it raises what went wrong.
    """

    def __init__(
        self,
        changerail: Changerail,
        run: str,
        keys: Path,
        work: Mapping[str, Callable[[], None]],
        people: Sequence[Person],
    ) -> None:
        self._people = people
        self._changerail = changerail
        self._run = run
        self._keys = keys
        self._work = dict(work)
        self._seen: dict[str, float] = {}
        self._over = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._attend, name="crew", daemon=True)

    def __enter__(self) -> Crew:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _attend(self) -> None:
        try:
            while not self._over.wait(LOOK_EVERY):
                for step in _live_steps(self._changerail.status(self._run).get("steps", ())):
                    self._look(step)
        except Exception as error:  # noqa: BLE001 - raised where the crew is dismissed
            self._error = error
            # Nobody would come any more.
            self._changerail.ask("cancel", self._run, "-m", f"the crew gave up: {error}")

    def _look(self, step: Mapping[str, Any]) -> None:
        path, asked = str(step["path"]), step.get("question")
        waits = asked["question"]["id"] if asked else path if path in self._work else ""
        if not waits or time.monotonic() - self._seen.setdefault(waits, time.monotonic()) < MOMENT:
            return
        self._seen[waits] = math.inf
        if asked:
            self._answer(path, asked["question"])
        else:
            self._work[path]()

    def _answer(self, path: str, question: Mapping[str, Any]) -> None:
        for person in self._people:
            if person.says and set(person.groups) & set(question["groups"]):
                who = identity(person, self._keys, self._changerail.folder)
                said = self._changerail.ask("answer", self._run, path, "approve", *who, "-m", person.says)
                if said.returncode != 0:
                    raise RuntimeError(f"{person.name} could not answer {path}: {said.stderr or said.stdout}")
                return


def identity(person: Person, keys: Path, folder: Path) -> list[str]:
    """The options of `changerail answer` that say who answers, with a signature when they have a key; typed in ``folder``."""
    key = keys / person.name
    return ["--as", person.name, *(["--key", os.path.relpath(key, folder)] if key.exists() else [])]


def _live_steps(steps: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for step in steps:
        if step["state"] in ("running", "waiting", "asking"):
            yield step
            yield from _live_steps(step.get("steps", ()))
