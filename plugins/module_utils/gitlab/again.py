# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failed jobs run again in the pipeline they failed in; only the other files of this folder use it.

What was asked for is written down before it is asked, so that an attempt asks once, whatever became of the answer or of the engine. Until one of
those jobs has given way to a new one, that the pipeline failed is the news of the attempt before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.failures import UNKNOWN
from ansible_collections.netops.changerail.plugins.module_utils.files import write_json
from ansible_collections.netops.changerail.plugins.module_utils.gitlab import tree
from ansible_collections.netops.changerail.plugins.module_utils.gitlab.api import Api
from ansible_collections.netops.changerail.plugins.module_utils.provider import NoAnswer, Pipeline, Status

INTENT = "gitlab-retry.json"
_OVER = (Status.FAILED, Status.CANCELED)
_RETRIED = ("failed", "canceled")
"""The statuses of jobs which GitLab runs again."""


class Again:
    """The one retry of an attempt, whose files lie in ``folder``; ``lag`` is how many seconds GitLab may take to show it."""

    def __init__(self, api: Api, folder: Path, clock: Callable[[], float], lag: float) -> None:
        self._api, self._path, self._clock, self._lag = api, folder / INTENT, clock, lag

    def ask(self, seen: Pipeline) -> None:
        """Have what failed in the pipeline run again, unless this attempt has asked before. Raises OperationError when it certainly will not."""
        if self._path.exists() or seen.status not in _OVER:
            return
        jobs = failed_jobs(seen)
        if not jobs:
            raise OperationError(
                f"pipeline {seen.id}: no job of it failed, so none can run again; another pipeline is needed, without 'retry: failed_jobs'"
            )
        write_json(
            self._path, {"at": self._clock(), "jobs": sorted(number for numbers in jobs.values() for number in numbers)}
        )
        for number, pipeline in enumerate(sorted(jobs)):
            try:
                self._api.post(f"{tree.place(pipeline)}/retry", {})
            except NoAnswer:
                # Looking tells whether it was taken.
                continue
            except OperationError:
                if number == 0:
                    self._path.unlink()
                raise

    def judge(self, seen: Pipeline) -> Pipeline:
        """The pipeline as it stands after the retry: at work as long as what is seen may be from before it."""
        if seen.status not in _OVER or not self._path.exists():
            return seen
        asked: Mapping[str, Any] = json.loads(self._path.read_bytes())
        current = {job["id"]: job["status"] for job in seen.details["jobs"]}
        if set(asked["jobs"]) <= set(current):
            if self._clock() - asked["at"] > self._lag:
                text = f"pipeline {seen.id}: its failed jobs were asked to run again, and {self._lag:g} s later none had begun; look at it and decide"
                raise OperationError(f"{text} ({seen.url})", UNKNOWN)
            return replace(seen, status=Status.RUNNING, message="its failed jobs were asked to run again")
        if not set(current.values()) & set(_RETRIED):
            return replace(
                seen, status=Status.RUNNING, message=f"it is still shown as {seen.status.value}, and no job is any more"
            )
        return seen


def failed_jobs(seen: Pipeline) -> dict[str, list[int]]:
    """The jobs that would run again, by the pipeline to be asked: the pipeline itself, else those below that made it fail."""
    below = [tree.identity(one) for one in seen.details["below"] if one["status"] in _RETRIED and not one["allowed"]]
    asked = {seen.id} if seen.details["own"] in _RETRIED else set(below)
    jobs: dict[str, list[int]] = {}
    for job in seen.details["jobs"]:
        if job["pipeline"] in asked and job["status"] in _RETRIED:
            jobs.setdefault(job["pipeline"], []).append(job["id"])
    return jobs
