"""The form that starts a run, at a real server: what it says would happen, and that this contacts nothing, starts nothing and shows no secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import pytest
from support.forms import Browser
from support.team import PASSWORD, Team, team

from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import Grant

AHEAD = """
name: Renumber the edge
vars:
  world: ""
  site: fra
  quick: true
  api_token: ""
  db_password: default-secret
steps:
  - {id: review, name: "Review of {{ site }} <b>", approval: {groups: [neteng], quorum: 2}}
  - {id: pause, name: Let it settle, ansible.builtin.pause: {minutes: 90}, when: not quick}
  - id: act
    name: "Act with {{ api_token }} and {{ db_password }}"
    example.world.act: {world: "{{ world }}"}
  - {id: last, name: Approval of the end, approval: {groups: [cab]}}
"""
ENDLESS = """
name: Never ends
vars: {count: 100000}
steps:
  - {id: again, loop: "{{ range(count | int) | list }}", ansible.builtin.debug: {msg: "{{ item }}"}}
"""
DEPENDS = """
name: Depends
steps:
  - {id: plan, register: plan, example.world.act: {world: "x"}}
  - {id: say, ansible.builtin.debug: {msg: "{{ plan.result.text }}"}}
"""


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with team(tmp_path_factory.mktemp("starting")) as made:
        for name, text in (("ahead", AHEAD), ("endless", ENDLESS), ("depends", DEPENDS)):
            (made.workflows / f"{name}.yml").write_text(text)
        for name, role in (("starter", "requester"), ("reader", "viewer")):
            made.add(name, Grant(role), password=PASSWORD)
        yield made


@pytest.fixture(scope="module")
def browser(people: Team) -> Browser:
    return Browser(people.server.url).sign_in("starter")


def filled(**variables: str) -> dict[str, str]:
    return {f"variable.{name}": value for name, value in variables.items()}


def test_what_would_happen_is_shown_and_nothing_happens(people: Team, browser: Browser) -> None:
    assert browser.get("/start/ahead")[0] == 200
    form = filled(world=str(people.bench.world), site="ams", api_token="tok-123456", db_password="")
    runs = people.call("admin", "GET", "/runs")[1]["runs"]
    status, text = browser.post("/start/ahead", {**form, "do": "rehearse", "limit": "edge1"})
    assert status == 200
    assert "tok-123456" not in text and "default-secret" not in text
    said = " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())
    assert "succeeded after 1h 30m" in said
    assert "at the start review asks group neteng: approve or deny (2 answers needed)" in said
    assert "after 1h 30m last asks group cab" in said
    assert "Review of ams" in said and "Act with ******** and ********" in said
    assert 'name="variable.site" value="ams"' in text and 'name="limit" value="edge1"' in text
    assert not re.search(r'name="variable.quick"[^>]*checked', text), "a switch that was turned off stays off"
    assert "&lt;b&gt;" in text
    assert people.bench.log() == [] and people.call("admin", "GET", "/runs")[1]["runs"] == runs
    status, text = browser.post("/start/ahead", {**form, "variable.quick": "true", "do": "rehearse"})
    assert status == 200 and "skipped" in text and "1h 30m" not in text
    assert browser.post("/start/ahead", {**form, "do": "start"})[0] == 303


def test_a_mistake_in_the_form_is_told_before_anything_is_rehearsed(browser: Browser) -> None:
    browser.get("/start/endless")
    status, text = browser.post("/start/endless", {**filled(count="many"), "do": "rehearse"})
    assert status == 422 and "is no number" in text and 'id="rehearsed"' not in text


def test_a_rehearsal_without_end_is_ended(browser: Browser) -> None:
    browser.get("/start/endless")
    status, text = browser.post("/start/endless", {"do": "rehearse"})
    assert status == 200 and len(text) < 500_000
    assert re.search(r"does not come to its end: it takes more than (5000 events|10 s to rehearse);", text)


def test_what_depends_on_real_results_is_said_to(browser: Browser) -> None:
    browser.get("/start/depends")
    status, text = browser.post("/start/depends", {"do": "rehearse"})
    assert status == 200 and "plan is what the scenario gives plan" in unescape(text)


def test_who_may_not_start_may_not_rehearse(people: Team) -> None:
    reader = Browser(people.server.url).sign_in("reader")
    assert reader.post("/start/ahead", {"do": "rehearse"})[0] == 403
    assert reader.post("/start/nothing", {"do": "rehearse"})[0] in (403, 404)
