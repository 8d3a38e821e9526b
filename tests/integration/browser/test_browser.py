"""The pages in a real browser, as people use them: on a desk and on a phone, by day and at night, without a mouse, without JavaScript."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import pytest
from support.browsing import PHONE, WIDE, Visitor, chromium, needed
from support.team import PASSWORD, Team, team

from ansible_collections.netops.changerail.plugins.module_utils.files import artifact_of
from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import Grant
from ansible_collections.netops.changerail.plugins.plugin_utils.people.inbox import wake_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

needed()
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe goes with Playwright")

REVIEWS = """
name: Advertise 203.0.113.0/24 at the edge
steps:
  - id: validate
    name: Validate
    ansible.builtin.debug: {msg: "2 routers would change"}
  - id: review
    name: Review the diff
    review: {groups: [neteng], artifact: "{{ diff }}"}
  - id: deploy
    name: Deploy
    parallel:
      - {id: fra, name: Frankfurt, ansible.builtin.debug: {msg: done}}
      - {id: ams, name: Amsterdam, ansible.builtin.debug: {msg: done}}
"""
NIGHT = """
name: Upgrade in the night
steps:
  - id: open
    netops.changerail.window: {timezone: UTC, windows: [{name: Night, days: [DAY], from: "01:00", to: "05:00"}]}
"""
# The buttons with a word that is broken in two: they have more lines than words.
BROKEN = """
[...document.querySelectorAll("button")].filter(button => {
  const text = document.createRange();
  text.selectNodeContents(button);
  const lines = new Set([...text.getClientRects()].map(line => Math.round(line.top)));
  return lines.size > button.textContent.trim().split(/\\s+/).length;
}).map(button => button.textContent.trim())
"""
DIFF = """\
### fra1
@@ -10,3 +10,4 @@
 router bgp 64500
  neighbor 192.0.2.1 remote-as 64501
- no bgp default ipv4-unicast
+ bgp default ipv4-unicast
+ network 203.0.113.0/24
### ams1
@@ -4,2 +4,3 @@
 ip prefix-list EDGE seq 5 permit 198.51.100.0/24
+ip prefix-list EDGE seq 10 permit 203.0.113.0/24
 route-map EDGE permit 10
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with team(tmp_path_factory.mktemp("browser")) as made:
        made.add("nora", Grant("approver", groups=frozenset({"neteng"})), password=PASSWORD)
        made.add("nils", Grant("approver", groups=frozenset({"neteng"})), password=PASSWORD)
        made.add("olga", Grant("operator"), Grant("requester"), Grant("break-glass"), password=PASSWORD)
        made.add("ivan", Grant("break-glass"))
        yield made


def reviews(people: Team, run: str, text: str = DIFF) -> str:
    """A run that asks for a review of ``text``; the path of the question's page."""
    diff = people.bench.folder / f"{run}.diff"
    diff.write_text(text)
    artifact = artifact_of(diff, "edge.diff").as_dict()
    wake_server(people.bench.create(REVIEWS, run, {"diff": artifact}))
    people.until(run)
    return f"/runs/{run}/question?path=review"


