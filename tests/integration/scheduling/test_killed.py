"""A server that is killed again and again under load, while people answer: nothing is lost, nothing happens twice."""

from __future__ import annotations

import getpass
import random
import threading
import time
from collections import Counter
from pathlib import Path

from crash.world import World
from crash.world import serving as world_of
from support.calls import eventually
from support.runs import Bench
from support.serving import PATIENCE, Serving

from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.views.waiting import open_questions

RUNS = 10
KILLS = 6
FLOW = """
name: under load
steps:
  - {id: one, example.world.thing: {url: "URL"}}
  - id: both
    parallel:
      - {id: ask, approval: {people: [ME], four_eyes: false}}
      - {id: meanwhile, example.world.thing: {url: "URL"}}
  - {id: flaky, example.world.thing: {url: "URL", failure: transient, times: 1}, retries: 2, delay: 0.3}
  - {id: each, loop: [1, 2, 3], example.world.thing: {url: "URL"}}
  - {id: again, approval: {people: [ME], four_eyes: false}}
  - {id: last, example.world.thing: {url: "URL"}}
"""
EFFECTS = ("one/1", "both/meanwhile/1", "flaky/1", "flaky/2", "each[1]/1", "each[2]/1", "each[3]/1", "last/1")


class People(threading.Thread):
    """Answer each question once, whether a server runs or not."""

    def __init__(self, bench: Bench, folders: list[RunFolder]) -> None:
        super().__init__(daemon=True)
        self._bench = bench
        self._folders = folders
        self.over = threading.Event()
        self.given: Counter[tuple[str, str]] = Counter()

    def run(self) -> None:
        while not self.over.wait(0.05):
            for folder in self._folders:
                for asked in open_questions(self._bench.events(folder)):
                    if not self.given[folder.run, asked.path]:
                        self._bench.answer(folder, "approve", asked.path)
                        self.given[folder.run, asked.path] += 1


def test_nothing_is_lost_and_nothing_happens_twice(tmp_path: Path) -> None:
    chance = random.Random(7)
    world = World(chance)
    bench = Bench(tmp_path)
    with world_of(world) as url:
        text = FLOW.replace("URL", url).replace("ME", getpass.getuser())
        folders = [bench.create(text, run=f"run-{number}") for number in range(RUNS)]
        people = People(bench, folders)
        people.start()
        server = Serving(bench.state.path)
        kept = {folder.run: b"" for folder in folders}
        kills = 0
        for _kill in range(KILLS):
            server.start()
            before = sum(world.made.values())
            # Not before it did something, and then at any moment.
            moved = before == RUNS * len(EFFECTS) or eventually(lambda b=before: sum(world.made.values()) > b, PATIENCE)
            assert moved
            time.sleep(chance.random() * 0.5)
            server.kill()
            kills += 1
            for folder in folders:
                data = folder.journal.read_bytes()
                whole = data[: data.rfind(b"\n") + 1]
                assert whole.startswith(kept[folder.run]), "a recorded event was lost or changed"
                kept[folder.run] = whole
                started = {event.key for event in bench.events(folder, e.StepStarted)}
                made = {key for key in list(world.made) if key.startswith(f"{folder.run}/")}
                assert made <= started, "done before it was recorded"
            if all(bench.events(folder, e.RunFinished) for folder in folders):
                break
        with server:
            for folder in folders:
                eventually(lambda f=folder: bench.events(f, e.RunFinished), PATIENCE)
            server.wait_until_ready()
        people.over.set()
        people.join(10)
    assert kills >= 2
    assert world.made == Counter({f"{folder.run}/{effect}": 1 for folder in folders for effect in EFFECTS})
    for folder in folders:
        assert bench.events(folder, e.RunFinished)[0].status == "succeeded"
        answers = [event.answer for event in bench.events(folder, e.Answered)]
        assert len(answers) == len(set(answers)) == 2
        assert not bench.events(folder, e.AnswerRefused)
        assert not list(folder.inbox.glob("*.json"))


def test_stopping_under_load_leaves_in_good_order(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    world = World(random.Random(1))
    with world_of(world) as url:
        text = FLOW.replace("URL", url).replace("ME", getpass.getuser())
        folders = [bench.create(text, run=f"run-{number}") for number in range(RUNS)]
        server = Serving(bench.state.path)
        server.start()
        eventually(lambda: len(world.made) >= RUNS // 2, PATIENCE)
        assert server.stop() == 0
        assert "Traceback" not in server.log
        for folder in folders:
            stopped = bench.events(folder, (e.EngineStarted, e.EngineStopped))
            assert not stopped or isinstance(stopped[-1], e.EngineStopped)
    assert max(world.made.values()) == 1
