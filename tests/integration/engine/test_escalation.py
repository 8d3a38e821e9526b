"""After the last attempt a person is asked and on-call is told; nobody's silence goes on for ever: level after level is told, in its time."""

from __future__ import annotations

import json
import shutil

import pytest
from support.runs import Bench
from support.servers import Answer, web
from support.virtual import Hand, Run

from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.people.answering import break_glass_item, logged_in
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import People, Person
from ansible_collections.netops.changerail.plugins.plugin_utils.people.inbox import put
from ansible_collections.netops.changerail.plugins.plugin_utils.people.policy import ASKED, Level
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project
from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import status
from ansible_collections.netops.changerail.plugins.plugin_utils.views.waiting import open_questions
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load_sources

FAILING = """
name: a change
steps:
  - id: one
    retries: 2
    delay: 60
    example.world.act: {world: "{{ world }}", failure: transient}
    escalate:
      - {after: 0, to: [oncall]}
      - {after: 30m, to: [lead]}
      - {after: 1h, to: [oncall, lead]}
"""
MINUTE = 60.0


@pytest.fixture
def told(tmp_path):
    """A run of ``FAILING`` whose channels are a real HTTP server; gives the run and what the server was told by channel."""
    with web() as server:
        host = server.url.removeprefix("http://")
        server.answers = {"/oncall": Answer(200, {}), "/lead": Answer(200, {})}
        channels = {name: [f"json://{host}/{name}"] for name in ("oncall", "lead")}
        run = Run(Bench(tmp_path), FAILING, project=Project(channels=channels))
        yield run, server


def _until(run: Run, moment: float):
    """Stop the engine ``moment`` seconds after the question was asked."""

    def script(hand: Hand) -> None:
        asked = run.moment(lambda event: isinstance(event, e.InterventionAsked))
        if asked is not None and run.clock.monotonic() >= asked + moment:
            hand.set()

    return script


def _levels(run: Run) -> list[tuple[int, list[str]]]:
    return [(event.level, list(event.to)) for _moment, event in run.seen if isinstance(event, e.Escalated)]


def test_the_last_failure_tells_on_call_at_once_with_what_failed_and_how_to_answer(told):
    run, server = told
    assert run.drive(_until(run, 5 * MINUTE)).status == "interrupted"
    attempts = [event.attempt for _moment, event in run.seen if isinstance(event, e.StepStarted)]
    assert attempts == [1, 2, 3]
    assert _levels(run) == [(1, ["oncall"])]
    assert [request.path for request in server.asked] == ["/oncall"]
    message = json.loads(server.asked[0].body)
    assert "the world says transient" in message["message"]
    assert "changerail answer run-1 one retry|skip|rollback|abort" in message["message"]


def test_an_unanswered_question_goes_to_the_next_level_after_its_time_and_each_level_is_told_once(told):
    run, server = told
    run.drive(_until(run, 20 * MINUTE))
    assert _levels(run) == [(1, ["oncall"])]
    run.drive(_until(run, 40 * MINUTE))
    assert _levels(run) == [(1, ["oncall"]), (2, ["lead"])]
    run.drive(_until(run, 180 * MINUTE))
    assert _levels(run) == [(1, ["oncall"]), (2, ["lead"]), (3, ["oncall", "lead"])]
    assert [request.path for request in server.asked] == ["/oncall", "/lead", "/oncall", "/lead"]


def test_a_level_that_was_recorded_and_not_told_is_told_by_the_next_engine(told):
    """What a kill between the journal and the sending leaves: the level is recorded, and its folder says nothing."""
    run, server = told
    run.drive(_until(run, 40 * MINUTE))
    shutil.rmtree(run.folder.path / "steps" / "one%23escalation-2")
    run.drive(_until(run, 45 * MINUTE))
    assert [request.path for request in server.asked] == ["/oncall", "/lead", "/lead"]
    assert _levels(run) == [(1, ["oncall"]), (2, ["lead"])]


