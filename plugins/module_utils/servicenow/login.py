# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a ServiceNow instance is and how we prove who we are; only servicenow/api.py and records.py use it.

Settings come from ``connections.servicenow`` of the project file and, where that is silent, from the environment names of the collection
``servicenow.itsm``, so that its credential types work unchanged.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.failures import FAILED, TRANSIENT
from ansible_collections.netops.changerail.plugins.module_utils.http import Client, Peer, Reply, peer_of
from ansible_collections.netops.changerail.plugins.module_utils.operation import JSON, Context
from ansible_collections.netops.changerail.plugins.module_utils.provider import NoAnswer

ENVIRONMENT: Mapping[str, str] = {
    "url": "SN_HOST",
    "username": "SN_USERNAME",
    "password": "SN_PASSWORD",
    "grant_type": "SN_GRANT_TYPE",
    "client_id": "SN_CLIENT_ID",
    "client_secret": "SN_CLIENT_SECRET",
    "refresh_token": "SN_REFRESH_TOKEN",
    "token": "SN_ACCESS_TOKEN",
    "api_key": "SN_API_KEY",
    "client_cert": "SN_CLIENT_CERTIFICATE_FILE",
    "client_key": "SN_CLIENT_KEY_FILE",
}
"""Our name of a setting → the environment variable that stands for it."""
GRANTS = ("password", "refresh_token", "client_credentials")
EARLY = 60.0
"""Seconds before its end at which a token is renewed."""
_TOKEN_PATH = "oauth_token.do"
_INTERVAL = 30.0


@dataclass(frozen=True)
class Grant:
    """What an OAuth token is asked for with: the form's fields, secrets among them."""

    form: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Login:
    """An instance and the way in. With a ``grant`` every request carries a token that is asked for first."""

    peer: Peer
    grant: Grant | None = None


def login(context: Context) -> Login:
    """The way into the instance of this project. API key, ready token, OAuth client, password, client certificate: the first that is there.

    Raises OperationError when the address or every kind of credentials is missing.
    """
    settings = _settings(context)
    if not settings.get("url"):
        raise OperationError(
            "provider servicenow: no instance; set connections.servicenow.url in changerail.yml, or SN_HOST"
        )
    url = str(settings["url"])
    plain = {name: value for name, value in settings.items() if name not in ("username", "password", "token")}
    peer = peer_of({**plain, "url": url if "://" in url else f"https://{url}"})
    if settings.get("api_key"):
        return Login(_with_header(peer, "x-sn-apikey", str(settings["api_key"])))
    if settings.get("token"):
        return Login(_with_header(peer, "Authorization", f"Bearer {settings['token']}"))
    if settings.get("client_id"):
        return Login(peer, Grant(_form(settings)))
    if settings.get("username"):
        return Login(replace(peer, basic=(str(settings["username"]), str(settings.get("password") or ""))))
    if peer.certificate:
        return Login(peer)
    raise OperationError(
        "provider servicenow: no credentials; set username and password, client_id and client_secret, api_key, token or client_cert in "
        "connections.servicenow of changerail.yml, or the environment variables SN_USERNAME and SN_PASSWORD (and their like)"
    )


def interval(context: Context) -> float:
    """Seconds between two looks at the same record: ``connections.servicenow.interval``."""
    return float((context.connections.get("servicenow") or {}).get("interval") or _INTERVAL)


def _settings(context: Context) -> dict[str, JSON]:
    given = dict(context.connections.get("servicenow") or {})
    found = {name: context.environment.get(variable) for name, variable in ENVIRONMENT.items()}
    return {**{name: value for name, value in found.items() if value}, **given}


def _with_header(peer: Peer, name: str, value: str) -> Peer:
    return replace(peer, headers={**peer.headers, name: value})


def _form(settings: Mapping[str, JSON]) -> dict[str, str]:
    """The token request; the grant that is not named is the one the credentials are there for."""
    guessed = "password" if settings.get("username") else "client_credentials"
    kind = str(settings.get("grant_type") or ("refresh_token" if settings.get("refresh_token") else guessed))
    if kind not in GRANTS:
        raise OperationError(f"provider servicenow: grant_type {kind!r}; expected one of {', '.join(GRANTS)}")
    own = {"password": ("username", "password"), "refresh_token": ("refresh_token",)}.get(kind, ())
    names = ("client_id", "client_secret", *own)
    missing = [name for name in names if not settings.get(name)]
    if missing:
        raise OperationError(f"provider servicenow: grant_type {kind} needs {', '.join(missing)}")
    return {"grant_type": kind, **{name: str(settings[name]) for name in names}}


class Tokens:
    """The OAuth token of one client, asked for when there is none and again shortly before its end."""

    def __init__(self, client: Client, grant: Grant) -> None:
        self._client, self._grant = client, grant
        self._token, self._until = "", 0.0

    def header(self) -> Mapping[str, str]:
        if time.monotonic() >= self._until:
            self.renew()
        return {"Authorization": f"Bearer {self._token}"}

    def renew(self) -> None:
        """Log in again. Raises OperationError."""
        reply = self._ask()
        what = f"POST {reply.url}"
        if 400 <= reply.status < 500 and reply.status != 429:
            raise OperationError(
                f"{what}: ServiceNow refused the {self._grant.form['grant_type']} grant ({_reason(reply.body)}); check client_id, "
                "client_secret and the user, and that the grant is allowed on the instance",
                FAILED,
            )
        document = _document(reply.body)
        if reply.status != 200 or not document.get("access_token"):
            # Asking for a token changes nothing, so an answer that cannot be used is worth another try.
            raise OperationError(f"{what}: no token came, status {reply.status}", TRANSIENT, reply.retry_after)
        self._token = str(document["access_token"])
        self._until = time.monotonic() + float(document.get("expires_in") or 0) - EARLY

    def _ask(self) -> Reply:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        try:
            return self._client.send("POST", _TOKEN_PATH, headers=headers, content=urlencode(self._grant.form).encode())
        except NoAnswer as error:
            # A token nobody has seen does no harm, and nothing was written yet.
            raise OperationError(str(error), TRANSIENT) from None


def _document(body: bytes) -> Mapping[str, JSON]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _reason(body: bytes) -> str:
    document = _document(body)
    return str(document.get("error_description") or document.get("error") or "no reason given")
