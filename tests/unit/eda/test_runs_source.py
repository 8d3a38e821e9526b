# The event source netops.changerail.runs, called as ansible-rulebook calls it, on journals that are written meanwhile. Run by pytest.
from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from support.event_source import PLACE, event_source

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.module_utils.question import Question
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    Event,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    StepWaiting,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import FileJournal
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import StateFolder

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 20.0
NET = Question("approval", "May it be done?", ("approve", "deny"), ("approve",), groups=("netsec",))


def started(run: str, at: float = 1.0) -> RunStarted:
    return RunStarted(at, run, f"Change {run}", "change.yml", "/srv", {"change.yml": "text"}, "", {}, {}, {}, {})


def step(at: float, path: str = "a", **result: Any) -> StepFinished:
    return StepFinished(at, path, 1, "", "", False, result)


def write(state: StateFolder, run: str, *events: Event) -> None:
    """Append to the journal of ``run``; makes the run when its first event is RunStarted."""
    folder = state.create(run) if isinstance(events[0], RunStarted) else state.open(run)
    with FileJournal(folder) as journal:
        journal.append(events)


def source() -> Any:
    return event_source().main


def looped(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """The test in an event loop of its own."""

    @functools.wraps(test)
    def run(*args: Any, **keywords: Any) -> None:
        asyncio.run(test(*args, **keywords))

    return run


@contextlib.asynccontextmanager
async def running(home: StateFolder, **args: Any) -> AsyncIterator[asyncio.Queue[dict[str, Any]]]:
    """The source, and the queue of ansible-rulebook, which holds one event."""
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(1)
    before = set(threading.enumerate())
    task = asyncio.create_task(source()(queue, {"home": str(home.path), "interval": 0.1, **args}))
    try:
        yield queue
    finally:
        if not task.done():
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait_for(task, PATIENCE)
        assert set(threading.enumerate()) <= before, "a thread is left behind"


async def told(queue: asyncio.Queue[dict[str, Any]], number: int) -> list[str]:
    """The next items, as their ids; and that there are no more."""
    found = [await asyncio.wait_for(queue.get(), PATIENCE) for dummy in range(number)]
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(queue.get(), 0.3)
    return [item["id"] for item in found]


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "home")


@looped
async def test_what_happens_from_now_on_and_what_is_open_already(state: StateFolder) -> None:
    write(state, "one", started("one"), StepStarted(2.0, "ask", 1, "k"))
    write(state, "one", StepWaiting(3.0, "ask", 1, {}, "", NET.as_dict()), step(4.0))
    write(state, "over", started("over"), RunFinished(2.0, "succeeded"))
    async with running(state) as queue:
        item = await asyncio.wait_for(queue.get(), PATIENCE)
        assert item["type"] == "question" and item["id"] == "one/3/question" and item["at"] == 3.0
        assert (item["run"], item["workflow"], item["step"]) == ("one", "Change one", "ask")
        assert (item["asked"], item["question"]["choices"]) == ("group netsec", ["approve", "deny"])
        # A run that is made later is told from its beginning, one of the same name made anew too.
        write(state, "two", started("two"), step(2.0, "b[1]", failed=False))
        first, second = [await asyncio.wait_for(queue.get(), PATIENCE) for dummy in range(2)]
        assert (first["type"], first["began"]) == ("run_started", 1.0) and "sources" not in first
        assert (second["type"], second["step"], second["result"]) == ("step_finished", "b[1]", {"failed": False})
        shutil.rmtree(state.runs / "two")
        write(state, "two", started("two", 9.0))
        assert await told(queue, 1) == ["two/1/run_started"]
        # The same question again is no news, another one is.
        write(state, "one", StepWaiting(5.0, "ask", 1, {"looks": 2}, "", NET.as_dict()))
        other = Question("review", "And now?", ("approve",), ("approve",)).as_dict()
        write(state, "one", StepWaiting(6.0, "ask", 1, {}, "", other))
        assert await told(queue, 3) == ["one/5/step_waiting", "one/6/step_waiting", "one/6/question"]


@looped
async def test_a_restart_repeats_and_loses_nothing(state: StateFolder, tmp_path: Path) -> None:
    keep = {"position": str(tmp_path / "position.json")}
    write(state, "one", started("one"), step(2.0), StepWaiting(3.0, "ask", 1, {}, "", NET.as_dict()))
    async with running(state, since="beginning", **keep) as queue:
        assert await told(queue, 4) == [
            "one/1/run_started",
            "one/2/step_finished",
            "one/3/step_waiting",
            "one/3/question",
        ]
    write(state, "one", step(4.0), step(5.0))
    write(state, "two", started("two"))
    async with running(state, **keep) as queue:
        assert (await asyncio.wait_for(queue.get(), PATIENCE))["id"] == "one/4/step_finished"
        # Stopped while one event waits in the queue: that one was not taken up, and comes again.
        async with asyncio.timeout(PATIENCE):
            while not queue.full():
                await asyncio.sleep(0.01)
    async with running(state, **keep) as queue:
        ids = [(await asyncio.wait_for(queue.get(), PATIENCE))["id"] for dummy in range(2)]
        assert ids[-2:] == ["one/5/step_finished", "two/1/run_started"]
    assert Path(keep["position"]).stat().st_mode & 0o777 == 0o600


