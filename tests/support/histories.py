"""Journals of releases, kept as test data: where they lie, and what each must come to for ever."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.core import commands as c
from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.core.decide import apply, pending
from ansible_collections.netops.changerail.plugins.plugin_utils.core.state import State
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import records
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load_sources
from support.summary import summary

HISTORIES = Path(__file__).resolve().parents[1] / "histories"
JOURNAL, STATE = "journal.jsonl", "state.json"


@dataclass(frozen=True)
class Kept:
    """One journal; ``state`` is the text of what it must come to."""

    folder: Path

    @property
    def name(self) -> str:
        """Release and run, such as ``0.1.0/parallel``."""
        return f"{self.folder.parent.name}/{self.folder.name}"

    def lines(self) -> list[bytes]:
        return (self.folder / JOURNAL).read_bytes().splitlines(keepends=True)

    def state(self) -> str:
        return (self.folder / STATE).read_text(encoding="utf-8")


def kept() -> Iterator[Kept]:
    """Every journal, by release and name."""
    return (Kept(path.parent) for path in sorted(HISTORIES.glob(f"*/*/{JOURNAL}")))


def come_to(lines: list[bytes]) -> str:
    """The text of what a journal comes to: the summary, what each event made outstanding, and what is outstanding at the end."""
    events = [record.event for record in records(lines)]
    state, told = _told(events)
    document = {**summary(events), "commands": told, "pending": [_text(command) for command in pending(state)]}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _told(events: list[e.Event]) -> tuple[State, list[str]]:
    first = events[0]
    if not isinstance(first, e.RunStarted):
        raise ValueError("the first event is not run_started")
    state = State(load_sources(first.main, first.sources, first.folder))
    told = [f"{seq}: {_text(command)}" for seq, event in enumerate(events, 1) for command in apply(state, event)]
    return state, told


def _text(command: c.Command) -> str:
    """In words that outlive the classes."""
    parts: list[Any] = [part.moment if isinstance(part, c.Due) else part for part in command]
    return " ".join([type(command).__name__, *map(json.dumps, parts)])
