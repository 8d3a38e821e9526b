"""Who holds a run: looking is free, and never in the way of whoever takes the run up."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ansible_collections.netops.changerail.plugins.module_utils.errors import RunIsHeld
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import FileJournal, holder
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import StateFolder


def test_those_who_look_never_keep_an_engine_from_taking_the_run_up(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path).create("run-1")
    FileJournal(folder).close()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            holder(folder)

    lookers = [threading.Thread(target=look) for dummy in range(3)]
    for looker in lookers:
        looker.start()
    try:
        for dummy in range(200):
            FileJournal(folder).close()
    finally:
        over.set()
        for looker in lookers:
            looker.join()


def test_one_who_drives_it_is_named_to_the_second(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path).create("run-1")
    assert holder(folder) is None
    with FileJournal(folder):
        assert "pid" in str(holder(folder))
        with pytest.raises(RunIsHeld, match="pid"):
            FileJournal(folder)
    assert holder(folder) is None
