"""Break-glass at a real server: two people go on without those asked, by API, page and command line, and the review must follow."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from support.calls import eventually
from support.forms import Browser
from support.serving import PATIENCE, fetch
from support.team import PASSWORD, Team, team
from support.typed import changerail

from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import Grant

ON_CALL = ("olga", "ivan")
WORKFLOWS = {
    "alone": "{groups: [], people: [ann]}",
    "signed": "{groups: [neteng], assurance: signed}",
}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with team(tmp_path_factory.mktemp("emergency")) as made:
        for name in ON_CALL:
            made.add(name, Grant("break-glass"), password=PASSWORD)
        made.add("ann", Grant("approver", groups=frozenset({"neteng"})), password=PASSWORD)
        for name, options in WORKFLOWS.items():
            (made.workflows / f"{name}.yml").write_text(
                f"name: {name}\nvars: {{world: ''}}\nsteps:\n  - {{id: ask, approval: {options}}}\n"
            )
        yield made


def said(people: Team, run: str, kind: type) -> list[Any]:
    return people.bench.events(people.bench.state.open(run), kind)


def word(people: Team, person: str, run: str, reason: str = "the core is down", **other: str) -> tuple[int, Any]:
    body = {**people.asked(run), **other, "reason": reason}
    return people.call(person, "POST", f"/runs/{run}/break-glass", body)


def opened(people: Team, run: str) -> str:
    """A run that two people opened, when its review is asked."""
    people.create("asks", run, "rita")
    for person in ON_CALL:
        assert word(people, person, run)[0] == 200

    def reviewed() -> bool:
        (question,) = people.until(run)["questions"]
        return bool(question["question"].get("opened_by"))

    eventually(reviewed, PATIENCE)
    return run


def test_two_people_open_it_and_who_was_asked_reviews_it(people: Team) -> None:
    run = people.create("asks", "emergency", "rita")
    assert word(people, "olga", run)[1]["opened"] is False
    status, document = word(people, "olga", run)
    assert status == 409 and "a second person must confirm it" in document["error"]["message"]
    listed = next(found for found in people.call("viewer", "GET", "/runs")[1]["runs"] if found["run"] == run)
    assert "wanted by olga (the core is down); a second person would open it" in listed["break_glass"][0]["text"]
    assert word(people, "ivan", run)[1]["opened"] is True
    eventually(lambda: said(people, run, e.BreakGlassReviewAsked), PATIENCE)
    assert [(event.person, event.assurance, event.role) for event in said(people, run, e.BreakGlass)] == [
        ("olga", "authenticated", "break-glass"),
        ("ivan", "authenticated", "break-glass"),
    ]
    # What waited has been done; the run is not over before somebody has looked.
    assert people.until(run)["state"] == "waiting" and people.bench.log()
    review = {**people.asked(run), "choice": "accepted"}
    assert people.call("approver", "POST", f"/runs/{run}/answers", review)[0] == 409, "a comment is wanted"
    review["comment"] = "it was down indeed"
    assert people.call("olga", "POST", f"/runs/{run}/answers", review)[0] == 403
    assert people.call("approver", "POST", f"/runs/{run}/answers", review)[0] == 200
    assert (
        "accepted afterwards (approver: it was down indeed)" in people.until(run, "succeeded")["break_glass"][0]["text"]
    )


def test_refused_afterwards_the_run_has_failed(people: Team) -> None:
    run = opened(people, "no-emergency")
    review = {**people.asked(run), "choice": "refused", "comment": "nothing was down"}
    assert people.call("approver", "POST", f"/runs/{run}/answers", review)[0] == 200
    assert (
        "break-glass was not accepted afterwards: approver: nothing was down" in people.until(run, "failed")["message"]
    )


def asked_runs(people: Team, user: str) -> list[str]:
    """The runs that wait for this user's answer."""
    return [found["run"] for found in people.call(user, "GET", "/questions")[1]["questions"]]


