# What both twins do wrong on purpose, and what they tell about it. Run by pytest.
from __future__ import annotations

import pytest
import requests

from ansible_collections.netops.changerail.tests.twins.gitlab.access import TOKEN
from ansible_collections.netops.changerail.tests.twins.kit.faults import KINDS

ANSWERS = {
    "html": (200, "text/html"),
    "rate_limit": (429, "application/json"),
    "server_error": (503, "text/html"),
    "expire_token": (401, "application/json"),
    "error_body": (200, "application/json"),
    "gateway_timeout": (504, "text/html"),
    "empty_body": (200, "application/json"),
}


def create(integration, fault):
    return integration.call(
        "POST", "/api/now/table/change_request", {"correlation_id": fault}, headers={"X-Twin-Fault": fault}
    )


@pytest.mark.parametrize("fault", KINDS)
def test_each_fault_answers_and_commits_as_it_says(integration, fault):
    try:
        reply = create(integration, fault)
        answered = (reply.status_code, reply.headers["Content-Type"].partition(";")[0])
    except requests.ConnectionError:
        answered = None
    committed = {
        "cut_after": 1,
        "gateway_timeout": 1,
        "empty_body": 1,
        "lost_answer": 1,
        "duplicate": 2,
        "old_state": 1,
        "slow": 1,
    }
    assert answered == ANSWERS.get(
        fault, None if fault in ("cut_before", "cut_after", "lost_answer") else (201, "application/json")
    )
    assert len(integration.twin.committed("create change_request")) == committed.get(fault, 0)
    assert integration.twin.received()[0]["fault"] == fault


def test_old_state_keeps_what_was_there(integration):
    change = integration.change(risk="3")
    reply = integration.call(
        "PATCH", f"/api/now/table/change_request/{change}", {"risk": "2"}, headers={"X-Twin-Fault": "old_state"}
    )
    assert (reply.status_code, reply.json()["result"]["risk"], integration.row(change)["risk"]) == (200, "3", "3")


def test_a_queue_of_faults_is_used_up_by_the_requests_it_fits(integration):
    integration.twin.fault("server_error", method="POST", times=2, status=502)
    assert integration.rows("change_request", "") is not None
    statuses = [integration.call("POST", "/api/now/table/change_request", {}).status_code for _request in range(3)]
    assert statuses == [502, 502, 201]


def test_chance_repeats_itself_with_the_same_seed(integration):
    def faults():
        integration.twin.administer("DELETE", "log")
        integration.twin.faults_at_random(7, 0.4, kinds=["html", "server_error", "rate_limit"])
        for _request in range(30):
            integration.call("GET", "/api/now/table/cmdb_ci")
        return [entry["fault"] for entry in integration.twin.received()]

    first = faults()
    assert first == faults()
    assert 4 < sum(1 for fault in first if fault) < 22


def test_an_unknown_fault_is_refused(integration):
    reply = requests.post(f"{integration.twin.url}/_twin/faults", json={"queue": [{"kind": "nonsense"}]}, timeout=10)
    assert reply.status_code == 400
    assert "no fault is called 'nonsense'" in reply.json()["error"]


def test_gitlab_words_its_faults_in_its_own_way(gitlab_twin):
    def ask(fault):
        headers = {"PRIVATE-TOKEN": TOKEN, "X-Twin-Fault": fault}
        return requests.get(f"{gitlab_twin.url}/api/v4/projects/1", headers=headers, timeout=10)

    limited = ask("rate_limit")
    assert (limited.status_code, limited.headers["Content-Type"].partition(";")[0], limited.text) == (
        429,
        "text/plain",
        "Retry later\n",
    )
    assert {"Retry-After", "RateLimit-Limit", "RateLimit-Reset"} <= set(limited.headers)
    assert ask("expire_token").json()["error"] == "invalid_token"
    with pytest.raises(requests.ConnectionError):
        ask("cut_before")


def test_a_doubled_post_makes_two_pipelines(gitlab_twin):
    headers = {"PRIVATE-TOKEN": TOKEN, "X-Twin-Fault": "duplicate"}
    requests.post(f"{gitlab_twin.url}/api/v4/projects/1/pipeline", json={"ref": "main"}, headers=headers, timeout=10)
    assert len(gitlab_twin.committed("create pipeline")) == 2
