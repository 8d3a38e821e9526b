# The GitLab twin through python-gitlab, unchanged: pipelines that really run, jobs, artifacts, gates, approvals. Run by pytest.
from __future__ import annotations

import queue
from types import SimpleNamespace

import gitlab
import pytest
import requests

from ansible_collections.netops.changerail.tests.twins.gitlab.access import TOKEN, TRIGGER_TOKEN
from ansible_collections.netops.changerail.tests.twins.gitlab.runner import Runner
from ansible_collections.netops.changerail.tests.twins.gitlab.source import Source

OVER = ("success", "failed", "canceled", "skipped", "manual")


@pytest.fixture
def server(gitlab_twin):
    return lambda token=TOKEN: gitlab.Gitlab(gitlab_twin.url, private_token=token, retry_transient_errors=False)


@pytest.fixture
def project(server):
    return server().projects.get("net/edge")


@pytest.fixture
def run(project, until):
    """A pipeline with these inputs, once it is over or blocked."""

    def start(**inputs):
        pipeline = project.pipelines.create({"ref": "main", "inputs": inputs})
        return finished(pipeline, until)

    return start


def finished(pipeline, until):
    until(lambda: pipeline.refresh() or pipeline.status, lambda status: status in OVER)
    return pipeline


def jobs(pipeline):
    return {job.name: job for job in pipeline.jobs.list(get_all=True)}


def statuses(pipeline):
    return {name: job.status for name, job in jobs(pipeline).items()}


def test_who_am_i(server):
    client = server()
    client.auth()
    assert client.user.username == "changerail"
    with pytest.raises(gitlab.exceptions.GitlabAuthenticationError):
        server("wrong").auth()


def test_a_pipeline_runs_its_jobs_for_real(run):
    pipeline = run(prefix="198.51.100.0/24", attempt="run/validate/1")
    assert (pipeline.status, pipeline.name) == ("success", "change run/validate/1")
    assert pipeline.detailed_status["group"] == "success-with-warnings"
    assert statuses(pipeline) == {"validate": "success", "maybe": "failed", "deploy": "success", "optional": "manual"}


def test_artifacts_whole_and_single_and_the_trace(project, run):
    pipeline = run(prefix="198.51.100.0/24")
    job = project.jobs.get(jobs(pipeline)["validate"].id)
    assert job.artifact("edge.diff") == b"+ prefix 198.51.100.0/24\n"
    assert job.artifact("out/deep/source.txt") == b"api \n"
    assert job.artifacts().startswith(b"PK")
    assert "Job succeeded" in job.trace().decode()
    assert "+ prefix 198.51.100.0/24" in project.jobs.get(jobs(pipeline)["deploy"].id).trace().decode(), (
        "the next stage has the artifacts"
    )
    with pytest.raises(gitlab.exceptions.GitlabGetError, match="404"):
        job.artifact("nonsense")


def test_a_failing_job_stops_what_comes_after_and_can_be_retried(project, run, until):
    pipeline = run(mode="broken")
    assert pipeline.status == "failed"
    assert statuses(pipeline)["deploy"] == "skipped"
    failed = project.jobs.get(jobs(pipeline)["validate"].id)
    assert failed.failure_reason == "script_failure"
    assert "device says no" in failed.trace().decode()
    pipeline.retry()
    finished(pipeline, until)
    everything = pipeline.jobs.list(get_all=True, include_retried=True)
    assert len([job for job in everything if job.name == "validate"]) == 2


def test_cancel_ends_a_running_job(project, until):
    pipeline = project.pipelines.create({"ref": "main", "inputs": {"mode": "slow"}})
    until(lambda: statuses(pipeline).get("validate"), lambda status: status == "running")
    pipeline.cancel()
    assert finished(pipeline, until).status == "canceled"
    assert statuses(pipeline)["validate"] == "canceled"


def test_a_job_cancelled_before_its_process_is_there_ends_too(tmp_path, repository):
    ended = queue.Queue()
    runner = Runner(lambda job, how: ended.put(how.reason))
    spec = SimpleNamespace(script=["sleep 60"], after_script=[], timeout=60, artifact_paths=[], artifacts_when="always")
    source = Source(repository)
    pipeline = SimpleNamespace(project=SimpleNamespace(source=source), sha=source.commit("main"))
    job = SimpleNamespace(id=1, folder=tmp_path, trace=tmp_path / "trace.log", spec=spec, pipeline=pipeline)
    runner.cancel(job)
    runner.cancel(job)
    runner.start(job, {}, [])
    assert ended.get(timeout=10) == "script_failure"


