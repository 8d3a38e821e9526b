"""A stranger's operation for tests: makes a thing on a server (tests/crash/world.py) that may be slow, cut the connection or refuse at any moment.

The server knows a thing by the attempt's key, so what was made is found again whatever became of the answer.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.failures import CANCELLED, TRANSIENT
from ansible_collections.netops.changerail.plugins.module_utils.operation import (
    Call,
    Done,
    Failed,
    Operation,
    Outcome,
    Waiting,
)

_LOOK_AGAIN = 0.05
_TRIES = 50
_TIMEOUT = 10.0


class NoAnswer(Exception):
    """The server did not say what it did, if anything."""


class Thing(Operation):
    """``failure`` is the class it fails with in its first ``times`` attempts; it is not over before a thing at the step path ``after`` was made,
    and with ``hold`` not before it is stopped."""

    name = "example.world.thing"
    options = {
        "url": {"type": "str", "required": True},
        "failure": {"type": "str", "default": ""},
        "times": {"type": "int", "default": 1000},
        "after": {"type": "str", "default": ""},
        "hold": {"type": "bool", "default": False},
        "result": {"type": "dict", "default": {}},
    }

    def start(self, call: Call) -> Outcome:
        plan = {name: call.args[name] for name in ("after", "hold")}
        for dummy in range(_TRIES):
            try:
                if _asked(call, "GET", "")["state"] == "unknown":
                    _asked(call, "POST", "", plan)
                return self.poll(call, {})
            except NoAnswer:
                time.sleep(_LOOK_AGAIN / 5)
        raise OperationError(f"{call.args['url']} does not answer", TRANSIENT)

    def poll(self, call: Call, handle: Mapping[str, Any]) -> Outcome:
        try:
            state = _asked(call, "GET", "")["state"]
        except NoAnswer:
            state = "not seen"
        if state != "done":
            return Waiting({}, _LOOK_AGAIN, "waiting for the thing")
        if call.args["failure"] and call.context.attempt <= call.args["times"]:
            return Failed(call.args["failure"], f"the thing says {call.args['failure']}")
        return Done({**call.args["result"], "key": call.context.key}, changed=True)

    def cancel(self, call: Call, handle: Mapping[str, Any]) -> Outcome:
        try:
            _asked(call, "POST", "/stop")
        except NoAnswer:
            return Waiting({}, _LOOK_AGAIN, "waiting for the thing to stop")
        return Failed(CANCELLED, "stopped")


def _asked(call: Call, method: str, verb: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What the server says of the thing with the call's key. Raises NoAnswer."""
    connection = http.client.HTTPConnection(urlsplit(call.args["url"]).netloc, timeout=_TIMEOUT)
    try:
        connection.request(method, f"/things/{quote(call.context.key, safe='')}{verb}", json.dumps(body or {}))
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise NoAnswer
        document: dict[str, Any] = json.loads(content)
        return document
    except (OSError, http.client.HTTPException, ValueError):
        raise NoAnswer from None
    finally:
        connection.close()


OPERATION = Thing()
