# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Webhooks of ServiceNow: an outbound REST message of a business rule, with a secret in a header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.netops.changerail.plugins.module_utils.hook import HookKind, HookRefused, is_one_of


class ServiceNow(HookKind):
    """A record that changerail opened says which step it is for."""

    step = "correlation_id"

    def prove(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> str:
        """Nothing tells one message from another of the same content, so none counts as repeated."""
        if not is_one_of(headers.get("x-changerail-token", ""), secrets):
            raise HookRefused(401, "the hook's X-Changerail-Token is not the configured one")
        return ""


HOOK = ServiceNow()
