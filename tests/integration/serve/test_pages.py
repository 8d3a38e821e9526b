"""The pages of a real server, as a browser asks for them: who may do what, forms of others, hostile texts, what changed while a page was open."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from support.calls import eventually
from support.forms import Browser
from support.serving import PATIENCE
from support.team import PASSWORD, Team, team

from ansible_collections.netops.changerail.plugins.module_utils.files import artifact_of
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import ActionRefused, Answered, RunStarted
from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import ROLES, Grant
from ansible_collections.netops.changerail.plugins.plugin_utils.people.inbox import wake_server

# By hand: role, own run, the statuses of its page, break-glass, an answer, an intervention, resume and cancel. 303 leads back to the run.
MATRIX = [
    ("viewer", True, (200, 403, 403, 403, 403, 403)),
    ("viewer", False, (200, 403, 403, 403, 403, 403)),
    ("requester", True, (200, 403, 403, 403, 403, 303)),
    ("requester", False, (404, 404, 404, 404, 404, 404)),
    ("approver", True, (200, 409, 409, 403, 403, 403)),
    ("approver", False, (200, 409, 303, 403, 403, 403)),
    ("operator", True, (200, 403, 403, 303, 303, 303)),
    ("operator", False, (200, 403, 403, 303, 303, 303)),
    ("break-glass", True, (200, 409, 403, 403, 403, 403)),
    ("break-glass", False, (200, 303, 403, 403, 403, 403)),
    ("admin", True, (200, 403, 403, 303, 303, 303)),
    ("admin", False, (200, 403, 403, 303, 303, 303)),
]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with team(tmp_path_factory.mktemp("pages")) as made:
        for role in ROLES:
            made.accounts.change(lambda accounts, role=role: accounts.without_user(role))
            groups = frozenset({"neteng"}) if role == "approver" else frozenset()
            made.add(role, Grant(role, groups=groups), password=PASSWORD)
        yield made


@pytest.fixture(scope="module")
def browsers(people: Team) -> Mapping[str, Browser]:
    return {role: Browser(people.server.url).sign_in(role) for role in ROLES}


def question_page(run: str, path: str) -> str:
    return f"/runs/{run}/question?path={quote(path, safe='')}"


@pytest.mark.parametrize(("role", "own", "expected"), MATRIX, ids=str)
def test_matrix(people: Team, browsers: Mapping[str, Browser], role: str, own: bool, expected: tuple[int, ...]) -> None:
    requester, browser = role if own else "somebody", browsers[role]
    asking = people.create("asks", f"asks-{role}-{own}", requester)
    failed = people.create("fails", f"fails-{role}-{own}", requester)
    question, intervention = people.asked(asking), people.asked(failed)
    other = failed if role == "approver" else asking
    came = (
        browser.get(f"/runs/{asking}")[0],
        browser.post(f"/runs/{asking}/break-glass", {**question, "reason": "core is down"})[0],
        browser.post(f"/runs/{asking}/answers", {**question, "choice": "approve"})[0],
        browser.post(f"/runs/{failed}/answers", {**intervention, "choice": "retry"})[0],
        browser.post(f"/runs/{other}/resume", {})[0],
        browser.post(f"/runs/{other}/cancel", {"reason": "no"})[0],
    )
    assert came == expected

    def refused() -> list[str]:
        runs = (people.bench.state.open(run) for run in (asking, failed))
        return sorted(event.action for run in runs for event in people.bench.events(run, ActionRefused))

    asked_for = zip(("break-glass", "answer", "intervene", "resume", "cancel"), expected[1:], strict=True)
    wanted = sorted(action for action, status in asked_for if status in (403, 404))
    eventually(lambda: refused() == wanted, PATIENCE)


@pytest.mark.parametrize("path", ["/runs", "/waiting", "/runs/x", "/runs/x/evidence.json", "/runs/x/graph.svg"])
def test_a_stranger_sees_nothing_and_comes_back_to_where_they_wanted_to_go(people: Team, path: str) -> None:
    stranger = Browser(people.server.url)
    assert stranger.get(path)[0] == 303
    assert stranger.headers["location"] == f"/sign-in?next={quote(path, safe='')}"
    form = {"name": "viewer", "password": PASSWORD, "next": path}
    assert stranger.post("/sign-in", form)[0] == 303
    assert stranger.headers["location"] == path


@pytest.mark.parametrize("place", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"])
def test_signing_in_leads_nowhere_else(people: Team, place: str) -> None:
    browser = Browser(people.server.url)
    browser.post("/sign-in", {"name": "viewer", "password": PASSWORD, "next": place})
    assert browser.headers["location"] == "/runs"


def test_a_session_is_new_at_each_sign_in_and_its_cookie_is_for_the_server_alone(people: Team) -> None:
    browser = Browser(people.server.url, {"changerail": "planted"})
    browser.sign_in("viewer")
    first = browser.cookies["changerail"]
    assert first != "planted"
    browser.post("/sign-in", {"name": "viewer", "password": PASSWORD})
    assert browser.cookies["changerail"] not in (first, "planted")
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(browser.set_cookie.split("; "))
    assert Browser(people.server.url, {"changerail": first}).get("/runs")[0] == 303, "the one before holds no more"
    browser.get("/runs")
    kept = dict(browser.cookies)
    assert browser.post("/sign-out", {})[0] == 303
    assert Browser(people.server.url, kept).get("/runs")[0] == 303


def test_forms_of_others_do_nothing(people: Team, browsers: Mapping[str, Browser]) -> None:
    run = people.create("asks", "forged", "somebody")
    answer = {**people.asked(run), "choice": "approve"}
    browser = browsers["approver"]
    browser.get("/runs")
    for form, headers in (
        ({**answer, "token": ""}, {}),
        ({**answer, "token": browsers["viewer"].token}, {}),
        (answer, {"Origin": "https://evil.example"}),
        (answer, {"Sec-Fetch-Site": "cross-site"}),
    ):
        status, text = browser.post(f"/runs/{run}/answers", form, **headers)
        assert status == 403 and "this form is not from a page of yours" in text
    assert people.bench.events(people.bench.state.open(run), Answered) == []
    assert browser.post("/sign-in", {"name": "viewer", "password": PASSWORD}, Origin="https://evil.example")[0] == 403
    same = {"Origin": people.server.url, "Sec-Fetch-Site": "same-origin"}
    assert browser.post(f"/runs/{run}/answers", answer, **same)[0] == 303


def test_attempts_to_sign_in_are_limited(people: Team) -> None:
    people.add("victim", Grant("viewer"), password=PASSWORD)
    browser = Browser(people.server.url)
    came = [browser.post("/sign-in", {"name": "victim", "password": f"wrong {n}"})[0] for n in range(6)]
    assert came == [401] * 5 + [429]
    assert browser.post("/sign-in", {"name": "victim", "password": PASSWORD})[0] == 429
    assert Browser(people.server.url).sign_in("viewer"), "nobody else is kept out by it"
    assert "wrong 1" not in people.server.log and PASSWORD not in people.server.log


def test_whoever_is_removed_is_out_at_once(people: Team) -> None:
    people.add("leaver", Grant("admin"), password=PASSWORD)
    browser = Browser(people.server.url).sign_in("leaver")
    people.accounts.change(lambda accounts: accounts.without_user("leaver"))
    assert browser.get("/runs")[0] == 303


HOSTILE = """
name: "<script>alert(1)</script> \\e[31m"
steps:
  - id: review
    name: "<img src=x onerror=alert(2)>"
    review: {groups: [neteng], artifact: "{{ diff }}"}
