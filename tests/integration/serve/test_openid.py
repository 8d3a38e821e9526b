"""Signing in with OpenID Connect at a real server; the provider is one that says what the test likes. Another file does it with a real provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from support.calls import eventually
from support.forms import Browser
from support.openid import DESCRIPTION, Liar, liar
from support.servers import Answer
from support.serving import PATIENCE
from support.team import PASSWORD, Team, with_project

from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import Grant

PROJECT = """
people:
  ann: {{groups: [neteng]}}
sign_in:
  openid: {{issuer: "{issuer}", client_id: changerail, client_secret: {{env: OIDC}}}}
  proxy: {{user: X-Forwarded-User}}
  roles: {{net-approvers: "approver:neteng", noc: operator}}
"""
SECRET = "open sesame"
PUBLIC = "https://changes.example.net"


@contextmanager
def site(folder: Path, *options: str) -> Iterator[tuple[Team, Liar]]:
    with liar() as provider:
        team = with_project(folder, PROJECT.format(issuer=provider.issuer), *options, OIDC=SECRET)
        with team.server:
            team.server.wait_until_ready()
            yield team, provider


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Team, Liar]]:
    with site(tmp_path_factory.mktemp("openid")) as both:
        both[0].add("otto", Grant("requester"), password=PASSWORD)
        yield both


@pytest.fixture
def people(made: tuple[Team, Liar]) -> Team:
    return made[0]


@pytest.fixture
def provider(made: tuple[Team, Liar]) -> Iterator[Liar]:
    answers = dict(made[1].web.answers)
    yield made[1]
    made[1].web.answers = answers


def began(browser: Browser, onward: str = "/waiting") -> dict[str, str]:
    """What the provider is asked, once somebody has followed the link."""
    status, dummy = browser.get(f"/sign-in/openid?next={quote(onward)}")
    assert status == 303
    return {name: values[0] for name, values in parse_qs(urlsplit(browser.headers["location"]).query).items()}


def back(browser: Browser, asked: Mapping[str, str], **said: str) -> tuple[int, str]:
    """The provider's answer through the browser."""
    given = {"state": asked["state"], "code": "the-code", **said}
    return browser.get("/sign-in/openid/back?" + "&".join(f"{name}={quote(text)}" for name, text in given.items()))


def signed_in(team: Team, provider: Liar, **claims: Any) -> Browser:
    browser = Browser(team.server.url)
    asked = began(browser)
    provider.says(provider.claims(asked["nonce"], **claims))
    assert back(browser, asked)[0] == 303
    return browser


def test_the_page_has_a_link_and_the_form(people: Team, provider: Liar) -> None:
    browser = Browser(people.server.url)
    host = provider.issuer.partition("//")[2]
    dummy, text = browser.get("/sign-in?next=/runs%3Fpage=2")
    assert f"Sign in with {host}" in text and 'href="/sign-in/openid?next=/runs%3Fpage%3D2"' in text
    assert browser.sign_in("otto").get("/runs")[0] == 200, "a password still does it"


def test_somebody_comes_in_and_goes_where_they_wanted(people: Team, provider: Liar) -> None:
    browser = Browser(people.server.url, {"changerail": "planted"})
    asked = began(browser, "/runs?page=1")
    assert asked["redirect_uri"] == f"{people.server.url}/sign-in/openid/back"
    assert (
        "HttpOnly" in browser.set_cookie
        and "SameSite=lax" in browser.set_cookie
        and "Max-Age=600" in browser.set_cookie
    )
    provider.says(provider.claims(asked["nonce"]))
    assert back(browser, asked)[0] == 303 and browser.headers["location"] == "/runs?page=1"
    assert browser.cookies["changerail"] not in ("", "planted")
    status, text = browser.get("/runs")
    assert status == 200 and "<span>ann</span>" in text
    eventually(lambda: "signed in with OpenID Connect" in people.server.log, PATIENCE)
    for secret in (SECRET, "the-code", "the-access-token", asked["state"], asked["nonce"]):
        assert secret not in people.server.log


@pytest.mark.parametrize("onward", ["https://evil.example", "//evil.example", "/\\evil.example"])
def test_it_leads_to_nobody_else(people: Team, provider: Liar, onward: str) -> None:
    browser = Browser(people.server.url)
    asked = began(browser, onward)
    provider.says(provider.claims(asked["nonce"]))
    back(browser, asked)
    assert browser.headers["location"] == "/runs"


def test_an_answer_counts_once_and_in_its_own_browser(people: Team, provider: Liar) -> None:
    mine, other = Browser(people.server.url), Browser(people.server.url)
    for forget in (False, True):
        asked = began(mine)
        began(other)
        if forget:
            other.cookies.clear()
        provider.says(provider.claims(asked["nonce"]))
        status, text = back(other, asked)
        assert status == 403 and "was not begun in this browser" in text and "changerail" not in other.cookies
    asked = began(mine)
    provider.says(provider.claims(asked["nonce"]))
    assert [back(mine, asked)[0] for dummy in range(2)] == [303, 403]
    assert back(mine, {"state": ""})[0] == 403


