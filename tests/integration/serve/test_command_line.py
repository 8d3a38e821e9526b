"""The command line at a server: the same verbs act there, and it is said what a server cannot do or does not allow."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.calls import eventually
from support.serving import CHANGERAIL, Serving
from support.team import Team, team
from support.typed import changerail

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.main import VERBS
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    Answered,
    AnswerRefused,
    CancelRequested,
)

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with team(tmp_path_factory.mktemp("typed")) as made:
        yield made


def test_a_change_from_its_start_to_its_end(people: Team) -> None:
    world = f"world={people.bench.world}"
    begun = changerail(people, "requester", "run", "asks.yml", "-e", world, "--run-id", "typed-1", "--until-waiting")
    assert begun.returncode == 3, begun.stderr
    assert f"run typed-1 at {people.server.url}" in begun.stdout
    status = changerail(people, "viewer", "status", "last")
    assert "Security review" in status.stdout and "resume" not in status.stdout
    waiting = json.loads(changerail(people, "approver", "list", "--mine", "--json").stdout)
    assert [run["run"] for run in waiting] == ["typed-1"]
    assert waiting[0]["questions"][0]["question"]["title"] in changerail(people, "approver", "list").stdout
    assert json.loads(changerail(people, "requester", "list", "--mine", "--json").stdout) == []

    own = changerail(people, "requester", "answer", "typed-1", "approve")
    assert own.returncode == 2 and "requester may not answer" in own.stderr
    answered = changerail(people, "approver", "answer", "typed-1", "approve", "-m", "narrow enough")
    assert (answered.returncode, answered.stdout) == (0, "counted: approve\n")
    people.until("typed-1", "succeeded")
    (event,) = people.bench.events(people.bench.state.open("typed-1"), Answered)
    assert (event.person, event.assurance, event.comment) == ("approver", "authenticated", "narrow enough")
    assert "answered" in changerail(people, "viewer", "show", "typed-1", "--timeline", "--json").stdout
    step = changerail(people, "viewer", "show", "typed-1", "act")
    assert step.returncode == 0 and "act" in step.stdout
    again = changerail(people, "approver", "answer", "typed-1", "approve")
    assert again.returncode == 2 and "asks nothing" in again.stderr


def test_cancel(people: Team) -> None:
    people.create("asks", "typed-2", "somebody")
    people.until("typed-2")
    refused = changerail(people, "viewer", "cancel", "typed-2")
    assert refused.returncode == 2 and "viewer may not cancel" in refused.stderr
    assert changerail(people, "operator", "cancel", "2", "-m", "wrong day").returncode == 0
    people.until("typed-2", "cancelled")
    (event,) = people.bench.events(people.bench.state.open("typed-2"), CancelRequested)
    assert (event.by, event.reason) == ("operator", "wrong day")
    over = changerail(people, "operator", "cancel", "typed-2")
    assert over.returncode == 1 and "is over" in over.stderr


def test_resume_has_the_server_go_on_and_shows_it(people: Team) -> None:
    people.create("asks", "typed-5", "somebody")
    people.until("typed-5")
    refused = changerail(people, "viewer", "resume", "typed-5")
    assert refused.returncode == 2 and "viewer may not resume" in refused.stderr
    waits = changerail(people, "operator", "resume", "typed-5", "--until-waiting")
    assert waits.returncode == 3 and f"run typed-5 at {people.server.url}" in waits.stdout
    assert changerail(people, "approver", "answer", "typed-5", "deny").returncode == 0
    people.until("typed-5", "failed")
    over = changerail(people, "operator", "resume", "typed-5")
    assert over.returncode == 1 and "run typed-5 is over: failed" in over.stdout
    assert not (people.bench.folder / "elsewhere").exists()


def test_whoever_follows_a_run_does_not_mind_that_the_server_is_killed_and_comes_back(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    people = Team(tmp_path)
    people.server = Serving(people.bench.state.path, listen=listen)
    with people.server:
        people.server.wait_until_ready()
        people.create("asks", "killed", "somebody")
        question = people.asked("killed")
        follower = subprocess.Popen(
            [CHANGERAIL, "status", "killed", "--watch"],
            env={**os.environ, "CHANGERAIL_SERVER": people.server.url, "CHANGERAIL_TOKEN": people.tokens["viewer"]},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert follower.stdout is not None
        eventually(lambda: people.server.log.count("/journal"), 60)
        people.server.kill()
        people.server.start()
        people.server.wait_until_ready()
        assert people.call("approver", "POST", "/runs/killed/answers", {**question, "choice": "approve"})[0] == 200
        shown, _nothing = follower.communicate(timeout=100)
    assert "run succeeded" in shown and "cannot be reached" not in shown
    assert follower.returncode == 0


def test_four_eyes_hold_at_the_server(people: Team) -> None:
    people.create("asks", "typed-3", "approver")
    people.until("typed-3")
    refused = changerail(people, "approver", "answer", "typed-3", "approve")
    assert refused.returncode == 1 and "four eyes" in refused.stdout


@pytest.mark.parametrize(
    "words", [("answer", "typed-4", "approve", "--as", "rita"), ("cancel", "typed-4", "--as", "rita")]
)
def test_nobody_is_somebody_else_at_the_server(people: Team, words: tuple[str, ...]) -> None:
    if not (people.bench.state.runs / "typed-4").exists():
        people.create("asks", "typed-4", "somebody")
    people.until("typed-4")
    done = changerail(people, "admin", *words)
    assert done.returncode == 2 and "whose token it is" in done.stderr
    run = people.bench.state.open("typed-4")
    assert not people.bench.events(run, (Answered, AnswerRefused, CancelRequested))


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.parametrize(
    ("words", "environment", "code", "said"),
    [
        (("list",), {"CHANGERAIL_TOKEN": ""}, 2, "CHANGERAIL_TOKEN is not"),
        (("list",), {"CHANGERAIL_TOKEN": "wrong"}, 2, "the token is not valid"),
        (("list",), {"CHANGERAIL_SERVER": "http://changes.example.net"}, 2, "without TLS"),
        (("list",), {"CHANGERAIL_SERVER": "changes.example.net"}, 2, "expected an address"),
        (("list",), {"CHANGERAIL_SERVER": closed_port()}, 1, "cannot be reached"),
        (("status", "nobody"), {}, 2, "none of that name"),
        (("run", "nothing"), {}, 2, "none of that name may be started"),
        (("run", "asks", "-i", "hosts"), {}, 2, "for runs on this machine"),
    ],
)
def test_what_is_said_when_it_does_not_work(
    people: Team, words: tuple[str, ...], environment: dict[str, str], code: int, said: str
) -> None:
    done = changerail(people, "admin", *words, **environment)
    assert done.returncode == code and said in done.stderr and "Traceback" not in done.stderr
    assert "cr_" not in done.stderr


AT_THE_SERVER = {
    "run": ["asks.yml", "--run-id", "walked-2", "--until-waiting"],
    "resume": ["walked", "--until-waiting"],
    "list": [],
    "status": ["walked"],
    "show": ["walked", "ask"],
    "graph": ["walked", "--format", "text"],
    "answer": ["walked", "ask"],
    "cancel": ["walked"],
}
HERE = {"audit", "check", "rehearse", "schema", "serve", "test", "token", "user"}


def test_the_table_in_the_docs_has_every_verb_and_each_acts_where_it_says(people: Team) -> None:
    assert set(VERBS) == HERE | AT_THE_SERVER.keys()
    people.create("asks", "walked", "somebody")
    people.until("walked")
    came = {verb: changerail(people, "admin", verb, *words) for verb, words in AT_THE_SERVER.items()}
    # The admin approves nothing, and an answer without a choice is asked for on a terminal.
    assert {verb: done.returncode for verb, done in came.items()} == {
        **dict.fromkeys(AT_THE_SERVER, 0),
        "run": 3,
        "resume": 3,
        "answer": 2,
    }
    assert "name your choice, one of approve, deny" in came["answer"].stderr
    assert "Security review" in came["graph"].stdout and "asked" in came["show"].stdout
    assert not (people.bench.folder / "elsewhere").exists(), "nothing of it is on this machine"
    row = next(line for line in (DOCS / "api.md").read_text().splitlines() if line.startswith("| `run`, "))
    dummy, server, here, dummy = row.split("|")
    assert set(re.findall(r"`(\w+)`", server)) == AT_THE_SERVER.keys()
    assert set(re.findall(r"`(\w+)`", here)) >= HERE
