"""An OpenID Connect provider on loopback that says whatever a test likes, true or not; the tests of what is verified use it."""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

from support.servers import Answer, Web, web

CLIENT = "changerail"
DESCRIPTION = "/.well-known/openid-configuration"


class Liar:
    """A provider. ``web.answers`` may be changed; ``key`` is the one that it publishes and signs with."""

    def __init__(self, server: Web) -> None:
        self.web = server
        self.issuer = server.url
        self.key = self.rotated("first")
        self.describe()

    def describe(self, **other: Any) -> None:
        """Publish the description, with ``other`` entries."""
        endpoints = {
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
        }
        self.web.answers[DESCRIPTION] = Answer(body={"issuer": self.issuer, **endpoints, **other})

    def rotated(self, kid: str) -> RSAKey:
        """A new key, which is published instead of the old one."""
        self.key = RSAKey.generate_key(2048, {"kid": kid}, auto_kid=False)
        self.web.answers["/jwks"] = Answer(body={"keys": [self.key.as_dict(private=False)]})
        return self.key

    def claims(self, nonce: str, /, **other: Any) -> dict[str, Any]:
        """The claims of a true ID token of Ann, with ``other`` ones; one that is None is left out."""
        now = int(time.time())
        said = {"iss": self.issuer, "aud": CLIENT, "sub": "1", "exp": now + 300, "iat": now, "nonce": nonce}
        said |= {"preferred_username": "ann", "groups": ["net-approvers"], **other}
        return {name: value for name, value in said.items() if value is not None}

    def says(self, claims: Mapping[str, Any], header: Mapping[str, Any] | None = None) -> None:
        """Have the token endpoint give an ID token with these claims."""
        self.gives(jwt.encode({"alg": "RS256", "kid": self.key.kid, **(header or {})}, dict(claims), self.key))

    def gives(self, token: str) -> None:
        """Have the token endpoint give this ID token."""
        body = {"access_token": "the-access-token", "token_type": "Bearer", "id_token": token}
        self.web.answers["/token"] = Answer(body=body)

    def unsigned(self, claims: Mapping[str, Any]) -> str:
        """An ID token whose algorithm is none."""
        return self._made("none", claims) + "."

    def signed_with_the_public_key(self, claims: Mapping[str, Any]) -> str:
        """An ID token that takes the public key for a secret, which everybody has."""
        made = self._made("HS256", claims)
        return f"{made}.{_coded(hmac.digest(self.key.as_pem(private=False), made.encode(), 'sha256'))}"

    def _made(self, algorithm: str, claims: Mapping[str, Any]) -> str:
        header = {"alg": algorithm, "kid": self.key.kid}
        return ".".join(_coded(json.dumps(part).encode()) for part in (header, claims))


@contextlib.contextmanager
def liar() -> Iterator[Liar]:
    """A running provider."""
    with web() as server:
        yield Liar(server)


def _coded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
