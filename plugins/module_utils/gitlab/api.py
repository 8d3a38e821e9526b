# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GitLab's REST API on the wire: settings, requests, pages, and what an answer means; only the other files of this folder use it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, quote, urlsplit

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.failures import FAILED, TRANSIENT
from ansible_collections.netops.changerail.plugins.module_utils.http import NOT_TAKEN, Client, Peer, Reply, peer_of
from ansible_collections.netops.changerail.plugins.module_utils.operation import JSON, Context
from ansible_collections.netops.changerail.plugins.module_utils.provider import NoAnswer

ENVIRONMENT: Mapping[str, str] = {"url": "GITLAB_URL", "token": "GITLAB_TOKEN", "trigger_token": "GITLAB_TRIGGER_TOKEN"}
"""Our name of a setting → the environment variable that stands for it."""
MARKERS = ("variable", "input")
KEY_VARIABLE, KEY_INPUT = "CHANGERAIL_KEY", "changerail_key"
"""Where a pipeline carries its key, by the marker."""
FILE_LIMIT = 256 * 1024 * 1024
"""Bytes of an artifact, an archive of artifacts or a log."""
PAGE = 100
MOST_PAGES = 100
_INTERVAL = 10.0
_LAG = 30.0


class Refused(OperationError):
    """GitLab said no to a request, which did nothing; ``status`` is how it said so."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message, FAILED)
        self.status = status


class Missing(Refused):
    """404 or 410: there is no such thing (any more), or the token may not see it."""


@dataclass(frozen=True)
class Settings:
    """A GitLab and the way in. ``marker`` says where a pipeline carries its key: the variable CHANGERAIL_KEY or the input changerail_key.

    ``interval`` is seconds between two looks, ``lag`` how many a new pipeline may be missing from lists.
    """

    peer: Peer
    trigger_token: str = field(default="", repr=False)
    marker: str = "variable"
    interval: float = _INTERVAL
    lag: float = _LAG


def settings(context: Context) -> Settings:
    """The settings of ``connections.gitlab``, completed from the environment. Raises OperationError when address or token are missing."""
    given = dict(context.connections.get("gitlab") or {})
    found = {name: context.environment.get(variable) for name, variable in ENVIRONMENT.items()}
    merged = {**{name: value for name, value in found.items() if value}, **given}
    for name in ("url", "token"):
        if not merged.get(name):
            raise OperationError(
                f"provider gitlab: no {name}; set connections.gitlab.{name} in changerail.yml, or {ENVIRONMENT[name]}. "
                "The token is an access token with the scope api; a trigger token alone cannot look at what it started"
            )
    marker = str(merged.get("marker") or "variable")
    if marker not in MARKERS:
        raise OperationError(f"connections.gitlab.marker: {marker!r}; expected {' or '.join(MARKERS)}")
    interval, lag = (_seconds(merged, name, default) for name, default in (("interval", _INTERVAL), ("lag", _LAG)))
    return Settings(peer_of(merged), str(merged.get("trigger_token") or ""), marker, interval, lag)


def _seconds(merged: Mapping[str, JSON], name: str, default: float) -> float:
    given = merged.get(name)
    try:
        value = default if given is None else float(given)
    except (TypeError, ValueError):
        value = -1.0
    if not 0 <= value < math.inf:
        raise OperationError(f"connections.gitlab.{name}: {given!r}; expected a number of seconds")
    return value


class Api:
    """Requests to ``/api/v4``. Every method raises OperationError: transient, failed, or NoAnswer for a write that may have happened."""

    def __init__(self, own: Settings) -> None:
        url = f"{own.peer.url.rstrip('/')}/api/v4"
        anonymous = {name: value for name, value in own.peer.headers.items() if name != "Authorization"}
        self._client = Client(replace(own.peer, url=url), FILE_LIMIT)
        self._anonymous = Client(replace(own.peer, url=url, headers=anonymous), FILE_LIMIT)

    def get(self, path: str, params: Mapping[str, str] | None = None) -> JSON:
        return _document(self._client.send("GET", path, params=params))

    def items(self, path: str, params: Mapping[str, str] | None = None) -> Iterator[Mapping[str, JSON]]:
        """The items of a list, fetched page by page as they are asked for. A list is never cut silently: one beyond the bound is an error."""
        query = {**(params or {}), "per_page": str(PAGE)}
        for dummy in range(MOST_PAGES):
            reply = self._client.send("GET", path, params=query)
            document = _document(reply)
            if not isinstance(document, list):
                raise _doubtful(reply, f"GET {reply.url}: expected a list")
            yield from document
            onward = _next_page(reply.headers)
            if not onward:
                return
            query |= onward
        raise OperationError(
            f"GET {reply.url}: the list goes on after {MOST_PAGES * PAGE} items; expected fewer, none was left out so far"
        )

    def post(self, path: str, document: Mapping[str, JSON]) -> JSON:
        return _document(self._client.send("POST", path, headers=_JSON, content=json.dumps(document).encode()))

    def post_with_trigger_token(self, path: str, document: Mapping[str, JSON]) -> JSON:
        """The token is in the document; our own stays out of it."""
        return _document(self._anonymous.send("POST", path, headers=_JSON, content=json.dumps(document).encode()))

    def attachment(self, path: str) -> bytes:
        """A file's content, from wherever GitLab keeps it: another host gets no token. Raises Missing."""
        reply = self._client.send("GET", path, redirects="all")
        if 200 <= reply.status < 300 and "content-disposition" in reply.headers:
            return reply.body
        raise _refusal(reply) if reply.status >= 300 else _not_what_was_asked(reply, "a file")

    def text(self, path: str) -> bytes:
        """The content of a log. Raises Missing."""
        reply = self._client.send("GET", path, redirects="all")
        if reply.status == 204 or (
            200 <= reply.status < 300 and reply.headers.get("content-type", "").startswith("text/plain")
        ):
            return reply.body
        raise _refusal(reply) if reply.status >= 300 else _not_what_was_asked(reply, "a log")


