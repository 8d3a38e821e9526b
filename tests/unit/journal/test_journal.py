"""The journal: one contract for both kinds, every damage found at its line, a torn tail healed, a full disk survived."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.netops.changerail.plugins.module_utils.errors import (
    AuthorError,
    JournalDamaged,
    RunIsHeld,
    StorageError,
    UnknownRun,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import FIRST, line_of, records
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import FileJournal, holder, read
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import StateFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.memory import MemoryJournal


def finished(number: int, message: str = "done") -> e.StepFinished:
    return e.StepFinished(float(number), f"step-{number}", 1, "", message, False, {"n": number})


@pytest.fixture
def folder(tmp_path):
    return StateFolder(tmp_path / "state").create("run-1")


@pytest.fixture(params=["file", "memory"])
def reopened(request, folder):
    """A journal and a function that opens it anew, as another process would."""
    if request.param == "memory":
        journal = MemoryJournal()
        yield journal, lambda: MemoryJournal(journal.lines)
        return
    journal = FileJournal(folder)
    opened = []

    def reopen():
        (opened[-1] if opened else journal).close()
        opened.append(FileJournal(folder))
        return opened[-1]

    yield journal, reopen
    (opened[-1] if opened else journal).close()


def test_what_was_appended_is_read_in_order_also_by_the_next_process(reopened):
    journal, reopen = reopened
    first = journal.append([finished(1), finished(2, "Müller said \u201cja\u201d\n\x1b[31m")])
    assert [record.seq for record in first] == [1, 2]
    again = reopen()
    again.append([finished(3)])
    found = list(reopen().read())
    assert [record.seq for record in found] == [1, 2, 3]
    assert [record.event for record in found] == [
        finished(1),
        finished(2, "Müller said \u201cja\u201d\n\x1b[31m"),
        finished(3),
    ]
    assert found[:2] == first


def test_each_line_names_the_digest_of_the_one_before(folder):
    with FileJournal(folder) as journal:
        written = journal.append([finished(1), finished(2)])
    lines = folder.journal.read_bytes().splitlines()
    assert json.loads(lines[0])["prev"] == FIRST
    assert json.loads(lines[1])["prev"] == written[0].digest


def test_only_the_owner_can_read_a_run(folder):
    with FileJournal(folder) as journal:
        journal.append([finished(1)])
    for path in (folder.path, folder.path.parent, folder.journal, folder.lock, folder.inbox):
        assert path.stat().st_mode & 0o077 == 0


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(1, 60))
def test_a_torn_last_line_is_healed_and_reported(tmp_path_factory, cut):
    folder = StateFolder(tmp_path_factory.mktemp("state")).create("run-1")
    with FileJournal(folder) as journal:
        journal.append([finished(1), finished(2), finished(3)])
    data = folder.journal.read_bytes()
    torn = len(data.splitlines(keepends=True)[-1]) - cut
    folder.journal.write_bytes(data[:-cut])
    assert [record.seq for record in read(folder.journal)] == [1, 2]
    with FileJournal(folder) as journal:
        assert [record.seq for record in journal.append([finished(4)])] == [3]
        assert journal.healed == torn
    assert [record.event for record in read(folder.journal)] == [finished(1), finished(2), finished(4)]


def _lines() -> list[bytes]:
    journal = MemoryJournal()
    journal.append([finished(n) for n in range(1, 7)])
    return journal.lines


@settings(max_examples=300, deadline=None)
@given(line=st.integers(0, 5), place=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_any_changed_byte_is_found_at_its_line(line, place, flip):
    lines = _lines()
    changed = bytearray(lines[line])
    changed[place % (len(changed) - 1)] ^= flip
    lines[line] = bytes(changed)
    with pytest.raises(JournalDamaged) as damage:
        list(records(b"".join(lines).splitlines(keepends=True) if b"\n" in changed[:-1] else lines))
    assert damage.value.line == line + 1


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda lines: lines.pop(2), 3),
        (lambda lines: lines.insert(2, lines[2]), 4),
        (lambda lines: lines.__setitem__(slice(2, 4), [lines[3], lines[2]]), 3),
        (lambda lines: lines.__setitem__(2, lines[2][:20] + b"\n"), 3),
        (lambda lines: lines.pop(0), 1),
        (lambda lines: lines.__setitem__(2, b"\n"), 3),
        (lambda lines: lines.__setitem__(2, b"[]\n"), 3),
        (lambda lines: lines.__setitem__(2, line_of(finished(33), 3, json.loads(lines[2])["prev"])[0]), 4),
    ],
    ids=["removed", "repeated", "swapped", "truncated", "first removed", "empty", "no object", "rewritten"],
)
def test_damage_is_refused_with_its_line_and_nothing_is_changed(folder, change, line):
    lines = _lines()
    change(lines)
    folder.journal.write_bytes(b"".join(lines))

    def append():
        with FileJournal(folder) as journal:
            journal.append([finished(9)])

    for look in (lambda: list(read(folder.journal)), append):
        with pytest.raises(JournalDamaged, match=f"line {line}") as damage:
            look()
        assert damage.value.line == line
        assert str(folder.journal) in str(damage.value)
    assert folder.journal.read_bytes() == b"".join(lines)
    assert holder(folder) is None


def test_an_unknown_event_is_damage_and_an_unknown_field_is_not():
    document = e.to_json(finished(1))
    assert e.from_json({**document, "later_field": 1}, 1) == finished(1)
    with pytest.raises(JournalDamaged, match="step_invented"):
        e.from_json({**document, "event": "step_invented"}, 1)
    del document["message"]
    with pytest.raises(JournalDamaged, match="message"):
        e.from_json(document, 1)


@pytest.mark.parametrize(
    "body", [b"", b"[1", b"7", b'"seq"', b'{"prev":"x"', b'{"seq":1,"prev":"%b","event":[]' % FIRST.encode(), b"\xff"]
)
def test_a_line_that_carries_its_digest_and_is_no_event_is_damage(body):
    digest = hashlib.sha256(body).hexdigest().encode()
    with pytest.raises(JournalDamaged, match="line 1"):
        list(records([b'%b,"sha":"%b"}\n' % (body, digest)]))


def test_the_second_engine_is_told_who_holds_the_run(folder):
    with FileJournal(folder) as journal:
        journal.append([finished(1)])
        with pytest.raises(RunIsHeld, match=f"pid {os.getpid()}"):
            FileJournal(folder)
        assert f"pid {os.getpid()}" in (holder(folder) or "")
    assert holder(folder) is None


def test_a_second_writer_who_ignores_the_lock_is_noticed(folder):
    with FileJournal(folder) as journal:
        journal.append([finished(1)])
        with open(folder.journal, "ab") as other:
            other.write(b"{}\n")
        with pytest.raises(JournalDamaged, match="line 2"):
            journal.append([finished(2)])


def test_a_full_disk_leaves_the_journal_as_it_was_and_a_later_append_succeeds(folder):
    """RLIMIT_FSIZE makes write() fail as a full disk or a quota does, in the middle of a line."""
    program = f"""
