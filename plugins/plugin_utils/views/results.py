# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run has to show for itself: the results that steps registered, and the files that steps made or fetched. Pure; the web pages call it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.operation import Artifact
from ansible_collections.netops.changerail.plugins.plugin_utils.views.detail import StepDetail
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Workflow
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.scenario import without_labels

_ODD = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Registered:
    """What the newest attempt of step ``path`` gave to later steps as ``name``. ``failure`` is "" when it succeeded."""

    name: str
    path: str
    failure: str
    changed: bool
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that step ``path`` has; of several attempts' files of one name that are the same, the first."""

    path: str
    attempt: int
    artifact: Artifact


def registered(workflow: Workflow, steps: Mapping[str, StepDetail]) -> tuple[Registered, ...]:
    """The results under the names that ``register`` gives them, one for each iteration of a loop, in the order in which the steps began."""
    names = {path: step.register for path, step in workflow.walk() if step.register}
    found = []
    for path, step in steps.items():
        name = names.get(without_labels(path))
        over = [attempt for attempt in step.attempts if attempt.failure is not None]
        if name and over:
            last = over[-1]
            found.append(Registered(name, path, last.failure or "", last.changed, last.result))
    return tuple(found)


def kept(steps: Mapping[str, StepDetail]) -> tuple[Kept, ...]:
    """The files of all attempts, by step and name; a file that did not change from attempt to attempt is there once."""
    found: dict[tuple[str, str, str], Kept] = {}
    for path, step in steps.items():
        for attempt in step.attempts:
            for artifact in attempt.artifacts:
                found.setdefault((path, artifact.name, artifact.sha256), Kept(path, attempt.number, artifact))
    return tuple(found.values())


def download_name(name: str) -> str:
    """``name`` as the name of a file that does nothing anywhere: its last part, ASCII letters, digits, ".", "_" and "-", no "." in front."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return _ODD.sub("_", last).strip("._-")[:_LONGEST_NAME] or "artifact"
