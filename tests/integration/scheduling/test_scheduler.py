"""Many runs in one process: taken up, driven, put down, woken; whatever became of them before and whoever else touches them."""

from __future__ import annotations

import getpass
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.calls import eventually
from support.runs import Bench

from ansible_collections.netops.changerail.plugins.module_utils.errors import RunError, StorageError
from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.run import Surround
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import FileJournal, holder
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import current
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling import entry
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling import scheduler as scheduler_module
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.driven import Driven
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.scheduler import Scheduler

ME = getpass.getuser()
PATIENCE = 60.0
ASKING = f"""
name: a change
steps:
  - {{id: ask, netops.changerail.approval: {{people: [{ME}], four_eyes: false}}}}
  - {{id: after, example.world.act: {{world: "{{{{ world }}}}"}}}}
"""
WAITING = """
name: waits for a file
steps:
  - {id: thing, example.world.act: {world: "{{ world }}", until: file, long: true}}
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield Bench(tmp_path)


@contextmanager
def serving(bench: Bench, **keywords: object) -> Iterator[Scheduler]:
    scheduler = Scheduler(bench.state, Surround(environment=bench.environment), **keywords)  # type: ignore[arg-type]
    scheduler.start()
    try:
        assert scheduler.taken_up.wait(PATIENCE)
        yield scheduler
    finally:
        scheduler.stop()


def state(scheduler: Scheduler, run: str) -> str:
    row = scheduler.row(run)
    return row.state if row is not None else ""


def until(scheduler: Scheduler, run: str, wanted: str) -> None:
    eventually(lambda: state(scheduler, run) == wanted, PATIENCE)


def parked(scheduler: Scheduler) -> bool:
    load = scheduler.load
    return load.held == 0 and load.turns_wanted == 0


def test_what_is_unfinished_is_taken_up_and_an_answer_moves_it(bench):
    folders = [bench.create(ASKING, run=f"run-{n}") for n in range(5)]
    with serving(bench) as scheduler:
        for folder in folders:
            until(scheduler, folder.run, "waiting")
        eventually(lambda: parked(scheduler), PATIENCE)
        row = scheduler.row("run-3")
        assert [(wait.kind, wait.path, wait.people) for wait in row.waits] == [("approval", "ask", (ME,))]
        assert row.waits[0].waits_for(ME, ()) and not row.waits[0].waits_for("other", ())
        assert holder(folders[3]) is None
        # As the command line does it: through the inbox and the FIFO.
        bench.answer(folders[3], "approve")
        until(scheduler, "run-3", "succeeded")
        assert state(scheduler, "run-2") == "waiting"
    assert bench.log() == ["start run-3/after/1"]
    assert [event.reason for event in bench.events(folders[2], e.EngineStopped)] == ["waiting"]


def test_a_restart_believes_the_entries_and_reads_no_journal_again(bench):
    folder = bench.create(ASKING)
    with serving(bench) as scheduler:
        until(scheduler, folder.run, "waiting")
        eventually(lambda: parked(scheduler), PATIENCE)
        before = scheduler.row(folder.run)
    written = folder.journal.read_bytes()
    kept = entry.read(folder)
    assert kept is not None and kept.row.state == "waiting" and kept.due is None
    with serving(bench) as scheduler:
        assert scheduler.row(folder.run) == before
        assert scheduler.load.held == 0
    assert folder.journal.read_bytes() == written
    # What came meanwhile is there.
    bench.answer(folder, "approve")
    with serving(bench) as scheduler:
        until(scheduler, folder.run, "succeeded")


@pytest.mark.parametrize("spoil", ["nothing there", "torn", "another journal", "other type"])
def test_an_entry_that_cannot_be_trusted_is_made_anew(bench, spoil):
    folder = bench.create(ASKING)
    with serving(bench) as scheduler:
        until(scheduler, folder.run, "waiting")
        eventually(lambda: parked(scheduler), PATIENCE)
    text = folder.entry.read_bytes()
    spoilt = {
        "nothing there": b"",
        "torn": text[:-20],
        "another journal": text.replace(b'"waiting"', b'"succeeded"').replace(b'"journal": [', b'"journal": [1'),
        "other type": b"[1]",
    }[spoil]
    folder.entry.write_bytes(spoilt)
    assert entry.read(folder) is None
    with serving(bench) as scheduler:
        until(scheduler, folder.run, "waiting")
        bench.answer(folder, "approve")
        until(scheduler, folder.run, "succeeded")


def test_a_look_at_something_that_has_not_moved_leaves_no_trace(bench):
    folder = bench.create(WAITING)
    with serving(bench) as scheduler:
        until(scheduler, folder.run, "waiting")
        size = folder.journal.stat().st_size
        scheduler.wake(folder.run, "thing")
        # It looks every 20 ms, so it is held and not put down.
        assert scheduler.load.held == 1
        assert folder.journal.stat().st_size == size
        (bench.world / "file").touch()
        until(scheduler, folder.run, "succeeded")


def test_a_run_that_another_process_drives_is_left_alone_until_it_is_free(bench):
    folder = bench.create(WAITING)
    ending, stop = bench.background(folder)
    eventually(lambda: bench.log() != [], PATIENCE)
    with serving(bench) as scheduler:
        row = scheduler.row(folder.run)
        assert row.engine.endswith(f"pid {os.getpid()}") and row.problem
        stop.set()
        assert ending.result(PATIENCE).status in ("waiting", "interrupted")
        eventually(lambda: scheduler.load.held == 1 and scheduler.row(folder.run).problem == "", PATIENCE)
        (bench.world / "file").touch()
        until(scheduler, folder.run, "succeeded")
    assert bench.log() == ["start run-1/thing/1"]


def test_a_run_made_meanwhile_is_taken_up_when_told(bench):
    with serving(bench) as scheduler:
        folder = bench.create(ASKING)
        scheduler.take_up(folder.run)
        until(scheduler, folder.run, "waiting")


def test_a_damaged_journal_is_shown_and_left_alone_and_the_others_go_on(bench):
    bad, good = bench.create(ASKING, run="bad"), bench.create(ASKING, run="good")
    bad.journal.write_bytes(bad.journal.read_bytes().replace(b"a change", b"a CHANGE", 1))
    damaged = bad.journal.read_bytes()
    with serving(bench) as scheduler:
        until(scheduler, "good", "waiting")
        row = scheduler.row("bad")
        assert row.state == "unreadable" and "line 1" in row.message
        bench.answer(good, "approve")
        until(scheduler, "good", "succeeded")
    assert bad.journal.read_bytes() == damaged


def test_only_one_server_has_a_state_folder(bench):
    with serving(bench), pytest.raises(RunError, match=f"another server .*pid {os.getpid()}"):
        Scheduler(bench.state, Surround(environment={})).start()


def test_every_record_is_observed_and_an_observer_that_fails_disturbs_nobody(bench):
    folder = bench.create(ASKING)
    seen: list[tuple[str, str]] = []
    guard = threading.Lock()

    def observe(run: str, record: object) -> None:
        with guard:
            seen.append((run, type(record.event).__name__))  # type: ignore[attr-defined]
        raise ValueError("the observer's own fault")

    with serving(bench, observer=observe) as scheduler:
        until(scheduler, folder.run, "waiting")
        bench.answer(folder, "approve")
        until(scheduler, folder.run, "succeeded")
    names = [type(event).__name__ for event in bench.events(folder)]
    assert [("run-1", name) for name in names[1:]] == seen


def test_a_deadline_that_passes_while_the_run_is_parked_denies(bench):
    folder = bench.create(ASKING.replace("four_eyes: false", "four_eyes: false, deadline: 4s"))
    with serving(bench) as scheduler:
        until(scheduler, folder.run, "waiting")
        eventually(lambda: parked(scheduler), PATIENCE)
        until(scheduler, folder.run, "failed")
    assert [event.failure for event in bench.events(folder, e.StepFinished)] == ["rejected"]


def test_a_run_whose_folder_is_removed_is_forgotten(bench):
    import shutil

    folder = bench.create(ASKING)
    with serving(bench) as scheduler:
        until(scheduler, folder.run, "waiting")
        eventually(lambda: parked(scheduler), PATIENCE)
        shutil.rmtree(folder.path)
        scheduler.wake(folder.run)
        scheduler._look_around()
        assert scheduler.rows() == []


def test_stopping_in_the_middle_of_work_loses_nothing(bench):
    folders = [bench.create(WAITING.replace("long: true", "long: false"), run=f"run-{n}") for n in range(8)]
    with serving(bench) as scheduler:
        eventually(lambda: len(bench.log()) == 8, PATIENCE)
        assert scheduler.load.held == 8
    assert all(holder(folder) is None for folder in folders)
    (bench.world / "file").touch()
    with serving(bench) as scheduler:
        for folder in folders:
            until(scheduler, folder.run, "succeeded")
    assert sorted(bench.log()) == sorted(f"start run-{n}/thing/1" for n in range(8))


def test_no_row_is_shown_of_a_folder_that_is_no_run(bench):
    RunFolder(bench.state.runs / "empty").path.mkdir(parents=True)
    with serving(bench) as scheduler:
        assert scheduler.rows() == []


def test_a_full_disk_puts_the_run_aside_and_it_goes_on_when_there_is_space(bench, monkeypatch):
    monkeypatch.setattr(scheduler_module, "_TROUBLE_WAIT", 0.1)
    folder, other = bench.create(ASKING), bench.create(ASKING, run="other")
    with serving(bench) as scheduler:
        for run in (folder.run, "other"):
            until(scheduler, run, "waiting")
        eventually(lambda: parked(scheduler), PATIENCE)
        full = threading.Event()
        full.set()
        append = FileJournal.append

        def refuse(self, events):
            if full.is_set() and self._path == folder.journal:
                raise StorageError("no space left on device")
            return append(self, events)

        monkeypatch.setattr(FileJournal, "append", refuse)
        bench.answer(folder, "approve")
        eventually(lambda: "no space" in scheduler.row(folder.run).problem, PATIENCE)
        assert scheduler.load.left_alone == 1
        bench.answer(other, "approve")
        until(scheduler, "other", "succeeded")
        full.clear()
        until(scheduler, folder.run, "succeeded")
        assert scheduler.row(folder.run).problem == ""
    assert sorted(bench.log()) == ["start other/after/1", "start run-1/after/1"]


def test_a_run_that_was_given_up_is_held_until_its_calls_came_back(bench, monkeypatch):
    monkeypatch.setattr(scheduler_module, "_TROUBLE_WAIT", 0.05)
    folder = bench.create(
        f"""
