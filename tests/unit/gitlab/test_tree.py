# How a pipeline stands together with those it started, and lists over many pages. Run by pytest.
from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.calls import call
from support.servers import Answer, Web, web

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.gitlab import api as wire
from ansible_collections.netops.changerail.plugins.module_utils.gitlab.api import Api, Settings
from ansible_collections.netops.changerail.plugins.module_utils.gitlab.tree import Below, look, status_of
from ansible_collections.netops.changerail.plugins.module_utils.http import Peer
from ansible_collections.netops.changerail.plugins.module_utils.operation import Waiting
from ansible_collections.netops.changerail.plugins.module_utils.operations.pipeline import OPERATION as PIPELINE


@pytest.mark.parametrize(
    ("own", "below", "allowed", "status"),
    [
        ("success", [], [], "success"),
        ("success", ["running"], [], "running"),
        ("failed", ["running"], [], "running"),
        ("canceled", ["created", "success"], [], "running"),
        ("failed", [], ["pending"], "running"),
        ("success", ["manual"], [], "blocked"),
        ("success", [], ["manual"], "success"),
        ("failed", ["manual"], [], "failed"),
        ("success", ["failed", "canceled"], [], "failed"),
        ("success", ["canceled"], [], "canceled"),
        ("success", [], ["failed"], "success"),
        ("manual", ["running"], [], "blocked"),
        ("frozen", ["failed"], [], "running"),
        ("success", ["frozen"], [], "running"),
    ],
)
def test_a_pipeline_has_ended_when_all_of_it_has(own: str, below: list[str], allowed: list[str], status: str) -> None:
    started = [Below({"status": text}, False) for text in below] + [Below({"status": text}, True) for text in allowed]
    assert status_of(own, started, [{"status": "success"}]) == status


def test_a_status_that_lags_behind_its_jobs_is_no_end() -> None:
    assert status_of("failed", [], [{"status": "failed"}, {"status": "pending"}]) == "running"


@pytest.fixture
def server() -> Iterator[Web]:
    with web() as started:
        yield started


@pytest.fixture
def api(server: Web) -> Api:
    return Api(Settings(Peer(server.url)))


def lists(server: Web, pages: dict[str, tuple[list[int], dict[str, str]]]) -> None:
    """Each page by the text that its request's query has, with the headers that say where the list goes on."""
    for query, (numbers, headers) in pages.items():
        server.answers[f"/api/v4/things?{query}"] = Answer(body=[{"id": number} for number in numbers], headers=headers)


def test_a_list_goes_on_where_its_headers_say(server: Web, api: Api) -> None:
    onward = {
        "Link": '<http://inside:8080/api/v4/things?id_after=4&per_page=100>; rel="next", <http://x/>; rel="first"'
    }
    lists(
        server,
        {
            "per_page=100": ([1, 2], {"X-Next-Page": "2"}),
            "per_page=100&page=2": ([3, 4], onward),
            "per_page=100&page=2&id_after=4": ([5], {"X-Next-Page": ""}),
        },
    )
    assert [item["id"] for item in api.items("things")] == [1, 2, 3, 4, 5]


def test_a_list_without_end_is_an_error_and_not_cut(server: Web, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MOST_PAGES", 2)
    onward = {"X-Next-Page": "2"}
    lists(server, {"per_page=100": ([1], onward), "per_page=100&page=2": ([2], onward)})
    with pytest.raises(OperationError, match="the list goes on after 200 items"):
        list(api.items("things"))


def test_a_status_nobody_knew_is_written_down_once(server: Web, tmp_path: Path) -> None:
    server.answers["/api/v4/projects/1/pipelines/7"] = Answer(body={"id": 7, "project_id": 1, "status": "frozen"})
    for list_of in ("jobs", "bridges"):
        server.answers[f"/api/v4/projects/1/pipelines/7/{list_of}"] = Answer(body=[])
    connections = {"gitlab": {"url": server.url, "token": "t"}}
    made = call(PIPELINE, tmp_path, {"provider": "gitlab", "project": "p", "ref": "r"}, connections=connections)
    first = PIPELINE.poll(made, {"provider": "gitlab", "id": "1/7", "looks": 0})
    assert isinstance(first, Waiting)
    assert first.handle["notes"] == ["status 'frozen' is new to this version and counts as at work"]
    assert PIPELINE.poll(made, first.handle) == first, "the journal has a line for a handle that changes"


def test_what_the_token_may_not_see_below_and_a_new_status_are_said(server: Web, api: Api) -> None:
    def answers(path: str, document: object, status: int = 200) -> None:
        server.answers[path] = Answer(status=status, body=document)

    started = {"id": 8, "project_id": 2, "status": "success"}
    bridge = {"id": 2, "name": "go", "status": "success", "downstream_pipeline": started}
    answers("/api/v4/projects/1/pipelines/7", {"id": 7, "project_id": 1, "status": "frozen"})
    answers("/api/v4/projects/1/pipelines/7/jobs?per_page=100", [{"id": 1, "name": "build", "status": "success"}])
    answers("/api/v4/projects/1/pipelines/7/bridges?per_page=100", [bridge])
    answers("/api/v4/projects/2/pipelines/8/jobs?per_page=100", {"message": "403 Forbidden"}, 403)
    seen = look(api, "1/7")
    assert seen.status == "running"
    hidden, strange = seen.notes
    assert "of downstream pipeline 2/8 only its status can be seen" in hidden
    assert strange == "status 'frozen' is new to this version and counts as at work"
    assert json.loads(json.dumps(seen.details))["below"][0]["id"] == 8
