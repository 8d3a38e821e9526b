# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Webhooks of GitHub, which signs the body (docs.github.com, "Validating webhook deliveries")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.netops.changerail.plugins.module_utils.hook import HookKind, HookRefused, is_one_of, signature


class GitHub(HookKind):
    """What a hook is about, its source must say."""

    def prove(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> str:
        """A delivery that is sent again has the same signature; its id is not signed."""
        given = headers.get("x-hub-signature-256", "")
        if not is_one_of(given, [signature(body, secret) for secret in secrets]):
            raise HookRefused(401, "the hook's X-Hub-Signature-256 is not that of the configured secret")
        return given


HOOK = GitHub()