def test_a_manual_gate_blocks_until_it_is_played(project, run, until):
    pipeline = run(mode="gated")
    assert (pipeline.status, statuses(pipeline)["deploy"]) == ("manual", "manual")
    project.jobs.get(jobs(pipeline)["deploy"].id).play()
    assert finished(pipeline, until).status == "success"
    with pytest.raises(gitlab.exceptions.GitlabJobPlayError):
        project.jobs.get(jobs(pipeline)["deploy"].id).play()


def test_a_child_pipeline_hangs_on_its_bridge_and_is_not_listed(project, run):
    pipeline = run(mode="bridged")
    bridge = pipeline.bridges.list(get_all=True)[0]
    assert (bridge.status, bridge.downstream_pipeline["status"]) == ("success", "success")
    child = bridge.downstream_pipeline["id"]
    assert child not in [entry.id for entry in project.pipelines.list(get_all=True)]
    assert child in [entry.id for entry in project.pipelines.list(source="parent_pipeline", get_all=True)]
    assert statuses(project.pipelines.get(child)) == {"below": "success"}


def test_trigger_token_variables_and_the_wrong_kind_of_token(project, until, gitlab_twin):
    pipeline = project.trigger_pipeline("main", TRIGGER_TOKEN, variables={"GREETING": "hello"})
    finished(pipeline, until)
    assert pipeline.source == "trigger"
    job = project.jobs.get(jobs(pipeline)["validate"].id)
    assert job.artifact("out/deep/source.txt") == b"trigger hello\n"
    assert [(v.key, v.value) for v in pipeline.variables.list(get_all=True)] == [("GREETING", "hello")]
    url = f"{gitlab_twin.url}/api/v4/projects/1/trigger/pipeline"
    assert requests.post(url, data={"token": TOKEN, "ref": "main"}, timeout=10).status_code == 404
    assert requests.post(url, data={"ref": "main"}, timeout=10).json() == {"error": "token is missing"}
    loop = requests.post(
        url, data={"token": TRIGGER_TOKEN, "ref": "main"}, headers={"X-Gitlab-Event": "Pipeline Hook"}, timeout=10
    )
    assert loop.status_code == 403


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ({"ref": "nowhere"}, "Reference not found"),
        ({"ref": "main", "inputs": {"mode": "odd"}}, "not in the list of the allowed options"),
        ({"ref": "main", "inputs": {"nonsense": "x"}}, "Given inputs not defined"),
    ],
)
def test_refusals(project, wanted, text):
    with pytest.raises(gitlab.exceptions.GitlabCreateError, match=text) as caught:
        project.pipelines.create(wanted)
    assert caught.value.response_code == 400


def test_variables_may_be_forbidden_while_inputs_are_not(project, gitlab_twin):
    gitlab_twin.set(variables_minimum_role="no_one_allowed")
    try:
        with pytest.raises(
            gitlab.exceptions.GitlabCreateError, match="Insufficient permissions to set pipeline variables"
        ):
            project.pipelines.create({"ref": "main", "variables": [{"key": "A", "value": "b"}]})
        assert project.pipelines.create({"ref": "main", "inputs": {"attempt": "x"}}).id
    finally:
        gitlab_twin.set(variables_minimum_role="developer")


def test_search_by_name_is_exact_and_lists_can_lag(project, run, gitlab_twin):
    pipeline = run(attempt="lag/1")
    assert [found.id for found in project.pipelines.list(name="change lag/1", get_all=True)] == [pipeline.id]
    assert project.pipelines.list(name="change lag", get_all=True) == []
    gitlab_twin.set(creation_lag=60)
    try:
        assert project.pipelines.list(name="change lag/1", get_all=True) == []
    finally:
        gitlab_twin.set(creation_lag=0)


def test_scopes_roles_and_strangers(server):
    reader = server("glpat-reader").projects.get("net/edge")
    with pytest.raises(gitlab.exceptions.GitlabCreateError) as caught:
        reader.pipelines.create({"ref": "main"})
    assert caught.value.response_code == 403
    with pytest.raises(gitlab.exceptions.GitlabGetError, match="404 Project Not Found"):
        server("glpat-outsider").projects.get("net/edge")
    with pytest.raises(gitlab.exceptions.GitlabListError) as caught:
        server("glpat-developer").projects.get("net/edge").hooks.list(get_all=True)
    assert caught.value.response_code == 403


