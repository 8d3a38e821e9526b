# The GitLab twin's answers against GitLab's own description of its API; skipped where that file is not at hand. Run by pytest.
from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import requests

from ansible_collections.netops.changerail.tests.twins.gitlab.access import TOKEN, TRIGGER_TOKEN

DESCRIPTION = Path(__file__).resolve().parents[4] / "shared" / "contracts" / "gitlab-swagger2-subset.json"
pytestmark = pytest.mark.skipif(not DESCRIPTION.exists(), reason="the API description is not in the checkout")

# Where the description is known to be wrong about its own server: a list described as one object, a number as a string.
LISTS = {
    ("API_Entities_MergeRequestApprovals", "approved_by"),
    ("API_Entities_DeploymentExtended", "approvals"),
}
NUMBERS = {("API_Entities_ProjectHook", "id"), ("API_Entities_ProjectHook", "project_id")}


@pytest.fixture(scope="module")
def description():
    """The description as JSON Schema."""
    document = json.loads(DESCRIPTION.read_text())
    for name, definition in document["definitions"].items():
        for field, schema in definition.get("properties", {}).items():
            if (name, field) in LISTS:
                definition["properties"][field] = {"type": "array", "items": schema}
            elif (name, field) in NUMBERS:
                definition["properties"][field] = {"type": "integer"}
        repair(definition)
    return document


def repair(schema):
    """Whatever is described may be null, as Swagger 2 cannot say; and where the example is a boolean, so is the value."""
    for field, below in schema.get("properties", {}).items():
        repair(below)
        if isinstance(below.get("example"), bool):
            below["type"] = "boolean"
        schema["properties"][field] = {"anyOf": [{"type": "null"}, below]}
    if "items" in schema:
        repair(schema["items"])


@pytest.fixture(scope="module")
def world(gitlab_twin):
    """A finished pipeline of every kind, a hook, a merge request and a deployment; their ids."""
    call = Caller(gitlab_twin)
    pipeline = call("POST", "/pipeline", {"ref": "main", "variables": [{"key": "MODE", "value": "bridged"}]})["id"]
    guarded = call("POST", "/pipeline", {"ref": "main", "inputs": {"mode": "guarded"}})["id"]
    call("POST", "/hooks", {"url": "http://127.0.0.1:9/", "pipeline_events": True})
    call("POST", "/merge_requests", {"source_branch": "proposal", "target_branch": "main", "title": "Filter"})
    sha = call("GET", f"/pipelines/{pipeline}")["sha"]
    call("POST", f"/statuses/{sha}", {"state": "success", "name": "changerail"})
    return {"pipeline": pipeline, "guarded": guarded, "sha": sha, "call": call}


class Caller:
    def __init__(self, twin):
        self._twin = twin

    def __call__(self, method, path, document=None, status=None, token=TOKEN):
        url = f"{self._twin.url}/api/v4{path if path == '/version' else '/projects/1' + path}"
        reply = requests.request(method, url, json=document, headers={"PRIVATE-TOKEN": token}, timeout=10)
        assert reply.status_code == (status or (201 if method == "POST" else 200)), reply.text
        return reply.json()


def check(description, path, method, status, answer):
    """The answer validates, and every field of it is one the description knows."""
    schema = description["paths"][path][method]["responses"][str(status)]["schema"]
    # The description gives a list's answer as one item.
    if isinstance(answer, list) and schema.get("type") != "array":
        schema = {"type": "array", "items": schema}
    # Not jsonschema.validate: it would check the whole description anew each time.
    jsonschema.Draft4Validator({**schema, "definitions": description["definitions"]}).validate(answer)
    item = (answer or [{}])[0] if isinstance(answer, list) else answer
    reference = schema.get("items", schema)["$ref"].rpartition("/")[2]
    return set(item) - set(description["definitions"][reference]["properties"])


PROJECT = "/api/v4/projects/{id}"
READS = [
    ("/pipelines", "/pipelines"),
    ("/pipelines/latest", "/pipelines/latest"),
    ("/pipelines/{pipeline}", "/pipelines/{pipeline_id}"),
    ("/pipelines/{pipeline}/jobs", "/pipelines/{pipeline_id}/jobs"),
    ("/pipelines/{pipeline}/bridges", "/pipelines/{pipeline_id}/bridges"),
    ("/pipelines/{pipeline}/variables", "/pipelines/{pipeline_id}/variables"),
    ("/triggers", "/triggers"),
    ("/triggers/1", "/triggers/{trigger_id}"),
    ("/hooks", "/hooks"),
    ("/hooks/1", "/hooks/{hook_id}"),
    ("/environments", "/environments"),
    ("/environments/2", "/environments/{environment_id}"),
    ("/deployments", "/deployments"),
    ("/deployments/11", "/deployments/{deployment_id}"),
    ("/merge_requests/1/approvals", "/merge_requests/{merge_request_iid}/approvals"),
    ("/merge_requests/1/approval_state", "/merge_requests/{merge_request_iid}/approval_state"),
    ("/merge_requests/1/pipelines", "/merge_requests/{merge_request_iid}/pipelines"),
    ("/repository/commits/{sha}/statuses", "/repository/commits/{sha}/statuses"),
]
# Fields a real server sends that the description does not know (Premium's approval counts, the name in a list).
BEYOND = {
    "/pipelines": {"name"},
    "/merge_requests/{merge_request_iid}/approvals": {"approvals_required", "approvals_left"},
}