import resource, signal
from pathlib import Path
from ansible_collections.netops.changerail.plugins.module_utils.errors import StorageError
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import StepFinished
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import FileJournal
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder

def finished(n): return StepFinished(float(n), "s", n, "", "x" * 100, False, {{}})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = FileJournal(RunFolder(Path({str(folder.path)!r})))
journal.append([finished(1)])
size = journal._path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, resource.RLIM_INFINITY))
try:
    journal.append([finished(2)])
except StorageError as error:
    print(error)
assert journal._path.stat().st_size == size
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.append([finished(3)])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "make space" in done.stdout
    assert [record.event.attempt for record in read(folder.journal)] == [1, 3]


def test_a_read_only_state_folder_is_a_clear_error(tmp_path):
    if os.geteuid() == 0:
        target = tmp_path / "file"
        target.write_text("not a folder")
        state = StateFolder(target / "state")
    else:
        tmp_path.chmod(0o500)
        state = StateFolder(tmp_path / "state")
    with pytest.raises(StorageError, match="restore write permission"):
        state.create("run-1")


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "a\nb", "x" * 101, "ä"])
def test_a_run_id_that_is_no_plain_name_is_refused(tmp_path, name):
    with pytest.raises(AuthorError, match="run id"):
        StateFolder(tmp_path).create(name)
    with pytest.raises(UnknownRun):
        StateFolder(tmp_path).open(name)


def test_a_step_with_odd_characters_has_a_folder_of_its_own(folder):
    paths = ["a/b", "a", "..", "a/../b", 'site "München" / 1', "deploy[ams 1]/verify", "."]
    made = {folder.step(path, 1) for path in paths}
    assert len(made) == len(paths)
    assert all(folder.path in made_path.parents and ".." not in made_path.parts for made_path in made)
