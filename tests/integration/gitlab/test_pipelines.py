# The operation pipeline against GitLab: started once whatever is answered, followed to its end, artifacts and logs brought. Run by pytest.
from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import gitlab
import pytest
from support.calls import call as made_call
from support.calls import eventually, finished

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.gitlab.pipelines import INTENT
from ansible_collections.netops.changerail.plugins.module_utils.operation import Done, Failed, Waiting
from ansible_collections.netops.changerail.plugins.module_utils.operations.pipeline import OPERATION as PIPELINE
from ansible_collections.netops.changerail.tests.twins.gitlab.access import TOKEN, TRIGGER_TOKEN


@pytest.fixture
def run(call):
    """The outcome of one pipeline step."""

    def perform(**args):
        made = call(**args)
        return finished(PIPELINE, made, PIPELINE.start(made))

    return perform


@pytest.fixture
def project(twin):
    return gitlab.Gitlab(twin.url, private_token=TOKEN).projects.get("net/edge")


def test_inputs_go_in_and_artifacts_come_out_with_their_digests(run):
    done = run(inputs={"prefix": "198.51.100.0/24"}, artifacts=["edge.diff", "out/*"])
    assert isinstance(done, Done), done
    assert sorted(done.result["artifacts"]) == ["edge.diff", "out/deep/source.txt"]
    file = done.result["artifacts"]["edge.diff"]
    content = Path(file["path"]).read_bytes()
    assert content == b"+ prefix 198.51.100.0/24\n"
    assert (file["sha256"], file["size"]) == (hashlib.sha256(content).hexdigest(), len(content))
    assert {job["name"]: job["status"] for job in done.result["jobs"]}["validate"] == "success"


def test_without_names_every_artifact_comes(run):
    assert sorted(run().result["artifacts"]) == ["edge.diff", "out/deep/source.txt"]


def test_an_artifact_that_was_not_made_is_missed(run):
    with pytest.raises(OperationError, match=r"succeeded without making its artifact nonsense\.txt"):
        run(artifacts=["nonsense.txt"])


def test_named_artifacts_need_no_archive(run, twin):
    done = run(artifacts=["out/deep/source.txt"])
    assert list(done.result["artifacts"]) == ["out/deep/source.txt"]
    assert not [entry for entry in twin.received() if entry["path"].endswith("/artifacts")]


@pytest.mark.parametrize("status", [204, 404, 410])
def test_a_log_that_was_erased_fails_nothing_and_is_said(run, twin, project, status):
    twin.set(erased_trace_status=status)
    number = run().result["id"].rpartition("/")[2]
    job = next(job for job in project.pipelines.get(number).jobs.list(get_all=True) if job.name == "deploy")
    project.jobs.get(job.id).erase()
    done = run()
    assert isinstance(done, Done), done
    log = Path(done.result["logs"][f"deploy-{job.id}.log"]["path"]).read_text()
    assert log == "" if status == 204 else "no log of job deploy: it was erased" in log


@pytest.mark.parametrize("names", [["edge.diff", "out/*"], ["edge.diff", "out/deep/source.txt"]])
def test_artifacts_from_another_host_come_without_the_token(run, twin, names):
    twin.set(objects_elsewhere=True)
    try:
        done = run(artifacts=names)
    finally:
        twin.set(objects_elsewhere=False)
    assert len(done.result["artifacts"]) == 2
    assert [entry for entry in twin.received() if entry["path"].startswith("/_objects/")]


def test_a_failing_job_says_its_last_lines(run):
    failed = run(mode="broken")
    assert isinstance(failed, Failed)
    assert "job validate failed: script_failure" in failed.message
    assert "device says no" in failed.message
    assert next(iter(failed.result["logs"])).startswith("validate-")
    assert "edge.diff" in failed.result["artifacts"], "what a failed pipeline made is evidence too"


def test_a_lost_answer_does_not_start_a_second_pipeline(run, twin):
    twin.fault("cut_after", method="POST")
    assert isinstance(run(), Done)
    assert len(twin.committed("create pipeline")) == 1


