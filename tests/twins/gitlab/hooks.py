# Webhooks out: who is told what, signed how, delivered again after a failure. For the GitLab twin's pipelines.
from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import queue
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible_collections.netops.changerail.tests.twins.gitlab.entities import Hook, Job, Pipeline
from ansible_collections.netops.changerail.tests.twins.gitlab.settings import Settings
from ansible_collections.netops.changerail.tests.twins.gitlab.shapes import Shapes

PATIENCE = 5
ATTEMPTS = 2
MOST_FAILURES = 4
"""After so many deliveries in a row that failed a hook is disabled."""


@dataclass(frozen=True)
class Delivery:
    """One event for one hook; ``key`` stays the same when it is sent again."""

    hook: Hook
    event: str
    body: bytes
    key: str
    number: int


class Hooks:
    """Delivers in a thread of its own, in order."""

    def __init__(self, shapes: Callable[[], Shapes], settings: Callable[[], Settings]) -> None:
        self._shapes, self._settings = shapes, settings
        self._queue: queue.Queue[Delivery] = queue.Queue()
        self._numbers = 0
        threading.Thread(target=self._work, daemon=True).start()

    def tell(self, changed: Pipeline | Job) -> None:
        """The status of a pipeline or job has changed."""
        if isinstance(changed, Pipeline):
            project, flag, event = changed.project, "pipeline_events", "Pipeline Hook"
        else:
            project, flag, event = changed.pipeline.project, "job_events", "Job Hook"
        for hook in project.hooks:
            if hook.events.get(flag):
                payload = (
                    self._shapes().pipeline_payload(changed)
                    if isinstance(changed, Pipeline)
                    else self._shapes().job_payload(changed)
                )
                self.send(hook, event, json.dumps(payload).encode(), str(uuid.uuid4()))

    def send(self, hook: Hook, event: str, body: bytes, key: str) -> None:
        self._numbers += 1
        self._queue.put(Delivery(hook, event, body, key, self._numbers))

    def _work(self) -> None:
        held: Delivery | None = None
        while True:
            delivery = self._queue.get()
            how = self._settings().hook_delivery
            if how == "backwards" and held is None:
                held = delivery
                continue
            for one in (delivery, held):
                if one is not None and how != "lost":
                    for dummy in range(2 if how == "twice" else 1):
                        self._deliver(one)
            held = None

    def _deliver(self, delivery: Delivery) -> None:
        hook = delivery.hook
        for attempt in range(ATTEMPTS):
            if hook.disabled_until > time.time():
                return
            status = _post(delivery)
            hook.deliveries.append(
                {
                    "id": delivery.number,
                    "url": hook.url,
                    "trigger": delivery.event.lower().replace(" ", "_"),
                    "request_headers": {"X-Gitlab-Event": delivery.event, "Idempotency-Key": delivery.key},
                    "request_data": json.loads(delivery.body),
                    "response_status": str(status),
                }
            )
            if status < 400:
                hook.failures = 0
                return
            hook.failures += 1
            if hook.failures >= MOST_FAILURES:
                hook.disabled_until = math.inf if status < 500 else time.time() + self._settings().hook_rest
            if attempt + 1 < ATTEMPTS:
                time.sleep(self._settings().hook_retry_after)


def headers(delivery: Delivery, moment: int) -> dict[str, str]:
    """A delivery's headers: the plain token, and a Standard-Webhooks signature where the hook has a signing token."""
    result = {
        "Content-Type": "application/json",
        "User-Agent": "GitLab/18.2.0-ee",
        "X-Gitlab-Event": delivery.event,
        "X-Gitlab-Webhook-UUID": delivery.hook.uuid,
        "X-Gitlab-Event-UUID": str(uuid.uuid4()),
        "Idempotency-Key": delivery.key,
    }
    if delivery.hook.token:
        result["X-Gitlab-Token"] = delivery.hook.token
    if delivery.hook.signing_token:
        key = base64.b64decode(delivery.hook.signing_token.removeprefix("whsec_"))
        signed = f"{delivery.key}.{moment}.".encode() + delivery.body
        signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        result |= {"webhook-id": delivery.key, "webhook-timestamp": str(moment), "webhook-signature": f"v1,{signature}"}
    return result


def _post(delivery: Delivery) -> int:
    """The receiver's status; 599 when there was no answer."""
    request = urllib.request.Request(
        delivery.hook.url, delivery.body, headers(delivery, int(time.time())), method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 599


def wants(document: dict[str, Any]) -> dict[str, bool]:
    """The event flags of a hook as its creator gave them."""
    flags = (
        "push_events",
        "tag_push_events",
        "merge_requests_events",
        "pipeline_events",
        "job_events",
        "deployment_events",
        "releases_events",
    )
    return {flag: str(document.get(flag, flag == "push_events")).lower() in ("true", "1") for flag in flags}