def test_who_is_asked_may_confirm_and_nobody_else_without_the_role(people: Team) -> None:
    run = people.create("asks", "confirmed", "rita")
    status, document = word(people, "approver", run)
    assert status == 409 and "does not hold the role break-glass" in document["error"]["message"]
    assert word(people, "olga", run)[0] == 200
    assert word(people, "operator", run)[0] == 403
    assert word(people, "approver", run)[1]["opened"] is True
    assert [event.role for event in said(people, run, e.BreakGlass)] == ["break-glass", "asked"]
    eventually(lambda: said(people, run, e.BreakGlassReviewAsked), PATIENCE)
    # Of those asked, the one who opened it is not asked again.
    eventually(lambda: run in asked_runs(people, "ann"), PATIENCE)
    assert run not in asked_runs(people, "approver")


def test_a_denial_before_the_second_word_decides(people: Team) -> None:
    run = people.create("asks", "denied", "rita")
    assert word(people, "olga", run)[0] == 200
    denial = {**people.asked(run), "choice": "deny", "comment": "wait for us"}
    assert people.call("ann", "POST", f"/runs/{run}/answers", denial)[0] == 200
    people.until(run, "failed")
    body = {"path": "ask", "question": denial["question"], "reason": "now"}
    assert people.call("ivan", "POST", f"/runs/{run}/break-glass", body)[0] == 409


@pytest.mark.parametrize(
    ("name", "workflow", "other", "why"),
    [
        ("blank", "asks", {"reason": "  "}, "wants a reason"),
        ("moved", "asks", {"question": "0" * 16}, "what is asked has changed"),
        ("elsewhere", "asks", {"path": "act"}, "nothing is asked at step 'act'"),
        ("failure", "fails", {}, "not for this question"),
        ("signed", "signed", {}, "wants signed answers"),
    ],
)
def test_what_it_is_not_for(people: Team, name: str, workflow: str, other: dict[str, str], why: str) -> None:
    run = people.create(workflow, f"not-for-{name}", "rita")
    status, document = word(people, "olga", run, **other)
    assert status == 409 and why in document["error"]["message"]
    assert not said(people, run, e.BreakGlass)


def test_a_page_offers_it_only_where_it_would_count(people: Team) -> None:
    olga, ann = (Browser(people.server.url).sign_in(name) for name in ("olga", "ann"))
    signed = people.create("signed", "offers-signed", "rita")
    failed = people.create("fails", "offers-failure", "rita")
    own = people.create("asks", "offers-own", "olga")
    alone = people.create("alone", "offers-alone", "rita")
    assert word(people, "olga", alone)[0] == 200
    for run, path in ((signed, "ask"), (failed, "push"), (own, "ask"), (alone, "ask")):
        people.until(run)
        assert "In an emergency" not in olga.get(f"/runs/{run}/question?path={path}")[1], run
    assert "In an emergency" not in ann.get(f"/runs/{alone}/question?path=ask")[1], "nobody would be left to review it"


def test_somebody_must_be_left_to_review_it(people: Team) -> None:
    run = people.create("alone", "left-alone", "rita")
    assert word(people, "olga", run)[0] == 200
    status, document = word(people, "ann", run)
    assert status == 409 and "nobody would be left to review it: asked are ann" in document["error"]["message"]
    assert word(people, "ivan", run)[1]["opened"] is True


def test_the_requester_never_and_a_token_only_with_its_scope(people: Team) -> None:
    run = people.create("asks", "own-emergency", "olga")
    status, document = word(people, "olga", run)
    assert status == 409 and "olga requested this change" in document["error"]["message"]
    body = {**people.asked(run), "reason": "the core is down"}
    limited = people.token("ivan", ["read", "answer"])
    people.token("ivan")
    status, document = people.call("ivan", "POST", f"/runs/{run}/break-glass", body, token=limited)
    assert status == 403 and "is not for break-glass" in document["error"]["message"]


