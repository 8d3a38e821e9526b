"""Streams of open pages: each hears of its run and of no other, gives its place back, and there are no more than allowed."""

from __future__ import annotations

import asyncio

import pytest

from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import RunFinished
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import Record
from ansible_collections.netops.changerail.plugins.plugin_utils.web import live
from ansible_collections.netops.changerail.plugins.plugin_utils.web.live import Live
from ansible_collections.netops.changerail.plugins.plugin_utils.web.observers import Observers

RECORD = Record(1, RunFinished(1000.0, "succeeded"), "0" * 64, 1)


@pytest.mark.parametrize(("run", "of", "heard"), [("one", "one", True), ("one", "two", False), ("", "two", True)])
def test_a_page_hears_of_its_run(run: str, of: str, heard: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_HEARTBEAT", 0.05)
    observers = Observers(False)

    async def listen() -> bytes:
        stream = Live(observers).stream(run)
        assert (await anext(stream)).startswith(b"retry")
        await asyncio.to_thread(observers.record, of, RECORD)
        said = await anext(stream)
        await stream.aclose()
        return said

    assert asyncio.run(listen()) == (b"data: changed\n\n" if heard else b": still here\n\n")


def test_a_closed_page_makes_room_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST", 1)

    async def pages() -> list[bool]:
        those = Live(Observers(False))
        first = those.enter()
        stream = those.stream("")
        await anext(stream)
        second = those.enter()
        await stream.aclose()
        return [first, second, those.enter()]

    assert asyncio.run(pages()) == [True, False, True]