@pytest.fixture(scope="module")
def pages(people: Team) -> dict[str, str]:
    """Every page by a name for its screenshot."""
    question = reviews(people, "edge-1")
    people.until(people.create("fails", "push-1", "somebody"))
    wanted = {
        **people.asked(people.create("asks", "prefix-1", "somebody")),
        "reason": "The core is down, nobody answers",
    }
    assert people.call("ivan", "POST", "/runs/prefix-1/break-glass", wanted)[0] == 200
    closed = f"{datetime.now(UTC) + timedelta(days=3):%a}".lower()
    wake_server(people.bench.create(NIGHT.replace("DAY", closed), "night-1"))
    people.until("night-1")
    return {
        "waiting": "/waiting",
        "runs": "/runs",
        "run": "/runs/edge-1",
        "question": question,
        "side-by-side": f"{question}&view=side",
        "intervention": "/runs/push-1/question?path=push",
        "emergency": "/runs/prefix-1/question?path=ask",
        "broken": "/runs/prefix-1",
        "step": "/runs/edge-1/step?path=validate",
        "results": "/runs/edge-1/results",
        "calendar": "/calendar",
        "waits": "/runs/night-1",
        "windows": "/runs/night-1/calendar",
        "startable": "/start",
        "start": "/start/asks",
    }


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_every_page_can_be_read_by_everybody_everywhere(
    people: Team, browser: Browser, pages: dict[str, str], size: tuple[int, int], dark: bool
) -> None:
    """axe finds nothing (labels, names, contrast, landmarks, order of headings), and no page is wider than its window."""
    look = f"{'phone' if size == PHONE else 'wide'}-{'dark' if dark else 'light'}"
    visitor = Visitor(browser, people.server.url, size=size, dark=dark)
    visitor.goes("/sign-in")
    found = {"sign-in": _flaws(visitor, f"{look}-sign-in")}
    visitor.signs_in("olga", PASSWORD)
    for name, path in pages.items():
        visitor.goes(path)
        found[name] = _flaws(visitor, f"{look}-{name}")
    form = visitor.goes(pages["start"])
    form.get_by_role("button", name="Rehearse first").click()
    form.get_by_role("heading", name="Rehearsal").wait_for()
    found["rehearsed"] = _flaws(visitor, f"{look}-rehearsed")
    visitor.signs_in("nora", PASSWORD).goes(pages["question"])
    found["answer"] = _flaws(visitor, f"{look}-answer")
    assert {name: flaws for name, flaws in found.items() if flaws} == {}
    assert visitor.complaints == []


def _flaws(visitor: Visitor, screenshot: str) -> list[str]:
    visitor.keeps(screenshot)
    seen = axe.Axe().run(visitor.page).response
    flaws = [
        f"{rule['id']}: {rule['help']}: {node['html'][:200]}" for rule in seen["violations"] for node in rule["nodes"]
    ]
    width = visitor.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    broken = [f"the word {word} is broken in two" for word in visitor.page.evaluate(BROKEN)]
    return [*flaws, *broken, *([f"{width} pixels too wide"] if width > 0 else [])]


def test_every_page_that_a_page_leads_to_is_looked_at(people: Team, browser: Browser, pages: dict[str, str]) -> None:
    """Whoever adds a page adds it to ``pages``; what is no page (evidence, a picture, a file) is left out."""
    olga = Visitor(browser, people.server.url).signs_in("olga", PASSWORD)
    looked_at = {_kind(path) for path in pages.values()}
    led_to: dict[str, str] = {}
    for path in pages.values():
        hrefs = olga.goes(path).evaluate("[...document.querySelectorAll('a[href]')].map(link => link.href)")
        led_to.update({_kind(urlsplit(href).path): href for href in hrefs if href.startswith(people.server.url)})
    others = {kind: olga.context.request.get(led_to[kind]) for kind in sorted(led_to.keys() - looked_at)}
    assert {"/runs/*/results", "/runs/*/calendar", "/runs/*/question", "/start/*"} <= led_to.keys()
    assert [kind for kind, reply in others.items() if "text/html" in reply.headers["content-type"]] == []


def _kind(path: str) -> str:
    return re.sub("^/(runs|start)/[^/]+", r"/\1/*", urlsplit(path).path)


