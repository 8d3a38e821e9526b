# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rehearsal says of a run before it is started: its steps, who is asked, how long it waits. A fold over events; the web pages call it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.engine.mask import MASK
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.rehearsal import Rehearsal
from ansible_collections.netops.changerail.plugins.plugin_utils.views.form import SECRET, fields
from ansible_collections.netops.changerail.plugins.plugin_utils.views.outline import Line, outline
from ansible_collections.netops.changerail.plugins.plugin_utils.views.rehearsed import rehearsed
from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import status
from ansible_collections.netops.changerail.plugins.plugin_utils.views.timeline import Entry, timeline
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Workflow

_ASKED = "asked"
_LEFT_OUT = frozenset({"run", "engine"})


@dataclass(frozen=True, slots=True)
class Foreseen:
    """``status`` is how the run would end, "waiting", or "" when that cannot be told; ``message`` says more, ``stopped`` why it cannot.

    ``took`` is in seconds. ``moments`` and ``asked`` are what happens, with the seconds since the start; ``left`` is how many moments are left out.
    ``lines`` are the steps. ``faults`` are expressions and options that could not be evaluated.
    """

    status: str
    message: str
    stopped: str
    took: float
    lines: tuple[Line, ...]
    asked: tuple[tuple[float, Entry], ...]
    moments: tuple[tuple[float, Entry], ...]
    left: int
    told: tuple[str, ...]
    faults: tuple[str, ...]


def without_secrets(workflow: Workflow, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Extra vars for a rehearsal: it contacts nothing, so it needs no secret, neither one that was filled in nor a default."""
    secret = (field.name for field in fields(workflow) if field.kind == SECRET)
    return {**variables, **{name: MASK for name in secret if variables.get(name) or workflow.vars[name]}}


def foreseen(rehearsal: Rehearsal, most: int) -> Foreseen:
    """What came of it, with at most ``most`` steps and moments."""
    began = rehearsal.scenario.begins
    seen = rehearsed(rehearsal)
    cut = f"it takes {rehearsal.cut}; 'changerail rehearse' on the command line has no bound" if rehearsal.cut else ""
    stopped = cut or rehearsal.unsaid
    entries = [(entry.at - began, entry) for entry in timeline(rehearsal.events) if entry.kind not in _LEFT_OUT]
    return Foreseen(
        status="" if stopped else seen.status,
        message="" if stopped else seen.message,
        stopped=stopped,
        took=seen.took,
        lines=tuple(outline(status(rehearsal.scenario.workflow, rehearsal.events).steps, most)),
        asked=tuple(pair for pair in entries if pair[1].kind == _ASKED)[:most],
        moments=tuple(entries[:most]),
        left=max(0, len(entries) - most),
        told=seen.told,
        faults=tuple(line for check in seen.checks if not check.passed for line in check.detail if line != stopped),
    )
