# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Webhooks that GitLab sends: checked, told from those seen before, and read as the hint they are. For whatever listens.

A hook says that something may have changed. What is true is asked of the API: hooks come late, twice and in any order.
"""

from __future__ import annotations

import base64
import binascii
import collections
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.netops.changerail.plugins.module_utils.operation import JSON

WINDOW = 300.0
"""Seconds a signed hook may be old, or ahead of our clock."""
REMEMBERED = 10_000
_KINDS: Mapping[str, str] = {"Pipeline Hook": "pipeline", "Job Hook": "build", "Deployment Hook": "deployment"}


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
    """Something may have changed: ``pipeline`` is named as a pipeline step's handle names it, "" when the event is about none."""

    key: str
    event: str
    pipeline: str


class Seen:
    """The keys of the last hooks: a delivery that is repeated carries the same ``Idempotency-Key``."""

    def __init__(self) -> None:
        self._keys: collections.OrderedDict[str, None] = collections.OrderedDict()

    def add(self, key: str) -> bool:
        """Whether the key is new; an empty one always is."""
        if not key:
            return True
        new = key not in self._keys
        self._keys[key] = None
        self._keys.move_to_end(key)
        while len(self._keys) > REMEMBERED:
            self._keys.popitem(last=False)
        return new


def receive(headers: Mapping[str, str], body: bytes, secrets: HookSecrets, seen: Seen, now: float) -> Hint | None:
    """The hint of a hook, None for one that came before or is about something else. ``now`` is seconds since the epoch.

    Raises HookRefused when it does not prove where it comes from, is too old, or cannot be read.
    """
    given = {name.lower(): value for name, value in headers.items()}
    if secrets.signing:
        _check_signature(given, body, secrets.signing, now)
    else:
        _check_token(given, secrets.token)
    event = given.get("x-gitlab-event", "")
    key = given.get("idempotency-key", "")
    if event not in _KINDS:
        return None
    hint = Hint(key, event, _pipeline(body, _KINDS[event]))
    return hint if seen.add(key) else None


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


def _pipeline(body: bytes, kind: str) -> str:
    """The pipeline the event is about, "" when it names none."""
    try:
        document: JSON = json.loads(body)
        if document["object_kind"] != kind:
            raise HookRefused(
                400, f"the hook's body is a {document['object_kind']!r} event and not the one its header names"
            )
        if kind == "pipeline":
            return f"{document['project']['id']}/{document['object_attributes']['id']}"
        if kind == "build":
            return f"{document['project_id']}/{document['pipeline_id']}"
        return ""
    except (ValueError, KeyError, TypeError):
        raise HookRefused(400, "the hook's body is not what GitLab sends") from None