def test_by_a_form_without_javascript(people: Team) -> None:
    run = people.create("asks", "by-form", "rita")
    question = people.asked(run)
    page = f"/runs/{run}/question?path=ask"
    olga, ivan, ann = (Browser(people.server.url).sign_in(name) for name in ("olga", "ivan", "ann"))
    assert "In an emergency: break-glass" not in ann.get(page)[1]
    form = {**question, "reason": "<b>core</b> & edge"}
    assert ">Break-glass</button>" in olga.get(page)[1]
    assert olga.post(f"/runs/{run}/break-glass", form)[0] == 303
    text = olga.get(page)[1]
    assert "&lt;b&gt;core&lt;/b&gt; &amp; edge" in text and "/break-glass" not in text
    assert "Confirm break-glass" in ann.get(page)[1], "who is asked may be the second"
    assert "wanted by olga" in ann.get(f"/runs/{run}")[1]
    refused, text = olga.post(f"/runs/{run}/break-glass", form)
    assert refused == 409 and "olga has said so already" in text
    ivan.get(page)
    assert ivan.post(f"/runs/{run}/break-glass", form)[0] == 303
    eventually(lambda: said(people, run, e.BreakGlassReviewAsked), PATIENCE)
    text = ann.get(page)[1]
    assert 'value="accepted"' in text and re.search(r'name="comment"[^>]* required', text)
    assert "Was break-glass right?" in ann.get("/waiting")[1]


def test_by_the_command_line(people: Team) -> None:
    run = people.create("asks", "by-typing", "rita")
    people.until(run)
    first = changerail(people, "olga", "answer", run, "--break-glass", "-m", "the core is down")
    assert (first.returncode, "a second person confirms" in first.stdout) == (0, True), first.stderr
    again = changerail(people, "olga", "answer", run, "ask", "--break-glass", "-m", "again")
    assert again.returncode == 1 and again.stdout.startswith("refused: ") and "olga has said so already" in again.stdout
    second = changerail(people, "ivan", "answer", run, "--break-glass", "-m", "seen it")
    assert (second.returncode, second.stdout.startswith("opened: the run goes on")) == (0, True), second.stderr
    shown = changerail(people, "viewer", "status", run, "--json")
    assert "opened by olga (the core is down) and ivan (seen it)" in json.loads(shown.stdout)["break_glass"][0]["text"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["-m", ""], "wants a reason"),
        (["approve", "-m", "x"], "name the step and no choice"),
        (["-m", "x", "--as", "ann"], "whose token it is"),
    ],
)
def test_mistyped(people: Team, arguments: list[str], why: str) -> None:
    run = people.create("asks", f"mistyped-{len(arguments)}-{arguments[0].strip('-')}", "rita")
    people.until(run)
    wrong = changerail(people, "olga", "answer", run, *arguments, "--break-glass")
    assert wrong.returncode == 2 and why in wrong.stderr, wrong


def test_this_machine_vouches_for_nobody(people: Team) -> None:
    run = people.create("asks", "here", "rita")
    people.until(run)
    here = {"CHANGERAIL_SERVER": "", "CHANGERAIL_HOME": str(people.bench.state.path)}
    wrong = changerail(people, "olga", "answer", run, "--break-glass", "-m", "x", **here)
    assert wrong.returncode == 2 and "break-glass takes a server that knows who you are" in wrong.stderr


def test_a_review_cannot_be_cancelled_away(people: Team) -> None:
    run = opened(people, "cancelled-away")
    status, document = people.call("operator", "POST", f"/runs/{run}/cancel", {"reason": "done"})
    assert status == 409 and "all is done but the review" in document["error"]["message"]
    here = {"CHANGERAIL_SERVER": "", "CHANGERAIL_HOME": str(people.bench.state.path)}
    for environment in ({}, here):
        wrong = changerail(people, "operator", "cancel", run, **environment)
        assert wrong.returncode == 1 and "all is done but the review" in wrong.stderr
    assert not said(people, run, e.CancelRequested)


def test_it_is_counted(people: Team) -> None:
    run = opened(people, "counted")
    review = {**people.asked(run), "choice": "accepted", "comment": "seen"}
    assert people.call("ann", "POST", f"/runs/{run}/answers", review)[0] == 200
    people.until(run, "succeeded")
    text = fetch(f"{people.server.url}/metrics")[1]
    found = dict(re.findall(r'changerail_break_glass_total\{result="(\w+)"\} (\d+)', text))
    assert all(int(found[result]) for result in ("said", "opened", "accepted"))
    assert found["unreviewed"] == "0", "there before the first, which would else be no increase"
