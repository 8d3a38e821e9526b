"""Recorded histories as tests of the views and the command line use them: a workflow's text and its events, one JSON object a line."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import Event, RunStarted, from_json
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import FileJournal
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder, StateFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Workflow
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load_sources

HISTORIES = Path(__file__).parent.parent / "unit" / "views" / "histories"


@dataclass(frozen=True)
class Recorded:
    """A history; ``folder`` also holds what the views must make of it."""

    folder: Path
    workflow: Workflow
    events: tuple[Event, ...]

    def laid_into(self, state: StateFolder, count: int | None = None) -> RunFolder:
        """The history as a run of ``state``: its first ``count`` events as a journal."""
        folder = state.create(self.events[0].run)  # type: ignore[union-attr]
        with FileJournal(folder) as journal:
            journal.append(self.events[:count])
        return folder


def recorded(name: str) -> Recorded:
    """The history called ``name``."""
    folder = HISTORIES / name
    text = (folder / "change.yml").read_text(encoding="utf-8")
    lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [from_json(json.loads(line), number) for number, line in enumerate(lines, start=1)]
    first = events[0]
    if not isinstance(first, RunStarted):
        raise ValueError(f"{folder}: the first event is not run_started")
    events[0] = replace(first, sources={first.main: text})
    return Recorded(folder, load_sources(first.main, {first.main: text}, first.folder), tuple(events))
