"""``changerail`` on a real (pseudo) terminal and on real pipes: the live tree, Ctrl-C, questions, colours, encodings."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

CHANGERAIL = str(Path(sys.executable).with_name("changerail"))
INTERRUPTED = 130
SHOW_CURSOR = "\x1b[?25h"
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9][0-9;]*m")
ASKS = """
name: Needs one ümläut
steps:
  - name: Say it
    ansible.builtin.debug: {msg: said}
  - name: Board
    netops.changerail.approval: {four_eyes: false}
"""
RUNS_LONG = """
name: Takes a while
steps:
  - name: Wait
    ansible.builtin.pause: {seconds: 50}
"""

Environment = dict[str, str]
Spawn = Callable[..., pexpect.spawn]


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    return {
        **kept,
        "CHANGERAIL_HOME": str(tmp_path / "state"),
        "HOME": str(tmp_path),
        "TERM": "xterm-256color",
        "LC_ALL": "C.UTF-8",
    }


@contextmanager
def on_terminal(environment: Environment, cwd: Path, *words: str) -> Iterator[pexpect.spawn]:
    """A command line on a terminal of 24 lines and 80 columns."""
    child = pexpect.spawn(
        CHANGERAIL, list(words), env=environment, cwd=str(cwd), dimensions=(24, 80), encoding="utf-8", timeout=60
    )
    try:
        yield child
    finally:
        child.close(force=True)


def ends_with(child: pexpect.spawn, code: int) -> None:
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == code


def piped(environment: Environment, cwd: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [CHANGERAIL, *words],
        env=environment,
        cwd=cwd,
        capture_output=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline


def workflow(folder: Path, text: str) -> str:
    (folder / "change.yml").write_text(text, encoding="utf-8")
    return "change.yml"


def test_ctrl_c_puts_a_run_down_says_how_to_go_on_and_loses_nothing(environment: Environment, tmp_path: Path) -> None:
    with on_terminal(environment, tmp_path, "run", workflow(tmp_path, ASKS), "--run-id", "chg-1") as child:
        child.expect_exact("run chg-1")
        child.expect_exact("changerail answer chg-1 approve")
        child.sendintr()
        child.expect_exact("interrupted")
        child.expect_exact("changerail resume chg-1")
        ends_with(child, INTERRUPTED)
    with on_terminal(environment, tmp_path, "resume", "chg-1") as child:
        child.expect_exact("asks anybody")
        until(lambda: json.loads(piped(environment, tmp_path, "status", "chg-1", "--json").stdout)["engine"])
        assert piped(environment, tmp_path, "answer", "chg-1", "approve").stdout == b"counted: approve\n"
        child.expect_exact("succeeded")
        ends_with(child, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_ways_to_stop_it_leave_it_resumable_too(environment: Environment, tmp_path: Path, number: int) -> None:
    with on_terminal(environment, tmp_path, "run", workflow(tmp_path, RUNS_LONG), "--run-id", "chg-1") as child:
        child.expect_exact("pausing")
        child.kill(number)
        child.expect_exact("changerail resume chg-1")
        ends_with(child, INTERRUPTED)
    assert b"interrupted" in piped(environment, tmp_path, "status", "chg-1").stdout


def test_a_second_ctrl_c_does_not_wait_for_what_is_under_way(environment: Environment, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        text = f"steps:\n  - netops.changerail.dependency: {{http: {{url: '{url}'}}, until: 'true'}}\n"
        with on_terminal(environment, tmp_path, "run", workflow(tmp_path, text), "--run-id", "chg-1") as child:
            connection, _address = silent.accept()
            with connection:
                child.sendintr()
                child.expect_exact("Ctrl-C again: at once")
                child.sendintr()
                child.expect_exact(SHOW_CURSOR)
                ends_with(child, INTERRUPTED)
    assert b"interrupted" in piped(environment, tmp_path, "status", "chg-1").stdout


def test_a_question_is_asked_on_the_terminal_with_what_it_is_about(environment: Environment, tmp_path: Path) -> None:
    assert (
        piped(environment, tmp_path, "run", workflow(tmp_path, ASKS), "--run-id", "chg-1", "--until-waiting").returncode
        == 3
    )
    with on_terminal(environment, tmp_path, "answer", "chg-1") as child:
        child.expect_exact("Your answer (approve, deny)")
        child.sendline("perhaps")
        child.expect_exact("perhaps")
        child.expect_exact("Your answer (approve, deny)")
        child.sendline("approve")
        child.expect_exact("Comment")
        child.sendline("as discussed")
        child.expect_exact("counted")
        ends_with(child, 0)
    assert b"approve (os_user): as discussed" in piped(environment, tmp_path, "show", "chg-1", "--timeline").stdout


def test_watching_a_run_ends_when_it_is_over(environment: Environment, tmp_path: Path) -> None:
    piped(environment, tmp_path, "run", workflow(tmp_path, ASKS), "--run-id", "chg-1", "--until-waiting")
    with on_terminal(environment, tmp_path, "status", "chg-1", "--watch") as child:
        child.expect_exact("asks anybody")
        piped(environment, tmp_path, "answer", "chg-1", "approve")
        assert piped(environment, tmp_path, "resume", "chg-1").returncode == 0
        child.expect_exact("succeeded")
        ends_with(child, 0)


def test_a_cancel_reaches_the_process_that_drives_the_run(environment: Environment, tmp_path: Path) -> None:
    with on_terminal(environment, tmp_path, "run", workflow(tmp_path, RUNS_LONG), "--run-id", "chg-1") as child:
        child.expect_exact("pausing")
        said = piped(environment, tmp_path, "cancel", "chg-1", "-m", "wrong site")
        assert said.stdout.startswith(b"cancelled")
        child.expect_exact("wrong site")
        ends_with(child, 4)


@pytest.mark.parametrize(
    ("settings", "coloured", "live"),
    [({}, True, True), ({"NO_COLOR": "1"}, False, True), ({"TERM": "dumb"}, False, False)],
)
def test_terminals_of_all_kinds(
    environment: Environment, tmp_path: Path, settings: Environment, coloured: bool, live: bool
) -> None:
    with on_terminal(
        {**environment, **settings}, tmp_path, "run", workflow(tmp_path, ASKS), "--run-id", "chg-1", "--until-waiting"
    ) as child:
        child.expect(pexpect.EOF)
        shown = str(child.before)
    assert bool(COLOUR.search(shown)) is coloured
    assert ("\x1b[" in shown) is live
    assert "changerail resume chg-1" in shown


def test_a_pipe_gets_a_line_for_each_event_and_no_escape_sequences(environment: Environment, tmp_path: Path) -> None:
    done = piped(
        {**environment, "FORCE_COLOR": ""},
        tmp_path,
        "run",
        workflow(tmp_path, ASKS),
        "--run-id",
        "chg-1",
        "--until-waiting",
    )
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 3
    assert b"\x1b" not in done.stdout
    assert lines[0] == "run chg-1"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  say-it: ok: said", lines[4])
    assert any("board: asks anybody: approve or deny" in line for line in lines)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_unicode_still_gets_everything(
    environment: Environment, tmp_path: Path, encoding: str
) -> None:
    narrow = {**environment, "PYTHONIOENCODING": encoding}
    done = piped(narrow, tmp_path, "run", workflow(tmp_path, ASKS), "--run-id", "chg-1", "--until-waiting")
    assert (done.returncode, done.stderr) == (3, b"")
    shown = piped(narrow, tmp_path, "status", "chg-1").stdout.decode(encoding)
    assert "+ Say it" in shown
    assert "? Board" in shown
