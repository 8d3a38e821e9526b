# Hooks from the GitLab twin, received as a server would: believed, told apart, refused. Run by pytest.
from __future__ import annotations

import base64
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import gitlab
import pytest
from support.calls import eventually

from ansible_collections.netops.changerail.plugins.module_utils.gitlab.hooks import (
    HookRefused,
    HookSecrets,
    Seen,
    receive,
)
from ansible_collections.netops.changerail.tests.twins.gitlab.access import TOKEN

SIGNING = f"whsec_{base64.b64encode(b'signing secret of the tests').decode()}"


class Listener(HTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.got = []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.got.append((dict(self.headers.items()), self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def sent(twin):
    """The hooks of one pipeline: its handle's id, and each hook's headers and body."""
    project = gitlab.Gitlab(twin.url, private_token=TOKEN).projects.get("net/edge")
    with Listener() as listener:
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{listener.server_port}/"
        flags = {"pipeline_events": True, "job_events": True, "push_events": False}
        hook = project.hooks.create({"url": url, "token": "shared", "signing_token": SIGNING, **flags})
        pipeline = project.pipelines.create({"ref": "main"})
        eventually(
            lambda: any(b'"status": "success"' in body and b'"pipeline"' in body for _headers, body in listener.got)
        )
        hook.delete()
        listener.shutdown()
        thread.join()
    return f"{project.id}/{pipeline.id}", listener.got


def test_hooks_hint_at_the_pipeline_each_once(sent):
    identity, hooks = sent
    seen = Seen()
    for secrets in (HookSecrets(token="shared"), HookSecrets(signing=[SIGNING])):
        hints = [receive(headers, body, secrets, Seen(), time.time()) for headers, body in hooks]
        assert {hint.pipeline for hint in hints} == {identity}
    first = [receive(headers, body, HookSecrets(token="shared"), seen, 0.0) for headers, body in hooks]
    again = [receive(headers, body, HookSecrets(token="shared"), seen, 0.0) for headers, body in hooks]
    assert all(first)
    assert not any(again)


@pytest.mark.parametrize(
    ("secrets", "change", "late", "text"),
    [
        (HookSecrets(), {}, 0, "no secret is configured"),
        (HookSecrets(token="other"), {}, 0, "not the configured one"),
        (HookSecrets(signing=[SIGNING]), {}, 400, "a replay or a wrong clock"),
        (HookSecrets(signing=["whsec_b3RoZXI="]), {}, 0, "not that of any configured signing token"),
        (HookSecrets(signing=[SIGNING]), {"Webhook-id": "other"}, 0, "not that of any configured signing token"),
        (HookSecrets(signing=[SIGNING]), {"Webhook-signature": ""}, 0, "carries no signature"),
        (HookSecrets(token="shared"), {"X-gitlab-event": "Job Hook"}, 0, "not the one its header names"),
    ],
)
def test_what_is_not_believed(sent, secrets, change, late, text):
    headers, body = next((headers, body) for headers, body in sent[1] if b'"object_kind": "pipeline"' in body)
    with pytest.raises(HookRefused, match=text) as refused:
        receive({**headers, **change}, body, secrets, Seen(), time.time() + late)
    assert refused.value.status in (400, 401)


def test_other_events_are_nothing_to_us_and_damage_is_refused():
    secrets = HookSecrets(token="shared")
    assert receive({"X-Gitlab-Token": "shared", "X-Gitlab-Event": "Push Hook"}, b"{}", secrets, Seen(), 0.0) is None
    with pytest.raises(HookRefused, match="not what GitLab sends"):
        receive({"X-Gitlab-Token": "shared", "X-Gitlab-Event": "Pipeline Hook"}, b"[1]", secrets, Seen(), 0.0)
