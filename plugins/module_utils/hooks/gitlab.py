# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Webhooks of GitLab, with a shared secret token or with a signing token (``whsec_...``).

GitLab disables a hook for good after four answers of 4xx in a row.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.gitlab.api import KEY_VARIABLE
from ansible_collections.netops.changerail.plugins.module_utils.hook import (
    Hint,
    HookKind,
    HookRefused,
    check_age,
    is_one_of,
)
from ansible_collections.netops.changerail.plugins.module_utils.operation import JSON

_SIGNING = "whsec_"
_KINDS: Mapping[str, str] = {"Pipeline Hook": "pipeline", "Job Hook": "build"}
_KEY = re.compile(
    r"(?<![\w./\[\]-])(?P<run>[A-Za-z0-9][\w.-]*)/(?P<step>[\w.-]+(?:\[[^\]/]*\])?(?:/[\w.-]+(?:\[[^\]/]*\])?)*)/\d+(?![\w./\[\]-])"
)
"""A pipeline's key, ``<run>/<step path>/<attempt>``, by itself or in a name."""


class GitLab(HookKind):
    """A hook of a pipeline or of a job in it shows the pipeline, and often its key; others are about nothing that a step waits for."""

    def prove(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> str:
        """Where one of the secrets is a signing token, only a signature counts."""
        signing = [secret for secret in secrets if secret.startswith(_SIGNING)]
        if signing:
            _check_signature(headers, body, signing, now)
        elif not is_one_of(headers.get("x-gitlab-token", ""), secrets):
            raise HookRefused(401, "the hook's X-Gitlab-Token is not the configured one")
        return _key_of(headers, body, bool(signing))

    def hint(self, headers: Mapping[str, str], document: JSON) -> Hint:
        """The pipeline is named as waiting pipeline steps name theirs; for one that another pipeline started it is that other one."""
        event = headers.get("x-gitlab-event", "")
        return _hint(event, document) if event in _KINDS else Hint()


HOOK = GitLab()


def _key_of(headers: Mapping[str, str], body: bytes, signed: bool) -> str:
    """What a delivery and its repetition have in common. Of a signed hook only what was signed counts: anybody may have added the rest."""
    if signed:
        return headers["webhook-id"]
    # Servers before 17.4 have no key for a delivery, and the events of one cause have their UUID in common.
    event = f"{headers.get('x-gitlab-event-uuid', '')} {hashlib.sha256(body).hexdigest()}"
    return headers.get("idempotency-key") or event


def _check_signature(headers: Mapping[str, str], body: bytes, tokens: Sequence[str], now: float) -> None:
    identity, moment = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    signatures = [
        part.removeprefix("v1,") for part in headers.get("webhook-signature", "").split() if part.startswith("v1,")
    ]
    if not (identity and signatures and moment):
        raise HookRefused(401, "the hook carries no signature (webhook-id, webhook-timestamp, webhook-signature)")
    signed = f"{identity}.{moment}.".encode() + body
    expected = [_signature(token, signed) for token in tokens]
    if not any(is_one_of(given, expected) for given in signatures):
        raise HookRefused(401, "the hook's signature is not that of any configured signing token")
    check_age(moment, now)


def _signature(token: str, signed: bytes) -> str:
    try:
        key = base64.b64decode(token.removeprefix(_SIGNING), validate=True)
    except binascii.Error:
        raise HookRefused(500, "a configured signing token is not whsec_ with base64") from None
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _hint(event: str, document: Any) -> Hint:
    try:
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
    except (KeyError, TypeError, AttributeError):
        raise HookRefused(400, "the hook's body is not what GitLab sends") from None
    run, step = (named["run"], named["step"]) if named else ("", "")
    return Hint(run, step, f"{project}/{pipeline}")


def _marker(document: Mapping[str, Any]) -> str:
    """The text that the pipeline's key is in: its variable, else the pipeline's name, which a job hook has in ``commit``."""
    about: Mapping[str, Any] = document.get("object_attributes") or {}
    for variable in about.get("variables") or ():
        if variable.get("key") == KEY_VARIABLE:
            return str(variable.get("value"))
    return str(about.get("name") or (document.get("commit") or {}).get("name") or "")
