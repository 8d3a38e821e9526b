# Pipelines of GitLab in workflows, driven by the engine: attempts that share a pipeline, steps that share one. Run by pytest.
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import gitlab
import pytest
from support.calls import eventually
from support.runs import Bench

from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import StepFinished
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.run import Surround, drive
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project
from ansible_collections.netops.changerail.tests.twins.gitlab.access import TOKEN

FLAKY = """
name: flaky
steps:
  - id: deploy
    netops.changerail.pipeline: {provider: gitlab, project: net/edge, ref: main, inputs: {mode: flaky}, retry: failed_jobs}
    retries: 5
    delay: 0.2
    retry_on: [failed]
"""
GATED = """
name: gated
steps:
  - id: validate
    netops.changerail.pipeline:
      {provider: gitlab, project: net/edge, ref: main, inputs: {mode: gated}, wait_for: gate, artifacts: [edge.diff]}
    register: validated
  - id: deploy
    when: "'edge.diff' in validated.artifacts"
    netops.changerail.pipeline: {provider: gitlab, pipeline: "{{ validated }}", play: [deploy]}
"""


@pytest.fixture
def bench(tmp_path):
    (tmp_path / "bench").mkdir()
    return Bench(tmp_path / "bench")


@pytest.fixture
def go(bench, twin):
    """Drives a run of this workflow to its end, in a thread: the run and its future ending."""
    connection = {"url": twin.url, "token": TOKEN, "interval": 0.05, "lag": 0.5}
    project = Project(connections={"gitlab": connection})
    with ThreadPoolExecutor(1) as pool:

        def start(text):
            folder = bench.create(text)
            return folder, pool.submit(drive, folder, Surround(project=project, environment={}))

        yield start


def test_attempts_share_a_pipeline_until_its_failed_jobs_pass(bench, go, twin):
    twin.set(job_environment={"FLAKY": "3"})
    folder, future = go(FLAKY)
    project = gitlab.Gitlab(twin.url, private_token=TOKEN).projects.get("net/edge")
    eventually(lambda: any(pipeline.status == "failed" for pipeline in project.pipelines.list(get_all=True)))
    twin.set(job_environment={})
    assert future.result(20).status == "succeeded"
    attempts = bench.events(folder, StepFinished)
    assert attempts[-1].failure == ""
    assert len(attempts) > 1
    assert len({event.result["id"] for event in attempts}) == 1
    assert len(twin.committed("create pipeline")) == 1


def test_one_step_ends_at_the_gate_and_another_opens_it(bench, go, twin):
    folder, future = go(GATED)
    assert future.result(20).status == "succeeded"
    first, second = [event.result for event in bench.events(folder, StepFinished)]
    assert (first["status"], second["status"]) == ("blocked", "success")
    assert first["id"] == second["id"]
    assert len(twin.committed("create pipeline")) == 1
