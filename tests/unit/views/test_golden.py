"""What the views make of recorded histories, byte for byte: the files beside each history are what people see.

``UPDATE=1 pytest tests/unit/views/test_golden.py`` writes them anew; look at the difference before you commit it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.recorded import HISTORIES, Recorded, recorded

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.layout import Canvas
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.lines import entry_line
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.tree import picture
from ansible_collections.netops.changerail.plugins.plugin_utils.exports.dot import dot
from ansible_collections.netops.changerail.plugins.plugin_utils.exports.mermaid import mermaid
from ansible_collections.netops.changerail.plugins.plugin_utils.views.evidence import collect, markdown
from ansible_collections.netops.changerail.plugins.plugin_utils.views.graph import graph, states_of
from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import Status
from ansible_collections.netops.changerail.plugins.plugin_utils.views.timeline import timeline

NAMES = sorted(folder.name for folder in HISTORIES.iterdir() if folder.is_dir())
SIZES = ((80, 24), (140, 50), (60, 12))


@pytest.fixture(autouse=True)
def _one_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(params=NAMES)
def history(request: pytest.FixtureRequest) -> Recorded:
    return recorded(request.param)


def _agrees(path: Path, text: str) -> None:
    if os.environ.get("UPDATE"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_tree_at_every_moment(history: Recorded, width: int, height: int) -> None:
    fold = Status(history.workflow)
    pages = []
    for number, event in enumerate(history.events):
        fold.apply(event)
        canvas = Canvas(width, height, event.at + 1, "▸")
        lines = [text.plain.rstrip() for text in picture(fold.snapshot(), canvas)]
        assert len(lines) <= height
        pages.append("\n".join([f"===== after event {number}: {type(event).__name__}", *lines, ""]))
    _agrees(history.folder / f"tree-{width}x{height}.txt", "\n".join(pages))


def test_the_timeline(history: Recorded) -> None:
    lines = [entry_line(entry).plain for entry in timeline(history.events)]
    _agrees(history.folder / "timeline.txt", "\n".join(lines) + "\n")


def test_the_evidence(history: Recorded) -> None:
    _agrees(history.folder / "evidence.md", markdown(collect(history.workflow, history.events)))


def test_the_drawings(history: Recorded) -> None:
    fold = Status(history.workflow)
    for event in history.events:
        fold.apply(event)
    drawn = graph(history.workflow, states_of(fold.snapshot()))
    _agrees(history.folder / "graph.mmd", mermaid(drawn))
    _agrees(history.folder / "graph.dot", dot(drawn))
