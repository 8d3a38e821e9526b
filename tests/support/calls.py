"""How tests call an operation: options checked as the engine checks them, a context with a folder of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.arguments import validated
from ansible_collections.netops.changerail.plugins.module_utils.operation import (
    Call,
    Context,
    Operation,
    Outcome,
    Waiting,
)


def call(
    operation: Operation,
    folder: Path,
    args: Mapping[str, Any],
    *,
    run: str = "r1",
    path: str = "step",
    attempt: int = 1,
    **context: Any,
) -> Call:
    """A call of ``operation`` in a run whose files lie under ``folder``; the local provider's records lie there too."""
    own = folder / "runs" / run / "steps" / path / f"attempt-{attempt}"
    own.mkdir(parents=True, exist_ok=True)
    context.setdefault("connections", {"local": {"records": str(folder / "records")}})
    context.setdefault("requester", "requester")
    return Call(
        validated(operation, args),
        Context(key=f"{run}/{path}/{attempt}", run=run, path=path, attempt=attempt, folder=own, base=folder, **context),
    )


def finished(operation: Operation, made: Call, outcome: Outcome, within: float = 20.0) -> Outcome:
    """The outcome that comes after as many looks as it takes; fails when it does not come within so many seconds."""
    end = time.monotonic() + within
    while isinstance(outcome, Waiting):
        if time.monotonic() > end:
            raise TimeoutError(f"still waiting: {outcome.message}")
        time.sleep(0.01)
        outcome = operation.poll(made, outcome.handle)
    return outcome


def eventually(condition: Callable[[], Any], within: float = 20.0, otherwise: Callable[[], str] = str) -> Any:
    """The first true value of ``condition``, asked again until then; fails when there is none within so many seconds, and says ``otherwise``."""
    end = time.monotonic() + within
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"the condition never came true. {otherwise()}")
        time.sleep(0.01)
    return value
