# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations of a rehearsal: they stand in for those of a run, contact nothing and write nothing. rehearsal.py picks them."""

from __future__ import annotations

import hashlib
import posixpath
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils import asking
from ansible_collections.netops.changerail.plugins.module_utils.failures import CANCELLED, FAILED
from ansible_collections.netops.changerail.plugins.module_utils.operation import (
    JSON,
    Call,
    Done,
    Failed,
    Operation,
    Outcome,
    Verdict,
    Waiting,
)
from ansible_collections.netops.changerail.plugins.module_utils.question import Question
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.scenario import DONE, NEVER
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.scenario import Outcome as Said

SELDOM = 3600.0
"""Seconds until the next look where only an answer or a deadline moves anything."""
_LONG = 60.0
_AT_ONCE = 1e-3
"""Seconds that are none: sums of times are not exact."""


class _StandIn(Operation):
    """What has nothing to stop."""

    name = "rehearsal"

    def cancel(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        return Failed(CANCELLED, "stopped")


class Scripted(_StandIn):
    """Comes to what the scenario says."""

    def __init__(self, said: Said) -> None:
        self._said = said

    def start(self, call: Call) -> Outcome:
        return self.poll(call, {"began": call.context.clock()})

    def poll(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        said = self._said
        if said.kind == NEVER:
            return Waiting(handle, SELDOM, "goes on for ever", long=True)
        left = float(handle["began"]) + said.after - call.context.clock()
        if left > _AT_ONCE:
            return Waiting(handle, left, "goes on", long=left > _LONG)
        if said.kind == DONE:
            return Done(said.result, said.changed)
        return Failed(said.kind, said.message or f"the scenario says {said.kind}", said.result)


class Window(_StandIn):
    """A change window, by the operation itself: its calendars are read once to know when to go on, and once more then."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation

    def start(self, call: Call) -> Outcome:
        outcome = self._operation.start(call)
        if not isinstance(outcome, Waiting):
            return outcome
        ahead = self._operation.start(replace(call, context=replace(call.context, check=True)))
        opens = datetime.fromisoformat(ahead.result["start"]).timestamp() if isinstance(ahead, Done) else None
        return replace(outcome, handle={"opens": opens, "message": outcome.message}, after=self._after(call, opens))

    def poll(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        after = self._after(call, handle["opens"])
        return Waiting(handle, after, handle["message"], long=True) if after > _AT_ONCE else self.start(call)

    @staticmethod
    def _after(call: Call, opens: float | None) -> float:
        return SELDOM if opens is None else opens - call.context.clock()


class Approval(_StandIn):
    """The operation itself, which asks people of this project and contacts nothing; looked at less often."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation

    def start(self, call: Call) -> Outcome:
        return _seldom(self._operation.start(call))

    def poll(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        return _seldom(self._operation.poll(call, handle))

    def conclude(self, call: Call, handle: Mapping[str, JSON], verdict: Verdict) -> Outcome:
        return self._operation.conclude(call, handle, verdict)


class _Asking(_StandIn):
    """Asks what the operation would ask after a look at files or at another system."""

    @abstractmethod
    def question(self, call: Call, until: float | None) -> Question:
        """What is asked; ``until`` is the deadline."""

    def start(self, call: Call) -> Outcome:
        return self.poll(call, {"deadline": asking.deadline(call)})

    def poll(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        asked = self.question(call, handle["deadline"])
        return Waiting(handle, SELDOM, asking.waited_for(asked), asked.as_dict(), long=True)


class FollowedApproval(_Asking):
    """An approval that is decided in a change record's own system: by all whom the scenario names."""

    def __init__(self, said: Said) -> None:
        self._people = tuple(dict.fromkeys(answer.person for answer in said.answers if answer.person))

    def question(self, call: Call, until: float | None) -> Question:
        given = call.args["from"]
        number = given.get("number") if isinstance(given, Mapping) else given
        title = asking.called(call, f"Approval of {number or 'the change record'}")
        asked = asking.question(call, "approval", title, until, {})
        deciding = [name for name in self._people if name != asked.requester or not asked.four_eyes]
        return replace(asked, people=self._people, quorum=max(1, len(deciding)))


class Review(_Asking):
    """A review of files that nobody has made: they are known by the names they have in the scenario's results."""

    def question(self, call: Call, until: float | None) -> Question:
        shown = {name: hashlib.sha256(name.encode()).hexdigest() for name in _reviewed(call.args)}
        return asking.question(call, "review", asking.review_called(call, shown), until, shown)

    def poll(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        problem = asking.unanswerable(self.question(call, handle["deadline"]), call.context)
        return Failed(FAILED, problem) if problem else super().poll(call, handle)

    def conclude(self, call: Call, handle: Mapping[str, JSON], verdict: Verdict) -> Outcome:
        outcome = super().conclude(call, handle, verdict)
        if isinstance(outcome, Done):
            return replace(outcome, result={**outcome.result, "artifacts": _reviewed(call.args)})
        return outcome


def _seldom(outcome: Outcome) -> Outcome:
    return replace(outcome, after=SELDOM) if isinstance(outcome, Waiting) else outcome


def _reviewed(args: Mapping[str, Any]) -> dict[str, Any]:
    """The artifacts under review by name, as the scenario gives them."""
    given = args["artifacts"] if args.get("artifact") is None else [args["artifact"]]
    if isinstance(given, Mapping):
        return {str(name): artifact for name, artifact in given.items()}
    named = given if isinstance(given, list) else [given]
    return {_name_of(artifact): artifact for artifact in named}


def _name_of(artifact: Any) -> str:
    if isinstance(artifact, Mapping):
        return str(artifact.get("name") or posixpath.basename(str(artifact.get("path") or "")) or "artifact")
    return posixpath.basename(str(artifact))
