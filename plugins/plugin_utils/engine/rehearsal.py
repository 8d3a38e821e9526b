# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rehearses a workflow: the engine itself, in virtual time, with outcomes and answers from a scenario. The doors call ``rehearse``.

What decides, evaluates, retries, asks and judges is what does so in a run. Only the operations, the people, the clock and the journal are others:
nothing is contacted, started or written.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from ansible_collections.netops.changerail.plugins.module_utils.errors import ChangerailError, OperationError
from ansible_collections.netops.changerail.plugins.module_utils.operation import Call, Operation
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import CancelRequested, Event, RunStarted
from ansible_collections.netops.changerail.plugins.plugin_utils.core.state import State
from ansible_collections.netops.changerail.plugins.plugin_utils.engine import standins
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.engine import Engine
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.mask import MASK, Masker, secrets_by_name
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.offline import OfflineTemplating
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.prepare import (
    Prepared,
    Preparer,
    Snapshot,
    Surroundings,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.run import name_of
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.scripted_people import ScriptedPeople
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.variables import texts
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.virtual import VirtualClock, VirtualLoop
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import Record
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.memory import MemoryJournal
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project, Resolver
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Step, Vaulted
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.scenario import (
    ASKS,
    EVALUATED,
    NEVER,
    Outcome,
    Scenario,
)

RUN = "rehearsal"
"""The id of every rehearsed run."""
_PLACE = Path("/nonexistent", RUN)
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Rehearsal:
    """What came of a rehearsal: the events a run would have recorded, and when it ended (seconds since the epoch).

    ``unsaid`` is what the scenario would have to say for it to go on; "" when it says all that was needed. ``cut`` says what was too long
    ("more than 500 events"), or "".
    """

    scenario: Scenario
    events: tuple[Event, ...]
    ended: float
    unsaid: str = ""
    cut: str = ""


@dataclass(frozen=True)
class Bounds:
    """How long a rehearsal may be: in ``events``, and in ``seconds`` of the clock ``steady``, which is not the virtual one."""

    events: int
    seconds: float
    steady: Callable[[], float] = time.monotonic


def rehearse(scenario: Scenario, project: Project, bounds: Bounds | None = None) -> Rehearsal:
    """Run the scenario's workflow in virtual time until it is over, nothing is left that could move it, or it meets one of ``bounds``."""
    workflow, clock = scenario.workflow, VirtualClock(scenario.begins)
    events: list[Event] = []
    stop = threading.Event()
    unsaid = _Unsaid(stop)
    templating, folder = OfflineTemplating(workflow.folder), _NoFolder(_PLACE)
    masker = Masker(secrets_by_name(scenario.variables))
    observer = _Keeper(events, bounds)
    loop = VirtualLoop(State(workflow), MemoryJournal(), clock, observer, stop)
    surroundings = _surroundings(scenario, project, folder, clock)
    engine = Engine(
        loop,
        _Preparer(templating, surroundings, masker, scenario, unsaid.tell),
        masker,
        lambda attempts: ScriptedPeople(loop, folder, project, attempts.decided, scenario, unsaid.tell),
    )
    loop.record(_started(scenario, project, name_of(workflow, scenario.variables, templating)))
    if scenario.cancel is not None:
        cancel = scenario.cancel
        by = cancel.by or scenario.requester
        loop.timers.after(cancel.after, lambda: loop.record(CancelRequested(clock.now(), by, cancel.reason)))
    try:
        loop.commit()
        engine.run((), False, stop)
    except _TooLong as bound:
        return Rehearsal(scenario, tuple(events), clock.now(), cut=str(bound))
    return Rehearsal(scenario, tuple(events), clock.now(), unsaid.text)


class _TooLong(Exception):
    """The rehearsal has met a bound; the text says which."""


class _Keeper:
    """Keeps every event in ``events``. Raises _TooLong at the first one that is beyond ``bounds``."""

    def __init__(self, events: list[Event], bounds: Bounds | None) -> None:
        self._events = events
        self._bounds = bounds
        self._until = bounds.steady() + bounds.seconds if bounds is not None else 0.0

    def __call__(self, record: Record) -> None:
        bounds = self._bounds
        if bounds is not None and len(self._events) >= bounds.events:
            raise _TooLong(f"more than {bounds.events} events")
        self._events.append(record.event)
        if bounds is not None and bounds.steady() >= self._until:
            raise _TooLong(f"more than {bounds.seconds:g} s to rehearse")


class _Unsaid:
    """Keeps the first thing that the scenario does not say and ends the rehearsal there."""

    def __init__(self, stop: threading.Event) -> None:
        self.text = ""
        self._stop = stop

    def tell(self, text: str) -> None:
        self.text = self.text or text
        self._stop.set()


class _NoFolder(RunFolder):
    """The folder of a run that leaves no files."""

    def step(self, path: str, attempt: int) -> Path:
        return self.step_place(path, attempt)


class _Preparer(Preparer):
    """Evaluates as in a run, then puts a stand-in in the place of the operation. ``unsaid`` is told what the scenario would have to say."""

    def __init__(
        self,
        templating: OfflineTemplating,
        surroundings: Surroundings,
        masker: Masker,
        scenario: Scenario,
        unsaid: Callable[[str], None],
    ) -> None:
        super().__init__(templating, surroundings, masker)
        self._scenario = scenario
        self._unsaid = unsaid
        self._names = templating.names
        self._registered = {step.register: path for path, step in scenario.workflow.walk() if step.register}

    def entry(self, snapshot: Snapshot) -> dict[str, Any]:
        return self._hinted(snapshot, super().entry)

    def judged(self, snapshot: Snapshot) -> dict[str, Any]:
        return self._hinted(snapshot, super().judged)

    def items(self, snapshot: Snapshot) -> tuple[list[Any], list[str]]:
        return self._hinted(snapshot, super().items)

    def prepare(self, snapshot: Snapshot) -> Prepared:
        prepared = self._hinted(snapshot, super().prepare)
        return replace(prepared, operation=self._stand_in(prepared, snapshot))

    def _stand_in(self, prepared: Prepared, snapshot: Snapshot) -> Operation:
        action = snapshot.step.action.name if snapshot.step.action is not None else ""
        operation = prepared.operation
        if action in EVALUATED:
            return operation
        said = self._scenario.outcome(snapshot.path, snapshot.attempt)
        if said is not None and said.kind != ASKS:
            return standins.Scripted(said)
        match action:
            case "ansible.builtin.pause":
                return operation
            case "netops.changerail.window":
                return self._window(operation, prepared.call)
            case "netops.changerail.review":
                return standins.Review()
            case "netops.changerail.approval" if prepared.call.args.get("from") is None:
                return standins.Approval(operation)
            case "netops.changerail.approval":
                return standins.FollowedApproval(said or Outcome(ASKS))
            case _:
                return standins.Scripted(said or Outcome())

    def _window(self, operation: Operation, call: Call) -> Operation:
        elsewhere = _calendar_elsewhere(call)
        if not elsewhere:
            return standins.Window(operation)
        path = call.context.path
        self._unsaid(
            f"{path}: calendar {elsewhere!r} is no file, and a rehearsal contacts nothing; "
            f"say when the window opens: add '{path}: {{done: {{}}, after: 3h}}' under steps"
        )
        return standins.Scripted(Outcome(NEVER))

    def _hinted(self, snapshot: Snapshot, evaluate: Callable[[Snapshot], _Value]) -> _Value:
        """What ``evaluate`` gives; a failure says which results of earlier steps the scenario should have given."""
        try:
            return evaluate(snapshot)
        except ChangerailError as error:
            used = {name for text in _texts_of(snapshot.step) for name in self._names(text)} & self._registered.keys()
            if not used:
                raise
            hints = ", ".join(f"{name} is what the scenario gives {self._registered[name]}" for name in sorted(used))
            raise ChangerailError(f"{error}; in a rehearsal {hints} under done") from None


def _surroundings(scenario: Scenario, project: Project, folder: RunFolder, clock: VirtualClock) -> Surroundings:
    # Nothing in a rehearsal needs a secret, so references in the project file are not followed.
    connections, settings = project.context_parts(Resolver())
    return Surroundings(
        folder=folder,
        base=Path(scenario.workflow.folder),
        requester=scenario.requester,
        inventory=(),
        options={},
        connections=lambda: connections,
        settings=settings,
        environment={},
        clock=clock.now,
        steady=clock.now,
        evidence=tuple,
        observe_step=lambda run, step: None,
    )


def _started(scenario: Scenario, project: Project, name: str) -> RunStarted:
    workflow = scenario.workflow
    login = min(project.people.logins(scenario.requester), default=scenario.requester)
    return RunStarted(
        at=scenario.begins,
        run=RUN,
        name=name,
        main=workflow.main,
        folder=workflow.folder,
        sources=dict(workflow.sources),
        digest=workflow.digest,
        variables=_opened(scenario.variables),
        requester={"name": scenario.requester, "assurance": "os_user", "os_user": login},
        options={},
        versions={},
        project=str(project.path or ""),
    )


def _opened(value: Any) -> Any:
    """Extra vars without what a vault holds."""
    if isinstance(value, Vaulted):
        return MASK
    if isinstance(value, Mapping):
        return {str(key): _opened(item) for key, item in value.items()}
    return [_opened(item) for item in value] if isinstance(value, (list, tuple)) else value


def _calendar_elsewhere(call: Call) -> str:
    """The first calendar of a window that is not a file at hand, or ""."""
    named = call.context.settings.get("calendars") or {}
    for name in (*call.args["calendar"], *call.args["freezes"]):
        try:
            if "://" in str(named.get(name, name)):
                return str(name)
        except OperationError:
            # Its address is a secret or stands in the environment.
            return str(name)
    return ""


def _texts_of(step: Step) -> list[str]:
    """Every template of a step, expressions in braces."""
    expressions = ["{{ " + text + " }}" for text in (*step.when, *step.until, *step.failed_when)]
    loop = (step.loop.items, step.loop.label) if step.loop is not None else ()
    written = [step.name, step.action.args if step.action is not None else "", *loop]
    return [*expressions, *(text for tree in written for text in texts(tree))]
