# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a step of another run has come to, for ``dependency`` steps. Reads that run's journal and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import UnknownRun
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    RunFinished,
    StepFinished,
    StepStarted,
    StepWaiting,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import read
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import StateFolder


def observe_step(state: StateFolder, run: str, step: str) -> Mapping[str, Any] | None:
    """``{"state", "result", "run"}`` of the last attempt at the step with path ``step``; None when there is no such run or step yet.

    "state" is "running", "waiting", "ok" or "failed"; "run" is "running" or how the run ended.
    """
    try:
        folder = state.open(run)
    except UnknownRun:
        return None
    seen: dict[str, Any] | None = None
    ended = "running"
    for record in read(folder.journal):
        event = record.event
        if isinstance(event, RunFinished):
            ended = event.status
        elif isinstance(event, (StepStarted, StepWaiting, StepFinished)) and event.path == step:
            seen = _seen(event)
    return None if seen is None else {**seen, "run": ended}


def _seen(event: StepStarted | StepWaiting | StepFinished) -> dict[str, Any]:
    if isinstance(event, StepFinished):
        return {"state": "failed" if event.failure else "ok", "result": dict(event.result)}
    return {"state": "waiting" if isinstance(event, StepWaiting) else "running", "result": {}}