def test_a_doubled_request_leaves_one_pipeline(run, call, twin, project):
    twin.fault("duplicate", method="POST")
    made = call(mode="slow")
    outcome = PIPELINE.start(made)
    assert isinstance(outcome, Waiting)
    first, second = twin.committed("create pipeline")
    assert outcome.handle["id"].endswith(f"/{first}")
    eventually(lambda: project.pipelines.get(second).status == "canceled")
    PIPELINE.cancel(made, outcome.handle)


def test_a_double_whose_end_is_not_answered_is_ended_again_and_nobody_asked(call, twin, project):
    twice = {"kind": "duplicate", "method": "POST", "path": "/pipeline$"}
    silent = {"kind": "html", "method": "POST", "path": "/cancel$", "times": 2}
    twin.administer("POST", "faults", {"queue": [twice, silent]})
    made = call(mode="slow")
    searching = PIPELINE.start(made)
    assert isinstance(searching, Waiting), searching
    assert not searching.handle["id"]
    with pytest.raises(OperationError) as said:
        PIPELINE.cancel(made, searching.handle)
    assert said.value.failure == "transient"
    cancelled = PIPELINE.cancel(made, searching.handle)
    assert isinstance(cancelled, Failed), cancelled
    assert cancelled.failure == "cancelled"
    for number in twin.committed("create pipeline"):
        eventually(lambda number=number: project.pipelines.get(number).status == "canceled")


def test_a_crash_after_the_post_is_adopted(call, twin):
    first = PIPELINE.start(call(mode="slow"))
    made = call(mode="slow")
    again = PIPELINE.start(made)
    assert again.handle["id"] == first.handle["id"]
    assert len(twin.committed("create pipeline")) == 1
    PIPELINE.cancel(made, again.handle)


def test_a_search_that_fails_after_a_crash_does_not_end_the_attempt(call, twin):
    first = PIPELINE.start(call(mode="slow"))
    made = call(mode="slow")
    twin.fault("server_error", method="GET", path="/pipelines$")
    again = PIPELINE.start(made)
    assert isinstance(again, Waiting)
    assert PIPELINE.poll(made, again.handle).handle["id"] == first.handle["id"]
    assert len(twin.committed("create pipeline")) == 1
    PIPELINE.cancel(made, first.handle)


def test_a_crash_while_lists_lag_leads_to_no_second_pipeline(call, twin):
    twin.set(creation_lag=0.5)
    try:
        made = call(mode="slow", more={"lag": 20})
        PIPELINE.start(made)
        # As it is when the engine was killed before the answer came.
        intent = made.context.folder / INTENT
        intent.write_text(json.dumps({**json.loads(intent.read_text()), "made": ""}))
        made = call(mode="slow", more={"lag": 20})
        outcome = PIPELINE.start(made)
        found = eventually(lambda: (seen := PIPELINE.poll(made, outcome.handle)).handle["id"] and seen)
    finally:
        twin.set(creation_lag=0)
    assert len(twin.committed("create pipeline")) == 1
    PIPELINE.cancel(made, found.handle)


def test_another_attempt_is_another_pipeline(run, twin):
    for attempt in (1, 10):
        run(attempt=attempt)
    assert len(twin.committed("create pipeline")) == 2


def test_an_answer_that_never_came_is_searched_for_and_then_given_up(call, twin):
    twin.fault("cut_before", method="POST")
    moment = [time.time()]
    made = call(more={"lag": 30}, clock=lambda: moment[0])
    outcome = PIPELINE.start(made)
    for later in (1.0, 1.0, 1.0, 1.0, 20.0):
        moment[0] += later
        outcome = PIPELINE.poll(made, outcome.handle)
        assert isinstance(outcome, Waiting)
    moment[0] += 10.0
    failed = PIPELINE.poll(made, outcome.handle)
    assert (failed.failure, "was not started" in failed.message) == ("transient", True)
    assert twin.committed("create pipeline") == []


def test_a_list_that_lags_behind_leads_to_no_second_pipeline(run, twin):
    twin.set(creation_lag=0.5)
    twin.fault("cut_after", method="POST")
    try:
        assert isinstance(run(more={"lag": 20}), Done)
    finally:
        twin.set(creation_lag=0)
    assert len(twin.committed("create pipeline")) == 1


