# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether and when a failed attempt is repeated. Pure: jitter comes from the key, not from chance."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Retry, Step

NO_RETRY = Retry()
OPERATION_RETRY = Retry(retries=3, delay=5.0, backoff=2.0, max_delay=300.0)
"""What an operation of the coordination layer gets when the author says nothing: starting it again adopts, so it is safe."""
UNTIL_RETRIES = 3
"""Ansible's default for a task with ``until`` and no ``retries``."""
INTERRUPT_RETRIES = 3
"""How often ``on_interrupt: retry`` repeats a step whose machine died."""
_JITTER = 0.2


def policy(step: Step, entry: Mapping[str, Any]) -> Retry:
    """The step's retry policy with the keywords evaluated at its entry put in their places."""
    written = step.retry
    if written is None:
        if step.until:
            return Retry(retries=UNTIL_RETRIES)
        ours = step.action is not None and step.action.name.startswith("netops.changerail.")
        return OPERATION_RETRY if ours else NO_RETRY
    if not entry:
        return written
    return Retry(
        retries=entry.get("retries", written.retries),
        delay=entry.get("delay", written.delay),
        backoff=entry.get("backoff", written.backoff),
        max_delay=entry.get("max_delay", written.max_delay),
        retry_on=written.retry_on,
    )


def next_delay(rules: Retry, attempt: int, key: str, retry_after: float | None) -> float | None:
    """Seconds to wait before the attempt after ``attempt``; None when there is none left.

    Exponential with a ceiling, which bounds what the delay grows to and not the delay as written; with backoff the wait is spread by up to a fifth,
    the same for the same ``key``.
    A time the other side named (``retry_after``) is a lower bound, the ceiling holds for it too.
    """
    if attempt > int(rules.retries):
        return None
    delay = float(rules.delay)
    ceiling = max(delay, float(rules.max_delay))
    backoff = float(rules.backoff)
    wait = min(ceiling, delay * _power(backoff, attempt - 1, ceiling))
    if backoff > 1:
        share = int.from_bytes(hashlib.sha256(f"{key}#{attempt}".encode()).digest()[:4], "big") / 2**32
        wait *= 1 - _JITTER * share
    if retry_after is not None:
        wait = max(wait, min(retry_after, ceiling))
    return wait


def _power(base: float, exponent: int, ceiling: float) -> float:
    try:
        return base**exponent
    except OverflowError:
        return ceiling