def _next_page(headers: Mapping[str, str]) -> dict[str, str]:
    """What asks for the page after this one, empty after the last: by number, or what ``Link`` says where pages have none.

    Of the link only its parameters count: a server behind a proxy may call itself by a name that nobody else knows.
    """
    if headers.get("x-next-page"):
        return {"page": headers["x-next-page"]}
    link = re.search(r'<([^>]*)>;[^,<]*\brel="?next\b', headers.get("link", ""))
    return dict(parse_qsl(urlsplit(link[1]).query)) if link else {}


_JSON = {"Content-Type": "application/json", "Accept": "application/json"}


def project_path(project: str) -> str:
    """The path of a project's resources, by its path or id."""
    return f"projects/{quote(project, safe='')}"


def _document(reply: Reply) -> JSON:
    if not 200 <= reply.status < 300:
        raise _refusal(reply)
    try:
        document = json.loads(reply.body)
    except ValueError:
        kind = reply.headers.get("content-type", "nothing") if reply.body else "an empty answer"
        raise _doubtful(
            reply,
            f"{reply.method} {reply.url}: status {reply.status} with {kind} instead of JSON; is this the address of a GitLab?",
        ) from None
    if isinstance(document, dict) and "id" not in document and ("message" in document or "error" in document):
        raise _doubtful(reply, f"{reply.method} {reply.url}: status {reply.status}, yet {_words(document)}")
    return document


def _refusal(reply: Reply) -> OperationError:
    """The error for a status that is no success. A 429 is a plain text, and 5xx is a page as often as not."""
    try:
        text = _words(json.loads(reply.body))
    except ValueError:
        text = " ".join(reply.text.split())[:200]
    what = f"{reply.method} {reply.url}: status {reply.status}: {text}"
    if reply.status in NOT_TAKEN:
        return OperationError(what, TRANSIENT, reply.retry_after)
    if reply.status >= 500:
        return _doubtful(reply, what)
    if reply.status in (404, 410):
        return Missing(f"{what}; it is not there, or the token may not see it", reply.status)
    return Refused(f"{what}{_ADVICE.get(reply.status, '')}", reply.status)


_ADVICE = {
    401: "; the token is wrong, revoked or expired",
    403: "; the token needs the scope api, and its owner the role Developer in the project",
}


def _doubtful(reply: Reply, message: str) -> OperationError:
    """For an answer that does not say whether the request took effect."""
    return OperationError(message, TRANSIENT) if reply.method == "GET" else NoAnswer(message)


def _not_what_was_asked(reply: Reply, what: str) -> OperationError:
    kind = reply.headers.get("content-type", "something without a type")
    return OperationError(f"{reply.method} {reply.url}: expected {what}, got {kind}", TRANSIENT)


def _words(document: JSON) -> str:
    """GitLab's complaint as one line: ``message`` is a text, a list or a mapping of lists; ``error`` a text."""
    if not isinstance(document, dict):
        return str(document)
    message = document.get("message") or document.get("error_description") or document.get("error") or document
    if isinstance(message, dict):
        return "; ".join(
            f"{', '.join(map(str, texts)) if isinstance(texts, list) else texts}" for texts in message.values()
        )
    return ", ".join(map(str, message)) if isinstance(message, list) else str(message)
