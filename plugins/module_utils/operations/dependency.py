# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation ``dependency``: wait until something else is as it must be. What can be looked at stands in ``observers``.

The engine, the module and any other driver find it with ``operation.find``. It changes nothing anywhere, so there is nothing to adopt.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.conditions import Condition
from ansible_collections.netops.changerail.plugins.module_utils.durations import seconds
from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, OperationError
from ansible_collections.netops.changerail.plugins.module_utils.failures import CANCELLED
from ansible_collections.netops.changerail.plugins.module_utils.observers import OBSERVERS, Observation
from ansible_collections.netops.changerail.plugins.module_utils.operation import (
    JSON,
    Call,
    Done,
    Failed,
    Operation,
    Outcome,
    Waiting,
)

LONG_WAIT = 300.0
"""Seconds after which a wait counts as a long one."""
_MOST_OBSERVED = 65536
_MOST_SHOWN = 200


class Dependency(Operation):
    """Look at one thing until it is there, or until ``until`` holds for what is seen.

    ``until`` is JMESPath over the observed value, whose shape each observer states; without it the thing just has to be there.
    """

    name = "dependency"
    options: Mapping[str, Mapping[str, Any]] = {
        "http": {
            "type": "dict",
            "options": {
                "url": {"type": "str", "required": True},
                "method": {"type": "str", "choices": ["GET", "HEAD", "POST"], "default": "GET"},
                "headers": {"type": "dict", "default": {}},
                "body": {"type": "raw"},
                "status": {"type": "list", "elements": "int", "default": []},
                "not_yet": {"type": "list", "elements": "int", "default": [404, 408, 425, 429]},
                "connection": {"type": "str"},
                "verify": {"type": "bool", "default": True},
                "follow_redirects": {"type": "str", "choices": ["same_host", "all", "none"], "default": "same_host"},
            },
        },
        "dns": {
            "type": "dict",
            "options": {
                "name": {"type": "str", "required": True},
                "type": {"type": "str", "default": "A"},
                "server": {"type": "str"},
                "port": {"type": "int", "default": 53},
            },
        },
        "tcp": {
            "type": "dict",
            "options": {"host": {"type": "str", "required": True}, "port": {"type": "int", "required": True}},
        },
        "file": {
            "type": "dict",
            "options": {
                "path": {"type": "str", "required": True},
                "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            },
        },
        "step": {
            "type": "dict",
            "options": {"run": {"type": "str", "required": True}, "step": {"type": "str", "required": True}},
        },
        "record": {"type": "raw"},
        "until": {"type": "str"},
        "interval": {"type": "raw", "default": 30},
    }
    constraints: Mapping[str, Any] = {
        "required_one_of": [tuple(OBSERVERS)],
        "mutually_exclusive": [tuple(OBSERVERS)],
        "required_by": {"record": ["until"]},
    }
    raw_options = ("until",)

    def start(self, call: Call) -> Outcome:
        """Look for the first time."""
        now = call.context.clock()
        return _look(call, {"started": now, "since": now, "seen": ""})

    def poll(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        """Look again."""
        return _look(call, handle)

    def cancel(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        """There is nothing to stop."""
        return Failed(CANCELLED, "no longer waited for")


OPERATION = Dependency()


def _look(call: Call, handle: Mapping[str, JSON]) -> Outcome:
    condition, interval = _read(call)
    kind = next(kind for kind in OBSERVERS if call.args[kind] is not None)
    seen = OBSERVERS[kind](call.args[kind], call.context)
    holds, problem = _judged(seen, condition)
    now = call.context.clock()
    result = {"target": seen.target, "observed": _bounded(seen.value), "waited": round(now - handle["started"], 3)}
    if holds:
        return Done(result)
    if call.context.check:
        return Done({**result, "would_wait": True})
    shown = _shown(seen, condition, problem)
    digest = hashlib.sha256(shown.encode()).hexdigest()[:16]
    # The time of the last change and not of the last look: a message that changes with every look would fill the journal.
    since = handle["since"] if digest == handle["seen"] else now
    wanted = (
        condition.text
        if condition
        else {"tcp": "it to be open", "file": f"it to be {_file_state(call)}"}.get(kind, "it to be there")
    )
    message = (
        f"{seen.target}: {shown} since {datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M:%S} UTC; waiting for {wanted}"
    )
    after = max(interval, seen.after or 0.0)
    return Waiting(
        {"started": handle["started"], "since": since, "seen": digest}, after, message, long=after >= LONG_WAIT
    )


def _judged(seen: Observation, condition: Condition | None) -> tuple[bool, str]:
    """Whether it is as it must be, and if not so, what stands in the way when that is known."""
    if condition is None or (seen.value is None and seen.problem):
        return condition is None and seen.there, seen.problem
    holds, problem = condition.judge(seen.value)
    return holds, seen.problem or problem


def _read(call: Call) -> tuple[Condition | None, float]:
    """The options that are texts with a meaning. Raises OperationError."""
    try:
        condition = Condition(call.args["until"]) if call.args["until"] is not None else None
    except AuthorError as error:
        raise OperationError(f"until: {error}") from None
    try:
        interval = seconds(call.args["interval"])
    except AuthorError as error:
        raise OperationError(f"interval: {error}") from None
    if interval <= 0:
        raise OperationError("interval: expected more than 0 seconds")
    return condition, interval


def _file_state(call: Call) -> str:
    return str(call.args["file"]["state"]) if call.args["file"] else ""


def _shown(seen: Observation, condition: Condition | None, problem: str) -> str:
    """What was seen, in a few words."""
    if problem:
        return problem
    text = json.dumps(condition.relevant(seen.value) if condition else seen.value, ensure_ascii=False)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def _bounded(value: JSON) -> JSON:
    """The observed value for the journal, or where it is too large its beginning as text."""
    text = json.dumps(value, ensure_ascii=False)
    return value if len(text) <= _MOST_OBSERVED else {"truncated": text[:_MOST_OBSERVED]}
