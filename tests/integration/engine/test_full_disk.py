"""A disk that takes no more, at every write of a run: it stops and says so, and goes on where it was when there is space again."""

from __future__ import annotations

import errno
import getpass
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.faults import FailingDisk
from support.runs import Bench
from support.summary import lasting, summary

from ansible_collections.netops.changerail.plugins.module_utils.errors import StorageError
from ansible_collections.netops.changerail.plugins.module_utils.operation import find
from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.journal import file as journal_file
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import holder
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder, StateFolder

CHANGERAIL = str(Path(sys.executable).with_name("changerail"))
# Sets the largest size a file may have, as a quota does, and becomes the command.
LIMITED = "import os, resource, sys; n = int(sys.argv[1]); resource.setrlimit(resource.RLIMIT_FSIZE, (n, n)); os.execv(sys.argv[2], sys.argv[2:])"
FLOW = """
name: a change
steps:
  - id: b
    block:
      - {id: one, example.world.act: {world: WORLD}, register: one}
      - {id: bad, example.world.act: {world: WORLD, failure: failed}}
    rescue:
      - {id: undo, example.world.act: {world: WORLD}}
    always:
      - {id: close, example.world.act: {world: WORLD}}
"""
ASKING = f"""
name: a change
steps:
  - {{id: ask, netops.changerail.approval: {{people: [{getpass.getuser()}], four_eyes: false}}}}
  - {{id: after, example.world.act: {{world: WORLD}}}}
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield fresh(tmp_path)


def fresh(place: Path) -> Bench:
    """An empty bench, in the same place each time."""
    folder = place / "bench"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return Bench(folder)


def flow(bench: Bench, text: str = FLOW) -> str:
    """The workflow without any template: evaluating one takes Ansible."""
    return text.replace("WORLD", str(bench.world))


def outcome(bench: Bench, folder: RunFolder) -> tuple[object, list[str]]:
    return lasting(summary(bench.events(folder))), bench.log()


# In this process


@pytest.mark.parametrize(
    "error", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES], ids=errno.errorcode.get
)
def test_a_run_stops_at_whichever_write_fails_and_goes_on_afterwards(tmp_path, error):
    bench = fresh(tmp_path)
    folder = bench.create(flow(bench))
    bench.drive(folder)
    calm = outcome(bench, folder)
    last = 0
    while True:
        last += 1
        bench = fresh(tmp_path)
        folder = bench.create(flow(bench))
        disk = FailingDisk(folder, last, error)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(journal_file, "os", disk)
            if not stopped(bench, folder):
                break
        assert holder(folder) is None
        if error != errno.EROFS:
            assert folder.journal.read_bytes().endswith(b"\n")
        assert bench.drive(folder).status == "succeeded"
        assert outcome(bench, folder) == calm
    assert last > 10


def stopped(bench: Bench, folder: RunFolder) -> bool:
    """Drive the run; whether a failing disk has stopped it."""
    try:
        bench.drive(folder)
    except StorageError as stop:
        assert str(folder.journal) in str(stop)
        assert "make space or restore write permission, then resume the run" in str(stop)
        return True
    return False


def test_a_step_whose_folder_cannot_be_made_has_not_failed(bench):
    folder = bench.create(flow(bench))
    obstacle = folder.path / "steps"
    obstacle.touch()
    with pytest.raises(StorageError, match="steps"):
        bench.drive(folder)
    assert not bench.events(folder, e.StepFinished)
    obstacle.unlink()
    bench.drive(folder)
    assert bench.log() == [f"start run-1/b/{step}/1" for step in ("one", "bad", "undo", "close")]


@pytest.mark.parametrize("when", ["before the effect", "after the effect"])
def test_an_operation_that_cannot_write_its_files_has_not_failed(bench, when, monkeypatch):
    folder = bench.create(flow(bench))
    act = find("operations", "example.world.act")
    real = act.start

    def start(call):
        if when == "after the effect":
            real(call)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(call.context.folder / "file"))

    monkeypatch.setattr(act, "start", start)
    with pytest.raises(StorageError, match="No space left"):
        bench.drive(folder)
    assert not bench.events(folder, e.StepFinished)
    monkeypatch.undo()
    bench.drive(folder)
    assert bench.log() == [f"start run-1/b/{step}/1" for step in ("one", "bad", "undo", "close")]


# The command, under a quota


def changerail(bench: Bench, *arguments: str, quota: int = resource.RLIM_INFINITY) -> subprocess.CompletedProcess[str]:
    """Run the command where no file may be larger than ``quota`` bytes."""
    collections = str(Path(__file__).parents[2] / "collections")
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), collections]))
    environment = {**os.environ, "CHANGERAIL_HOME": str(bench.state.path), "PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, "-c", LIMITED, str(quota), CHANGERAIL, *arguments],
        env=environment,
        cwd=bench.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def whole_lines(folder: RunFolder) -> list[bytes]:
    return folder.journal.read_bytes().splitlines(keepends=True)


def test_the_command_stops_at_every_line_that_does_not_fit_and_resume_goes_on(tmp_path):
    bench = fresh(tmp_path)
    (bench.folder / "change.yml").write_text(flow(bench))
    assert changerail(bench, "run", "change.yml", "--run-id", "r1").returncode == 0
    folder = bench.state.open("r1")
    calm, lines = outcome(bench, folder), whole_lines(folder)
    ends = set()
    for position in range(len(lines)):
        bench = fresh(tmp_path)
        (bench.folder / "change.yml").write_text(flow(bench))
        # In the middle of a line, as times and pids differ a little in length.
        quota = sum(map(len, lines[:position])) + len(lines[position]) // 2
        done = changerail(bench, "run", "change.yml", "--run-id", "r1", quota=quota)
        assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
        assert "make space" in done.stderr
        ends.add(len(whole_lines(bench.state.open("r1"))))
        resumed = ("resume", "r1") if position else ("run", "change.yml", "--run-id", "r1")
        assert changerail(bench, *resumed).returncode == 0
        assert outcome(bench, bench.state.open("r1")) == calm
    # Some lines are written together: then none of them is there.
    assert ends >= {0, 1, 2} and len(ends) > len(lines) // 2


def test_an_answer_that_does_not_fit_is_refused_and_one_that_fits_is_kept(bench):
    folder = bench.create(flow(bench, ASKING))
    bench.drive(folder, until_waiting=True)
    before = folder.journal.read_bytes()
    for quota in (0, 1, 100, 150):
        done = changerail(bench, "answer", "run-1", "ask", "approve", quota=quota)
        assert (done.returncode, "make space" in done.stderr) == (1, True), done.stderr
        assert not list(folder.inbox.iterdir())
    assert folder.journal.read_bytes() == before

    done = changerail(bench, "answer", "run-1", "ask", "approve", quota=len(before))
    assert done.returncode == 1
    assert "what was sent is kept in its inbox and recorded then" in done.stderr
    assert folder.journal.read_bytes() == before
    assert len(list(folder.inbox.iterdir())) == 1
    assert bench.drive(folder).status == "succeeded"
    assert len(bench.events(folder, e.Answered)) == 1


# A file system that is full


def test_a_full_file_system(tmp_path):
    """A real one, in a mount namespace of its own: as large as the run, but for a file that is then removed."""
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no mount namespace can be had here")
    bench = Bench(tmp_path)
    (bench.folder / "change.yml").write_text(flow(bench))
    bench.state = StateFolder(tmp_path / "full")
    bench.state.path.mkdir()
    script = """
set -u
mount -t tmpfs -o size=64k none "$CHANGERAIL_HOME"
head -c 1000000 /dev/zero > "$CHANGERAIL_HOME/filler" 2>/dev/null
truncate -s -8192 "$CHANGERAIL_HOME/filler"
"$1" run change.yml --run-id r1; echo "run $?"
rm "$CHANGERAIL_HOME/filler"
"$1" resume r1; echo "resume $?"
cp -r "$CHANGERAIL_HOME/runs" "$2"
"""
    collections = str(Path(__file__).parents[2] / "collections")
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), collections]))
    environment = {**os.environ, "CHANGERAIL_HOME": str(bench.state.path), "PYTHONPATH": path}
    done = subprocess.run(
        ["unshare", "-rm", "bash", "-c", script, "bash", CHANGERAIL, str(tmp_path / "kept")],
        env=environment, cwd=bench.folder, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert "run 1" in done.stdout and "No space left on device" in done.stderr, done.stdout + done.stderr
    assert "resume 0" in done.stdout, done.stdout + done.stderr
    assert bench.log() == [f"start r1/b/{step}/1" for step in ("one", "bad", "undo", "close")]
