"""Every address that shows something of a run, in pages and API: who may see the run gets it, whoever may not is told that there is none."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.calls import eventually
from support.forms import Browser
from support.serving import PATIENCE
from support.team import PASSWORD, Team, team

from ansible_collections.netops.changerail.plugins.module_utils.files import artifact_of
from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import ROLES, Grant
from ansible_collections.netops.changerail.plugins.plugin_utils.web import api, pages

FLOW = """
name: Shows all
vars: {file: {}}
steps:
  - {id: made, example.world.act: {world: "{{ world }}", result: {artifacts: {diff: "{{ file }}"}}}}
  - id: both
    parallel:
      - {id: ask, review: {groups: [neteng], artifact: "{{ file }}"}}
      - {id: night, window: {timezone: UTC, windows: [{name: Night, days: [DAY], from: "01:00", to: "05:00"}]}}
"""
# By hand: every GET with a run in its path; what stands behind the question mark names what the runs here have.
PAGES = {
    "/runs/RUN": "",
    "/runs/RUN/graph.svg": "",
    "/runs/RUN/results": "",
    "/runs/RUN/artifact": "?path=made&name=diff&sha256=DIGEST",
    "/runs/RUN/evidence.json": "",
    "/runs/RUN/question": "?path=both/ask",
    "/runs/RUN/shown": "?path=both/ask&name=diff",
    "/runs/RUN/step": "?path=made",
    "/runs/RUN/live": "",
    "/runs/RUN/calendar": "",
}
API = {
    "/api/v1/runs/RUN": "",
    "/api/v1/runs/RUN/timeline": "",
    "/api/v1/runs/RUN/step": "?path=made",
    "/api/v1/runs/RUN/shown": "?path=both/ask&name=diff",
    "/api/v1/runs/RUN/artifact": "?path=made&name=diff",
    "/api/v1/runs/RUN/evidence": "",
    "/api/v1/runs/RUN/journal": "",
}
OTHERS: Mapping[str, tuple[Grant, ...]] = {"elsewhere": (Grant("viewer", "something-else"),), "nobody": ()}
SEEN = {
    **dict.fromkeys(("viewer", "approver", "operator", "break-glass", "admin"), "own and another's"),
    "requester": "own",
    "elsewhere": "",
    "nobody": "",
}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with team(tmp_path_factory.mktemp("seen")) as made:
        for role in ROLES:
            made.accounts.change(lambda accounts, role=role: accounts.without_user(role))
        for name in SEEN:
            made.add(name, *(OTHERS[name] if name in OTHERS else (Grant(name),)), password=PASSWORD)
        yield made


@pytest.fixture(scope="module")
def digests(people: Team) -> Mapping[str, str]:
    """A run of each requester, by its requester; and the digest of the file that it shows."""
    day = f"{datetime.now(UTC) + timedelta(days=3):%a}".lower()
    made = {}
    for name in (*SEEN, "somebody"):
        diff = people.bench.state.path / f"{name}.diff"
        diff.write_text(f"+ {name}\n")
        file = artifact_of(diff, "diff").as_dict()
        (people.workflows / "shows.yml").write_text(FLOW.replace("DAY", day))
        people.create("shows", f"of-{name}", name, {"file": file})
        made[name] = str(file["sha256"])
    for name in made:
        eventually(lambda name=name: len(people.until(f"of-{name}")["waits"]) == 1, PATIENCE)
    return made


def test_the_lists_here_are_of_all_that_there_is() -> None:
    server: Any = SimpleNamespace(
        settings=SimpleNamespace(workflows=None),
        observers=SimpleNamespace(listen=lambda listener: None),
        around=SimpleNamespace(environment={}, project=SimpleNamespace(sign_in=None)),
    )
    # Of each route what it is asked with and where.
    routes = {route.path for route in pages.routes(server, server) if "GET" in (getattr(route, "methods", None) or ())}
    assert {path.replace("{run}", "RUN") for path in routes if "{run}" in path} == PAGES.keys()
    asked = {endpoint.path for endpoint in api.ENDPOINTS if endpoint.method == "GET" and "{run}" in endpoint.path}
    assert {path.replace("{run}", "RUN") for path in asked} == API.keys()


@pytest.mark.parametrize("name", SEEN)
def test_who_may_see_a_run_sees_all_of_it_and_nobody_else_anything(
    people: Team, digests: Mapping[str, str], name: str
) -> None:
    cookies = Browser(people.server.url).sign_in(name).cookies
    signed_in = {"Cookie": "; ".join(f"{key}={value}" for key, value in cookies.items())}
    bearer = {"Authorization": f"Bearer {people.tokens[name]}"}
    for whose, requester in (("own", name), ("another's", "somebody")):
        expected = 200 if whose in SEEN[name] else 404
        for addresses, headers in ((PAGES, signed_in), (API, bearer)):
            for path, query in addresses.items():
                address = f"{path.replace('RUN', f'of-{requester}')}{query.replace('DIGEST', digests[requester])}"
                assert (address, status_of(people, address, headers)) == (address, expected)


@pytest.mark.parametrize("path", [*PAGES, *API])
def test_a_stranger_is_told_nothing(people: Team, digests: Mapping[str, str], path: str) -> None:
    """Not even whether there is such a run."""
    expected = 401 if path in API else 303
    for run in ("of-somebody", "there-is-none"):
        assert status_of(people, path.replace("RUN", run) + ({**PAGES, **API})[path], {}) == expected


def status_of(people: Team, address: str, headers: Mapping[str, str]) -> int:
    """The status alone: what is live never ends."""
    connection = http.client.HTTPConnection(urlsplit(people.server.url).netloc, timeout=30)
    connection.request("GET", address, headers=dict(headers))
    status = connection.getresponse().status
    connection.close()
    return status
