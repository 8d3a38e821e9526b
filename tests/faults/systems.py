"""The ServiceNow and GitLab twins of the fault test: up, failing at random, and asked at the end what they were made to do."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from support.repository import make
from support.servicenow import Person

from ansible_collections.netops.changerail.tests.twins.gitlab.access import TOKEN
from ansible_collections.netops.changerail.tests.twins.kit.faults import KINDS
from ansible_collections.netops.changerail.tests.twins.kit.start import Running, running
from ansible_collections.netops.changerail.tests.twins.servicenow.people import CLIENT, INTEGRATION, PASSWORD

PROJECT = "net/edge"
RATE = 0.25
"""Of all requests meet a fault."""
SECONDS = 0.02
"""How long a slow answer takes."""
INTERVAL = 0.02
"""Seconds between two looks at a record or a pipeline."""
LAG = 1.0
"""Seconds a new pipeline may be missing from lists; here it is there at once."""
SILENCE = 15.0
"""Seconds a twin keeps silent for once in a while, which is longer than a client waits here."""
READ_TIMEOUT = 10.0
TIMEOUT = 10
PERSON = {"username": INTEGRATION, "password": PASSWORD}
LOGIN = {"full": {"client_id": CLIENT.id, "client_secret": CLIENT.secret, **PERSON}, "bare": PERSON}
INSTANCES: Mapping[str, Mapping[str, Any]] = {
    "full": {"flow_delay": 0},
    "bare": {
        "flow_delay": 0.02, "change_api": False, "attachment_hash": False, "legacy_state_model": True,
        "rejected_others": "not_required", "oauth_refusal_status": 400,
    },
}  # fmt: skip
"""Two instances: one as the documentation has it, one that has less."""


@dataclass(frozen=True)
class Systems:
    """``servicenow`` by name of instance; all are up."""

    servicenow: Mapping[str, Running]
    gitlab: Running

    @property
    def twins(self) -> Sequence[Running]:
        return (*self.servicenow.values(), self.gitlab)

    def connections(self, instance: str, **gitlab: Any) -> dict[str, dict[str, Any]]:
        """What a project file would say."""
        return {
            "servicenow": {"url": self.servicenow[instance].url, **LOGIN[instance], "interval": INTERVAL},
            "gitlab": {"url": self.gitlab.url, "token": TOKEN, "interval": INTERVAL, "lag": LAG, **gitlab},
        }

    def fail(self, seed: int, old_states: bool) -> None:
        """Have every request meet a fault by chance from now on; ``old_states`` says whether a write may be undone behind a 200."""
        for number, twin in enumerate(self.twins):
            without = {"old_state"} if not old_states else set()
            if twin is not self.servicenow["full"]:
                # Only there is a token that can be asked for anew.
                without |= {"expire_token"}
            kinds = [kind for kind in KINDS if kind not in without]
            twin.faults_at_random(seed + number, RATE, kinds=kinds, seconds=SECONDS, path="^/api/|^/oauth")

    def fall_silent(self, number: int) -> None:
        """Have one of the twins do what it is asked next and never say so."""
        twin = self.twins[number % len(self.twins)]
        twin.fault("lost_answer", path="^/api/", seconds=SILENCE)

    def faults(self) -> int:
        """How many requests met one."""
        return sum(1 for twin in self.twins for entry in twin.received() if entry["fault"])


@contextlib.contextmanager
def systems(place: Path) -> Iterator[Systems]:
    """All twins, up and without faults."""
    repository = place / "repository"
    repository.mkdir(parents=True)
    make(repository)
    with contextlib.ExitStack() as stack:
        instances = {
            name: stack.enter_context(running("servicenow", place / name, settings=settings))
            for name, settings in INSTANCES.items()
        }
        gitlab = stack.enter_context(
            running("gitlab", place / "gitlab", "--project", f"{PROJECT}={repository}", settings={"runner_slots": 4})
        )
        protect(gitlab)
        yield Systems(instances, gitlab)


def protect(gitlab: Running) -> None:
    """Deployments to production need somebody's approval."""
    rules = [{"access_level": 40, "required_approvals": 1}]
    wanted = {"name": "production", "deploy_access_levels": [{"access_level": 40}], "approval_rules": rules}
    Member(gitlab).post("protected_environments", wanted)


class Member:
    """Somebody with a token who works in the project itself, untouched by faults."""

    def __init__(self, gitlab: Running, token: str = TOKEN) -> None:
        self._url, self._session = f"{gitlab.url}/api/v4/projects/1", requests.Session()
        self._session.headers.update({"PRIVATE-TOKEN": token, "X-Twin-Fault": "none"})

    def get(self, path: str, **params: str) -> Any:
        reply = self._session.get(f"{self._url}/{path}", params=params, timeout=TIMEOUT)
        reply.raise_for_status()
        return reply.json()

    def all(self, path: str) -> list[Any]:
        """Every item of a list."""
        found: list[Any] = []
        page = "1"
        while page:
            reply = self._session.get(f"{self._url}/{path}", params={"per_page": "100", "page": page}, timeout=TIMEOUT)
            reply.raise_for_status()
            found += reply.json()
            page = reply.headers.get("X-Next-Page", "")
        return found

    def post(self, path: str, document: Mapping[str, Any]) -> Any:
        reply = self._session.post(f"{self._url}/{path}", json=document, timeout=TIMEOUT)
        reply.raise_for_status()
        return reply.json()


def doubled_in_servicenow(twin: Running) -> list[str]:
    """What more than one *request* made, or what is there twice and lives: a gateway that sends a request again is not our doing, its doubles are."""
    admin = Person(twin)
    problems = []
    for table, key in (
        ("change_request", ("correlation_id",)),
        ("change_task", ("change_request", "correlation_id")),
        ("sys_attachment", ("table_sys_id", "file_name", "size_bytes")),
        ("sys_journal_field", ("element_id", "value")),
    ):
        made_by = makers(twin, f"create {table}")
        groups = defaultdict(list)
        for row in admin.rows(table, "ORDERBYsys_created_on"):
            if row[key[-1]]:
                groups[tuple(row[name] for name in key)].append(row)
        for name, rows in groups.items():
            requests_ = {made_by[row["sys_id"]] for row in rows}
            if len(requests_) > 1:
                problems.append(f"{table} {name}: made by {len(requests_)} requests")
            if table.startswith("change_") and len([row for row in rows if row["state"] != "4"]) > 1:
                problems.append(f"{table} {name}: {len(rows)} live")
    return problems


def doubled_in_gitlab(twin: Running) -> list[str]:
    """Steps for which more than one request started a pipeline. A pipeline's name tells the step."""
    made_by = makers(twin, "create pipeline")
    groups: dict[str, set[int]] = defaultdict(set)
    for pipeline in Member(twin).all("pipelines"):
        groups[step_of(pipeline)].add(made_by[str(pipeline["id"])])
    return [
        f"step {name}: {len(found)} requests started a pipeline" for name, found in groups.items() if len(found) > 1
    ]


def makers(twin: Running, what: str) -> dict[str, int]:
    """The number of the request that committed it, by the id of what was made."""
    committed = twin.administer("GET", "log")["committed"]
    return {entry["id"]: entry["number"] for entry in committed if entry["what"] == what}


def step_of(pipeline: Mapping[str, Any]) -> str:
    """Which step started a pipeline: the second word of its name."""
    return str(pipeline["name"]).split()[1]
