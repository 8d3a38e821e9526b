# Who asks and what they may: passwords, tokens, keys, certificates, roles, the rate limit. For the ServiceNow twin's APIs.
from __future__ import annotations

import base64
import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from werkzeug.wrappers import Response

from ansible_collections.netops.changerail.tests.twins.kit.server import common_name
from ansible_collections.netops.changerail.tests.twins.kit.web import Exchange, Refused, answer
from ansible_collections.netops.changerail.tests.twins.servicenow import errors
from ansible_collections.netops.changerail.tests.twins.servicenow.clock import Clock
from ansible_collections.netops.changerail.tests.twins.servicenow.settings import Settings
from ansible_collections.netops.changerail.tests.twins.servicenow.store import Row

HOUR = 3600
_CHANGE_READERS = ("itil", "sn_change_read", "sn_change_write", "change_manager")
_CHANGE_WRITERS = ("itil", "sn_change_write", "change_manager")
_CHANGE_TABLES = ("change_request", "change_task", "task_ci", "conflict", "sys_journal_field", "sys_attachment")


@dataclass(frozen=True)
class Account:
    """A person or integration who can log in."""

    user_name: str
    sys_id: str
    password: str
    roles: Sequence[str] = ()

    def has(self, *roles: str) -> bool:
        return "admin" in self.roles or any(role in self.roles for role in roles)


@dataclass(frozen=True)
class Client:
    """An OAuth client; ``user_name`` is its application user, for client credentials."""

    id: str
    secret: str
    user_name: str


@dataclass
class Grant:
    """A token that was given out; ``until`` in the instance's seconds."""

    token: str
    user_name: str
    until: float


@dataclass
class Access:
    """The doors of the instance. ``keys`` are API keys, ``bearers`` ready-made tokens, each by user_name."""

    clock: Clock
    accounts: dict[str, Account] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    bearers: dict[str, str] = field(default_factory=dict)
    _tokens: dict[str, Grant] = field(default_factory=dict)
    _refresh: dict[str, str] = field(default_factory=dict)
    _counts: dict[tuple[str, str, int], list[float]] = field(default_factory=dict)

    def expire(self) -> None:
        """Every access token is void from now on; refresh tokens stay good."""
        self._tokens.clear()

    def identify(self, exchange: Exchange, settings: Settings) -> Account:
        """The caller, or the 401 every failed log-in gets."""
        user_name = self._user_name(exchange, settings)
        if user_name is None or user_name not in self.accounts:
            raise Refused(errors.not_authenticated())
        return self.accounts[user_name]

    def _user_name(self, exchange: Exchange, settings: Settings) -> str | None:
        request = exchange.request
        key = request.headers.get("x-sn-apikey") or request.args.get("x-sn-apikey")
        if key:
            return self.keys.get(key.removeprefix(settings.api_key_prefix))
        scheme, dummy, value = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            return self._by_password(value)
        if scheme.lower() == "bearer":
            grant = self._tokens.get(value)
            return grant.user_name if grant and grant.until > self.clock.now() else self.bearers.get(value)
        certificate = request.environ.get("SSL_CLIENT_CERT")
        return common_name(certificate) if certificate else None

    def _by_password(self, encoded: str) -> str | None:
        try:
            name, dummy, password = base64.b64decode(encoded).decode().partition(":")
        except ValueError:
            return None
        account = self.accounts.get(name)
        return name if account and secrets.compare_digest(account.password, password) else None

    def token(self, form: Mapping[str, str], settings: Settings) -> Response:
        """Answers ``/oauth_token.do``; the same access token again while it is alive."""
        client = self.clients.get(form.get("client_id", ""))
        if client is None or client.secret != form.get("client_secret"):
            return _oauth_error("invalid_client", settings)
        user_name = self._granted(form, client, settings)
        if user_name is None:
            return _oauth_error("access_denied", settings)
        now = self.clock.now()
        grant = next((g for g in self._tokens.values() if g.user_name == user_name and g.until > now), None)
        if grant is None:
            grant = Grant(secrets.token_urlsafe(48), user_name, now + settings.token_life)
            self._tokens[grant.token] = grant
        document = {
            "access_token": grant.token,
            "scope": "useraccount",
            "token_type": "Bearer",
            "expires_in": math.ceil(grant.until - now),
        }
        if form["grant_type"] != "client_credentials":
            document["refresh_token"] = self._refresh_token(user_name)
        return answer(document)

    def _granted(self, form: Mapping[str, str], client: Client, settings: Settings) -> str | None:
        """Who the token is for, or None when the grant is refused."""
        match form.get("grant_type"):
            case "password":
                account = self.accounts.get(form.get("username", ""))
                return account.user_name if account and account.password == form.get("password") else None
            case "refresh_token":
                return self._refresh.get(form.get("refresh_token", ""))
            case "client_credentials":
                return client.user_name if settings.client_credentials else None
        return None

    def _refresh_token(self, user_name: str) -> str:
        known = next((token for token, name in self._refresh.items() if name == user_name), None)
        if known is None:
            known = secrets.token_urlsafe(48)
            self._refresh[known] = user_name
        return known

    def count(self, exchange: Exchange, account: Account, settings: Settings) -> None:
        """Counts the request against the rule; sets its headers, refuses beyond it. Nodes count late: see ``rate_limit_lag``."""
        if not settings.rate_limit:
            return
        now = self.clock.now()
        window = int(now // HOUR)
        counted = self._counts.setdefault((account.user_name, _resource(exchange), window), [])
        reset = (window + 1) * HOUR
        exchange.headers |= {
            "X-RateLimit-Limit": str(settings.rate_limit),
            "X-RateLimit-Reset": str(reset),
            "X-RateLimit-Rule": "5b1f3a2c0f3001107cf2bd2f4f767e01",
        }
        if sum(1 for moment in counted if moment <= now - settings.rate_limit_lag) >= settings.rate_limit:
            raise Refused(errors.rate_limited(reset - now, settings.rate_limit))
        counted.append(now)


def _resource(exchange: Exchange) -> str:
    """What a rule counts: the API, for the Table API with its table."""
    return "/".join(exchange.request.path.split("/")[1:5])


def _oauth_error(error: str, settings: Settings) -> Response:
    return answer({"error": error, "error_description": error}, settings.oauth_refusal_status)


def may_read(account: Account, table: str, row: Row, settings: Settings) -> bool:
    if table == "change_request" and row.get("category") == settings.restricted_category:
        return account.has("admin")
    return table not in _CHANGE_TABLES or account.has(*_CHANGE_READERS)


def may_write(account: Account, table: str) -> bool:
    if table == "sysapproval_approver":
        return True
    return account.has(*_CHANGE_WRITERS) if table in _CHANGE_TABLES else account.has()


def may_delete(account: Account, table: str) -> bool:
    return (
        account.has("change_manager")
        if table in _CHANGE_TABLES and table != "sys_attachment"
        else may_write(account, table)
    )