def test_the_key_as_an_input_where_variables_are_forbidden(run, twin):
    twin.set(variables_minimum_role="no_one_allowed")
    try:
        with pytest.raises(OperationError, match="give inputs instead"):
            run(path="refused")
        twin.fault("cut_after", method="POST")
        done = run(path="input", more={"marker": "input"})
    finally:
        twin.set(variables_minimum_role="developer")
    assert isinstance(done, Done)
    assert len(twin.committed("create pipeline")) == 1


def test_a_person_is_asked_when_nobody_can_tell(call, twin):
    made = call(project="net/silent", more={"marker": "input"})
    twin.fault("cut_after", method="POST")
    outcome = PIPELINE.start(made)
    with pytest.raises(OperationError, match="none says whether it is ours") as caught:
        PIPELINE.poll(made, outcome.handle)
    assert caught.value.failure == "unknown"
    assert len(twin.committed("create pipeline")) == 1


def test_a_pipeline_that_does_not_tell_its_key_is_the_one_the_answer_named(run, call, twin):
    assert isinstance(run(path="input", project="net/silent", more={"marker": "input"}), Done)
    twin.set(variables_read_role="owner")
    try:
        assert isinstance(run(path="variable", project="net/silent"), Done)
        assert isinstance(run(path="variable", project="net/silent"), Done), "after a crash, too"
        assert len(twin.committed("create pipeline")) == 2
        twin.fault("cut_after", method="POST")
        made = call(path="lost", project="net/silent")
        with pytest.raises(OperationError, match="cannot be found out") as caught:
            PIPELINE.poll(made, PIPELINE.start(made).handle)
    finally:
        twin.set(variables_read_role="developer")
    assert caught.value.failure == "unknown"
    assert len(twin.committed("create pipeline")) == 3


def test_a_token_that_is_revoked_meanwhile_is_no_failure_of_the_pipeline(call):
    made = call(mode="slow")
    outcome = PIPELINE.start(made)
    with pytest.raises(OperationError, match=r"nobody can tell how it stands.*wrong, revoked or expired") as caught:
        PIPELINE.poll(call(mode="slow", more={"token": "revoked"}), outcome.handle)
    assert caught.value.failure == "unknown"
    PIPELINE.cancel(made, outcome.handle)


def test_a_failure_is_not_hidden_by_artifacts_that_cannot_be_had(run, twin):
    twin.fault("server_error", method="GET", path="/artifacts$", status=403)
    failed = run(mode="broken", artifacts=["*"])
    assert "device says no" in failed.message
    assert "/artifacts: status 403" in failed.message


def test_a_trigger_token_starts_and_the_access_token_looks(run, twin):
    done = run(
        more={"trigger_token": TRIGGER_TOKEN}, variables={"GREETING": "hello"}, artifacts=["out/deep/source.txt"]
    )
    content = Path(done.result["artifacts"]["out/deep/source.txt"]["path"]).read_text()
    assert content == "trigger hello\n"


def test_a_pipeline_is_over_when_its_children_are(run):
    done = run(mode="bridged")
    assert {"child", "below"} <= {job["name"] for job in done.result["jobs"]}


def test_a_failed_pipeline_is_over_when_what_it_started_without_waiting_is(run):
    failed = run(mode="loose")
    assert isinstance(failed, Failed)
    assert "job validate failed" in failed.message
    assert {job["name"]: job["status"] for job in failed.result["jobs"]}["lasting"] == "success"


def test_cancel_stops_what_it_started_too(call):
    made = call(mode="loose", inputs={"lasting": "60"})
    outcome = PIPELINE.start(made)
    eventually(lambda: "job lasting is running" in PIPELINE.poll(made, outcome.handle).message)
    PIPELINE.cancel(made, outcome.handle)
    ended = finished(PIPELINE, made, outcome)
    assert {job["name"]: job["status"] for job in ended.result["jobs"]}["lasting"] == "canceled"


