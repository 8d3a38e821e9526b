# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenID Connect, as one who relies on a provider: the address to send a browser to, and what comes back verified. ``web.door`` has the routes.

Authorization code flow with PKCE (OpenID Connect Core 1.0, RFC 7636, RFC 9207). Nothing of a code, a token or a secret is in a log, a page or an error.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote_plus, urlencode

from ansible_collections.netops.changerail.plugins.module_utils.errors import ChangerailError, OperationError
from ansible_collections.netops.changerail.plugins.module_utils.http import Client, Patience, Peer, Reply
from ansible_collections.netops.changerail.plugins.plugin_utils.people.accounts import is_name
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import plain
from ansible_collections.netops.changerail.plugins.plugin_utils.people.sign_in import OpenId, is_confidential
from ansible_collections.netops.changerail.plugins.plugin_utils.web.answers import Away, Refused, Unusable

if TYPE_CHECKING:
    from joserfc.jwk import Key, KeySet
    from joserfc.registry import Header

_LOG = logging.getLogger("changerail.serve")
_T = TypeVar("_T")

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Of an ID token's signature: none that takes a secret, let alone none at all."""
LEEWAY = 60
"""Seconds by which the clocks of provider and server may differ."""
LARGEST = 1_000_000
"""Bytes of a provider's answer."""
PATIENCE = Patience(connect=5.0, read=5.0, whole=10.0)
KEPT = 3600.0
"""Seconds for which the provider's description and its keys are used again."""
AGAIN = 60.0
"""Seconds between two looks for a key that was not there."""
LASTS = 600.0
"""Seconds that somebody has to sign in at the provider."""
MOST = 10_000
"""Sign-ins under way; beyond it the oldest is forgotten."""
BUSY = 8
"""Conversations with the provider at once: a slow one must not take every thread of the server."""


@dataclass(frozen=True)
class Begun:
    """A sign-in under way: what the provider must bring back, and where it goes on then. ``back`` is the address that the provider sends browsers to.

    ``browser`` is what the cookie of the browser that began it holds, as a digest. ``at`` is by the clock of ``Beginnings``.
    """

    nonce: str
    verifier: str
    onward: str
    back: str
    browser: str
    at: float


class Beginnings:
    """The sign-ins under way, by their ``state``. Each is taken once, by the browser that began it, within LASTS seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = MOST) -> None:
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        self._begun: dict[str, Begun] = {}

    def begin(self, onward: str, back: str) -> tuple[str, str, Begun]:
        """A new one: its state, what the browser's cookie shall hold, and itself."""
        state, browser = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        begun = Begun(
            secrets.token_urlsafe(32), secrets.token_urlsafe(48), onward, back, _digest(browser), self._clock()
        )
        with self._lock:
            while len(self._begun) >= self._most:
                del self._begun[next(iter(self._begun))]
            self._begun[state] = begun
        return state, browser, begun

    def take(self, state: str, browser: str) -> Begun:
        """The one of this state, which is gone then. Raises Refused."""
        with self._lock:
            begun = self._begun.pop(state, None)
        ours = begun is not None and hmac.compare_digest(begun.browser, _digest(browser))
        if begun is None or not ours or self._clock() - begun.at >= LASTS:
            raise Refused("this sign-in was not begun in this browser, or took too long, or is over: sign in again")
        return begun


@dataclass(frozen=True)
class Identity:
    """Whom the provider has authenticated: a name as a user may have it, and their groups there."""

    name: str
    groups: frozenset[str]


@dataclass(frozen=True)
class _Claims:
    """What an ID token, or the provider's page about its person, says."""

    subject: str
    said: Mapping[str, Any]


