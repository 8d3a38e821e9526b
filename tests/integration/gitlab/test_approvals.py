# The operation approval, following what people approve in GitLab. Run by pytest.
from __future__ import annotations

import gitlab
import pytest
from support.calls import eventually, finished

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.operation import Done, Failed, Waiting
from ansible_collections.netops.changerail.plugins.module_utils.operations.approval import OPERATION as APPROVAL
from ansible_collections.netops.changerail.plugins.module_utils.operations.pipeline import OPERATION as PIPELINE
from ansible_collections.netops.changerail.tests.twins.gitlab.access import TOKEN

PROJECT = "net/edge"


def as_person(twin, token):
    return gitlab.Gitlab(twin.url, private_token=token).projects.get(PROJECT)


@pytest.fixture
def request_(twin):
    wanted = {"source_branch": "proposal", "target_branch": "main", "title": "Filter"}
    return as_person(twin, TOKEN).mergerequests.create(wanted)


@pytest.fixture
def ask(call):
    """An approval step: the call and its first outcome."""

    def start(**reference):
        made = call(APPROVAL, **{"from": {"provider": "gitlab", "project": PROJECT, **reference}})
        return made, APPROVAL.start(made)

    return start


def test_a_merge_request_is_waited_for_until_it_is_approved(ask, request_, twin):
    made, outcome = ask(merge_request=request_.iid, sha=request_.sha)
    assert isinstance(outcome, Waiting)
    assert f"waiting for 1 approval: merge request net/edge!{request_.iid}" in outcome.message
    as_person(twin, "glpat-reviewer").mergerequests.get(request_.iid).approve()
    done = finished(APPROVAL, made, outcome)
    assert isinstance(done, Done)
    assert [(row["by"], row["state"]) for row in done.result["approvals"]] == [("reviewer", "approved")]


def test_nobody_s_word_is_no_approval(ask, request_, twin):
    project = gitlab.Gitlab(twin.url, private_token=TOKEN)
    project.http_post(f"/projects/1/merge_requests/{request_.iid}/approvals", post_data={"approvals_required": 0})
    assert request_.approvals.get().approved
    _made, outcome = ask(merge_request=request_.iid)
    assert isinstance(outcome, Waiting)


def test_another_head_than_the_one_to_approve(ask, request_):
    _made, outcome = ask(merge_request=request_.iid, sha="0" * 40)
    assert isinstance(outcome, Failed)
    assert "no longer 0000" in outcome.message


def test_a_request_that_was_closed_or_merged_unapproved_is_not_waited_for(ask, request_):
    request_.state_event = "close"
    request_.save()
    _made, outcome = ask(merge_request=request_.iid)
    assert isinstance(outcome, Failed)
    assert "it was closed" in outcome.message
    request_.state_event = "reopen"
    request_.save()
    made, outcome = ask(merge_request=request_.iid)
    assert isinstance(outcome, Waiting)
    request_.merge()
    assert "it was merged" in APPROVAL.poll(made, outcome.handle).message


def test_a_pipeline_is_waited_for_until_it_is_over_without_a_deployment_there(ask, call):
    made = call(path="gate", mode="gated")
    outcome = PIPELINE.start(made)
    waiting, first = ask(environment="nowhere", pipeline=outcome.handle["id"])
    assert "waiting for the pipeline to get there" in first.message
    PIPELINE.cancel(made, outcome.handle)
    assert "the pipeline is canceled and deployed nothing there" in APPROVAL.poll(waiting, first.handle).message


@pytest.fixture
def protected(twin):
    """Deployments to production need an approval."""
    rules = [{"access_level": 40, "required_approvals": 1}]
    wanted = {"name": "production", "deploy_access_levels": [{"access_level": 40}], "approval_rules": rules}
    as_person(twin, TOKEN).protected_environments.create(wanted)


def test_a_deployment_is_not_approved_before_anybody_was_asked(ask, call, twin, protected):
    twin.set(runner_slots=0)
    try:
        made = call(path="deploy", mode="guarded")
        started = PIPELINE.start(made)
        _asked, outcome = ask(environment="production", pipeline=started.handle["id"])
        PIPELINE.cancel(made, started.handle)
    finally:
        twin.set(runner_slots=2)
    assert isinstance(outcome, Waiting)
    assert "waiting for the pipeline to get there" in outcome.message


@pytest.fixture
def guarded(call, protected):
    """A pipeline that waits for the approval of its deployment: its id."""
    made = call(path="deploy", mode="guarded")
    first = PIPELINE.start(made)
    eventually(lambda: PIPELINE.poll(made, first.handle).long)
    return first.handle["id"]


@pytest.mark.parametrize(
    ("status", "kind", "text"), [("approved", Done, ""), ("rejected", Failed, "rejected by reviewer (go home)")]
)
def test_a_deployment_is_approved_or_rejected_in_gitlab(ask, guarded, twin, status, kind, text):
    made, outcome = ask(environment="production", pipeline=guarded)
    assert "waiting for 1 approvals for production" in outcome.message
    blocked = as_person(twin, "glpat-reviewer").deployments.list(
        environment="production", status="blocked", get_all=True
    )
    blocked[0].approval(status, comment="go home")
    decided = finished(APPROVAL, made, outcome)
    assert isinstance(decided, kind)
    assert text in getattr(decided, "message", "")
    assert decided.result["approvals"][0]["comment"] == "go home"


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ({}, "neither is named"),
        ({"merge_request": 999}, "not there"),
        ({"environment": "production"}, "needs 'pipeline'"),
    ],
)
def test_what_cannot_be_followed_is_said(ask, reference, text):
    with pytest.raises(OperationError, match=text):
        ask(**reference)
