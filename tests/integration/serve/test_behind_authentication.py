"""A proxy that authenticates: whom its header names is in, with the roles of their groups; from anybody else the header is worth nothing."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from support.calls import eventually
from support.forms import Browser
from support.serving import PATIENCE
from support.team import PASSWORD, Team, with_project

from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import Answered, AnswerRefused
from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import Grant

PROJECT = """
people:
  ann: {os_user: ann.admin, groups: [neteng]}
  bea: {groups: [neteng]}
sign_in:
  proxy: {user: X-Forwarded-User, groups: X-Forwarded-Groups}
  roles:
    "*": viewer
    network: [approver:neteng, operator]
"""


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    made = with_project(tmp_path_factory.mktemp("behind"), PROJECT, "--proxy", "127.0.0.1")
    made.add("otto", Grant("requester"), password=PASSWORD)
    with made.server:
        made.server.wait_until_ready()
        yield made


class Through:
    """A browser behind the proxy, which adds its headers to each request."""

    def __init__(self, url: str, *headers: tuple[str, str]) -> None:
        self.place = urlsplit(url).netloc
        self.proxys = headers
        self.cookie = ""
        self.token = ""
        self.reply: Mapping[str, str] = {}

    def ask(self, method: str, path: str, form: Mapping[str, str] | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self.place, timeout=30)
        body = urlencode({"token": self.token, **form}).encode() if form is not None else b""
        connection.putrequest(method, path)
        for name, value in (
            *self.proxys,
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Content-Length", str(len(body))),
            *([("Cookie", self.cookie)] if self.cookie else []),
        ):
            connection.putheader(name, value)
        connection.endheaders(body)
        reply = connection.getresponse()
        text = reply.read().decode()
        self.reply = {name.lower(): value for name, value in reply.getheaders()}
        self.cookie = self.reply.get("set-cookie", self.cookie).partition(";")[0]
        found = re.search(r'name="token" value="([^"]+)"', text)
        self.token = found[1] if found else self.token
        connection.close()
        return reply.status, text


def known(url: str, name: str, groups: str = "") -> Through:
    return Through(url, ("X-Forwarded-User", name), ("X-Forwarded-Groups", groups))


def test_whom_the_proxy_names_is_in_with_the_roles_of_their_groups(people: Team) -> None:
    run = people.create("asks", "behind-1", "somebody")
    people.until(run)
    form = {key: str(value) for key, value in people.asked(run).items()} | {"choice": "approve"}
    other = known(people.server.url, "eva", "sales, guests")
    assert other.ask("GET", f"/runs/{run}")[0] == 200
    assert "set-cookie" not in other.reply
    eventually(lambda: "signed in at the proxy" in people.server.log, PATIENCE)
    assert [known(people.server.url, "eva").ask("GET", "/runs")[0] for _time in range(5)] == [200] * 5
    assert people.server.log.count("signed in at the proxy") == 1, (
        "whoever keeps no cookie begins no session with each request"
    )
    assert other.ask("POST", f"/runs/{run}/answers", form)[0] == 403
    ann = known(people.server.url, "ann.admin", "guests,network")
    assert ann.ask("GET", "/waiting")[0] == 200
    assert ann.ask("POST", f"/runs/{run}/answers", form)[0] == 303
    people.until(run, "succeeded")
    (event,) = people.bench.events(people.bench.state.open(run), Answered)
    assert (event.person, event.assurance) == ("ann", "authenticated"), "the project file's name for that login"


def test_four_eyes_know_a_person_by_whatever_name_the_proxy_has(people: Team) -> None:
    run = people.create("asks", "behind-2", "ann")
    people.until(run)
    form = {key: str(value) for key, value in people.asked(run).items()} | {"choice": "approve"}
    ann = known(people.server.url, "ann.admin", "network")
    ann.ask("GET", "/waiting")
    status, text = ann.ask("POST", f"/runs/{run}/answers", form)
    assert status == 409 and "four eyes" in text
    assert people.bench.events(people.bench.state.open(run), AnswerRefused)


def test_roles_given_by_hand_hold_as_well(people: Team) -> None:
    otto = known(people.server.url, "otto")
    assert "/start/asks" in otto.ask("GET", "/start")[1]
    assert "/start/asks" not in known(people.server.url, "eva").ask("GET", "/start")[1]


def test_a_form_needs_the_token_of_this_persons_own_page(people: Team) -> None:
    run = people.create("fails", "behind-3", "somebody")
    people.until(run)
    ann, eva = known(people.server.url, "ann.admin", "network"), known(people.server.url, "eva", "network")
    assert ann.ask("POST", f"/runs/{run}/cancel", {"reason": "x"})[0] == 403, "no page was loaded before"
    ann.ask("GET", f"/runs/{run}")
    eva.ask("GET", f"/runs/{run}")
    stolen = known(people.server.url, "ann.admin", "network")
    stolen.token = eva.token
    assert stolen.ask("POST", f"/runs/{run}/cancel", {"reason": "x"})[0] == 403
    assert ann.ask("POST", f"/runs/{run}/cancel", {"reason": "x"})[0] == 303


def test_the_session_is_nothing_without_the_header(people: Team) -> None:
    known(people.server.url, "otto").ask("GET", "/runs")
    direct = Through(people.server.url)
    direct.cookie = "changerail=proxy otto"
    status, dummy = direct.ask("GET", "/runs")
    assert (status, direct.reply["location"]) == (303, "/sign-in?next=%2Fruns")
    assert Browser(people.server.url).sign_in("otto").get("/runs")[0] == 200, "a password still does it"


@pytest.mark.parametrize(
    "headers",
    [
        [("X-Forwarded-User", "ann.admin"), ("X-Forwarded-User", "eva")],
        [("X-Forwarded-User", "ann\xa0.admin;x")],
        [("X-Forwarded-User", "a" * 65)],
        [("X-Forwarded-User", "<script>")],
    ],
    ids=["two", "no name", "long", "markup"],
)
def test_a_header_that_names_nobody_lets_nobody_in(people: Team, headers: list[tuple[str, str]]) -> None:
    status, text = Through(people.server.url, *headers).ask("GET", "/runs")
    assert status == 403 and "does not name one person" in text and "<script>" not in text.partition("<main")[2]


def test_groups_that_a_browser_added_are_refused(people: Team) -> None:
    both = [("X-Forwarded-User", "eva"), ("X-Forwarded-Groups", "network"), ("X-Forwarded-Groups", "guests")]
    status, text = Through(people.server.url, *both).ask("GET", "/runs")
    assert status == 403 and "stands there more than once" in text


def test_whom_the_proxy_has_let_in_need_not_sign_in(people: Team) -> None:
    ann = known(people.server.url, "ann.admin")
    assert ann.ask("GET", "/sign-in?next=/waiting")[0] == 303 and ann.reply["location"] == "/waiting"
    assert Through(people.server.url).ask("GET", "/sign-in")[0] == 200


def test_from_nobody_but_a_named_proxy(tmp_path: Path) -> None:
    people = with_project(tmp_path, PROJECT)
    with people.server:
        people.server.wait_until_ready()
        assert known(people.server.url, "ann.admin", "network").ask("GET", "/runs")[0] == 303