class Provider:
    """One provider. ``secret`` is what the server proves itself with ("" for a public client), ``now`` the time of day, ``clock`` runs evenly."""

    def __init__(
        self,
        wanted: OpenId,
        secret: str,
        patience: Patience = PATIENCE,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wanted = wanted
        self._secret = secret
        self._now = now
        self._http = _Http(wanted.host, patience)
        self._about = _Kept(self._described, clock)
        self._keys = _Kept(self._published, clock)
        self._few = threading.BoundedSemaphore(BUSY)

    @property
    def host(self) -> str:
        """How the provider is called on a page."""
        return self._wanted.host

    def address(self, state: str, begun: Begun) -> str:
        """Where a browser signs in. Raises Away, Unusable."""
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        with self._busy():
            place = self._endpoint("authorization_endpoint")
        return str(
            prepare_grant_uri(
                place,
                self._wanted.client_id,
                "code",
                redirect_uri=begun.back,
                scope=" ".join(self._wanted.scopes),
                state=state,
                nonce=begun.nonce,
                code_challenge=create_s256_code_challenge(begun.verifier),
                code_challenge_method="S256",
            )
        )

    def identity(self, said: Mapping[str, str], begun: Begun) -> Identity:
        """Whom the provider has authenticated, by the parameters it ``said`` through the browser. Raises Refused, Away, Unusable."""
        with self._busy():
            self._check_response(said)
            tokens = self._tokens(said["code"], begun)
            claims = self._verified(tokens, begun)
            return identity_of(self._completed(claims, tokens), self._wanted)

    def farewell(self, onward: str) -> str:
        """Where a browser signs out at the provider, to come back to ``onward`` ("": to stay there); "" where there is no such place. Raises Away, Unusable."""
        with self._busy():
            place = str(self._about.get().get("end_session_endpoint") or "")
        if not is_confidential(place):
            return ""
        back = {"post_logout_redirect_uri": onward} if onward else {}
        query = urlencode({"client_id": self._wanted.client_id, **back})
        return f"{place}{'&' if '?' in place else '?'}{query}"

    # What the provider says of itself

    def _described(self) -> Mapping[str, Any]:
        issuer = self._wanted.issuer
        about = self._http.json("GET", issuer.rstrip("/") + "/.well-known/openid-configuration")
        if about.get("issuer") != issuer:
            _LOG.error(
                "the OpenID provider calls itself %.200r, sign_in.openid.issuer is %r", about.get("issuer"), issuer
            )
            raise self._unusable("is not the one that was configured")
        return about

    def _endpoint(self, name: str) -> str:
        place = self._about.get().get(name)
        if not isinstance(place, str) or not is_confidential(place):
            _LOG.error("the OpenID provider's %s cannot be used: %.200r; expected an https:// address", name, place)
            raise self._unusable(f"names no usable {name}")
        return place

    def _published(self) -> KeySet:
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        keys = self._http.json("GET", self._endpoint("jwks_uri"))
        try:
            # Its type promises keys; what came is any JSON, and whether it holds keys is what this finds out.
            return KeySet.import_key_set(keys)  # type: ignore[arg-type]
        except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
            _LOG.error("the OpenID provider's keys cannot be read: %s", type(error).__name__)
            raise self._unusable("publishes keys that cannot be read") from None

    # What it says of a person

    def _check_response(self, said: Mapping[str, str]) -> None:
        """Raises Refused, unless the response is this provider's and has a code (RFC 9207: one who says so always tells who it is)."""
        issuer = said.get("iss")
        promised = self._about.get().get("authorization_response_iss_parameter_supported") is True
        if issuer != self._wanted.issuer and (issuer is not None or promised):
            _LOG.warning("a sign-in came back from issuer %.200r", issuer)
            raise Refused(f"this answer is not from {self.host}: sign in again")
        if "error" in said:
            # The description is text of whoever made the link.
            _LOG.warning("the OpenID provider refused: %.100r: %.300r", said["error"], said.get("error_description"))
            raise Refused(f"{self.host} did not sign you in: {_error_code(said['error'])}")
        if not said.get("code"):
            raise Refused(f"the answer of {self.host} has no code: sign in again")

    def _tokens(self, code: str, begun: Begun) -> Mapping[str, Any]:
        from authlib.oauth2.rfc6749.parameters import prepare_token_request

        about, headers, ours = self._about.get(), {}, {"client_id": self._wanted.client_id}
        if self._secret:
            methods = about.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
            if "client_secret_basic" in methods:
                # Both are form-encoded first (RFC 6749, 2.3.1).
                both = f"{quote_plus(self._wanted.client_id)}:{quote_plus(self._secret)}"
                headers = {"Authorization": f"Basic {base64.b64encode(both.encode()).decode()}"}
                ours = {}
            else:
                ours["client_secret"] = self._secret
        body = prepare_token_request(
            "authorization_code", "", begun.back, code=code, code_verifier=begun.verifier, **ours
        )
        headers = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
        return self._http.json("POST", self._endpoint("token_endpoint"), headers, str(body).encode())

    def _verified(self, tokens: Mapping[str, Any], begun: Begun) -> _Claims:
        """The claims of the ID token: signed by the provider, for this client, in time, for the sign-in that ``begun``. Raises Unusable."""
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jws import JWSRegistry

        wanted = self._wanted
        options = {
            "iss": {"essential": True, "value": wanted.issuer},
            "aud": {"essential": True, "value": wanted.client_id},
        }
        params = {
            "nonce": begun.nonce,
            "client_id": wanted.client_id,
            "access_token": tokens.get("access_token"),
        }
        # What else stands in the header is not looked at, unless it says that it must be (RFC 7515, 4).
        registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        try:
            token = jwt.decode(str(tokens["id_token"]), lambda seen: self._key(seen.headers()), ALGORITHMS, registry)
            claims = CodeIDToken(token.claims, token.header, options, params)
            claims.validate(now=int(self._now()), leeway=LEEWAY)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            # The words of these errors name a claim, an algorithm or a key, never a token.
            _LOG.error("the OpenID provider's ID token is not valid: %s: %.200r", type(error).__name__, str(error))
            raise self._unusable("sent an ID token that is not valid") from None
        return _Claims(token.claims["sub"], token.claims)

    def _key(self, header: Header) -> Key:
        """The key that an ID token says it is signed with. One that is not known is looked for again."""
        from joserfc.errors import InvalidKeyIdError

        try:
            return _fitting(self._keys.get(), header)
        except InvalidKeyIdError:
            return _fitting(self._keys.anew(), header)

    def _completed(self, claims: _Claims, tokens: Mapping[str, Any]) -> Mapping[str, Any]:
        """The claims that are needed, from the userinfo endpoint where the ID token lacks some. Raises Away, Unusable."""
        needed = [self._wanted.user, self._wanted.groups, *(["email_verified"] if self._wanted.user == "email" else [])]
        access = tokens.get("access_token")
        if all(name in claims.said for name in needed) or not isinstance(access, str):
            return claims.said
        if not self._about.get().get("userinfo_endpoint"):
            return claims.said
        more = self._http.json("GET", self._endpoint("userinfo_endpoint"), {"Authorization": f"Bearer {access}"})
        if more.get("sub") != claims.subject:
            _LOG.error("the OpenID provider's userinfo is about somebody else than its ID token")
            raise self._unusable("contradicts itself about who you are")
        if "email_verified" not in claims.said and "email" in more:
            # Whether an address is verified is said of the one that stands beside it.
            return {**more, **claims.said, "email": more["email"]}
        return {**more, **claims.said}

    @contextmanager
    def _busy(self) -> Iterator[None]:
        if not self._few.acquire(blocking=False):
            raise Away(f"too many people sign in with {self.host} at this moment: try again")
        try:
            yield
        finally:
            self._few.release()

    def _unusable(self, why: str) -> Unusable:
        return unusable(self.host, why)


def identity_of(said: Mapping[str, Any], wanted: OpenId) -> Identity:
    """Whom claims name. Raises Refused for a name that is none, groups that are none, and a mail address that the provider has not verified."""
    name, groups = said.get(wanted.user), said.get(wanted.groups, [])
    if not isinstance(name, str) or not is_name(plain(name)):
        _LOG.warning("the claim %s names nobody: %.200r", wanted.user, name)
        raise Refused(f"the claim {wanted.user} does not name a person; the server's log has what it said")
    if wanted.user == "email" and said.get("email_verified") is not True:
        raise Refused(f"the mail address {plain(name)} is not verified at {wanted.host}")
    listed = [groups] if isinstance(groups, str) else groups
    if not isinstance(listed, list) or not all(isinstance(group, str) for group in listed):
        _LOG.warning("the claim %s has no groups: %.200r", wanted.groups, groups, extra={"person": plain(name)})
        raise Refused(
            f"the claim {wanted.groups} is neither a list of groups nor one; the server's log has what it said"
        )
    return Identity(plain(name), frozenset(map(plain, listed)) - {""})


def unusable(host: str, why: str) -> Unusable:
    """What a person reads of a provider that answers nonsense."""
    return Unusable(f"{host} {why}; nobody can sign in with it until that is set right, the server's log says more")


@dataclass(frozen=True)
class _Http:
    """Asks the provider: bounded in time and size, redirected nowhere."""

    host: str
    patience: Patience

    def json(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> Mapping[str, Any]:
        """The JSON object that is answered with status 200. Raises Away, Unusable."""
        reply = self._reply(method, url, {"Accept": "application/json", **(headers or {})}, content)
        try:
            document = reply.json()
        except OperationError:
            document = None
        if reply.status != 200 or not isinstance(document, dict):
            error = _error_code(document.get("error")) if isinstance(document, dict) else "no JSON object"
            _LOG.error("the OpenID provider answers %s %s with status %d: %s", method, reply.url, reply.status, error)
            raise unusable(self.host, "does not answer as it should")
        return document

    def _reply(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> Reply:
        # One connection for each question: people sign in from several threads, and not often.
        client = Client(Peer(url, headers), LARGEST, self.patience)
        try:
            return client.send(method, url, content=content, redirects="none")
        except ChangerailError as error:
            _LOG.error("the OpenID provider cannot be asked: %s", error)
            raise Away(f"{self.host} does not answer: try again later, or sign in with a password") from None


class _Kept(Generic[_T]):
    """What ``make`` gives, for KEPT seconds; fetched by one thread at a time. What fails is tried again by whoever asks next."""

    def __init__(self, make: Callable[[], _T], clock: Callable[[], float]) -> None:
        self._make = make
        self._clock = clock
        self._lock = threading.RLock()
        self._value: tuple[_T, float] | None = None
        self._again = float("-inf")

    def get(self) -> _T:
        """As it was fetched last. Raises what ``make`` raises."""
        with self._lock:
            if self._value is None or self._clock() - self._value[1] >= KEPT:
                self._value = (self._make(), self._clock())
            return self._value[0]

    def anew(self) -> _T:
        """Fetched again, unless that was done within AGAIN seconds. Raises what ``make`` raises."""
        with self._lock:
            if self._clock() - self._again >= AGAIN:
                self._again = self._clock()
                self._value = (self._make(), self._clock())
            return self.get()


def _fitting(keys: KeySet, header: Header) -> Key:
    """The key with the header's ``kid``; without one the only key there is. Raises InvalidKeyIdError."""
    from joserfc.errors import InvalidKeyIdError

    kid = header.get("kid")
    found = [key for key in keys if kid in (None, key.kid)]
    if len(found) != 1:
        raise InvalidKeyIdError(f"{len(found)} keys for kid {kid!r:.100}")
    return found[0]


def _error_code(text: object) -> str:
    """An error's code as RFC 6749 lets it look; anything else is not shown."""
    return text if isinstance(text, str) and re.fullmatch(r"[a-z_]{1,50}", text) else "an error without a name"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
