# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scenario as values: what the world answers in a rehearsal and what is expected of it. Pure data; scenario_file.py reads it, the engine rehearses it.

Times are in seconds; points in time since the epoch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import ENGINE_MODULES, Workflow

DONE, NEVER, ASKS = "done", "never", "asks"
"""Kinds of an outcome beside the failure classes: it succeeds, it goes on for ever, it is what people answer."""
APPROVE, DENY = "approve", "deny"
BREAK_GLASS = "break-glass"
"""What somebody says who goes on in an emergency without the answer that is asked for."""
REVIEWS = ("accepted", "refused")
"""What is answered to the question whether that was right, once all else is done."""
EVALUATED = tuple(f"ansible.builtin.{name}" for name in ENGINE_MODULES if name != "pause")
"""What is done in a rehearsal as in a run, whatever a scenario says."""
_LABEL = re.compile(r"\[[^\]/]*\]")


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody says, ``after`` so long since they were asked. Without a ``person``, as many of those who may answer as the decision takes."""

    choice: str
    person: str = ""
    after: float = 0.0
    comment: str = ""
    assurance: str = "signed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt comes to, ``after`` so long. ``kind`` is DONE, NEVER, ASKS or a failure class.

    ``message`` says why it failed. ``answers`` are to the question the attempt asks, or to the one how to go on after its failure.
    """

    kind: str = DONE
    after: float = 0.0
    message: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)
    changed: bool = False
    answers: tuple[Answer, ...] = ()


@dataclass(frozen=True, slots=True)
class Cancel:
    """Somebody cancels the run, ``after`` so long since its start."""

    after: float
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected of a rehearsal; None and () expect nothing.

    ``status`` is that of the run, or "waiting". ``steps`` are the paths of all attempts in their order; ``includes`` and ``excludes`` are patterns
    as in ``Scenario.outcomes``. ``message`` is part of the run's. ``within`` is how long the run takes at most. ``told`` is everybody notified.
    """

    status: str | None = None
    steps: tuple[str, ...] | None = None
    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    message: str | None = None
    within: float | None = None
    told: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One rehearsal of ``workflow``. ``variables`` are its extra vars, ``begins`` is when it starts, ``project`` the project file it names.

    ``outcomes`` maps patterns of step paths to what the attempts come to, one after the other; the last one holds for all that follow.
    ``default_answer`` (APPROVE, DENY or "") is what people say where nothing else is said, except after failures.
    """

    name: str
    workflow: Workflow
    variables: Mapping[str, Any]
    begins: float
    requester: str
    project: Path | None = None
    outcomes: Mapping[str, tuple[Outcome, ...]] = field(default_factory=dict)
    default_answer: str = ""
    cancel: Cancel | None = None
    expect: Expectation = field(default_factory=Expectation)

    def outcome(self, path: str, attempt: int) -> Outcome | None:
        """What the scenario says of an attempt: the most exact pattern wins, of several alike the first."""
        said = [pattern for pattern in self.outcomes if matches(pattern, path)]
        if not said:
            return None
        by_attempt = self.outcomes[min(said, key=lambda pattern: ("*" in pattern, -pattern.count("[")))]
        return by_attempt[min(attempt, len(by_attempt)) - 1]


def matches(pattern: str, path: str) -> bool:
    """Whether a step's ``path`` is one that ``pattern`` means: ``*`` is any text, a part without a label in brackets is every item of its loop."""
    return _pattern(pattern).fullmatch(path) is not None


def without_labels(path: str) -> str:
    """The path as ``Workflow.walk`` gives it: loops without brackets."""
    return _LABEL.sub("", path)


@lru_cache(maxsize=4096)
def _pattern(written: str) -> re.Pattern[str]:
    parts = []
    for part in written.split("/"):
        text = ".*".join(map(re.escape, part.split("*")))
        parts.append(text if part.endswith("]") else f"{text}(?:{_LABEL.pattern})?")
    return re.compile("/".join(parts))
