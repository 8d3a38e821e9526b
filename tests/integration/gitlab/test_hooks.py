# Hooks from the GitLab twin, received as a server would: believed, told apart, refused. Run by pytest.
from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import gitlab
import pytest
from support.calls import eventually, finished

from ansible_collections.netops.changerail.plugins.module_utils.hook import HookRefused
from ansible_collections.netops.changerail.plugins.module_utils.operation import Done, Waiting
from ansible_collections.netops.changerail.plugins.module_utils.operations.pipeline import OPERATION as PIPELINE
from ansible_collections.netops.changerail.plugins.plugin_utils.people.hooks import HookSource, HookStart
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.row import Row, RowWait
from ansible_collections.netops.changerail.plugins.plugin_utils.web.hooks import Receiver
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


def receiver(*waiting, secret="shared", start=None):
    """The server's receiver, where these steps wait: run, step path and what they say that they wait for."""
    rows = [
        Row(run, run, "waiting", "ann", 0.0, 0.0, waits=(RowWait(path, "pipeline", title, 0.0),))
        for run, path, title in waiting
    ]
    return Receiver(HookSource("gitlab", (secret,), start=start), [secret], lambda: rows)


def steps(receiving, headers, body):
    """Which steps a hook wakes."""
    lower = {name.lower(): value for name, value in headers.items()}
    return list(receiving.receive(lower, body, time.time()).steps)


