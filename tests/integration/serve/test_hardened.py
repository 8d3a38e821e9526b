"""What holds for every page of a real server: headers, limits of requests, long lists, and texts of people that do nothing."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from html import unescape
from urllib.parse import urlencode, urlsplit

import pytest
from support.calls import eventually
from support.forms import Browser
from support.serving import PATIENCE
from support.team import PASSWORD, Team, team

from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import Grant
from ansible_collections.netops.changerail.plugins.plugin_utils.people.inbox import wake_server

MANY = 2_100
HOSTILE = "<script>alert(1)</script>\x1b[2J\u202e\x00\x07"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with team(tmp_path_factory.mktemp("hardened")) as made:
        made.add("boss", Grant("admin"), password=PASSWORD)
        made.add("judge", Grant("approver", groups=frozenset({"neteng"})), password=PASSWORD)
        yield made


@pytest.fixture(scope="module")
def boss(people: Team) -> Browser:
    return Browser(people.server.url).sign_in("boss")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/runs", 200),
        ("/calendar", 200),
        ("/runs/nothing", 404),
        ("/nowhere", 404),
        ("/static/live.js", 200),
        ("/static/../../../etc/passwd", 404),
        ("/static/..%2f..%2fpages.py", 404),
        ("/", 303),
        ("/api/v1/runs", 401),
    ],
)
def test_every_answer_says_what_a_browser_may_do_with_it(boss: Browser, path: str, status: int) -> None:
    assert boss.get(path)[0] == status
    policy = boss.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(policy)
    assert "unsafe" not in boss.headers["content-security-policy"]
    assert boss.headers["x-frame-options"] == "DENY" and boss.headers["x-content-type-options"] == "nosniff"


def test_no_page_needs_what_the_policy_forbids(people: Team, boss: Browser) -> None:
    run = people.create("asks", "plain", "somebody")
    path = people.asked(run)["path"]
    for page in ("/runs", "/waiting", "/start", "/start/asks", f"/runs/{run}", f"/runs/{run}/question?path={path}"):
        status, text = boss.get(page)
        assert status == 200
        assert not re.search(r"<script(?! src=\"/static/)|<style|\sstyle=|\son[a-z]+=|javascript:|https?://", text), (
            page
        )


def test_a_form_that_is_too_large_is_refused(boss: Browser) -> None:
    boss.get("/start/asks")
    status, text = boss.post("/start/asks", {"variable.prefix": "x" * 1_000_001})
    assert status == 413 and "larger than 1000000 bytes" in text
    assert boss.get("/runs")[0] == 200


def test_a_form_with_too_many_fields_is_refused(boss: Browser) -> None:
    boss.get("/start/asks")
    status, text = boss.post("/start/asks", {f"variable.v{number}": "x" for number in range(2_000)})
    assert status == 400 and "the form cannot be read" in text


def test_what_comes_too_slowly_is_cut(people: Team, boss: Browser) -> None:
    place = urlsplit(people.server.url)
    begun = {
        "nothing": b"",
        "half a head": b"GET /runs HTTP/1.1\r\nHost: here\r\nX-Slow: ",
        "half a body": b"POST /sign-in HTTP/1.1\r\nHost: here\r\nContent-Length: 1000\r\n\r\nname=",
        "half a head after a request": b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\nGET /",
    }
    with ExitStack() as stack:
        connections = {
            name: stack.enter_context(socket.create_connection((place.hostname, place.port), timeout=PATIENCE))
            for name in begun
        }
        for name, connection in connections.items():
            connection.sendall(begun[name])
        assert boss.get("/runs")[0] == 200, "nobody waits for them"
        connections["half a head"].sendall(b"still ")
        said = {
            name: b"".join(iter(lambda c=connection: c.recv(4096), b"")) for name, connection in connections.items()
        }
    assert said.pop("half a head after a request").startswith(b"HTTP/1.1 200 ")
    assert {name: text[:13] for name, text in said.items()} == dict.fromkeys(said, b"HTTP/1.1 408 ")
    assert boss.get("/runs")[0] == 200


def test_comments_of_people_do_nothing_wherever_they_are_shown(people: Team, boss: Browser) -> None:
    run = people.create("asks", "commented", "somebody")
    question = people.asked(run)
    judge = Browser(people.server.url).sign_in("judge")
    judge.get("/runs")
    assert judge.post(f"/runs/{run}/answers", {**question, "choice": "approve", "comment": HOSTILE})[0] == 303
    people.until(run, "succeeded")
    pages = {page: boss.get(f"/runs/{run}{page}")[1] for page in ("", f"/step?path={question['path']}", "/results")}
    for page, text in pages.items():
        assert not re.search(r"<script>|[\x00\x07\x1b\u202e]", text), page
    assert "<script>alert(1)</script>\\x1b[2J\\u202e" in unescape(pages[f"/step?path={question['path']}"])


def test_thousands_of_runs_are_searched_filtered_and_paged(people: Team, boss: Browser) -> None:
    for number in range(MANY):
        last = people.create("asks", f"many-{number:04}", "somebody")
    wake_server(people.bench.state.open(last))

    def total(**query: str) -> int:
        found = re.search(r"(\d+) runs?</p>", boss.get(f"/runs?{urlencode(query)}")[1])
        return int(found[1]) if found else -1

    eventually(lambda: total(text="many-", state="waiting") == MANY, PATIENCE)
    seen: list[str] = []
    page = "/runs?text=many-"
    while page:
        status, text = boss.get(page)
        assert status == 200 and len(text) < 60_000
        seen += re.findall(r'<a href="/runs/(many-\d+)">', text)
        onward = re.search(r'<a class="button" href="([^"]+)">Older runs', text)
        page = unescape(onward[1]) if onward else ""
    assert len(seen) == MANY and set(seen) == {f"many-{number:04}" for number in range(MANY)}
    assert total(text="MANY-2077") == 1 and total(text="many-", state="failed") == 0
    text = boss.get(f"/runs?{urlencode({'text': '<script>'})}")[1]
    assert "0 runs" in text and 'value="&lt;script&gt;"' in text and "<script>" not in text
    assert boss.get("/runs?after=nonsense")[0] == 400 and boss.get("/runs?after=x~y")[0] == 400
    assert total(state="nonsense") >= MANY, "a state that there is not filters nothing"