"""


def review(people: Team, run: str, text: str) -> None:
    """A run that asks for a review of ``text``; where that lies."""
    diff = people.bench.folder / f"{run}.diff"
    diff.write_text(text)
    artifact = artifact_of(diff, "edge.diff").as_dict()
    wake_server(people.bench.create(HOSTILE, run, {"diff": artifact}))
    people.until(run)


def test_hostile_texts_are_shown_and_do_nothing(people: Team, browsers: Mapping[str, Browser]) -> None:
    review(
        people, "hostile", "### <b>edge1</b>\n@@ -1,1 +1,1 @@\n-</td><script>alert(3)</script>\n+\x1b[31m\u202ered\n"
    )
    browser = browsers["approver"]
    for path in (
        "/runs",
        "/waiting",
        "/runs/hostile",
        question_page("hostile", "review"),
        "/runs/hostile/step?path=review",
    ):
        status, text = browser.get(path)
        assert status == 200
        assert not re.search(r"<script>|<img src=x|<b>edge1|\x1b|\u202e", text), path
        assert "default-src 'none'" in browser.headers["content-security-policy"]
    text = unescape(browser.get(question_page("hostile", "review"))[1])
    assert "</td><script>alert(3)</script>" in text and "\\x1b[31m\\u202ered" in text
    assert "\x1b" not in browser.get("/runs/hostile/graph.svg")[1]


def test_a_long_diff_stays_usable_and_says_what_is_not_shown(people: Team, browsers: Mapping[str, Browser]) -> None:
    lines = "".join(f"+line {number}\n" for number in range(100_000))
    review(people, "long", f"@@ -0,0 +1,100000 @@\n{lines}")
    browser = browsers["approver"]
    for view in ("", "&view=side"):
        status, text = browser.get(question_page("long", "review") + view)
        assert status == 200 and len(text) < 2_000_000
        assert "95002 more lines are not shown here" in text
    status, whole = browser.get("/runs/long/shown?path=review&name=edge.diff")
    assert status == 200 and whole.endswith("+line 99999\n")


def test_a_file_that_is_not_what_is_asked_about_is_not_shown(people: Team, browsers: Mapping[str, Browser]) -> None:
    review(people, "swapped", "+fine\n")
    question = people.until("swapped")["questions"][0]["question"]
    Path(question["show"]["edge.diff"]).write_text("+secret\n")
    text = browsers["approver"].get(question_page("swapped", "review"))[1]
    assert "is not what is asked about" in text and "secret" not in text


def test_people_who_answer_at_the_same_instant_are_counted_right(people: Team) -> None:
    names = [f"twin{number}" for number in range(8)]
    for name in names:
        people.add(name, Grant("approver", groups=frozenset({"neteng"})), password=PASSWORD)
    both = "name: Two of eight\nsteps:\n  - {id: ask, approval: {groups: [neteng], quorum: 2}}\n"
    wake_server(people.bench.create(both, "instant"))
    answer = {**people.asked("instant"), "choice": "approve"}
    signed_in = [Browser(people.server.url).sign_in(name) for name in names]
    with ThreadPoolExecutor(len(names)) as pool:
        statuses = list(pool.map(lambda browser: browser.post("/runs/instant/answers", answer)[0], signed_in))
    people.until("instant", "succeeded")
    accepted = people.bench.events(people.bench.state.open("instant"), Answered)
    assert len(accepted) == len({event.person for event in accepted}) == 2
    assert sorted(statuses) == [303, 303, *[409] * 6]


def test_an_answer_to_what_changed_meanwhile_is_refused_with_what_is_asked_now(
    people: Team, browsers: Mapping[str, Browser]
) -> None:
    run = people.create("asks", "moved", "somebody")
    answer: dict[str, Any] = {**people.asked(run), "choice": "approve"}
    browser = browsers["approver"]
    status, text = browser.post(f"/runs/{run}/answers", {**answer, "question": "0" * 16})
    assert status == 409 and "what is asked has changed since" in text
    assert f'value="{answer["question"]}"' in text, "the form is that of what is asked now"
    assert browser.post(f"/runs/{run}/answers", answer)[0] == 303
    people.until(run, "succeeded")
    status, text = browser.post(f"/runs/{run}/answers", answer)
    assert status == 409 and "nothing is asked at step" in text


def test_only_those_who_may_are_offered_a_form(people: Team, browsers: Mapping[str, Browser]) -> None:
    run = people.create("fails", "offered", "somebody")
    people.until(run)
    page = question_page(run, "push")
    offered = {role: 'value="retry"' in browsers[role].get(page)[1] for role in ROLES}
    assert {role for role, may in offered.items() if may} == {"operator", "admin"}
    assert "the world says failed" in browsers["viewer"].get(page)[1]
    waiting = {role: f"/runs/{run}/question" in browsers[role].get("/waiting")[1] for role in ROLES}
    assert waiting == offered


@pytest.mark.parametrize("role", ROLES)
def test_a_run_from_a_form(people: Team, browsers: Mapping[str, Browser], role: str) -> None:
    browser = browsers[role]
    status, text = browser.get("/start/asks")
    form = {"variable.world": str(people.bench.world), "variable.prefix": "198.51.100.0/24", "check": "true"}
    began = browser.post("/start/asks", form)[0]
    if role not in ("requester", "admin"):
        assert (status, began) == (403, 403) and "/start/asks" not in browser.get("/start")[1]
        return
    assert status == 200 and 'name="variable.prefix" value="203.0.113.0/24"' in text
    assert began == 303
    run = browser.headers["location"].rpartition("/")[2]
    (event,) = people.bench.events(people.bench.state.open(run), RunStarted)
    assert event.variables == {"world": str(people.bench.world), "prefix": "198.51.100.0/24"}
    assert event.requester["name"] == role and event.options == {"check": True}
    assert browser.get(f"/runs/{run}")[0] == 200
    assert browser.get("/start/nothing")[0] == 404 and browser.post("/start/..%2fasks", form)[0] == 404


def test_a_rehearsal_before_the_start(people: Team, browsers: Mapping[str, Browser]) -> None:
    browser = browsers["requester"]
    browser.get("/start/asks")
    world = people.bench.folder / "untouched"
    form = {"variable.world": str(world), "variable.prefix": "198.51.100.0/24", "do": "rehearse"}
    status, text = browser.post("/start/asks", form)
    assert status == 200 and ">Rehearsal<" in text
    assert 'value="198.51.100.0/24"' in text, "what was filled in is kept"
    for said in ("Security review", "asks group neteng", "succeeded"):
        assert said in text, said
    assert (
        not world.exists() and not people.call("admin", "GET", "/runs?text=asks&workflow=asks&state=running")[1]["runs"]
    )
    assert browsers["viewer"].post("/start/asks", form)[0] == 403


def test_an_open_page_hears_that_something_happened(people: Team, browsers: Mapping[str, Browser]) -> None:
    run = people.create("asks", "heard", "somebody")
    question = people.asked(run)
    streams = []
    for path in (f"/runs/{run}/live", "/live"):
        connection = http.client.HTTPConnection(urlsplit(people.server.url).netloc, timeout=30)
        connection.request("GET", path, headers={"Cookie": f"changerail={browsers['viewer'].cookies['changerail']}"})
        stream = connection.getresponse()
        assert (stream.status, stream.getheader("content-type")) == (200, "text/event-stream; charset=utf-8")
        assert stream.readline() == b"retry: 3000\n"
        streams.append(stream)
    assert people.call("approver", "POST", f"/runs/{run}/answers", {**question, "choice": "approve"})[0] == 200
    for stream in streams:
        assert [stream.readline() for _number in range(2)] == [b"\n", b"data: changed\n"]
        stream.close()
    assert Browser(people.server.url).get("/live")[0] == 303
    assert browsers["requester"].get(f"/runs/{run}/live")[0] == 404