def test_the_status_shows_the_attempt_and_the_next_try(tmp_path):
    run = Run(Bench(tmp_path), FAILING)

    def script(hand: Hand) -> None:
        if run.moment(lambda event: isinstance(event, e.StepFinished)) is not None:
            hand.set()

    run.drive(script)
    events = run.bench.events(run.folder)
    started = events[0]
    step = status(load_sources(started.main, started.sources, started.folder), events).steps[0]
    failed = next(event for event in events if isinstance(event, e.StepFinished))
    assert (step.attempt, step.attempts) == (1, 3)
    assert step.next_try == pytest.approx(failed.at + 60.0)


ASKING = """
name: a change
steps:
  - id: ask
    approval: {groups: [netsec], people: [dora], four_eyes: true, message: "look at it"}
"""


def test_those_who_are_asked_hear_of_it_are_reminded_and_then_others_with_the_address(tmp_path):
    """Groups are told person by person; who cannot be reached keeps nobody else from hearing; the requester hears of nothing they may not answer."""
    with web() as server:
        host = server.url.removeprefix("http://")
        names = ("ann", "dora", "oncall")
        server.answers = {f"/{name}": Answer(200, {}) for name in names}
        people = {
            name: Person(name, groups=frozenset({"netsec"} - ({"netsec"} if name == "dora" else set())))
            for name in ("ann", "bob", "dora", "the requester")
        }
        project = Project(
            people=People(people),
            groups={"netsec": ["ann", "bob", "the requester"]},
            notify={name: [f"json://{host}/{name}"] for name in ("ann", "dora", "the requester")},
            channels={"oncall": [f"json://{host}/oncall"]},
            escalation=(Level(0, (ASKED,)), Level(30 * MINUTE, (ASKED,)), Level(60 * MINUTE, ("oncall",))),
        )
        run = Run(Bench(tmp_path), ASKING, project=project)
        run.link = lambda run_id, path: f"https://changes.example.net/runs/{run_id}#{path}"

        def script(hand: Hand) -> None:
            asked = run.moment(lambda event: isinstance(event, e.StepWaiting))
            if asked is not None and run.clock.monotonic() >= asked + 100 * MINUTE:
                hand.set()

        run.drive(script)
    # Level by level: ann and dora, ann and dora again, on-call. Of bob nobody knows an address.
    assert [request.path for request in server.asked] == ["/ann", "/dora", "/ann", "/dora", "/oncall"]
    texts = [json.loads(request.body)["message"] for request in server.asked]
    assert all("To answer: https://changes.example.net/runs/run-1#ask" in text for text in texts)
    assert all("changerail answer run-1 ask approve|deny" in text for text in texts)
    assert ["Nobody has answered yet" in text for text in texts] == [False, False, True, True, True]


def test_those_who_are_passed_over_hear_of_each_word_of_break_glass_and_are_asked_to_review_it(tmp_path):
    with web() as server:
        host = server.url.removeprefix("http://")
        server.answers = {"/dora": Answer(200, {})}
        project = Project(
            people=People({name: Person(name) for name in ("dora", "eve", "finn")}),
            groups={"netsec": ["dora"]},
            notify={"dora": [f"json://{host}/dora"]},
            escalation=(Level(0, (ASKED,)),),
        )
        run = Run(Bench(tmp_path), ASKING, project=project)
        on_call = iter(("eve", "finn"))

        def script(hand: Hand) -> None:
            asked = next(iter(open_questions(run.bench.events(run.folder))), None)
            if asked is not None and asked.question.opened_by and len(server.asked) > 3:
                hand.set()
            elif asked is not None and not asked.question.opened_by and (person := next(on_call, "")):
                word = break_glass_item(run.folder.run, "ask", asked.question.id, "core is down", person, True, 0.0)
                put(run.folder, logged_in(word, ()))

        run.drive(script)
    texts = [json.loads(request.body)["message"] for request in server.asked]
    # They are sent at once, so in any order: that it is asked, each word, and that it is to be reviewed.
    found = {
        about: [text for text in texts if about in text]
        for about in (
            "BREAK-GLASS: eve wants to go on without your answer: core is down",
            "BREAK-GLASS: finn",
            "accepted|refused",
        )
    }
    first, second, review = (only for (only,) in found.values())
    assert "deny it now" in first and "With that it goes on" in second
    assert "changerail answer run-1 ask accepted|refused" in review
    assert len(texts) == 4 and {request.path for request in server.asked} == {"/dora"}