def test_an_answer_and_what_other_open_pages_see_of_it(people: Team, browser: Browser) -> None:
    question = reviews(people, "edge-2")
    nora = Visitor(browser, people.server.url).signs_in("nora", PASSWORD)
    nils = Visitor(browser, people.server.url).signs_in("nils", PASSWORD)
    olga = Visitor(browser, people.server.url).signs_in("olga", PASSWORD)
    digest = hashlib.sha256((people.bench.folder / "edge-2.diff").read_bytes()).hexdigest()

    nora.goes("/waiting").get_by_role("link", name=re.compile("edge.diff|Review the diff")).first.wait_for()
    run = olga.goes("/runs/edge-2")
    late = nils.goes(question)
    asked = nora.goes(question)
    asked.get_by_text(digest).wait_for()
    asked.get_by_text("network 203.0.113.0/24").wait_for()
    asked.get_by_role("link", name="side by side").click()
    asked.get_by_role("link", name="unified").wait_for()
    asked.get_by_label("Comment").fill("Read it, <b>and agree</b>")
    asked.get_by_role("button", name="approve", exact=True).click()
    asked.wait_for_url(re.compile("/runs/edge-2$"))

    # Nobody loads these again.
    run.locator("#state").get_by_text("succeeded").wait_for()
    run.locator("#entries").get_by_text("Read it, <b>and agree</b>").wait_for()
    late.get_by_text("This has changed since you loaded the page").wait_for()
    late.get_by_role("button", name="deny", exact=True).click()
    late.get_by_text("Your answer does not count").wait_for()
    assert [nora.complaints, nils.complaints, olga.complaints] == [[], [], []]


def test_an_intervention_beside_what_failed(people: Team, browser: Browser) -> None:
    people.until(people.create("fails", "push-2", "somebody"))
    olga = Visitor(browser, people.server.url).signs_in("olga", PASSWORD)
    page = olga.goes("/waiting")
    page.locator("a[href*='push-2']").click()
    page.get_by_role("heading", name="What failed").wait_for()
    page.get_by_text("the world says failed").first.wait_for()
    page.get_by_role("button", name="retry", exact=True).click()
    page.wait_for_url(re.compile("/runs/push-2$"))
    page.locator("#state").get_by_text("succeeded").wait_for()
    assert olga.complaints == []


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_everything_is_a_form_that_needs_no_javascript(people: Team, browser: Browser, scripts: bool) -> None:
    olga = Visitor(browser, people.server.url, scripts=scripts).signs_in("olga", PASSWORD)
    nora = Visitor(browser, people.server.url, scripts=scripts).signs_in("nora", PASSWORD)
    page = olga.goes("/start")
    page.get_by_role("link", name="asks").click()
    page.get_by_label("world").fill(str(people.bench.world))
    page.get_by_label("prefix").fill("198.51.100.0/24")
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(re.compile(r"/runs/[\w-]+$"))
    run = page.url.rpartition("/")[2]
    people.until(run)

    asked = nora.goes(f"/runs/{run}/question?path=ask")
    asked.get_by_role("button", name="deny", exact=True).click()
    asked.wait_for_url(re.compile(f"/runs/{run}$"))
    people.until(run, "failed")
    asked.reload()
    asked.locator("#state").get_by_text("failed").first.wait_for()

    people.until(people.create("fails", f"push-{scripts}", "somebody"))
    page.goto(f"{people.server.url}/runs/push-{scripts}")
    page.get_by_label("Why").fill("no longer wanted")
    page.get_by_role("button", name="Cancel the run").click()
    people.until(f"push-{scripts}", "cancelled")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(re.compile("/sign-in"))
    assert olga.complaints == nora.complaints == []


def test_without_a_mouse(people: Team, browser: Browser) -> None:
    people.until(people.create("asks", "keys-1", "somebody"))
    nora = Visitor(browser, people.server.url).signs_in("nora", PASSWORD)
    page = nora.goes(f"/runs/keys-1/question?path={quote('ask')}")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left >= 0"), (
        "it can be seen when it has the focus"
    )
    page.keyboard.press("Enter")
    for _number in range(20):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", page.evaluate("document.activeElement.outerHTML")
        if page.evaluate("document.activeElement.name") == "comment":
            break
    page.keyboard.type("by keyboard")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.value") == "approve"
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/runs/keys-1$"))
    page.locator("#entries").get_by_text("by keyboard").wait_for()
    assert nora.complaints == []
