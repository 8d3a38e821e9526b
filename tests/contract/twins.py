"""The contract's cases for ServiceNow and GitLab, in the worlds their twins make: one twin a test process, started when a case first needs it."""

from __future__ import annotations

import atexit
import contextlib
import functools
import tempfile
from pathlib import Path
from typing import Any

import gitlab
from contract.cases import SECRET, Case
from support.calls import call, eventually
from support.repository import make
from support.servicenow import Person

from ansible_collections.netops.changerail.plugins.module_utils.operation import Call, Outcome, Waiting
from ansible_collections.netops.changerail.plugins.module_utils.provider import correlation_id
from ansible_collections.netops.changerail.tests.twins.gitlab.access import TOKEN
from ansible_collections.netops.changerail.tests.twins.kit.start import Running, running
from ansible_collections.netops.changerail.tests.twins.servicenow.people import CLIENT, INTEGRATION, PASSWORD, TEMPLATE

GATED_CI_FILE = """\
spec: {inputs: {password: {default: ""}}}
---
workflow: {name: $CHANGERAIL_KEY}
gate: {rules: [{when: manual}], script: [echo done]}
"""
_OPEN = contextlib.ExitStack()
atexit.register(_OPEN.close)


@functools.cache
def servicenow() -> Running:
    folder = Path(_OPEN.enter_context(tempfile.TemporaryDirectory()))
    return _OPEN.enter_context(running("servicenow", folder, settings={"flow_delay": 0}))


@functools.cache
def gitlab_server() -> Running:
    folder = Path(_OPEN.enter_context(tempfile.TemporaryDirectory()))
    (folder / "repository").mkdir()
    repository = make(folder / "repository", GATED_CI_FILE)
    return _OPEN.enter_context(running("gitlab", folder / "state", "--project", f"net/edge={repository}"))


class TwinCase(Case):
    """Cases share a twin, so each has a run of its own name."""

    can_lose_answers = True

    def call(self, args: Any = None, *, check: bool = False, attempt: int = 1) -> Call:
        given = self.args() if args is None else args
        run = "-".join(self.folder.parts[-2:])
        return call(self.operation, self.folder, given, run=run, check=check, attempt=attempt, **self.context())


class ServiceNowRecordCase(TwinCase):
    name = "change_record"
    bad = (
        ({"provider": "servicenow", "short_description": "x", "assignment_group": "nowhere"}, "nowhere"),
        ({"provider": "servicenow", "short_description": "x", "type": "standard"}, "template"),
    )

    def args(self) -> dict[str, Any]:
        return {
            "provider": "servicenow",
            "short_description": "Advertise a prefix",
            "type": "standard",
            "template": TEMPLATE["name"],
            "state": "closed",
            "close_code": "successful",
            "close_notes": "as planned",
            "work_notes": "Started.",
        }

    def context(self) -> dict[str, Any]:
        login = {"client_id": CLIENT.id, "client_secret": CLIENT.secret, "username": INTEGRATION, "password": PASSWORD}
        return {"connections": {"servicenow": {"url": servicenow().url, "interval": 0.01, **login}}, "environment": {}}

    def effects(self) -> int:
        correlation = correlation_id(self.call().context)
        return len(Person(servicenow()).rows("change_request", f"correlation_id={correlation}"))

    def lose_next_answer(self) -> None:
        servicenow().fault("cut_after", method="POST", path="/change/")


class ServiceNowTaskCase(ServiceNowRecordCase):
    """A task under a record of its own; the record is opened when the case is first asked for its options."""

    name = "change_task"
    bad = (
        ({"provider": "servicenow", "record": "CHG0000000", "short_description": "x"}, "CHG0000000"),
        ({"task": {}}, "number"),
    )

    def args(self) -> dict[str, Any]:
        return {
            "provider": "servicenow",
            "record": self._record(),
            "short_description": "Call the customer",
            "wait_for": "closed",
        }

    def effects(self) -> int:
        return len(self._tasks())

    def let_finish(self) -> None:
        for row in self._tasks():
            Person(servicenow()).set(
                row["sys_id"], "change_task", state="3", close_code="successful", close_notes="done"
            )

    def finish(self, made: Call, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Waiting):
            eventually(self._tasks)
        return super().finish(made, outcome)

    def lose_next_answer(self) -> None:
        servicenow().fault("cut_after", method="POST", path="/task")

    def _tasks(self) -> list[dict[str, Any]]:
        return Person(servicenow()).rows("change_task", f"change_request.number={self._record()}")

    def _record(self) -> str:
        """The number of this case's record."""
        known = self.folder / "record"
        if not known.exists():
            known.write_text(Person(servicenow()).open_change())
        return known.read_text()


class GitLabPipelineCase(TwinCase):
    name = "pipeline"
    bad = (
        ({"provider": "gitlab", "project": "net/edge", "ref": "nowhere"}, "Reference not found"),
        ({"provider": "gitlab", "project": "net/edge"}, "ref"),
        ({"provider": "gitlab", "project": "net/edge", "ref": "main", "command": "true"}, "command"),
    )

    def args(self) -> dict[str, Any]:
        return {"provider": "gitlab", "project": "net/edge", "ref": "main", "inputs": {"password": SECRET}}

    def context(self) -> dict[str, Any]:
        connection = {"url": gitlab_server().url, "token": TOKEN, "interval": 0.01, "lag": 0}
        return {"connections": {"gitlab": connection}, "environment": {}}

    def effects(self) -> int:
        return len(self._pipelines())

    def let_finish(self) -> None:
        eventually(self._play)

    def lose_next_answer(self) -> None:
        gitlab_server().fault("cut_after", method="POST", path="/pipeline$")

    def _play(self) -> bool:
        """Opens the gate of every pipeline that waits at it; whether there is a pipeline."""
        for pipeline in self._pipelines():
            for job in pipeline.jobs.list(get_all=True):
                if job.status == "manual":
                    self._project().jobs.get(job.id).play()
        return bool(self._pipelines())

    def _pipelines(self) -> list[Any]:
        key = self.call().context.key
        return list(self._project().pipelines.list(name=key, get_all=True))

    @staticmethod
    def _project() -> Any:
        return gitlab.Gitlab(gitlab_server().url, private_token=TOKEN).projects.get("net/edge")
