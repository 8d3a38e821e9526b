"""Records the histories of this release into tests/histories/<version>/, once: ``python tests/histories/record.py``.

Each construct (tests/support/constructs.py) is run by the engine; one of the engines dies on the way and another goes on. Two of them are also kept as they
were while they waited, and one with evidence that came in meanwhile. What tells of the machine (paths, host, user, pid) is replaced, and the lines are
chained again.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "collections")]

import pytest  # noqa: E402
import yaml  # noqa: E402
from support.constructs import FLOWS, Flow, People  # noqa: E402
from support.faults import Died, Fate, surround  # noqa: E402
from support.histories import HISTORIES, JOURNAL, STATE, come_to  # noqa: E402
from support.runs import Bench  # noqa: E402

from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e  # noqa: E402
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.run import Surround, drive  # noqa: E402
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.memory import MemoryJournal  # noqa: E402
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import (  # noqa: E402
    People as Known,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import Person, login  # noqa: E402
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project  # noqa: E402

DIES_AT = 17
"""The boundary at which the first engine of each run dies."""
PLACE = "/srv/changes"
WAITING = {"questions": e.StepWaiting, "retries": e.StepFinished}
"""Runs that are also kept as they were after the first event of this kind."""
EVIDENCE = "questions"
"""The run that is also kept with evidence that came in while it waited."""


def main() -> int:
    """Record all; refuses to change what is there."""
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    target = HISTORIES / version
    if target.exists():
        print(f"{target} is there; histories are never recorded again", file=sys.stderr)
        return 1
    for flow in FLOWS:
        history = recorded(flow)
        keep(target / slug(flow.name), history)
        if flow.name in WAITING:
            last = next(place for place, event in enumerate(history) if isinstance(event, WAITING[flow.name]))
            keep(target / f"{slug(flow.name)}-waiting", history[: last + 1])
        if flow.name == EVIDENCE:
            keep(target / "evidence", with_evidence(history))
    return 0


def with_evidence(history: Sequence[e.Event]) -> list[e.Event]:
    """The history with a playbook that somebody ran while the run waited."""
    last = next(place for place, event in enumerate(history) if isinstance(event, e.StepWaiting))
    files = {"events": {"path": f"{PLACE}/recorded/one/events.jsonl", "sha256": "0" * 64, "size": 120}}
    added = e.EvidenceAdded(history[last].at, "engineer", "deploy.yml", "", "", True, files, "one")
    return [*history[: last + 1], added, *history[last + 1 :]]


def recorded(flow: Flow) -> list[e.Event]:
    """The history of one run of the flow, with nothing of this machine in it."""
    own = login(os.getuid())
    project = Project(people=Known({"engineer": Person("engineer", os_users=(own,))}))
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(Path(place))
        people = People(flow, bench)
        folder = bench.create(flow.text, run=slug(flow.name), variables={"me": "engineer"}, files=flow.files)
        for last in (DIES_AT, 0):
            people.look(folder)
            fate = Fate(folder, last, power=False)
            around = Surround(project=project, environment={}, observer=people.observer(folder), clock=people.clock)
            with pytest.MonkeyPatch.context() as patch:
                surround(patch, fate)
                try:
                    drive(folder, around)
                except Died:
                    print(f"{flow.name}: an engine died {fate.where}")
            fate.settle()
        return [anonymous(event, place) for event in bench.events(folder)]


def anonymous(event: e.Event, place: str) -> e.Event:
    """The event without what tells of this machine."""
    if isinstance(event, e.EngineStarted):
        event = replace(event, host="host", user="engineer", pid=4711)
    document = json.loads(json.dumps(e.to_json(event)).replace(place, PLACE))
    return e.from_json(document, 0)


def keep(folder: Path, history: Sequence[e.Event]) -> None:
    """Write the journal and what it comes to."""
    journal = MemoryJournal()
    journal.append(history)
    folder.mkdir(parents=True)
    (folder / JOURNAL).write_bytes(b"".join(journal.lines))
    (folder / STATE).write_text(come_to(journal.lines), encoding="utf-8")


def slug(name: str) -> str:
    """The name as a folder's and a run's."""
    return re.sub(r"\W+", "-", name)


if __name__ == "__main__":
    raise SystemExit(main())
