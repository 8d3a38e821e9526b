"""The inbox: whole items in their order, and nothing else."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, RunError, StorageError
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder, StateFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.people import answering, inbox


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return StateFolder(tmp_path / "state").create("run-1")


def answer(comment: str = "", **more: Any) -> dict[str, Any]:
    return {**answering.answer_item("run-1", "review", "0" * 16, "approve", comment, "Jürgen O'Neil", 1000.0), **more}


def read(folder: RunFolder) -> tuple[list[inbox.Item], list[str]]:
    reports: list[str] = []
    return inbox.items(folder, reports.append), reports


def test_what_is_put_is_there_with_its_owner_until_it_is_done(folder: RunFolder) -> None:
    item = answer("sieht gut aus – \"ok\" 'ok' 🛰")
    item_id = inbox.put(folder, item)
    (found,), reports = read(folder)
    assert found.document == item
    assert (found.id, found.owner_uid, reports) == (item_id, os.getuid(), [])
    inbox.done(folder, item_id)
    inbox.done(folder, item_id)
    assert read(folder) == ([], [])


def test_items_come_in_the_order_they_arrived_whatever_their_ids_say(folder: RunFolder) -> None:
    put = [inbox.put(folder, answer(id=f"{name}-{number}")) for number, name in enumerate("zyxw")]
    found, _reports = read(folder)
    assert [item.id for item in found] == put
    assert [item.arrived for item in found] == sorted(item.arrived for item in found)


def test_an_item_is_readable_by_its_owner_only(folder: RunFolder) -> None:
    item_id = inbox.put(folder, answer())
    assert stat.S_IMODE((folder.inbox / f"{item_id}.json").stat().st_mode) == 0o600
    assert [path.name for path in folder.inbox.iterdir()] == [f"{item_id}.json"]


def test_the_same_item_put_twice_is_there_once(folder: RunFolder) -> None:
    item = answer()
    assert inbox.put(folder, item) == inbox.put(folder, item)
    assert len(read(folder)[0]) == 1


def test_putting_wakes_an_engine_that_listens_and_needs_none(folder: RunFolder) -> None:
    inbox.put(folder, answer())
    os.mkfifo(folder.wake, 0o600)
    inbox.put(folder, answer())
    reader = os.open(folder.wake, os.O_RDONLY | os.O_NONBLOCK)
    try:
        inbox.put(folder, answer())
        assert os.read(reader, 10) == b"\n"
    finally:
        os.close(reader)


def test_a_full_fifo_does_not_hold_who_answers(folder: RunFolder) -> None:
    os.mkfifo(folder.wake, 0o600)
    reader = os.open(folder.wake, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(folder.wake, os.O_WRONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(BlockingIOError):
            while True:
                os.write(writer, b"\n" * 65536)
        inbox.put(folder, answer())
    finally:
        os.close(reader)
        os.close(writer)
    assert len(read(folder)[0]) == 1


def test_many_writers_at_once_lose_nothing(folder: RunFolder) -> None:
    def write(writer: int) -> None:
        for number in range(20):
            inbox.put(folder, answer(f"{writer}/{number}"))

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    seen: set[str] = set()
    while len(seen) < 80 and any(writer.is_alive() for writer in writers):
        found, reports = read(folder)
        assert reports == []
        seen |= {item.id for item in found}
    for writer in writers:
        writer.join(timeout=30)
    found, reports = read(folder)
    assert len({item.document["comment"] for item in found}) == 80
    assert reports == []


GOOD = answer(id="good-1")
BAD = {
    "empty": b"",
    "torn": json.dumps(GOOD).encode()[:40],
    "not UTF-8": b'{"kind": "answer", "id": "bad", "comment": "\xff"}',
    "lone surrogate": json.dumps({**GOOD, "id": "bad", "comment": "\ud800"}).encode(),
    "nested": b"[" * 60000,
    "a list": b"[]",
    "too large": json.dumps({**GOOD, "id": "bad", "comment": "x" * inbox.LARGEST}).encode(),
    "unknown kind": json.dumps({**GOOD, "id": "bad", "kind": "pardon"}).encode(),
    "other id": json.dumps({**GOOD, "id": "other"}).encode(),
    "field missing": json.dumps({"kind": "answer", "id": "bad", "run": "run-1"}).encode(),
    "wrong type": json.dumps({**GOOD, "id": "bad", "choice": {"approve": True}}).encode(),
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
def test_a_damaged_or_hostile_file_is_set_aside_and_the_others_are_read(folder: RunFolder, content: bytes) -> None:
    inbox.put(folder, GOOD)
    (folder.inbox / "bad.json").write_bytes(content)
    found, reports = read(folder)
    assert [item.id for item in found] == ["good-1"]
    assert len(reports) == 1
    assert "bad.json" in reports[0]
    (aside,) = (folder.inbox / "refused").iterdir()
    assert aside.read_bytes() == content
    assert read(folder)[1] == []


def test_links_pipes_and_folders_are_no_items(folder: RunFolder, tmp_path: Path) -> None:
    inbox.put(folder, GOOD)
    outside = tmp_path / "outside.json"
    outside.write_text(json.dumps({**GOOD, "id": "link"}))
    (folder.inbox / "link.json").symlink_to(outside)
    os.mkfifo(folder.inbox / "fifo.json")
    (folder.inbox / "folder.json").mkdir()
    found, reports = read(folder)
    assert [item.id for item in found] == ["good-1"]
    assert len(reports) == 3
    assert outside.exists()


def test_a_second_name_for_somebodys_item_sends_nothing(folder: RunFolder) -> None:
    item_id = inbox.put(folder, GOOD)
    os.link(folder.inbox / f"{item_id}.json", folder.path / "elsewhere")
    found, reports = read(folder)
    assert found == []
    assert "hard link" in reports[0]


def test_an_item_that_others_can_write_sends_nothing(folder: RunFolder) -> None:
    item_id = inbox.put(folder, GOOD)
    (folder.inbox / f"{item_id}.json").chmod(0o666)
    found, reports = read(folder)
    assert found == []
    assert "written by others" in reports[0]


def test_drafts_of_writers_that_died_are_left_alone(folder: RunFolder) -> None:
    (folder.inbox / ".draft.1234").write_text("half")
    assert read(folder) == ([], [])


def test_what_the_engine_would_not_take_is_refused_at_the_door(folder: RunFolder) -> None:
    with pytest.raises(AuthorError, match="larger than"):
        inbox.put(folder, answer("x" * inbox.LARGEST))
    with pytest.raises(AuthorError, match="id"):
        inbox.put(folder, answer(id="../../etc/passwd"))
    with pytest.raises(AuthorError):
        inbox.put(folder, answer("\udc80"))
    assert read(folder) == ([], [])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_without_permission_the_message_names_the_owner(folder: RunFolder) -> None:
    folder.inbox.chmod(0o500)
    with pytest.raises(RunError, match="belongs to user"):
        inbox.put(folder, answer())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_who_owns_the_file_sent_it(folder: RunFolder) -> None:
    item_id = inbox.put(folder, GOOD)
    os.chown(folder.inbox / f"{item_id}.json", 65534, 65534)
    (found,), _reports = read(folder)
    assert found.owner_uid == 65534


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_the_owner_of_the_run_can_read_what_another_user_puts(folder: RunFolder) -> None:
    os.chown(folder.inbox, 65534, 65534)
    item_id = inbox.put(folder, GOOD)
    assert stat.S_IMODE((folder.inbox / f"{item_id}.json").stat().st_mode) == 0o644


def test_a_disk_that_fails_leaves_nothing_behind(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="No space left"):
            inbox.put(folder, answer())
    assert list(folder.inbox.iterdir()) == []
    assert read(folder) == ([], [])


def test_evidence_is_taken_with_files_that_are_said_in_full_only(folder: RunFolder) -> None:
    file = {"path": "/srv/diff", "sha256": "0" * 64, "size": 12}
    item = {
        **answering.evidence_item("run-1", "", "deploy.yml", 1000.0, failure="", message="", changed=True, files=[])
    }
    inbox.put(folder, {**item, "files": {"diff": file}})
    assert read(folder)[0][0].document["files"] == {"diff": file}
    for wrong in ({"diff": {**file, "size": "12"}}, {"diff": {"path": "/srv/diff"}}, {"diff": "/srv/diff"}):
        with pytest.raises(AuthorError, match="its file 'diff' is not said with path, sha256, size"):
            inbox.put(folder, {**item, "files": wrong})