@pytest.mark.parametrize(("path", "described"), READS)
def test_reads(description, world, path, described):
    answer = world["call"]("GET", path.format(**world))
    assert answer, "an empty answer proves nothing"
    assert check(description, PROJECT + described, "get", 200, answer) <= BEYOND.get(described, set())


def test_the_version(description, world):
    assert not check(description, "/api/v4/version", "get", 200, world["call"]("GET", "/version"))


def test_writes(description, world):
    call, pipeline = world["call"], world["pipeline"]
    made = call("POST", "/pipeline", {"ref": "main"})
    assert not check(description, f"{PROJECT}/pipeline", "post", 201, made)
    for action in ("cancel", "retry"):
        answer = call("POST", f"/pipelines/{made['id']}/{action}")
        assert not check(description, f"{PROJECT}/pipelines/{{pipeline_id}}/{action}", "post", 201, answer)
    named = call("PUT", f"/pipelines/{pipeline}/metadata", {"name": "renamed"})
    assert not check(description, f"{PROJECT}/pipelines/{{pipeline_id}}/metadata", "put", 200, named)
    job = call("GET", f"/pipelines/{pipeline}/jobs")[0]["id"]
    assert not check(description, f"{PROJECT}/jobs/{{job_id}}", "get", 200, call("GET", f"/jobs/{job}"))
    trigger = call("POST", "/triggers", {"description": "second"})
    assert not check(description, f"{PROJECT}/triggers", "post", 201, trigger)


def test_what_is_done_to_jobs(description, world, until):
    call = world["call"]
    jobs = "/jobs/{job_id}"
    gated = call("POST", "/pipeline", {"ref": "main", "inputs": {"mode": "gated"}})["id"]
    by_name = until(lambda: jobs_of(call, gated), lambda found: found["deploy"]["status"] == "manual")
    done = [
        (f"{jobs}/play", f"/jobs/{by_name['optional']['id']}/play", {}, 200),
        (f"{jobs}/retry", f"/jobs/{by_name['validate']['id']}/retry", {}, 201),
        (f"{jobs}/cancel", f"/jobs/{by_name['deploy']['id']}/cancel", {}, 201),
        (f"{jobs}/artifacts/keep", f"/jobs/{by_name['validate']['id']}/artifacts/keep", {}, 201),
        ("/environments", "/environments", {"name": "staging"}, 201),
        ("/hooks", "/hooks", {"url": "http://127.0.0.1:9/"}, 201),
        ("/trigger/pipeline", "/trigger/pipeline", {"ref": "main", "token": TRIGGER_TOKEN}, 201),
    ]
    for described, path, document, status in done:
        answer = call("POST", path, document, status)
        beyond = check(description, PROJECT + described, "post", status, answer)
        assert not beyond, f"{described}: {beyond}"


def test_a_deployment_is_approved(description, world, until):
    call = world["call"]
    rules = [{"access_level": 40, "required_approvals": 1}]
    wanted = {"name": "production", "deploy_access_levels": [{"access_level": 40}], "approval_rules": rules}
    call("POST", "/protected_environments", wanted)
    guarded = call("POST", "/pipeline", {"ref": "main", "inputs": {"mode": "guarded"}})["id"]
    until(lambda: jobs_of(call, guarded)["release"]["status"], lambda status: status == "manual")
    blocked = call("GET", "/deployments?status=blocked")[0]["id"]
    approved = call("POST", f"/deployments/{blocked}/approval", {"status": "approved"}, token="glpat-reviewer")
    assert not check(description, f"{PROJECT}/deployments/{{deployment_id}}/approval", "post", 201, approved)
    seen = call("GET", f"/deployments/{blocked}")
    assert not check(description, f"{PROJECT}/deployments/{{deployment_id}}", "get", 200, seen)


def jobs_of(call, pipeline):
    return {job["name"]: job for job in call("GET", f"/pipelines/{pipeline}/jobs")}
