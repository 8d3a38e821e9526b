"""What is verified of an OpenID Connect provider's answers: everything that a wrong or hostile one can say is refused, in a sentence without secrets."""

from __future__ import annotations

import base64
import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from support.openid import CLIENT, DESCRIPTION, Liar, liar
from support.servers import Answer

from ansible_collections.netops.changerail.plugins.module_utils.http import Patience
from ansible_collections.netops.changerail.plugins.plugin_utils.people.sign_in import OpenId
from ansible_collections.netops.changerail.plugins.plugin_utils.web import openid
from ansible_collections.netops.changerail.plugins.plugin_utils.web.answers import Away, Refused, Unusable
from ansible_collections.netops.changerail.plugins.plugin_utils.web.openid import (
    Beginnings,
    Begun,
    Identity,
    Provider,
    identity_of,
)

BACK = "http://127.0.0.1:8400/sign-in/openid/back"
SECRET = "s:ecret/+"
CODE = "the-code"
NONCE = "the-nonce"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(b"v" * 64).digest()).decode().rstrip("=")
BEGUN = Begun(NONCE, "v" * 64, "/runs", BACK, "", 0.0)


class Clock:
    """Time as the test has it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def there() -> Iterator[Liar]:
    with liar() as made:
        yield made


def provider(there: Liar, secret: str = SECRET, **other: Any) -> Provider:
    clock = other.pop("clock", time.monotonic)
    wanted = OpenId(there.issuer, CLIENT, **other)
    return Provider(wanted, secret, Patience(0.5, 0.5, 0.5), clock=clock)


def identity(there: Liar, **other: Any) -> Identity:
    return provider(there, **other).identity({"code": CODE}, BEGUN)


def test_the_address_has_what_the_protocol_asks_for(there: Liar) -> None:
    there.describe(authorization_endpoint=f"{there.issuer}/authorize?tenant=net")
    address = urlsplit(provider(there, scopes=("openid", "groups")).address("the-state", BEGUN))
    assert dict(parse_qsl(address.query)) == {
        "tenant": "net",
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": BACK,
        "scope": "openid groups",
        "state": "the-state",
        "nonce": NONCE,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    assert BEGUN.verifier not in address.query


def test_a_true_token_names_a_person_and_their_groups(there: Liar) -> None:
    there.says(there.claims(NONCE))
    assert identity(there) == Identity("ann", frozenset({"net-approvers"}))
    assert [seen.path for seen in there.web.asked] == [DESCRIPTION, "/token", "/jwks"]
    sent = there.web.asked[1]
    assert sent.headers["Authorization"] == "Basic Y2hhbmdlcmFpbDpzJTNBZWNyZXQlMkYlMkI=", "form-encoded first"
    form = dict(parse_qsl(sent.body.decode()))
    assert form == {
        "grant_type": "authorization_code",
        "redirect_uri": BACK,
        "code": CODE,
        "code_verifier": BEGUN.verifier,
    }


@pytest.mark.parametrize(
    ("secret", "methods", "expected"),
    [
        ("", None, {"client_id": CLIENT}),
        (SECRET, ["client_secret_post"], {"client_id": CLIENT, "client_secret": SECRET}),
    ],
    ids=["public", "post"],
)
def test_how_the_server_proves_itself(there: Liar, secret: str, methods: Any, expected: dict[str, str]) -> None:
    there.describe(token_endpoint_auth_methods_supported=methods)
    there.says(there.claims(NONCE))
    identity(there, secret=secret)
    form = dict(parse_qsl(there.web.asked[1].body.decode()))
    assert {name: form[name] for name in expected} == expected
    assert "Authorization" not in there.web.asked[1].headers and ("client_secret" in form) == bool(secret)


TRUE_AUDIENCES = [[CLIENT], [CLIENT, "other"]]


@pytest.mark.parametrize("audience", TRUE_AUDIENCES, ids=["list", "several"])
def test_audiences_that_are_ours(there: Liar, audience: list[str]) -> None:
    there.says(there.claims(NONCE, aud=audience, azp=CLIENT))
    assert identity(there).name == "ann"


NOW = time.time()
FALSE_CLAIMS: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://login.example.net"},
    "no issuer": {"iss": None},
    "another audience": {"aud": "other"},
    "several without azp": {"aud": [CLIENT, "other"]},
    "azp of another": {"aud": [CLIENT, "other"], "azp": "other"},
    "azp of another alone": {"azp": "other"},
    "no audience": {"aud": None},
    "expired": {"exp": int(NOW) - 3600},
    "endless": {"exp": None},
    "expiry is text": {"exp": "tomorrow"},
    "expiry is infinite": {"exp": float("inf")},
    "from the future": {"iat": int(NOW) + 3600},
    "no moment": {"iat": None},
    "not yet": {"nbf": int(NOW) + 3600},
    "another nonce": {"nonce": "other"},
    "no nonce": {"nonce": None},
    "nobody": {"sub": None},
    "sub is an object": {"sub": {}},
    "hash of another access token": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    "hash is an object": {"at_hash": {"a": 1}},
}


@pytest.mark.parametrize("false", FALSE_CLAIMS.values(), ids=FALSE_CLAIMS.keys())
def test_a_token_that_is_not_for_this_sign_in_is_refused(there: Liar, false: dict[str, Any]) -> None:
    there.says(there.claims(NONCE, **false))
    with pytest.raises(Unusable, match="sent an ID token that is not valid"):
        identity(there)


def _strangers(there: Liar) -> str:
    published, there.key = there.key, RSAKey.generate_key(2048, {"kid": "first"}, auto_kid=False)
    there.says(there.claims(NONCE))
    there.key = published
    return str(there.web.answers["/token"].body["id_token"])


def _changed(there: Liar) -> str:
    there.says(there.claims(NONCE))
    head, dummy, signature = there.web.answers["/token"].body["id_token"].split(".")
    return f"{head}.{there.unsigned(there.claims(NONCE, preferred_username='eva')).split('.')[1]}.{signature}"


FALSE_SIGNATURES: dict[str, Callable[[Liar], Any]] = {
    "none": lambda there: there.unsigned(there.claims(NONCE)),
    "public key as secret": lambda there: there.signed_with_the_public_key(there.claims(NONCE)),
    "a stranger's key": _strangers,
    "changed": _changed,
    "no token": lambda there: "",
    "not a token": lambda there: "a.b.c",
    "no text": lambda there: {"a": 1},
    "enormous": lambda there: "a." * 100_000,
}


@pytest.mark.parametrize("forged", FALSE_SIGNATURES.values(), ids=FALSE_SIGNATURES.keys())
def test_a_token_that_the_provider_did_not_sign_is_refused(there: Liar, forged: Callable[[Liar], Any]) -> None:
    there.gives(forged(there))
    with pytest.raises(Unusable, match="sent an ID token that is not valid"):
        identity(there)


def test_a_new_key_is_looked_for_and_an_unknown_one_once_a_minute(there: Liar) -> None:
    clock = Clock()
    one = provider(there, clock=clock)

    def looks() -> int:
        return sum(seen.path == "/jwks" for seen in there.web.asked)

    there.says(there.claims(NONCE))
    one.identity({"code": CODE}, BEGUN)
    there.rotated("second")
    there.says(there.claims(NONCE))
    assert one.identity({"code": CODE}, BEGUN).name == "ann" and looks() == 2
    for expected in (2, 2):
        there.says(there.claims(NONCE), {"kid": "unknown"})
        with pytest.raises(Unusable):
            one.identity({"code": CODE}, BEGUN)
        assert looks() == expected, "somebody makes up keys: the provider is not asked for each"
    clock.now += openid.AGAIN
    with pytest.raises(Unusable):
        one.identity({"code": CODE}, BEGUN)
    assert looks() == 3
    clock.now += openid.KEPT
    there.says(there.claims(NONCE))
    one.identity({"code": CODE}, BEGUN)
    assert looks() == 4 and sum(seen.path == DESCRIPTION for seen in there.web.asked) == 2


def test_without_a_kid_the_only_key_is_meant(there: Liar) -> None:
    claims, key = there.claims(NONCE), there.key
    there.gives(jwt.encode({"alg": "RS256"}, claims, key))
    assert identity(there).name == "ann"
    other = RSAKey.generate_key(2048, {"kid": "other"}, auto_kid=False)
    there.web.answers["/jwks"] = Answer(body={"keys": [one.as_dict(private=False) for one in (key, other)]})
    with pytest.raises(Unusable):
        identity(there)


BROKEN: dict[str, tuple[str, Answer, type[Exception]]] = {
    "no description": (DESCRIPTION, Answer(404, "nothing here"), Unusable),
    "description is a list": (DESCRIPTION, Answer(body=[]), Unusable),
    "description is a page": (DESCRIPTION, Answer(body="<html>"), Unusable),
    "description moved": (DESCRIPTION, Answer(302, "", {"Location": "/jwks"}), Unusable),
    "description too large": (DESCRIPTION, Answer(body="{" + " " * openid.LARGEST + "}"), Away),
    "description slow": (DESCRIPTION, Answer(body={}, after=2.0), Away),
    "keys are none": ("/jwks", Answer(body={"keys": []}), Unusable),
    "keys are text": ("/jwks", Answer(body={"keys": "none"}), Unusable),
    "keys are numbers": ("/jwks", Answer(body={"keys": [1]}), Unusable),
    "keys too large": ("/jwks", Answer(body="[" + " " * openid.LARGEST + "]"), Away),
    "token moved": ("/token", Answer(307, "", {"Location": "/token"}), Unusable),
    "token refused": ("/token", Answer(400, {"error": "invalid_grant", "error_description": "\n<b>"}), Unusable),
    "token without a token": ("/token", Answer(body={}), Unusable),
    "token is a list": ("/token", Answer(body=[]), Unusable),
    "token cut": ("/token", Answer(cut=True), Away),
    "token slow": ("/token", Answer(body={}, after=2.0), Away),
    "token broken": ("/token", Answer(500, "oops"), Unusable),
}


@pytest.mark.parametrize(("path", "answer", "expected"), BROKEN.values(), ids=BROKEN.keys())
def test_a_provider_that_does_not_answer_as_it_should(
    there: Liar, caplog: pytest.LogCaptureFixture, path: str, answer: Answer, expected: type[Exception]
) -> None:
    there.says(there.claims(NONCE))
    there.web.answers[path] = answer
    with caplog.at_level(logging.DEBUG, "changerail"), pytest.raises(expected) as caught:
        identity(there)
    assert caught.value.__cause__ is None and there.issuer.partition("//")[2] in str(caught.value)
    for secret in (SECRET, CODE, BEGUN.verifier, "the-access-token"):
        assert secret not in caplog.text + str(caught.value)
    assert caplog.records


@pytest.mark.parametrize("suffix", ["/", "/other", "#"])
def test_the_description_of_another_provider_is_not_believed(there: Liar, suffix: str) -> None:
    there.describe(issuer=there.issuer + suffix)
    with pytest.raises(Unusable, match="is not the one that was configured"):
        provider(there).address("state", BEGUN)


@pytest.mark.parametrize(
    "endpoint",
    ["http://login.example.net/token", "ftp://127.0.0.1/", "https://a@login.example.net", "", None, 1, "//127.0.0.1"],
)
@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
def test_endpoints_that_others_could_read_along_are_not_used(there: Liar, name: str, endpoint: Any) -> None:
    there.describe(**{name: endpoint})
    there.says(there.claims(NONCE))
    with pytest.raises(Unusable, match=f"names no usable {name}"):
        one = provider(there)
        one.address("state", BEGUN)
        one.identity({"code": CODE}, BEGUN)


@pytest.mark.parametrize(
    ("said", "promised", "sentence"),
    [
        ({"code": CODE, "iss": "https://login.example.net"}, False, "is not from"),
        ({"code": CODE}, True, "is not from"),
        ({"error": "access_denied", "iss": "https://login.example.net"}, False, "is not from"),
        ({"error": "access_denied", "error_description": "<script>"}, False, "did not sign you in: access_denied"),
        ({"error": "<script>alert(1)</script>"}, False, "did not sign you in: an error without a name"),
        ({}, False, "has no code"),
    ],
)
def test_an_answer_through_the_browser_that_is_none(
    there: Liar, said: dict[str, str], promised: bool, sentence: str
) -> None:
    there.describe(authorization_response_iss_parameter_supported=promised)
    with pytest.raises(Refused, match=sentence) as caught:
        provider(there).identity(said, BEGUN)
    assert "<" not in str(caught.value)
    assert "/token" not in [seen.path for seen in there.web.asked]


def test_what_the_token_lacks_is_asked_for(there: Liar) -> None:
    there.web.answers["/userinfo"] = Answer(body={"sub": "1", "preferred_username": "eva", "groups": "net-approvers"})
    there.says(there.claims(NONCE, groups=None))
    assert identity(there) == Identity("ann", frozenset({"net-approvers"})), "the signed token comes first"
    assert there.web.asked[-1].headers["Authorization"] == "Bearer the-access-token"
    there.web.answers["/userinfo"] = Answer(body={"sub": "2", "groups": ["net-approvers"]})
    with pytest.raises(Unusable, match="contradicts itself"):
        identity(there)
    there.describe(userinfo_endpoint=None)
    assert identity(there) == Identity("ann", frozenset())


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, []),
        ({"groups": "a, b"}, ["a, b"]),
        ({"groups": ["a", " b ", ""]}, ["a", "b"]),
        ({"preferred_username": " Jose\u0301 "}, []),
    ],
)
def test_claims_that_name_somebody(said: dict[str, Any], expected: list[str]) -> None:
    found = identity_of({"preferred_username": "ann", **said}, OpenId("https://login.example.net", CLIENT))
    assert found == Identity("José" if said.get("preferred_username") else "ann", frozenset(expected))


@pytest.mark.parametrize(
    "said",
    [
        {"preferred_username": "ann\nbea"},
        {"preferred_username": "a" * 65},
        {"preferred_username": "<b>"},
        {"preferred_username": ""},
        {"preferred_username": ["ann"]},
        {"preferred_username": None},
        {"groups": {"net-approvers": True}},
        {"groups": ["a", 1]},
        {"groups": None},
        {"groups": 1},
    ],
)
def test_claims_that_are_no_name_or_no_groups(said: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="the server's log has what it said"):
        identity_of({"preferred_username": "ann", **said}, OpenId("https://login.example.net", CLIENT))


@pytest.mark.parametrize("verified", [False, None, "true", 1])
def test_a_mail_address_names_somebody_when_it_is_verified(verified: Any) -> None:
    wanted = OpenId("https://login.example.net", CLIENT, user="email")
    said = {"email": "ann@example.net"}
    assert identity_of({**said, "email_verified": True}, wanted).name == "ann@example.net"
    with pytest.raises(Refused, match="is not verified"):
        identity_of({**said, "email_verified": verified}, wanted)


def test_whether_an_address_is_verified_is_said_of_that_address(there: Liar) -> None:
    there.says(there.claims(NONCE, email="ann@example.net"))
    there.web.answers["/userinfo"] = Answer(body={"sub": "1", "email": "eva@example.net", "email_verified": True})
    assert identity(there, user="email").name == "eva@example.net"
    there.web.answers["/userinfo"] = Answer(body={"sub": "1", "email_verified": False})
    with pytest.raises(Refused, match="is not verified"):
        identity(there, user="email")


def test_a_slow_provider_does_not_take_every_thread(there: Liar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openid, "BUSY", 0)
    with pytest.raises(Away, match="too many people"):
        provider(there).address("state", BEGUN)


def test_signing_out_at_the_provider(there: Liar) -> None:
    assert provider(there).farewell("https://changes.example.net/sign-in") == ""
    there.describe(end_session_endpoint=f"{there.issuer}/end?a=b")
    parts = urlsplit(provider(there).farewell("https://changes.example.net/sign-in"))
    assert dict(parse_qsl(parts.query)) == {
        "a": "b",
        "client_id": CLIENT,
        "post_logout_redirect_uri": "https://changes.example.net/sign-in",
    }
    assert "post_logout" not in provider(there).farewell("")
    there.describe(end_session_endpoint="javascript:alert(1)")
    assert provider(there).farewell("") == ""


def test_a_sign_in_is_taken_once_by_its_own_browser_and_in_time() -> None:
    clock = Clock()
    beginnings = Beginnings(clock, most=3)
    state, browser, begun = beginnings.begin("/waiting", BACK)
    assert beginnings.take(state, browser) == begun
    others = [(beginnings.begin("/", BACK)[0], wrong) for wrong in ("", "x")]
    for one in ((state, browser), *others, ("", "")):
        with pytest.raises(Refused, match="was not begun in this browser"):
            beginnings.take(*one)
    late = beginnings.begin("/", BACK)[:2]
    clock.now += openid.LASTS
    with pytest.raises(Refused, match="took too long"):
        beginnings.take(*late)
    oldest = beginnings.begin("/", BACK)[:2]
    later = [beginnings.begin("/", BACK)[:2] for dummy in range(3)]
    with pytest.raises(Refused):
        beginnings.take(*oldest)
    for one in later:
        beginnings.take(*one)
