# Running twins and people who talk to them, for the tests of this folder; pytest loads it.
from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests
from support.repository import make

from ansible_collections.netops.changerail.tests.twins.kit.start import Running, running
from ansible_collections.netops.changerail.tests.twins.servicenow.people import INTEGRATION, PASSWORD

T = TypeVar("T")
PATIENCE = 10


def until(look: Callable[[], T], fits: Callable[[T], bool] = bool) -> T:
    """What ``look`` gives once it fits; the last look when it never does."""
    end = time.monotonic() + PATIENCE
    while True:
        value = look()
        if fits(value) or time.monotonic() > end:
            return value
        time.sleep(0.01)


@pytest.fixture(scope="session", name="until")
def _until() -> Callable[..., Any]:
    return until


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def gitlab_twin(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running("gitlab", tmp_path_factory.mktemp("gitlab"), "--project", f"net/edge={repository}") as twin:
        yield twin


@pytest.fixture(scope="module")
def servicenow_twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Its clock stands still until a test moves it."""
    with running("servicenow", tmp_path_factory.mktemp("servicenow"), settings={"clock": "virtual"}) as twin:
        yield twin


@pytest.fixture(autouse=True)
def _calm(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test leaves its faults or its log to the next."""
    yield
    for name in ("gitlab_twin", "servicenow_twin"):
        if name in request.fixturenames:
            twin = request.getfixturevalue(name)
            twin.no_faults()
            twin.administer("DELETE", "log")


class Person:
    """Somebody with a log-in, talking to the ServiceNow twin; ``tick`` lets the flow do what is due."""

    def __init__(self, twin: Running, user_name: str) -> None:
        self.twin, self.session = twin, requests.Session()
        self.session.auth = (user_name, PASSWORD)
        self.session.headers["Accept"] = "application/json"

    def call(self, method: str, path: str, document: Any = None, **more: Any) -> requests.Response:
        return self.session.request(method, self.twin.url + path, json=document, timeout=PATIENCE, **more)

    def change(self, kind: str = "normal", **values: str) -> str:
        """The sys_id of a new change."""
        values = {"short_description": "Advertise a prefix", "assignment_group": "network", **values}
        reply = self.call("POST", f"/api/sn_chg_rest/v1/change/{kind}", values)
        return str(reply.json()["result"]["sys_id"]["value"])

    def row(self, sys_id: str, table: str = "change_request") -> dict[str, Any]:
        return dict(
            self.call("GET", f"/api/now/table/{table}/{sys_id}?sysparm_exclude_reference_link=true").json()["result"]
        )

    def rows(self, table: str, query: str, **more: str) -> list[dict[str, Any]]:
        parameters = {"sysparm_query": query, "sysparm_exclude_reference_link": "true", **more}
        return list(self.call("GET", f"/api/now/table/{table}", params=parameters).json()["result"])

    def set(self, sys_id: str, table: str = "change_request", **values: str) -> requests.Response:
        return self.call("PATCH", f"/api/now/table/{table}/{sys_id}", values)

    def decide(self, sys_id: str, state: str, comments: str = "") -> requests.Response:
        return self.call(
            "PATCH", f"/api/sn_chg_rest/v1/change/{sys_id}/approvals", {"state": state, "comments": comments}
        )

    def tick(self, seconds: float = 1) -> None:
        self.twin.administer("POST", "clock", {"advance": seconds})


@pytest.fixture
def person(servicenow_twin: Running) -> Callable[[str], Person]:
    return lambda user_name: Person(servicenow_twin, user_name)


@pytest.fixture
def integration(servicenow_twin: Running) -> Person:
    return Person(servicenow_twin, INTEGRATION)
