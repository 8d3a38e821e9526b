"""The API against its own description: calls made of it, and of what it forbids; none may end in a 500 or in an answer it does not describe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from support.team import Team, team

from ansible_collections.netops.changerail.plugins.plugin_utils.web.api import ENDPOINTS
from ansible_collections.netops.changerail.plugins.plugin_utils.web.endpoints import Endpoint

RUNS = ("fuzz-asks", "fuzz-fails")
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
BY_CHANCE = settings(
    max_examples=20,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with team(tmp_path_factory.mktemp("fuzzed")) as made:
        for run in RUNS:
            made.create(run.partition("-")[2], run, "somebody")
            made.until(run)
        yield made


@pytest.fixture(scope="module")
def description(people: Team) -> Any:
    return schemathesis.openapi.from_url(f"{people.server.url}/api/v1/openapi.json")


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=[endpoint.name for endpoint in ENDPOINTS])
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_call_is_answered_as_described(
    endpoint: Endpoint, mode: GenerationMode, people: Team, description: Any
) -> None:
    operation = description[endpoint.path][endpoint.method]
    if mode is GenerationMode.NEGATIVE and not (endpoint.query or endpoint.body or "{" in endpoint.path):
        pytest.skip("it takes nothing that could be wrong")
    # In every other call the run is one that is there: by chance alone no call would meet one.
    calls = 0

    @BY_CHANCE
    @given(case=operation.as_strategy(generation_mode=mode))
    def call(case: Any) -> None:
        nonlocal calls
        calls += 1
        if "{run}" in endpoint.path and calls % 2:
            case.path_parameters = {"run": RUNS[calls // 2 % 2]}
        response = case.call(headers={"Authorization": f"Bearer {people.tokens['admin']}"}, timeout=30)
        case.validate_response(response, checks=CHECKS)

    call()
    assert calls >= 10


def test_the_server_still_does_its_work(people: Team) -> None:
    assert people.server.get("/healthz")[0] == 200
    assert "Traceback" not in people.server.log
