# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Webhooks of whoever can sign: a signature over a time stamp, a full stop and the body, worth something for five minutes only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.netops.changerail.plugins.module_utils.hook import (
    HookKind,
    HookRefused,
    check_age,
    is_one_of,
    signature,
)


class Signed(HookKind):
    """The sender says which step it is for."""

    step = "step"

    def prove(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> str:
        """The signature tells one delivery from another."""
        moment, given = headers.get("x-changerail-timestamp", ""), headers.get("x-changerail-signature", "")
        content = moment.encode() + b"." + body
        if not is_one_of(given, [signature(content, secret) for secret in secrets]):
            raise HookRefused(
                401, "the hook's X-Changerail-Signature is not that of X-Changerail-Timestamp and body with the secret"
            )
        check_age(moment, now)
        return given


HOOK = Signed()