def test_an_object_store_on_another_host_refuses_the_token(project, run, gitlab_twin):
    job = jobs(run(prefix="192.0.2.0/24"))["validate"]
    path = f"{gitlab_twin.url}/api/v4/projects/1/jobs/{job.id}/artifacts/edge.diff"
    gitlab_twin.set(objects_elsewhere=True)
    try:
        first = requests.get(path, headers={"PRIVATE-TOKEN": TOKEN}, allow_redirects=False, timeout=10)
        assert first.status_code == 302
        assert requests.get(first.headers["Location"], headers={"PRIVATE-TOKEN": TOKEN}, timeout=10).status_code == 400
        assert requests.get(first.headers["Location"], timeout=10).content == b"+ prefix 192.0.2.0/24\n"
    finally:
        gitlab_twin.set(objects_elsewhere=False)


def test_merge_request_approvals(project, server):
    request = project.mergerequests.create({"source_branch": "proposal", "target_branch": "main", "title": "Filter"})
    seen = server("glpat-reviewer").projects.get("net/edge").mergerequests.get(request.iid)
    assert not seen.approvals.get().approved
    with pytest.raises(gitlab.exceptions.GitlabMRApprovalError) as caught:
        seen.approve(sha="0" * 40)
    assert caught.value.response_code == 409
    seen.approve(sha=seen.sha)
    approvals = request.approvals.get()
    assert approvals.approved
    assert [entry["user"]["username"] for entry in approvals.approved_by] == ["reviewer"]
    seen.unapprove()
    assert not request.approvals.get().approved


def test_a_protected_environment_holds_the_deployment_until_it_is_approved(project, server, run, until, gitlab_twin):
    project.protected_environments.create(
        {
            "name": "production",
            "deploy_access_levels": [{"access_level": 40}],
            "approval_rules": [{"access_level": 40, "required_approvals": 1}],
        }
    )
    pipeline = run(mode="guarded")
    assert (pipeline.status, statuses(pipeline)["release"]) == ("manual", "manual")
    blocked = project.deployments.list(environment="production", status="blocked", get_all=True)
    assert project.deployments.get(blocked[0].id).pending_approval_count == 1
    with pytest.raises(gitlab.exceptions.GitlabDeploymentApprovalError, match="cannot approve your own"):
        blocked[0].approval("approved")
    server("glpat-reviewer").projects.get("net/edge").deployments.get(blocked[0].id).approval("approved", comment="go")
    assert finished(pipeline, until).status == "success"
    decided = project.deployments.get(blocked[0].id)
    assert (decided.status, decided.approvals[0]["comment"]) == ("success", "go")

    gitlab_twin.set(approved_deployment_starts=False)
    try:
        again = run(mode="guarded")
        waiting = project.deployments.list(environment="production", status="blocked", get_all=True)[0]
        server("glpat-reviewer").projects.get("net/edge").deployments.get(waiting.id).approval("approved")
        project.jobs.get(jobs(again)["release"].id).play()
        assert finished(again, until).status == "success"
    finally:
        gitlab_twin.set(approved_deployment_starts=True)


def test_paging(project, run, gitlab_twin):
    run(), run(), run()
    assert len({entry.id for entry in project.pipelines.list(per_page=2, iterator=True)}) >= 3
    reply = requests.get(
        f"{gitlab_twin.url}/api/v4/projects/net%2Fedge/pipelines?per_page=2",
        headers={"PRIVATE-TOKEN": TOKEN},
        timeout=10,
    )
    assert reply.headers["X-Next-Page"] == "2"
    assert "net%2Fedge" in reply.links["next"]["url"]


def test_the_page_shows_pipelines_and_logs(run, gitlab_twin):
    pipeline = run(attempt="<b>bold</b>")
    assert "&lt;b&gt;bold" in requests.get(gitlab_twin.url, timeout=10).text
    assert "edge.diff" in requests.get(pipeline.web_url, timeout=10).text
    assert "echo start" in requests.get(jobs(pipeline)["validate"].web_url, timeout=10).text