name: two things
steps:
  - parallel:
      - {{id: stuck, example.world.stuck: {{world: "{{{{ world }}}}"}}}}
      - {{id: ask, netops.changerail.approval: {{people: [{ME}], four_eyes: false}}}}
"""
    )
    with serving(bench) as scheduler:
        eventually(lambda: scheduler.load.workers_busy == 1 and scheduler.row(folder.run).waits, PATIENCE)
        asked = scheduler.row(folder.run).waits[0].path
        assert asked.endswith("ask")
        full = threading.Event()
        full.set()
        append = FileJournal.append

        def refuse(self, events):
            if full.is_set():
                raise StorageError("no space left on device")
            return append(self, events)

        monkeypatch.setattr(FileJournal, "append", refuse)
        bench.answer(folder, "approve", asked)
        eventually(lambda: "no space" in scheduler.row(folder.run).problem, PATIENCE)
        full.clear()
        # Longer than it would wait before it takes the run up again.
        scheduler.wake(folder.run)
        for _look in range(20):
            assert holder(folder) is not None
            assert scheduler.load.workers_busy == 1
            threading.Event().wait(0.01)
        (bench.world / "go").touch()
        until(scheduler, folder.run, "succeeded")


def test_a_run_that_floods_the_workers_leaves_half_of_them_to_others(bench):
    many = "\n".join(f'      - {{example.world.stuck: {{world: "{{{{ world }}}}"}}, name: s{n}}}' for n in range(20))
    flood = bench.create(f"name: flood\nsteps:\n  - parallel:\n{many}\n", run="flood")
    with serving(bench, workers=4) as scheduler:
        eventually(lambda: (scheduler.load.workers_busy, scheduler.load.jobs_waiting) == (2, 18), PATIENCE)
        folder = bench.create(WAITING.replace("until: file, long: true", "result: {}"))
        scheduler.take_up(folder.run)
        until(scheduler, folder.run, "succeeded")
        eventually(lambda: (scheduler.load.workers_busy, scheduler.load.jobs_waiting) == (2, 18), PATIENCE)
        (bench.world / "go").touch()
        until(scheduler, flood.run, "succeeded")


def test_a_defect_in_one_run_is_its_own(bench, monkeypatch):
    monkeypatch.setattr(scheduler_module, "_TROUBLE_WAIT", 0.1)
    bad, good = bench.create(ASKING, run="bad"), bench.create(ASKING, run="good")
    broken = threading.Event()
    broken.set()
    begin = Driven.begin

    def fail(self):
        if broken.is_set() and self._folder.run == "bad":
            raise ZeroDivisionError("planted")
        begin(self)

    monkeypatch.setattr(Driven, "begin", fail)
    with serving(bench) as scheduler:
        until(scheduler, "good", "waiting")
        eventually(lambda: "defect: ZeroDivisionError" in scheduler.row("bad").problem, PATIENCE)
        bench.answer(good, "approve")
        until(scheduler, "good", "succeeded")
        broken.clear()
        until(scheduler, "bad", "waiting")
        assert scheduler.row("bad").problem == ""
    assert holder(bad) is None


def test_a_hook_makes_it_look_at_once_and_a_vain_look_leaves_no_trace(bench):
    folder = bench.create(
        'name: slow\nsteps:\n  - {id: file, dependency: {file: {path: "{{ world }}/there"}, until: exists, interval: 1h}}\n'
    )
    with serving(bench) as scheduler:
        until(scheduler, folder.run, "waiting")
        eventually(lambda: parked(scheduler), PATIENCE)
        written, kept = folder.journal.read_bytes(), folder.entry.stat().st_mtime_ns
        scheduler.wake(folder.run, "file")
        eventually(lambda: folder.entry.stat().st_mtime_ns != kept and parked(scheduler), PATIENCE)
        assert folder.journal.read_bytes() == written
        (bench.world / "there").touch()
        scheduler.wake(folder.run, "file")
        until(scheduler, folder.run, "succeeded")


def test_what_another_process_left_is_found_without_a_word(bench):
    with serving(bench) as scheduler:
        folder = bench.create(ASKING)
        scheduler._look_around()
        until(scheduler, folder.run, "waiting")
        eventually(lambda: parked(scheduler), PATIENCE)
        # Somebody who knows no FIFO lays the answer into the inbox.
        folder.state.wake.rename(bench.folder / "away")
        bench.answer(folder, "approve")
        assert state(scheduler, folder.run) == "waiting"
        (bench.folder / "away").rename(folder.state.wake)
        scheduler._look_around()
        until(scheduler, folder.run, "succeeded")


def test_lists_say_the_same_with_and_without_what_was_kept(bench):
    folders = [bench.create(ASKING, run=f"run-{n}") for n in range(2)]
    with serving(bench) as scheduler:
        for folder in folders:
            until(scheduler, folder.run, "waiting")
        bench.answer(folders[0], "approve")
        until(scheduler, "run-0", "succeeded")
        eventually(lambda: parked(scheduler), PATIENCE)
    kept = [current(folder) for folder in folders]
    assert all(entry.read_summary(folder) == seen for folder, seen in zip(folders, kept, strict=True))
    for folder in folders:
        folder.entry.unlink()
    assert [current(folder) for folder in folders] == kept


def test_an_engine_that_was_killed_is_shown_as_waiting_once_it_was_looked_after(bench):
    folder = bench.create(WAITING)
    ending, _stop = bench.background(folder, until_waiting=True)
    assert ending.result(PATIENCE).status == "waiting"
    lines = folder.journal.read_bytes().splitlines(keepends=True)
    assert b"engine_stopped" in lines[-1]
    folder.journal.write_bytes(b"".join(lines[:-1]))
    with serving(bench) as scheduler:
        until(scheduler, folder.run, "waiting")
        assert scheduler.row(folder.run).engine == ""
    assert current(folder).state == "waiting"
