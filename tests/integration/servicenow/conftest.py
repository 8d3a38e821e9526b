# A ServiceNow twin whose flow takes no time, and operations that talk to it; pytest loads it.
from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.calls import call as made_call

from ansible_collections.netops.changerail.plugins.module_utils.operation import Call, Operation
from ansible_collections.netops.changerail.plugins.module_utils.operations.change_record import (
    OPERATION as CHANGE_RECORD,
)
from ansible_collections.netops.changerail.tests.twins.kit.start import Running, running
from ansible_collections.netops.changerail.tests.twins.servicenow.people import CLIENT, INTEGRATION, PASSWORD

OAUTH = {"client_id": CLIENT.id, "client_secret": CLIENT.secret, "username": INTEGRATION, "password": PASSWORD}


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running("servicenow", tmp_path_factory.mktemp("servicenow"), settings={"flow_delay": 0}) as started:
        yield started


@pytest.fixture(autouse=True)
def _calm(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "twin" in request.fixturenames:
        started = request.getfixturevalue("twin")
        started.no_faults()
        started.administer("DELETE", "log")


@pytest.fixture
def connection(twin: Running) -> dict[str, Any]:
    return {"url": twin.url, **OAUTH, "interval": 0.01}


@pytest.fixture
def call(tmp_path: Path, connection: dict[str, Any]) -> Callable[..., Call]:
    """A call of an operation in a run of this test's own, against the twin; ``files`` is the run's evidence, ``more`` changes the connection."""

    def make(operation: Operation = CHANGE_RECORD, *, run: str = tmp_path.name, **args: Any) -> Call:
        context = {
            name: args.pop(name) for name in ("path", "attempt", "check", "requester", "settings") if name in args
        }
        files = tuple(args.pop("files", ()))
        connections = {"servicenow": {**connection, **args.pop("more", {})}}
        if operation.name == "change_record":
            args.setdefault("provider", "servicenow")
        return made_call(
            operation,
            tmp_path,
            args,
            run=run,
            connections=connections,
            environment={},
            evidence=lambda: files,
            **context,
        )

    return make
