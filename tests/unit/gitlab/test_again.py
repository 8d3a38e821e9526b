# Whose failure it is that a pipeline shows after its failed jobs were asked to run again. Run by pytest.
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.files import write_json
from ansible_collections.netops.changerail.plugins.module_utils.gitlab.again import INTENT, Again, failed_jobs
from ansible_collections.netops.changerail.plugins.module_utils.gitlab.api import Api, Settings
from ansible_collections.netops.changerail.plugins.module_utils.http import Peer
from ansible_collections.netops.changerail.plugins.module_utils.provider import Pipeline, Status

NOWHERE = Api(Settings(Peer("http://127.0.0.1:9")))


def pipeline(status: Status, jobs: dict[int, str], own: str = "failed", below: tuple[Any, ...] = ()) -> Pipeline:
    """A pipeline 1/7; a job's id above 100 belongs to the pipeline 2/8 below it."""
    rows = [
        {"id": number, "status": text, "pipeline": "2/8" if number > 100 else "1/7"} for number, text in jobs.items()
    ]
    return Pipeline("1/7", status, details={"own": own, "jobs": rows, "below": list(below)})


@pytest.mark.parametrize(
    ("status", "jobs", "now", "judged"),
    [
        (Status.FAILED, {1: "success", 2: "failed"}, 10.0, "running"),
        (Status.FAILED, {1: "success", 3: "failed"}, 10.0, "failed"),
        (Status.FAILED, {1: "success", 3: "success", 4: "skipped"}, 10.0, "running"),
        (Status.CANCELED, {1: "success", 3: "canceled"}, 99.0, "canceled"),
        (Status.SUCCESS, {1: "success", 2: "success"}, 99.0, "success"),
    ],
)
def test_the_failure_before_the_retry_is_not_that_after_it(
    tmp_path: Path, status: Status, jobs: dict[int, str], now: float, judged: str
) -> None:
    write_json(tmp_path / INTENT, {"at": 0.0, "jobs": [2]})
    assert Again(NOWHERE, tmp_path, lambda: now, 60.0).judge(pipeline(status, jobs)).status == judged


def test_without_a_retry_a_failure_is_one(tmp_path: Path) -> None:
    assert Again(NOWHERE, tmp_path, lambda: 0.0, 60.0).judge(pipeline(Status.FAILED, {2: "failed"})).status == "failed"


def test_what_runs_again_is_asked_of_the_pipeline_that_failed() -> None:
    below = ({"project_id": 2, "id": 8, "status": "failed", "allowed": False},)
    jobs = {2: "failed", 101: "failed", 102: "success"}
    assert failed_jobs(pipeline(Status.FAILED, jobs, "failed", below)) == {"1/7": [2]}
    assert failed_jobs(pipeline(Status.FAILED, jobs, "success", below)) == {"2/8": [101]}


def test_a_pipeline_without_a_failed_job_has_nothing_to_run_again(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="no job of it failed"):
        Again(NOWHERE, tmp_path, lambda: 0.0, 60.0).ask(pipeline(Status.FAILED, {2: "skipped"}, "skipped"))


def test_a_request_that_was_certainly_not_taken_leaves_no_trace(tmp_path: Path) -> None:
    with pytest.raises(OperationError) as caught:
        Again(NOWHERE, tmp_path, lambda: 0.0, 60.0).ask(pipeline(Status.FAILED, {2: "failed"}))
    assert caught.value.failure == "transient"
    assert not (tmp_path / INTENT).exists()
