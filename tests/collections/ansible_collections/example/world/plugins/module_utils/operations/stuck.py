"""A stranger's operation for tests that keeps its worker until the file ``go`` is in its world, at most a minute."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.failures import CANCELLED
from ansible_collections.netops.changerail.plugins.module_utils.operation import Call, Done, Failed, Operation, Outcome


class Stuck(Operation):
    name = "example.world.stuck"
    options = {"world": {"type": "path", "required": True}}

    def start(self, call: Call) -> Outcome:
        deadline = time.monotonic() + 60
        while not Path(call.args["world"], "go").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        return Done()

    def poll(self, call: Call, handle: Mapping[str, Any]) -> Outcome:
        return self.start(call)

    def cancel(self, call: Call, handle: Mapping[str, Any]) -> Outcome:
        return Failed(CANCELLED, "stopped")


OPERATION = Stuck()
