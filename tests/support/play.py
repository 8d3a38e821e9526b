"""Plays a workflow through the core with scripted outcomes, in order and in virtual time; for tests of single rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.core import commands as c
from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.core.decide import apply, fold, pending
from ansible_collections.netops.changerail.plugins.plugin_utils.core.state import Live, State, layers
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Workflow
from support.flows import started

HOLD = "hold"
"""An outcome: the attempt goes on until the test finishes it."""


class Play:
    """``outcomes`` maps a step's path to what its attempts come to: "" (also the default) for success, a failure class, ``HOLD``, or a whole result.

    ``entry`` maps a path to what ``Evaluate`` "enter" gives (default: when holds), ``items`` to a loop's items. ``performed`` is the order of attempts.
    """

    def __init__(
        self,
        flow: Workflow,
        outcomes: Mapping[str, Sequence[Any]] | None = None,
        entry: Mapping[str, Mapping[str, Any]] | None = None,
        items: Mapping[str, Sequence[Any]] | None = None,
        judged: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    ) -> None:
        self.flow = flow
        self.outcomes = outcomes or {}
        self.entry = entry or {}
        self.items = items or {}
        self.judged = judged or {}
        self.now = 1000.0
        self.performed: list[str] = []
        self.history: list[e.Event] = []
        self.stops: list[c.Stop] = []
        self.timers: list[c.SetTimer] = []
        self.asked: list[c.Ask] = []
        self.state = State(flow)
        self.seen: dict[str, dict[str, Any]] = {}
        self.record(started(self.now))

    def record(self, *new: e.Event) -> Play:
        for event in new:
            self.history.append(event)
            todo = apply(self.state, event)
            for command in todo:
                self.obey(command)
        return self

    def obey(self, command: c.Command) -> None:
        match command:
            case c.Perform(path, attempt):
                self.performed.append(path if attempt == 1 else f"{path}#{attempt}")
                self.seen[self.performed[-1]] = variables(self.state, self.state.live[path])
                scripted = self.outcomes.get(path, ())
                outcome = scripted[attempt - 1] if attempt <= len(scripted) else ""
                if outcome != HOLD:
                    self.finish(path, outcome, attempt)
            case c.Evaluate(path, attempt, "enter"):
                self.record(e.Evaluated(self.now, path, attempt, "enter", {"when": True, **self.entry.get(path, {})}))
            case c.Evaluate(path, attempt, purpose):
                self.record(e.Evaluated(self.now, path, attempt, purpose, self.judged[path][attempt - 1]))
            case c.Expand(path):
                items = list(self.items[path])
                self.record(e.Expanded(self.now, path, items, [str(item) for item in items]))
            case c.SetTimer():
                self.timers.append(command)
            case c.Stop():
                self.stops.append(command)
            case c.Ask():
                self.asked.append(command)
            case c.Finish(status, message):
                self.record(e.RunFinished(self.now, status, message))

    def finish(self, path: str, outcome: Any = "", attempt: int = 1) -> Play:
        result = outcome if isinstance(outcome, dict) else {}
        failure = "" if isinstance(outcome, dict) else outcome
        message = f"{path} {failure or 'done'}"
        return self.record(e.StepFinished(self.now, path, attempt, failure, message, False, result))

    def tick(self) -> c.SetTimer:
        """Let the earliest timer fire and say which it was."""
        timer = min(self.timers, key=lambda one: one.due)
        self.timers.remove(timer)
        self.now = max(self.now, timer.due.moment)
        self.record(e.TimerFired(self.now, timer.path, timer.attempt, timer.timer))
        return timer

    @property
    def status(self) -> str:
        return self.state.status

    @property
    def ending(self) -> str:
        return next(event.message for event in reversed(self.history) if isinstance(event, e.RunFinished))

    @property
    def registered(self) -> Mapping[str, Any]:
        return self.state.root.scope.values if self.state.root else {}

    def refolded(self) -> list[c.Command]:
        return list(pending(fold(self.flow, self.history)))


def variables(state: State, node: Live) -> dict[str, Any]:
    """What the node sees, strongest first, templates unevaluated."""
    seen: dict[str, Any] = {}
    for _author, mapping in layers(state, node):
        for name, value in mapping.items():
            seen.setdefault(name, value)
    return seen
