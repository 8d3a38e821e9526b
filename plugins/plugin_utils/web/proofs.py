# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How webhooks that are not GitLab's prove where they come from. Pure; ``web.hooks`` calls it.

GitHub signs the body (docs.github.com, "Validating webhook deliveries"). A business rule of ServiceNow sends a secret in a header of its outbound REST
message. ``hmac`` is for everybody else: a signature over a time stamp and the body, worth something for five minutes only.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.netops.changerail.plugins.module_utils.gitlab.hooks import WINDOW, HookRefused

TOKEN = "x-changerail-token"
TIMESTAMP = "x-changerail-timestamp"
SIGNATURE = "x-changerail-signature"

Check = Callable[[Mapping[str, str], bytes, Sequence[str], float], str]


def github(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], _now: float) -> str:
    """What tells the delivery from others. A delivery that is sent again has the same signature. Raises HookRefused."""
    return _signed(headers.get("x-hub-signature-256", ""), body, secrets, "X-Hub-Signature-256")


def servicenow(headers: Mapping[str, str], _body: bytes, secrets: Sequence[str], _now: float) -> str:
    """Nothing tells one message from another of the same content, so none counts as repeated. Raises HookRefused."""
    given = headers.get(TOKEN, "").encode()
    if not any(hmac.compare_digest(given, secret.encode()) for secret in secrets):
        raise HookRefused(401, "the hook's X-Changerail-Token is not the configured one")
    return ""


def signed(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> str:
    """What tells the delivery from others: its signature, over ``TIMESTAMP.BODY``. Raises HookRefused, also for one that is too old."""
    moment = headers.get(TIMESTAMP, "")
    if not (moment.isascii() and moment.isdigit() and len(moment) < 15):
        raise HookRefused(401, "the hook has no X-Changerail-Timestamp with seconds since 1970")
    key = _signed(headers.get(SIGNATURE, ""), moment.encode() + b"." + body, secrets, "X-Changerail-Signature")
    age = now - int(moment)
    if abs(age) > WINDOW:
        raise HookRefused(
            401, f"the hook was signed {age:.0f} s ago; more than {WINDOW:.0f} s is a replay or a wrong clock"
        )
    return key


CHECKS: Mapping[str, Check] = {"github": github, "servicenow": servicenow, "hmac": signed}


def _signed(given: str, content: bytes, secrets: Sequence[str], header: str) -> str:
    expected = [f"sha256={hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()}" for secret in secrets]
    if not any(hmac.compare_digest(given.encode(), one.encode()) for one in expected):
        raise HookRefused(401, f"the hook's {header} is not that of the configured secret")
    return given