@pytest.fixture
def listener(twin):
    """Takes the hooks of the project's pipelines and jobs."""
    project = gitlab.Gitlab(twin.url, private_token=TOKEN).projects.get("net/edge")
    with Listener() as started:
        thread = threading.Thread(target=started.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{started.server_port}/"
        flags = {"pipeline_events": True, "job_events": True, "push_events": False}
        hook = project.hooks.create({"url": url, "token": "shared", "signing_token": SIGNING, **flags})
        yield started
        hook.delete()
        started.shutdown()
        thread.join()


@pytest.fixture(params=["variable", "input"])
def sent(call, listener, request):
    """The hooks of a pipeline step and of the child pipeline: the step as a server knows it, and each hook's headers and body."""
    made = call(mode="bridged", more={"marker": request.param})
    done = finished(PIPELINE, made, PIPELINE.start(made))
    number = done.result["id"].rpartition("/")[2]
    eventually(lambda: any(is_the_end(json.loads(body), int(number)) for _headers, body in listener.got))
    return (made.context.run, made.context.path, f"pipeline net/edge {done.result['id']} is running"), listener.got


def is_the_end(document, pipeline):
    about = document.get("object_attributes", {})
    return (about.get("id"), about.get("status")) == (pipeline, "success")


def test_hooks_wake_the_step_that_waits_each_once(sent):
    step, hooks = sent
    other = ("another", "step", "pipeline net/edge 1/1 is running")
    for secret in ("shared", SIGNING):
        receiving = receiver(other, step, secret=secret)
        assert [steps(receiving, headers, body) for headers, body in hooks] == [[step[:2]]] * len(hooks)
        assert not any(steps(receiving, headers, body) for headers, body in hooks)


def test_a_step_that_still_searches_is_found_by_the_key(sent):
    (run, path, _title), hooks = sent
    receiving = receiver((run, path, "searching for the pipeline"), (run, f"{path}0", "searching for the pipeline"))
    woken = [step for headers, body in hooks for step in steps(receiving, headers, body)]
    assert set(woken) == {(run, path)}


def test_a_step_that_goes_on_with_another_s_pipeline_is_woken_too(sent):
    (run, _path, title), hooks = sent
    receiving = receiver((run, "deploy", title))
    for headers, body in hooks:
        assert (run, "deploy") in steps(receiving, headers, body)


@pytest.mark.parametrize("how", ["in order", "twice", "backwards", "lost"])
def test_a_step_ends_right_whatever_becomes_of_its_hooks(call, twin, listener, how):
    twin.set(hook_delivery=how)
    woken = 0
    made = call(mode="gated", play=["deploy"])
    outcome = PIPELINE.start(made)
    pipeline = outcome.handle["id"] if isinstance(outcome, Waiting) else outcome.result["id"]
    receiving = receiver((made.context.run, made.context.path, f"pipeline net/edge {pipeline} is running"))
    end, look_at = time.monotonic() + 20, 0.0
    while (isinstance(outcome, Waiting) or not (woken or how == "lost")) and time.monotonic() < end:
        due = [step for _hook in list(listener.got) for step in steps(receiving, *listener.got.pop(0))] != []
        woken += due
        if isinstance(outcome, Waiting) and (due or time.monotonic() > look_at):
            outcome, look_at = PIPELINE.poll(made, outcome.handle), time.monotonic() + 0.5
        # Between two looks of the loop, which ``end`` bounds.
        time.sleep(0.01)
    twin.set(hook_delivery="in order")
    assert isinstance(outcome, Done)
    assert (woken == 0) == (how == "lost")


@pytest.mark.parametrize(
    ("secret", "change", "late", "text"),
    [
        ("other", {}, 0, "not the configured one"),
        (SIGNING, {}, 400, "a replay or a wrong clock"),
        ("whsec_b3RoZXI=", {}, 0, "not that of any configured signing token"),
        (SIGNING, {"Webhook-id": "other"}, 0, "not that of any configured signing token"),
        (SIGNING, {"Webhook-signature": ""}, 0, "carries no signature"),
        ("shared", {"X-Gitlab-Event": "Job Hook"}, 0, "not the one its header names"),
    ],
)
def test_what_is_not_believed(sent, secret, change, late, text):
    headers, body = next((headers, body) for headers, body in sent[1] if b'"object_kind": "pipeline"' in body)
    changed = {name.lower(): value for name, value in {**headers, **change}.items()}
    with pytest.raises(HookRefused, match=text) as refused:
        receiver(secret=secret).receive(changed, body, time.time() + late)
    assert refused.value.status in (400, 401)


def test_a_replay_with_another_key_is_the_same_signed_hook(sent):
    step, hooks = sent
    headers, body = hooks[0]
    receiving = receiver(step, secret=SIGNING)
    assert steps(receiving, headers, body)
    assert not steps(receiving, {**headers, "Idempotency-Key": "another"}, body)


def test_before_there_were_keys_the_event_and_its_body_tell_hooks_apart(sent):
    step, hooks = sent
    (headers, body), (others, other) = hooks[0], hooks[1]
    old = {"Idempotency-Key": "", "X-Gitlab-Event-UUID": "one"}
    receiving = receiver(step)
    assert steps(receiving, {**headers, **old}, body)
    assert steps(receiving, {**others, **old}, other), "one cause, two events"
    assert not steps(receiving, {**headers, **old}, body)


def test_another_event_wakes_nothing_and_may_start_a_change_once():
    start = HookStart("edge", "object_attributes.iid", "object_attributes.action == 'merge'")
    step = ("run", "step", "pipeline net/edge 1/1 is running")
    receiving = receiver(step, start=start)
    headers = {"x-gitlab-token": "shared", "x-gitlab-event": "Merge Request Hook", "idempotency-key": "one"}
    body = json.dumps({"object_kind": "merge_request", "object_attributes": {"iid": 7, "action": "merge"}}).encode()
    first, second = (receiving.receive(headers, body, 0.0) for _time in range(2))
    assert not first.steps
    assert (first.start.workflow, first.start.run_id) == ("edge", "7")
    assert second.start is None


def test_damage_is_refused():
    headers = {"x-gitlab-token": "shared", "x-gitlab-event": "Pipeline Hook"}
    with pytest.raises(HookRefused, match="not what GitLab sends"):
        receiver().receive(headers, b"[1]", 0.0)
