# The GitLab twin's webhooks: token, signature, Idempotency-Key, delivery after a failure. Run by pytest.
from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import gitlab
import pytest

from ansible_collections.netops.changerail.tests.twins.gitlab.access import TOKEN

SECRET = base64.b64encode(b"signing secret of the tests").decode()


class Receiver(HTTPServer):
    """Keeps what comes; answers with the next of ``answers``, then 200."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.got, self.answers = [], []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.headers, body))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def project(gitlab_twin):
    return gitlab.Gitlab(gitlab_twin.url, private_token=TOKEN).projects.get("net/edge")


@pytest.fixture
def hook(project, receiver):
    url = f"http://127.0.0.1:{receiver.server_port}/hook"
    made = project.hooks.create(
        {"url": url, "token": "shared", "pipeline_events": True, "signing_token": f"whsec_{SECRET}"}
    )
    yield made
    made.delete()


def final(receiver):
    return [
        (headers, json.loads(body))
        for headers, body in receiver.got
        if json.loads(body)["object_attributes"]["status"] == "success"
    ]


def test_a_hook_tells_each_status_with_token_and_signature(project, receiver, hook, until):
    pipeline = project.pipelines.create({"ref": "main", "variables": [{"key": "KEY", "value": "run/1"}]})
    until(lambda: final(receiver))
    headers, payload = final(receiver)[0]
    assert (headers["X-Gitlab-Event"], headers["X-Gitlab-Token"]) == ("Pipeline Hook", "shared")
    attributes = payload["object_attributes"]
    assert (attributes["id"], attributes["variables"]) == (pipeline.id, [{"key": "KEY", "value": "run/1"}])
    assert attributes["created_at"].endswith(" UTC")
    for headers, body in receiver.got:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.new(base64.b64decode(SECRET), signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"


def test_a_failed_delivery_comes_again_under_the_same_key(project, receiver, hook, until):
    receiver.answers = [500]
    project.pipelines.create({"ref": "main"})
    until(lambda: final(receiver))
    keys = [headers["Idempotency-Key"] for headers, _body in receiver.got]
    assert keys[0] == keys[1]
    assert len(set(keys)) == len(keys) - 1


@pytest.mark.parametrize(("status", "alert"), [(500, "temporarily_disabled"), (400, "disabled")])
def test_a_hook_that_fails_four_times_in_a_row_is_disabled(project, receiver, hook, until, status, alert):
    receiver.answers = [200, status, status, status, 200, *[status] * 10]
    for _pipeline in range(3):
        project.pipelines.create({"ref": "main"})
    until(lambda: project.hooks.get(hook.id).alert_status == alert)
    pipeline = project.pipelines.create({"ref": "main"})
    until(lambda: project.pipelines.get(pipeline.id).status == "success")
    assert len(receiver.got) == 9, "nothing after the fourth failure in a row"
