"""The journal: appending against a bare append and fdatasync of the same bytes, and taking up a long one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import Event, StepFinished
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import FIRST, line_of
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import FileJournal
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import StateFolder
from bench.figure import Figure, paired, wall

RECORDS = 400


def _event(number: int) -> StepFinished:
    return StepFinished(
        1.0, f"deploy[site-{number}]/verify", 1, "", "done", True, {"rc": 0, "stats": {"routes": number}}
    )


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(dir=".work") as place:
        state = StateFolder(Path(place))
        numbers = iter(range(1000))

        def ours() -> float:
            with FileJournal(state.create(f"run-{next(numbers)}")) as journal:
                return wall(lambda: [journal.append([_event(n)]) for n in range(RECORDS)])

        def bare() -> float:
            lines = []
            digest = FIRST
            for number in range(RECORDS):
                line, digest = line_of(_event(number), number + 1, digest)
                lines.append(line)
            file = os.open(Path(place, f"bare-{next(numbers)}"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                return wall(lambda: [(os.write(file, line), os.fdatasync(file)) for line in lines])
            finally:
                os.close(file)

        mine, theirs, ratio = paired(ours, bare, 7)
        against = f"bare append + fdatasync, {theirs / RECORDS * 1e3:.3f} ms"
        yield Figure("journal", "append one event, synced", mine / RECORDS * 1e3, "ms", against, ratio, "at most 1.5×")
        yield from _taking_up(state)


def _taking_up(state: StateFolder) -> Iterator[Figure]:
    """Read, check and fold journals of a real shape; the time for each event must not grow."""
    from ansible_collections.netops.changerail.plugins.plugin_utils.core.decide import fold
    from bench.core import chain, play

    smallest = None
    for events in (10_000, 100_000):
        flow = chain(events // 2)
        history: list[Event] = []
        play(flow, history)
        folder = state.create(f"long-{events}")
        with FileJournal(folder) as journal:
            for begin in range(0, len(history), 1000):
                journal.append(history[begin : begin + 1000])
        history.clear()

        def take_up(folder=folder, flow=flow) -> None:
            with FileJournal(folder) as journal:
                fold(flow, (record.event for record in journal.read()))

        seconds = min(wall(take_up) for dummy in range(3))
        smallest = smallest or seconds / events
        yield Figure(
            "journal",
            f"take up {events:,} events",
            seconds,
            "s",
            "10,000 events, each",
            seconds / events / smallest,
            "under 1 s, linear",
        )