@looped
async def test_with_feedback_an_event_counts_when_the_rules_have_it(state: StateFolder, tmp_path: Path) -> None:
    keep = {"position": str(tmp_path / "position.json"), "since": "beginning", "feedback": True}
    write(state, "one", started("one"), step(2.0))
    answers: asyncio.Queue[Any] = asyncio.Queue(1)
    async with running(state, eda_feedback_queue=answers, **keep) as queue:
        await answers.put(await asyncio.wait_for(queue.get(), PATIENCE))
        await asyncio.wait_for(queue.get(), PATIENCE)
    async with running(state, eda_feedback_queue=asyncio.Queue(1), **keep) as queue:
        assert await told(queue, 1) == ["one/2/step_finished"]


@looped
async def test_one_run_that_is_not_there_yet(state: StateFolder) -> None:
    async with running(state, run="later", since="beginning") as queue:
        write(state, "other", started("other"))
        write(state, "later", started("later"), *(step(float(at)) for at in range(500)))
        ids = await told(queue, 501)
        assert ids == ["later/1/run_started", *(f"later/{seq}/step_finished" for seq in range(2, 502))]


@looped
async def test_damage_is_told_once_and_keeps_nobody_else_from_being_told(state: StateFolder) -> None:
    write(state, "bad", started("bad"))
    async with running(state) as queue:
        assert await told(queue, 0) == []
        with open(state.open("bad").journal, "ab") as stream:
            stream.write(b'{"seq":2}\n')
        item = await asyncio.wait_for(queue.get(), PATIENCE)
        assert (item["type"], item["run"]) == ("unreadable", "bad") and "line 2 is not what was written" in item[
            "message"
        ]
        write(state, "good", started("good"))
        assert await told(queue, 1) == ["good/1/run_started"]
        # Restored from a copy, it goes on.
        os.truncate(state.open("bad").journal, state.open("bad").journal.stat().st_size - len('{"seq":2}\n'))
        write(state, "bad", step(2.0))
        assert await told(queue, 1) == ["bad/2/step_finished"]


@looped
async def test_a_state_folder_that_is_away_for_a_while_is_not_told_again(state: StateFolder) -> None:
    write(state, "one", started("one"))
    async with running(state) as queue:
        assert await told(queue, 0) == []
        state.path.rename(state.path.with_name("away"))
        assert await told(queue, 0) == []
        state.path.with_name("away").rename(state.path)
        write(state, "one", step(2.0))
        assert await told(queue, 1) == ["one/2/step_finished"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"since": "yesterday"}, "since: expected now or beginning, not 'yesterday'"),
        ({"interval": 0}, "interval: expected seconds from 0.1 to 3600, not 0"),
        ({"runs": "x"}, "has no option runs; it has home, run"),
    ],
)
@looped
async def test_a_wrong_option_is_named(state: StateFolder, args: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        await asyncio.wait_for(source()(asyncio.Queue(1), {"home": str(state.path), **args}), PATIENCE)


@looped
async def test_a_file_that_is_no_position_is_not_overwritten(state: StateFolder, tmp_path: Path) -> None:
    file = tmp_path / "notes.json"
    file.write_text("[1]")
    with pytest.raises(AuthorError, match="expected the position"):
        await asyncio.wait_for(source()(asyncio.Queue(1), {"home": str(state.path), "position": str(file)}), PATIENCE)
    assert file.read_text() == "[1]"


def test_it_runs_where_python_does_not_know_the_collections(tmp_path: Path) -> None:
    """As in a decision environment: the collection lies where Ansible finds it, and nothing of ours is installed."""
    place = tmp_path / "ansible_collections" / "netops" / "changerail"
    place.mkdir(parents=True)
    for part in ("extensions", "plugins"):
        shutil.copytree(ROOT / part, place / part)
    state = StateFolder(tmp_path / "home")
    write(state, "one", started("one"))
    program = (
        "import asyncio, runpy, sys\n"
        "class Queue:\n"
        "    async def put(self, told): print(told['id']); raise SystemExit\n"
        "asyncio.run(runpy.run_path(sys.argv[1])['main'](Queue(), {'home': sys.argv[2], 'since': 'beginning'}))\n"
    )
    file = place / PLACE.relative_to(ROOT)
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(file), str(state.path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stdout == "one/1/run_started\n", ended.stderr
