"""Signing in at a real OpenID Connect provider, the npm package oidc-provider, and what its people may then do."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import pytest
import requests
from support.browsing import CHROMIUM, Visitor, chromium
from support.pages import ROOT
from support.team import Team, with_project

from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import Answered, AnswerRefused

INSTALLED = ROOT / ".work" / "openid-provider"
LIBRARY = INSTALLED / "node_modules" / "oidc-provider" / "lib" / "index.js"
PEOPLE = {
    "1001": {"preferred_username": "ann.admin", "groups": ["net-approvers", "sales"]},
    "1002": {"preferred_username": "eva", "groups": ["sales"]},
    "1003": {"preferred_username": "eva\nann.admin", "groups": ["net-approvers"]},
}
PROJECT = """
people:
  ann: {{os_user: ann.admin, groups: [neteng]}}
  bea: {{groups: [neteng]}}
sign_in:
  openid: {{issuer: "{issuer}", client_id: changerail, scopes: [openid, profile, groups]{secret}}}
  roles: {{"*": viewer, net-approvers: "approver:neteng"}}
"""

pytestmark = pytest.mark.skipif(
    not LIBRARY.exists(), reason="there is no OpenID Connect provider: make openid-provider"
)


class Provider:
    """A process of tests/openid/provider.mjs; a context manager, which ends it."""

    def __init__(self) -> None:
        program = [str(INSTALLED / "node"), str(ROOT / "tests" / "openid" / "provider.mjs")]
        self.process = subprocess.Popen(
            program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.issuer = self._line()

    def begin(self, back: str, after: Sequence[str], secret: str, in_token: bool) -> None:
        """Have it know the client."""
        setting = {"module": LIBRARY.as_uri(), "back": [back], "after": after, "client_secret": secret}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({**setting, "people": PEOPLE, "in_token": in_token}) + "\n")
        self.process.stdin.flush()
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def __enter__(self) -> Provider:
        return self

    def __exit__(self, *_exception: object) -> None:
        # Not by a signal: on some machines node is the child of a program that starts it.
        with self.process:
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()


@dataclass
class Site:
    """A server with a provider to sign in at."""

    team: Team
    provider: Provider

    def browser(self, login: str) -> requests.Session:
        """A browser in which this person of the provider has signed in; it follows redirects."""
        browser = requests.Session()
        page = browser.get(f"{self.team.server.url}/waiting")
        assert page.url.endswith("/sign-in?next=%2Fwaiting")
        page = browser.get(self.team.server.url + unescape(_found(r'href="(/sign-in/openid[^"]*)"', page.text)))
        assert page.url.startswith(f"{self.provider.issuer}/interaction/")
        page = browser.post(_action(page), {"prompt": "login", "login": login, "password": "any"})
        browser.post(_action(page), {"prompt": "consent"})
        return browser

    def get(self, browser: requests.Session, path: str) -> requests.Response:
        return browser.get(self.team.server.url + path)

    def post(self, browser: requests.Session, path: str, form: dict[str, str]) -> requests.Response:
        """Send a form of the page /waiting."""
        token = _found(r'name="token" value="([^"]+)"', self.get(browser, "/waiting").text)
        return browser.post(self.team.server.url + path, {"token": token, **form}, allow_redirects=False)


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found is not None, text
    return found[1]


def _action(page: requests.Response) -> str:
    return _found(r'<form[^>]* action="([^"]+)"', page.text)


@contextmanager
def site(folder: Path, secret: str, in_token: bool) -> Iterator[Site]:
    with Provider() as provider:
        reference = ", client_secret: {env: OIDC}" if secret else ""
        project = PROJECT.format(issuer=provider.issuer, secret=reference)
        team = with_project(folder, project, **({"OIDC": secret} if secret else {}))
        with team.server:
            team.server.wait_until_ready()
            back = f"{team.server.url}/sign-in/openid/back"
            provider.begin(back, [f"{team.server.url}/sign-in"], secret, in_token)
            yield Site(team, provider)


@pytest.fixture(
    scope="module",
    params=[("a secret: of/ours+%", True), ("", False)],
    ids=["a secret, claims in the token", "a public client, claims asked for"],
)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("openid"), *request.param) as made:
        yield made


def test_an_approver_of_the_provider_opens_a_gate_and_the_journal_says_who(made: Site) -> None:
    run = made.team.create("asks", "gate", "somebody")
    made.team.until(run)
    form = {name: str(value) for name, value in made.team.asked(run).items()} | {"choice": "approve"}
    eva, ann = made.browser("1002"), made.browser("1001")
    assert "<span>eva</span>" in made.get(eva, f"/runs/{run}").text
    assert made.post(eva, f"/runs/{run}/answers", form).status_code == 403
    assert run in made.get(ann, "/waiting").text, "it waits for her"
    assert made.post(ann, f"/runs/{run}/answers", form).status_code == 303
    made.team.until(run, "succeeded")
    (event,) = made.team.bench.events(made.team.bench.state.open(run), Answered)
    assert (event.person, event.assurance) == ("ann", "authenticated"), "the project file's name for that login"


def test_four_eyes_know_who_asked_for_the_change(made: Site) -> None:
    run = made.team.create("asks", "own", "ann")
    made.team.until(run)
    form = {name: str(value) for name, value in made.team.asked(run).items()} | {"choice": "approve"}
    reply = made.post(made.browser("1001"), f"/runs/{run}/answers", form)
    assert reply.status_code == 409 and "four eyes" in reply.text
    assert made.team.bench.events(made.team.bench.state.open(run), AnswerRefused)


def test_a_name_that_is_none_lets_nobody_in(made: Site) -> None:
    browser = made.browser("1003")
    assert made.get(browser, "/runs").url.endswith("/sign-in?next=%2Fruns")


def test_somebody_who_gives_up_is_told_so(made: Site) -> None:
    browser = requests.Session()
    page = browser.get(f"{made.team.server.url}/sign-in/openid")
    page = browser.get(_found(r'href="([^"]+/abort)"', page.text))
    assert page.status_code == 403 and "did not sign you in: access_denied" in page.text


def test_signing_out_here_leads_to_signing_out_there(made: Site) -> None:
    browser = made.browser("1002")
    page = made.post(browser, "/sign-out", {})
    onward = unescape(_found(r'content="0; url=([^"]+)"', page.text))
    assert page.status_code == 200 and onward.startswith(f"{made.provider.issuer}/session/end?client_id=changerail")
    assert made.get(browser, "/runs").url.endswith("/sign-in?next=%2Fruns")
    assert "sign-out" in browser.get(onward).text, "the provider asks whether to end its own session"
    assert "did not work" not in browser.get(onward).text


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed (Debian: chromium)")
def test_in_a_browser_that_obeys_the_policy(made: Site) -> None:
    """What a page may lead to is the browser's decision: signing in is a link, signing out a page that goes on by itself."""
    pytest.importorskip("playwright.sync_api", reason="Playwright goes with the environment of the newest ansible-core")
    with chromium() as browser:
        page = Visitor(browser, made.team.server.url).page
        page.goto(f"{made.team.server.url}/waiting")
        page.get_by_role("link", name="Sign in with").click()
        page.locator("[name=login]").fill("1002")
        page.locator("[name=password]").fill("any")
        page.get_by_role("button").first.click()
        page.get_by_role("button", name="Continue").click()
        page.wait_for_url(f"{made.team.server.url}/waiting")
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url(f"{made.provider.issuer}/session/end?*")
        page.goto(f"{made.team.server.url}/runs")
        assert page.url.startswith(f"{made.team.server.url}/sign-in")
