# The operation pipeline against a GitLab that fails at random: one pipeline an attempt, the right end, whole artifacts. Run by pytest.
# Prints what it counted. CHANGERAIL_FAULT_RUNS sets how many steps go through (12).
from __future__ import annotations

import collections
import os
from pathlib import Path

import gitlab
import pytest

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.operation import Done, Failed, Waiting
from ansible_collections.netops.changerail.plugins.module_utils.operations.pipeline import OPERATION as PIPELINE
from ansible_collections.netops.changerail.tests.twins.gitlab.access import TOKEN

RUNS = int(os.environ.get("CHANGERAIL_FAULT_RUNS", "12"))
RATE = 0.25
MOST_ATTEMPTS, MOST_LOOKS = 60, 5000
KINDS = (
    "cut_before", "cut_after", "html", "rate_limit", "server_error", "gateway_timeout", "error_body", "empty_body",
    "lost_answer", "duplicate", "slow",
)  # fmt: skip


def finished(made, counts):
    """The outcome of one attempt."""
    try:
        outcome = PIPELINE.start(made)
        for _look in range(MOST_LOOKS):
            if not isinstance(outcome, Waiting):
                return outcome
            counts["looks"] += 1
            outcome = PIPELINE.poll(made, outcome.handle)
    except OperationError as error:
        return Failed(error.failure, str(error))
    raise AssertionError(f"still waiting after {MOST_LOOKS} looks: {outcome.message}")


@pytest.mark.timeout(900)
def test_each_step_has_one_pipeline_and_the_right_end(call, twin, counts):
    twin.faults_at_random(11, RATE, kinds=KINDS, seconds=0.02, path="^/api/")
    for number in range(RUNS):
        mode = ("plain", "broken", "bridged")[number % 3]
        outcome = step(call, counts, f"run-{number}", mode)
        expected = Failed if mode == "broken" else Done
        assert isinstance(outcome, expected), outcome
        assert Path(outcome.result["artifacts"]["edge.diff"]["path"]).read_text() == f"+ prefix 10.0.{number}.0/24\n"
        counts["device said no"] += "device says no" in getattr(outcome, "message", "")
    received = twin.received()
    twin.no_faults()
    check_pipelines(twin, counts)
    counts["requests"], counts["faults"] = len(received), sum(1 for entry in received if entry["fault"])
    print(f"\nGitLab: {RUNS} steps, {dict(counts)}")
    assert counts["device said no"] == len(range(1, RUNS, 3))
    assert counts["faults"] > RUNS


@pytest.fixture
def counts():
    return collections.Counter()


def step(call, counts, run, mode):
    """A step as the engine does it: an attempt that certainly started nothing is followed by another."""
    number = run.rpartition("-")[2]
    for attempt in range(1, MOST_ATTEMPTS):
        counts["attempts"] += 1
        made = call(
            run=run,
            attempt=attempt,
            mode=mode,
            inputs={"prefix": f"10.0.{number}.0/24", "attempt": run},
            artifacts=["edge.diff"],
        )
        outcome = finished(made, counts)
        if not (isinstance(outcome, Failed) and outcome.failure == "transient"):
            return outcome
    raise AssertionError(f"no end in {MOST_ATTEMPTS} attempts")


def check_pipelines(twin, counts):
    """Of the pipelines of each step all but one were doubles of one request, and those were cancelled at once."""
    project = gitlab.Gitlab(twin.url, private_token=TOKEN).projects.get("net/edge")
    by_step = collections.defaultdict(list)
    for pipeline in project.pipelines.list(get_all=True):
        by_step[pipeline.name].append(pipeline)
    assert len(by_step) == RUNS
    for name, pipelines in by_step.items():
        keys = [
            variable.value
            for pipeline in pipelines
            for variable in project.pipelines.get(pipeline.id).variables.list(get_all=True)
        ]
        assert len(set(keys)) == 1, f"{name}: attempts {sorted(set(keys))} each started a pipeline"
        counts["doubles"] += len(pipelines) - 1