def test_a_manual_gate_blocks_until_somebody_plays_it(call, project):
    made = call(mode="gated")
    outcome = PIPELINE.start(made)
    blocked = eventually(lambda: (seen := PIPELINE.poll(made, outcome.handle)).long and seen)
    assert "job deploy waits to be started by hand" in blocked.message
    number = blocked.handle["id"].rpartition("/")[2]
    gate = next(job for job in project.pipelines.get(number).jobs.list(get_all=True) if job.name == "deploy")
    project.jobs.get(gate.id).play()
    assert isinstance(finished(PIPELINE, made, blocked), Done)


def test_a_manual_gate_is_played_if_asked_to(run):
    assert isinstance(run(mode="gated", play=["deploy"]), Done)


def test_people_see_what_a_pipeline_made_before_its_gate_is_opened(run, call, twin):
    first = run(mode="gated", wait_for="gate", artifacts=["edge.diff"])
    assert isinstance(first, Done)
    assert first.result["status"] == "blocked"
    assert Path(first.result["artifacts"]["edge.diff"]["path"]).read_bytes().startswith(b"+ prefix")
    second = run(path="deploy", pipeline=first.result, play=["deploy"])
    assert isinstance(second, Done)
    assert (second.result["id"], second.result["status"]) == (first.result["id"], "success")
    assert len(twin.committed("create pipeline")) == 1
    with pytest.raises(OperationError, match="expected <project>/<number>"):
        run(path="none", pipeline="../4711/x")
    planned = run(path="planned", pipeline={"status": ""}, check=True)
    assert isinstance(planned, Done), "a plan has no id yet"


def test_a_downstream_pipeline_of_another_project_counts(run):
    done = run(mode="elsewhere")
    assert {job["name"]: job["status"] for job in done.result["jobs"]}["quiet"] == "success"


@pytest.mark.parametrize("fault", ["cut_before", "cut_after", "gateway_timeout"])
def test_a_gate_is_played_once_whatever_is_answered(run, twin, fault):
    twin.fault(fault, method="POST", path="/play$")
    assert isinstance(run(mode="gated", play=["deploy"]), Done)
    assert len(twin.committed("play job")) == 1


@pytest.fixture
def guard(project):
    rules = [{"access_level": 40, "required_approvals": 1}]
    wanted = {"name": "production", "deploy_access_levels": [{"access_level": 40}], "approval_rules": rules}
    project.protected_environments.create(wanted)


def test_a_gate_that_may_not_be_opened_goes_on_waiting_and_says_who_may(call, twin, guard):
    twin.set(approved_deployment_starts=False)
    try:
        made = call(mode="guarded", play=["release"])
        outcome = PIPELINE.start(made)
        blocked = eventually(lambda: (seen := PIPELINE.poll(made, outcome.handle)).long and seen)
        assert "job release cannot be started" in blocked.message
        assert "after the approvals which that asks for" in blocked.message
        assert PIPELINE.poll(made, blocked.handle) == blocked, "it is written down once"
        reviewer = gitlab.Gitlab(twin.url, private_token="glpat-reviewer").projects.get("net/edge")
        reviewer.deployments.list(status="blocked", get_all=True)[-1].approval("approved")
        assert isinstance(finished(PIPELINE, made, blocked), Done)
    finally:
        twin.set(approved_deployment_starts=True)


@pytest.fixture
def flaky(twin):
    """Validation fails until the test says otherwise."""
    twin.set(job_environment={"FLAKY": "3"})
    yield lambda code: twin.set(job_environment={"FLAKY": code})
    twin.set(job_environment={})


@pytest.mark.parametrize("fault", [None, "cut_after", "gateway_timeout"])
def test_another_attempt_may_run_the_failed_jobs_again(run, twin, flaky, fault):
    first = run(mode="flaky", retry="failed_jobs")
    assert isinstance(first, Failed)
    flaky("0")
    if fault:
        twin.fault(fault, method="POST", path="/retry$")
    second = run(mode="flaky", retry="failed_jobs", attempt=2)
    assert isinstance(second, Done), second
    assert second.result["id"] == first.result["id"]
    assert len(twin.committed("create pipeline")) == 1
    assert len(twin.committed("retry job")) == 2, "the one that failed, and the one that may"


