# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Webhooks that GitLab sends: checked, told from those seen before, and read as the hint they are. For whatever listens.

A hook says that something may have changed. What is true is asked of the API: hooks come late, twice, in any order or not at all.
Whoever listens gives headers and body to ``receive``, answers 2xx whatever the hint is, and looks at the steps it is for.
"""

from __future__ import annotations

import base64
import binascii
import collections
import hashlib
import hmac
import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.gitlab.api import KEY_VARIABLE

WINDOW = 300.0
"""Seconds a signed hook may be old, or ahead of our clock."""
REMEMBERED = 10_000
_KINDS: Mapping[str, str] = {"Pipeline Hook": "pipeline", "Job Hook": "build"}
_KEY = re.compile(
    r"(?<![\w./\[\]-])(?P<run>[A-Za-z0-9][\w.-]*)/(?P<step>[\w.-]+(?:\[[^\]/]*\])?(?:/[\w.-]+(?:\[[^\]/]*\])?)*)/\d+(?![\w./\[\]-])"
)
"""A pipeline's key, ``<run>/<step path>/<attempt>``, by itself or in a name."""


class HookRefused(Exception):
    """The hook is not to be believed; ``status`` is what to answer. GitLab disables a hook for good after four answers of 4xx in a row."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class HookSecrets:
    """What a hook must prove itself with: the shared ``token``, or one of the ``signing`` tokens (``whsec_…``) where there are any."""

    token: str = field(default="", repr=False)
    signing: Sequence[str] = field(default=(), repr=False)


@dataclass(frozen=True)
class Hint:
    """Something may have changed: with a pipeline, with a job of it, or (``pipeline`` is "") with something else.

    ``pipeline`` is named as waiting pipeline steps name theirs; for one that another pipeline started it is that other one.
    ``run`` and ``step`` are what the pipeline's key says, "" when the hook does not show it. ``key`` tells one hook from others.
    """

    key: str
    event: str
    pipeline: str = ""
    run: str = ""
    step: str = ""


class Seen:
    """The keys of the last hooks: a delivery that is repeated has the same. In memory, for any number of threads.

    What was seen is forgotten with the process, and beyond ``REMEMBERED`` keys; a hook that is believed twice costs one look more.
    """

    def __init__(self) -> None:
        self._keys: collections.OrderedDict[str, None] = collections.OrderedDict()
        self._lock = threading.Lock()

    def add(self, key: str) -> bool:
        """Whether the key is new."""
        with self._lock:
            new = key not in self._keys
            self._keys[key] = None
            self._keys.move_to_end(key)
            while len(self._keys) > REMEMBERED:
                self._keys.popitem(last=False)
        return new


def receive(headers: Mapping[str, str], body: bytes, secrets: HookSecrets, seen: Seen, now: float) -> Hint | None:
    """The hint of a hook, None for one that came before. ``now`` is seconds since the epoch.

    Raises HookRefused when it does not prove where it comes from, is too old, or cannot be read.
    """
    given = {name.lower(): value for name, value in headers.items()}
    if secrets.signing:
        _check_signature(given, body, secrets.signing, now)
    else:
        _check_token(given, secrets.token)
    event = given.get("x-gitlab-event", "")
    key = _key_of(given, body, bool(secrets.signing))
    hint = _hint(key, event, body) if event in _KINDS else Hint(key, event)
    return hint if seen.add(key) else None


def _key_of(headers: Mapping[str, str], body: bytes, signed: bool) -> str:
    """What a delivery and its repetition have in common. Of a signed hook only what was signed counts: anybody may have added the rest."""
    if signed:
        return headers["webhook-id"]
    # Servers before 17.4 have no key for a delivery, and the events of one cause have their UUID in common.
    event = f"{headers.get('x-gitlab-event-uuid', '')} {hashlib.sha256(body).hexdigest()}"
    return headers.get("idempotency-key") or event


def _check_token(headers: Mapping[str, str], token: str) -> None:
    if not token:
        raise HookRefused(401, "no secret is configured for hooks from GitLab, so none can be believed")
    if not hmac.compare_digest(headers.get("x-gitlab-token", "").encode(), token.encode()):
        raise HookRefused(401, "the hook's X-Gitlab-Token is not the configured one")


def _check_signature(headers: Mapping[str, str], body: bytes, tokens: Sequence[str], now: float) -> None:
    identity, moment = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    signatures = [
        part.removeprefix("v1,") for part in headers.get("webhook-signature", "").split() if part.startswith("v1,")
    ]
    if not (identity and signatures and moment.isascii() and moment.isdigit()):
        raise HookRefused(401, "the hook carries no signature (webhook-id, webhook-timestamp, webhook-signature)")
    signed = f"{identity}.{moment}.".encode() + body
    expected = [_signature(token, signed) for token in tokens]
    if not any(hmac.compare_digest(one.encode(), other.encode()) for one in expected for other in signatures):
        raise HookRefused(401, "the hook's signature is not that of any configured signing token")
    if abs(now - int(moment)) > WINDOW:
        raise HookRefused(
            401,
            f"the hook was signed {now - int(moment):.0f} s ago; more than {WINDOW:.0f} s is a replay or a wrong clock",
        )


def _signature(token: str, signed: bytes) -> str:
    try:
        key = base64.b64decode(token.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise HookRefused(500, "a configured signing token is not whsec_ with base64") from None
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _hint(key: str, event: str, body: bytes) -> Hint:
    try:
        document: Any = json.loads(body)
        kind = document["object_kind"]
        if kind != _KINDS[event]:
            raise HookRefused(400, f"the hook's body is a {kind!r} event and not the one its header names")
        if kind == "pipeline":
            project, pipeline = document["project"]["id"], document["object_attributes"]["id"]
        else:
            project, pipeline = document["project_id"], document["pipeline_id"]
        above = document.get("source_pipeline")
        if above:
            project, pipeline = above["project"]["id"], above["pipeline_id"]
        named = _KEY.search(_marker(document))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise HookRefused(400, "the hook's body is not what GitLab sends") from None
    run, step = (named["run"], named["step"]) if named else ("", "")
    return Hint(key, event, f"{project}/{pipeline}", run, step)


def _marker(document: Mapping[str, Any]) -> str:
    """The text that the pipeline's key is in: its variable, else the pipeline's name, which a job hook has in ``commit``."""
    about: Mapping[str, Any] = document.get("object_attributes") or {}
    for variable in about.get("variables") or ():
        if variable.get("key") == KEY_VARIABLE:
            return str(variable.get("value"))
    return str(about.get("name") or (document.get("commit") or {}).get("name") or "")
