# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of a rehearsal, held against what was expected of it. Pure folds over its events; the command line calls them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    Escalated,
    Evaluated,
    Event,
    Expanded,
    RunFinished,
    StepFinished,
    StepStarted,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.rehearsal import Rehearsal
from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import status
from ansible_collections.netops.changerail.plugins.plugin_utils.views.words import asked, duration
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Workflow
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.scenario import (
    Expectation,
    matches,
    without_labels,
)

WAITING = "waiting"
_NOTIFY = "netops.changerail.notify"


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation: what was expected, whether it was met, and if not, the lines that say why (those of a comparison begin with "- ", "+ " or "  ")."""

    what: str
    passed: bool
    detail: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A rehearsal in short. ``status`` is how the run ended, or WAITING; ``took`` is in seconds; ``performed`` are the paths of all attempts in order."""

    status: str
    message: str
    took: float
    performed: tuple[str, ...]
    told: tuple[str, ...]
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return all(check.passed for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON, with ``passed``."""
        return {"passed": self.passed, **asdict(self)}


def rehearsed(rehearsal: Rehearsal) -> Rehearsed:
    """What came of the rehearsal. Beside what the scenario expects, it must say all that was needed, and every template must have had a value."""
    events, scenario = rehearsal.events, rehearsal.scenario
    ending = next((event for event in reversed(events) if isinstance(event, RunFinished)), None)
    how, message = (ending.status, ending.message) if ending else (WAITING, _waits(scenario.workflow, events))
    took = rehearsal.ended - scenario.begins
    performed = tuple(event.path for event in events if isinstance(event, StepStarted))
    told = tuple(dict.fromkeys(_told(scenario.workflow, events)))
    checks = [Check("the scenario says all that is needed", False, (rehearsal.unsaid,))] if rehearsal.unsaid else []
    if faults := tuple(_faults(events)):
        checks.append(Check("every template has a value", False, faults))
    if not rehearsal.unsaid:
        checks += _run_checks(scenario.expect, how, message, took)
        checks += _step_checks(scenario.expect, performed)
        checks += _told_checks(scenario.expect, told)
    return Rehearsed(how, message, took, performed, told, tuple(checks))


def _run_checks(expect: Expectation, how: str, message: str, took: float) -> Iterator[Check]:
    if expect.status is not None:
        got = f"it is {how}{f': {message}' if message else ''}"
        yield _check(f"status: {expect.status}", how == expect.status, got)
    if expect.message is not None:
        said = " ".join(expect.message.split()) in " ".join(message.split())
        yield _check(f"message: {expect.message}", said, f"it is: {message}" if message else "there is none")
    if expect.within is not None:
        yield _check(f"within: {duration(expect.within)}", took <= expect.within, f"it takes {duration(took)}")


def _step_checks(expect: Expectation, performed: tuple[str, ...]) -> Iterator[Check]:
    if expect.steps is not None:
        same = expect.steps == performed
        yield _check("steps: exactly these, in this order", same, *_compared(expect.steps, performed))
    for pattern in expect.includes:
        yield _check(f"includes: {pattern}", any(matches(pattern, path) for path in performed), "it is not performed")
    for pattern in expect.excludes:
        against = [path for path in dict.fromkeys(performed) if matches(pattern, path)]
        yield _check(f"excludes: {pattern}", not against, f"performed: {', '.join(against)}")


def _told_checks(expect: Expectation, told: tuple[str, ...]) -> Iterator[Check]:
    if expect.told is not None:
        wanted, got = sorted(set(expect.told)), sorted(told)
        yield _check("told: exactly these", wanted == got, *_compared(wanted, got))


def _check(what: str, passed: bool, *why_not: str) -> Check:
    return Check(what, passed, () if passed else why_not)


def _compared(expected: Iterable[str], got: Iterable[str]) -> Iterator[str]:
    """Both line by line: "- " before what is missing, "+ " before what is too much."""
    for line in difflib.ndiff(list(expected), list(got)):
        if not line.startswith("?"):
            yield line


def _told(workflow: Workflow, events: Iterable[Event]) -> Iterator[str]:
    """Everybody notified, by steps and by escalations."""
    notifying = {path for path, step in workflow.walk() if step.action is not None and step.action.name == _NOTIFY}
    for event in events:
        if isinstance(event, Escalated):
            yield from event.to
        elif isinstance(event, StepStarted) and without_labels(event.path) in notifying:
            yield from map(str, event.args.get("to") or ())


def _faults(events: Iterable[Event]) -> Iterator[str]:
    """Expressions and options that could not be evaluated. A step whose options cannot be evaluated ends without having been started."""
    started: set[tuple[str, int]] = set()
    for event in events:
        if isinstance(event, StepStarted):
            started.add((event.path, event.attempt))
        elif isinstance(event, (Evaluated, Expanded)) and event.error:
            yield f"{event.path}: {event.error}"
        elif (
            isinstance(event, StepFinished) and event.failure == "failed" and (event.path, event.attempt) not in started
        ):
            yield f"{event.path}: {event.message}"


def _waits(workflow: Workflow, events: Iterable[Event]) -> str:
    """What a run that is not over waits for."""
    summary = status(workflow, events).summary
    people = [f"{question.path} waits for {asked(question.question)}" for question in summary.questions]
    return "; ".join([*people, *(f"{wait.path}: {wait.message}" for wait in summary.waits)])