def test_an_attempt_retries_once_and_its_own_failure_counts(run, twin, flaky):
    run(mode="flaky", retry="failed_jobs")
    results = [run(mode="flaky", retry="failed_jobs", attempt=2) for _engine in range(2)]
    assert [outcome.failure for outcome in results] == ["failed", "failed"]
    assert len(twin.committed("retry job")) == 2


def test_a_search_that_is_interrupted_goes_on_where_it_was(call, run, twin, flaky):
    others = [run(path=path).result["id"].partition("/")[2] for path in ("one", "two")]
    number = run(mode="flaky", retry="failed_jobs").result["id"].partition("/")[2]
    flaky("0")
    twin.administer("DELETE", "log")
    twin.fault("server_error", method="GET", path=f"/{number}/variables$")
    made = call(mode="flaky", retry="failed_jobs", attempt=2)
    outcome = PIPELINE.start(made)
    assert isinstance(outcome, Waiting)
    assert isinstance(finished(PIPELINE, made, outcome), Done)
    asked = [entry["path"] for entry in twin.received() if entry["path"].endswith("/variables")]
    assert [sum(f"/{other}/" in path for path in asked) for other in others] == [1, 1]


def test_a_retry_that_was_not_taken_is_not_the_old_failure(call, run, twin, flaky):
    run(mode="flaky", retry="failed_jobs")
    twin.fault("cut_before", method="POST", path="/retry$")
    moment = [time.time()]
    made = call(mode="flaky", retry="failed_jobs", attempt=2, clock=lambda: moment[0])
    outcome = PIPELINE.start(made)
    assert "were asked to run again" in outcome.message
    moment[0] += 61
    with pytest.raises(OperationError, match="60 s later none had begun") as caught:
        PIPELINE.poll(made, outcome.handle)
    assert caught.value.failure == "unknown"


def test_cancel_stops_it(call, project):
    made = call(mode="slow")
    outcome = PIPELINE.start(made)
    stopped = PIPELINE.cancel(made, outcome.handle)
    assert (stopped.failure, "was stopped" in stopped.message) == ("cancelled", True)


def test_somebody_else_cancels_it(call, project):
    made = call(mode="slow")
    outcome = PIPELINE.start(made)
    project.pipelines.get(outcome.handle["id"].rpartition("/")[2]).cancel()
    failed = finished(PIPELINE, made, outcome)
    assert (failed.failure, "was cancelled by somebody" in failed.message) == ("failed", True)


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ({"ref": "nowhere"}, "Reference not found"),
        ({"project": "net/nothing"}, "the token may not see it"),
        ({"inputs": {"nonsense": "x"}}, "declare them under spec:inputs"),
        ({"more": {"trigger_token": TOKEN}}, "no trigger token"),
        ({"more": {"token": "wrong"}}, "wrong, revoked or expired"),
        ({"more": {"token": "glpat-reader"}}, "needs the scope api"),
        ({"more": {"token": None}}, "no token; set connections.gitlab.token"),
        ({"variables": {"CHANGERAIL_KEY": "x"}}, "cannot be given"),
        ({"ref": None}, "ref: a pipeline in GitLab needs it"),
        ({"artifacts": ["../../etc/passwd"]}, "leads out of the pipeline's folder"),
        ({"more": {"lag": "soon"}}, "expected a number of seconds"),
    ],
)
def test_refusals_say_what_to_do(run, twin, args, text):
    with pytest.raises(OperationError, match=text) as caught:
        run(**args)
    assert caught.value.failure == "failed"
    assert twin.committed("create pipeline") == []


def test_settings_from_the_environment(tmp_path, twin):
    environment = {"GITLAB_URL": twin.url, "GITLAB_TOKEN": TOKEN}
    args = {"provider": "gitlab", "project": "net/edge", "ref": "main"}
    made = made_call(PIPELINE, tmp_path, args, connections={}, environment=environment)
    assert isinstance(finished(PIPELINE, made, PIPELINE.start(made)), Done)
