"""Does steps of operations as the engine does them, with a bound on each call; the fault test's changes and pipelines use it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from support.calls import call as made_call

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.operation import (
    Artifact,
    Call,
    Done,
    Failed,
    Operation,
    Outcome,
    Waiting,
)

BOUND = 60.0
"""Seconds one call of an operation may take, every request and pause of it included."""
PATIENCE = 120.0
"""Seconds all attempts and looks of one step may take."""
LONGEST_PAUSE = 0.05
UNDONE = "without complaint"
"""How an operation says that a write was taken and did not happen, which the fault "old_state" does."""

DOUBLED, LOST, HANG, FALSE_SUCCESS, OTHER = "doubled", "lost", "hang", "false success", "other"


class Wrong(Exception):
    """A guarantee was broken: ``kind`` says which, the text where."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind


class Steps:
    """The steps of one run, one after the other; ``calls`` counts them."""

    def __init__(self, folder: Path, connections: Mapping[str, Mapping[str, Any]], run: str) -> None:
        self._folder, self._connections, self.run = folder, connections, run
        self.calls = 0
        self._last: dict[str, int] = {}
        folder.mkdir(parents=True)

    def do(
        self,
        operation: Operation,
        path: str,
        args: Mapping[str, Any],
        *,
        files: Sequence[Artifact] = (),
        between: Callable[[], object] = lambda: None,
        cancelled: bool = False,
    ) -> Outcome:
        """The step's outcome. ``between`` happens before each look; with ``cancelled`` the step is cancelled instead of looked at.

        A failure that is transient is tried again, and so is a write that was undone, as people would. A step that was done
        before begins with its last attempt, as an engine does that was killed. Raises Wrong.
        """
        self.calls += 1
        until = time.monotonic() + PATIENCE
        attempt = self._last.get(path, 1) - 1
        outcome: Outcome = Failed("transient", "not tried")
        while time.monotonic() < until:
            attempt += 1
            self._last[path] = attempt
            made = self.made(operation, path, args, attempt, files)
            outcome = self._attempt(operation, made, between, until, cancelled)
            if not isinstance(outcome, Failed):
                return outcome
            if outcome.failure == "unknown":
                raise Wrong(OTHER, f"{self.run} {path}: a person would be asked: {outcome.message}")
            undone = outcome.failure == "failed" and UNDONE in outcome.message
            if outcome.failure != "transient" and not undone:
                return outcome
        raise Wrong(HANG, f"{self.run} {path}: no end after {PATIENCE:.0f} s and {attempt} attempts: {outcome}")

    def made(
        self, operation: Operation, path: str, args: Mapping[str, Any], attempt: int, files: Sequence[Artifact] = ()
    ) -> Call:
        """One attempt's call."""
        return made_call(
            operation,
            self._folder,
            args,
            run=self.run,
            path=path,
            attempt=attempt,
            connections=self._connections,
            environment={},
            evidence=lambda: tuple(files),
        )

    def bounded(self, what: str, call: Callable[[], Outcome]) -> Outcome:
        """One call of an operation; what it raises is a failure, as it is for the engine. Raises Wrong when it took too long."""
        began = time.monotonic()
        try:
            outcome = call()
        except OperationError as error:
            outcome = Failed(error.failure, str(error))
        took = time.monotonic() - began
        if took > BOUND:
            raise Wrong(HANG, f"{self.run} {what}: one call took {took:.0f} s")
        return outcome

    def _attempt(
        self, operation: Operation, made: Call, between: Callable[[], object], until: float, cancelled: bool
    ) -> Outcome:
        what = made.context.path
        outcome = self.bounded(what, lambda: operation.start(made))
        while isinstance(outcome, Waiting) and time.monotonic() < until:
            between()
            if cancelled:
                return self._cancelled(operation, made, outcome.handle, until)
            # As the engine's timer would, and never beyond ``until``.
            time.sleep(min(outcome.after, LONGEST_PAUSE))
            outcome = self.bounded(what, partial(operation.poll, made, outcome.handle))
        if isinstance(outcome, Waiting):
            raise Wrong(HANG, f"{self.run} {what}: still waiting after {PATIENCE:.0f} s: {outcome.message}")
        return outcome

    def _cancelled(self, operation: Operation, made: Call, handle: Mapping[str, Any], until: float) -> Outcome:
        """The order to stop is given until its answer comes: there is nothing else to do with a step that shall end."""
        while time.monotonic() < until:
            outcome = self.bounded(made.context.path, lambda: operation.cancel(made, handle))
            if not isinstance(outcome, Failed) or outcome.failure != "transient":
                return outcome
        raise Wrong(HANG, f"{self.run} {made.context.path}: not cancelled in {PATIENCE:.0f} s")


def succeeded(outcome: Outcome, what: str) -> Mapping[str, Any]:
    """The result of a step that must have succeeded."""
    if not isinstance(outcome, Done):
        raise Wrong(OTHER, f"{what}: it should have succeeded: {outcome}")
    return outcome.result


def failed(outcome: Outcome, failure: str, text: str, what: str) -> Failed:
    """A step that must have failed, in this class and saying this."""
    if isinstance(outcome, Done):
        raise Wrong(FALSE_SUCCESS, f"{what}: it should have failed ({text}) and succeeded")
    if not isinstance(outcome, Failed) or outcome.failure != failure or text not in outcome.message:
        raise Wrong(OTHER, f"{what}: it should have failed as {failure} ({text}): {outcome}")
    return outcome


def must(truth: bool, kind: str, text: str) -> None:
    """Raises Wrong of this kind unless it is so."""
    if not truth:
        raise Wrong(kind, text)