@pytest.mark.parametrize(
    ("claims", "status", "sentence"),
    [
        ({"iss": "https://login.example.net"}, 502, "sent an ID token that is not valid"),
        ({"preferred_username": "ann\nbea"}, 403, "does not name a person"),
        ({"preferred_username": "<script>"}, 403, "does not name a person"),
        ({"groups": {"a": "b"}}, 403, "is neither a list of groups nor one"),
    ],
)
def test_what_is_refused_is_said_in_a_sentence(
    people: Team, provider: Liar, claims: dict[str, Any], status: int, sentence: str
) -> None:
    browser = Browser(people.server.url)
    asked = began(browser)
    provider.says(provider.claims(asked["nonce"], **claims))
    got, text = back(browser, asked)
    assert got == status and sentence in text and "<script>" not in text.partition("<main")[2]
    assert "changerail" not in browser.cookies


def test_the_provider_says_no_and_its_words_do_no_harm(people: Team) -> None:
    browser = Browser(people.server.url)
    said = {"error": "access_denied", "error_description": "<script>evil(1)</script>"}
    status, text = back(browser, began(browser), **said)
    assert status == 403 and "did not sign you in: access_denied" in text and "evil" not in text


def test_a_provider_that_is_away_keeps_nobody_else_out(tmp_path: Path) -> None:
    with site(tmp_path) as (team, provider):
        team.add("otto", Grant("requester"), password=PASSWORD)
        provider.web.answers[DESCRIPTION] = Answer(503, "asleep")
        browser = Browser(team.server.url)
        status, text = browser.get("/sign-in/openid")
        assert status == 502 and "does not answer as it should" in text
        provider.web.answers[DESCRIPTION] = Answer(cut=True)
        status, text = browser.get("/sign-in/openid")
        assert status == 503 and "sign in with a password" in text
        assert browser.sign_in("otto").get("/runs")[0] == 200
        provider.describe()
        assert began(Browser(team.server.url)), "no restart is needed"


def test_roles_come_from_groups_and_from_here_and_what_is_taken_away_here_counts_at_once(
    people: Team, provider: Liar
) -> None:
    nobody = signed_in(people, provider, preferred_username="eva", groups=["sales"])
    run = people.create("asks", "openid-1", "somebody")
    people.until(run)
    assert nobody.get("/runs")[0] == 200 and nobody.get(f"/runs/{run}")[0] == 404
    operator = signed_in(people, provider, preferred_username="nick", groups="noc")
    assert operator.get(f"/runs/{run}")[0] == 200 and "/start/asks" not in operator.get("/start")[1]
    people.add("nick", Grant("requester"))
    assert "/start/asks" in operator.get("/start")[1]
    people.accounts.change(lambda accounts: accounts.without_user("nick"))
    assert "/start/asks" not in operator.get("/start")[1]
    assert operator.get(f"/runs/{run}")[0] == 200, "the group's role is that of the sign-in"


def test_signing_out_ends_the_session_and_leads_to_the_provider(people: Team, provider: Liar) -> None:
    browser = signed_in(people, provider)
    browser.get("/runs")
    assert browser.post("/sign-out", {})[0] == 303 and browser.headers["location"] == "/sign-in"
    assert browser.get("/runs")[0] == 303


def test_behind_a_proxy_with_tls(tmp_path: Path) -> None:
    with site(tmp_path, "--proxy", "127.0.0.1", "--public-url", PUBLIC) as (team, provider):
        provider.describe(end_session_endpoint=f"{provider.issuer}/end")
        browser = Through(team.server.url)
        asked = began(browser)
        assert asked["redirect_uri"] == f"{PUBLIC}/sign-in/openid/back"
        assert set(browser.cookies) == {"__Host-changerail-openid"} and "Secure" in browser.set_cookie
        provider.says(provider.claims(asked["nonce"]))
        assert back(browser, asked)[0] == 303
        assert browser.get("/runs")[0] == 200 and "__Host-changerail" in browser.cookies
        session = dict(browser.cookies)
        status, text = browser.post("/sign-out", {})
        away = f"{provider.issuer}/end?client_id=changerail&amp;post_logout_redirect_uri={quote(PUBLIC, safe='')}%2Fsign-in"
        assert status == 200 and f'content="0; url={away}"' in text and f'href="{away}"' in text
        browser.cookies = session
        assert browser.get("/runs")[0] == 303


class Through(Browser):
    """A browser behind a proxy that speaks TLS with it."""

    def _ask(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> tuple[int, str]:
        return super()._ask(method, path, body, {**headers, "X-Forwarded-Proto": "https"})


def test_an_address_that_anybody_could_make_up_is_not_sent_to_the_provider(people: Team) -> None:
    class Elsewhere(Browser):
        def _ask(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> tuple[int, str]:
            return super()._ask(method, path, body, {**headers, "Host": "evil.example"})

    status, text = Elsewhere(people.server.url).get("/sign-in/openid")
    assert status == 503 and "--public-url" in text


@pytest.mark.parametrize(
    ("environment", "sentence"), [({}, "variable OIDC is not set"), ({"OIDC": ""}, "the client secret is empty")]
)
def test_a_secret_that_is_not_there_is_found_at_the_start(
    tmp_path: Path, environment: dict[str, str], sentence: str
) -> None:
    team = with_project(tmp_path, PROJECT.format(issuer="https://login.example.net"), **environment)
    with pytest.raises(RuntimeError, match=sentence):
        team.server.start()


def test_without_a_provider_there_is_no_such_way_in(tmp_path: Path) -> None:
    team = with_project(tmp_path, "people: {ann: }\n")
    with team.server:
        team.server.wait_until_ready()
        browser = Browser(team.server.url)
        assert browser.get("/sign-in/openid")[0] == browser.get("/sign-in/openid/back")[0] == 404
        assert "Sign in with" not in browser.get("/sign-in")[1]
