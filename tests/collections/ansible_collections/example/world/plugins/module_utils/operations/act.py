"""A stranger's operation for tests: leaves a mark in a folder, which is its world, and behaves as its options say.

The world commits before it answers: the mark is there before ``start`` returns. ``log`` in the folder counts every effect.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.failures import CANCELLED
from ansible_collections.netops.changerail.plugins.module_utils.operation import (
    Call,
    Done,
    Failed,
    Operation,
    Outcome,
    Waiting,
)


class Act(Operation):
    """``until`` is a file in the world that must be there before it is done; ``failure`` a class it fails with in its first ``times`` attempts."""

    name = "example.world.act"
    options = {
        "world": {"type": "path", "required": True},
        "until": {"type": "str"},
        "failure": {"type": "str", "default": ""},
        "times": {"type": "int", "default": 1000},
        "result": {"type": "dict", "default": {}},
        "long": {"type": "bool", "default": False},
        "password": {"type": "str", "no_log": True},
    }

    def start(self, call: Call) -> Outcome:
        if call.context.check:
            return Done({"key": call.context.key}, changed=True)
        self._once(call, "start")
        return self.poll(call, {"mark": self._mark(call, "start").name})

    def poll(self, call: Call, handle: Mapping[str, Any]) -> Outcome:
        until = call.args["until"]
        if until and not Path(call.args["world"], until).exists():
            return Waiting(
                {"mark": self._mark(call, "start").name}, 0.02, f"waiting for {until}", long=call.args["long"]
            )
        if call.args["failure"] and call.context.attempt <= call.args["times"]:
            return Failed(call.args["failure"], f"the world says {call.args['failure']}")
        return Done({**call.args["result"], "key": call.context.key}, changed=True)

    def cancel(self, call: Call, handle: Mapping[str, Any]) -> Outcome:
        self._once(call, "cancel")
        return Failed(CANCELLED, "stopped; one thing is left undone")

    def _once(self, call: Call, effect: str) -> None:
        """What is started, or stopped, already carries the key's mark and is left as it is."""
        mark = self._mark(call, effect)
        if mark.exists():
            return
        mark.touch()
        log = os.open(Path(call.args["world"], "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(log, f"{effect} {call.context.key}\n".encode())
        finally:
            os.close(log)

    @staticmethod
    def _mark(call: Call, effect: str) -> Path:
        return Path(call.args["world"], f"{effect}|{call.context.key}".replace("/", "|"))


OPERATION = Act()
