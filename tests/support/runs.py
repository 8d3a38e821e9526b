"""A workflow, its world and its runs, for tests that drive the engine in this process or look at what other processes left in a journal."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import Event, InterventionAsked, StepWaiting
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.engine import Ending
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.run import Surround, create, drive
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.timers import Clock
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import read
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder, StateFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.people.answering import answer_item
from ansible_collections.netops.changerail.plugins.plugin_utils.people.inbox import put
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load

PATIENCE = 20.0


class Bench:
    """``world`` is the folder in which ``example.world.act`` leaves its marks; ``variables`` reach every workflow besides it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = folder / "world"
        self.world.mkdir()
        self.state = StateFolder(folder / "state")
        self.environment: dict[str, str] = {}

    def create(
        self,
        text: str,
        run: str = "run-1",
        variables: Mapping[str, Any] | None = None,
        clock: Clock | None = None,
        files: Mapping[str, str] | None = None,
        **options: Any,
    ) -> RunFolder:
        """A new run of the workflow in ``text``; ``files`` are laid beside it."""
        for name, content in (files or {}).items():
            (self.folder / name).write_text(content, encoding="utf-8")
        path = self.folder / "change.yml"
        path.write_text(text, encoding="utf-8")
        names = {"world": str(self.world), **(variables or {})}
        requester = {"name": "the requester", "assurance": "os_user", "os_user": "somebody-else"}
        flow = load(path, names.keys())
        return create(
            flow, state=self.state, variables=names, options=options, requester=requester, run=run, clock=clock
        )

    def drive(self, folder: RunFolder, **keywords: Any) -> Ending:
        """Take the run up in this thread."""
        return drive(folder, Surround(environment=self.environment), **keywords)

    def run(self, text: str, **keywords: Any) -> tuple[Ending, list[Event]]:
        """Run the workflow in ``text`` to its end."""
        folder = self.create(text, **keywords)
        return self.drive(folder), self.events(folder)

    def events(self, folder: RunFolder, kind: type | tuple[type, ...] | None = None) -> list[Any]:
        """What is in the run's journal, of one kind or all."""
        found = [record.event for record in read(folder.journal)]
        return found if kind is None else [event for event in found if isinstance(event, kind)]

    def log(self) -> list[str]:
        """Every effect on the world, in order."""
        path = self.world / "log"
        return path.read_text().splitlines() if path.exists() else []

    def background(self, folder: RunFolder, **keywords: Any) -> tuple[Future[Ending], threading.Event]:
        """Drive in a thread; gives the future and the event that stops the engine."""
        stop = threading.Event()
        pool = ThreadPoolExecutor(1)
        future = pool.submit(self.drive, folder, stop=stop, **keywords)
        pool.shutdown(wait=False)
        return future, stop

    def answer(
        self,
        folder: RunFolder,
        choice: str,
        path: str = "ask",
        comment: str = "",
        question: str | None = None,
        person: str = "",
    ) -> str:
        """Lay an answer of this user (who says to be ``person``) into the inbox; gives its id."""
        asked = [
            event.question
            for event in self.events(folder)
            if isinstance(event, (StepWaiting, InterventionAsked)) and event.path == path and event.question
        ]
        item = answer_item(folder.run, path, question or asked[-1]["id"], choice, comment, person, 1_000_000.0)
        return put(folder, item)
