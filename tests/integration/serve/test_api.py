"""The REST API of a real server: who may do what to whose run, what an answer becomes, lists, downloads, errors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from support.calls import eventually
from support.serving import PATIENCE, fetch
from support.team import Team, team

from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import ActionRefused, Answered, RunStarted
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import records
from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import ROLES, Grant
from ansible_collections.netops.changerail.plugins.plugin_utils.people.inbox import wake_server

# By hand, not from the rules: role, own run, the statuses of read, break-glass, answer, intervene, resume and cancel, in this order.
# 404: whoever may not see a run is not told that there is one. 409: allowed to try, but four eyes are wanted, or to begin with break-glass the role.
MATRIX = [
    ("viewer", True, (200, 403, 403, 403, 403, 403)),
    ("viewer", False, (200, 403, 403, 403, 403, 403)),
    ("requester", True, (200, 403, 403, 403, 403, 200)),
    ("requester", False, (404, 404, 404, 404, 404, 404)),
    ("approver", True, (200, 409, 409, 403, 403, 403)),
    ("approver", False, (200, 409, 200, 403, 403, 403)),
    ("operator", True, (200, 403, 403, 200, 200, 200)),
    ("operator", False, (200, 403, 403, 200, 200, 200)),
    ("break-glass", True, (200, 409, 403, 403, 403, 403)),
    ("break-glass", False, (200, 200, 403, 403, 403, 403)),
    ("admin", True, (200, 403, 403, 200, 200, 200)),
    ("admin", False, (200, 403, 403, 200, 200, 200)),
]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with team(tmp_path_factory.mktemp("team")) as made:
        yield made


def events(people: Team, run: str, kind: type) -> list[Any]:
    return people.bench.events(people.bench.state.open(run), kind)


@pytest.mark.parametrize(("role", "own", "expected"), MATRIX, ids=str)
def test_matrix(people: Team, role: str, own: bool, expected: tuple[int, ...]) -> None:
    requester = role if own else "somebody"
    asking = people.create("asks", f"asks-{role}-{own}", requester)
    failed = people.create("fails", f"fails-{role}-{own}", requester)
    question, intervention = people.asked(asking), people.asked(failed)
    came = (
        people.call(role, "GET", f"/runs/{asking}")[0],
        people.call(role, "POST", f"/runs/{asking}/break-glass", {**question, "reason": "core is down"})[0],
        people.call(role, "POST", f"/runs/{asking}/answers", {**question, "choice": "approve"})[0],
        people.call(role, "POST", f"/runs/{failed}/answers", {**intervention, "choice": "retry"})[0],
        people.call(role, "POST", f"/runs/{failed if role == 'approver' else asking}/resume")[0],
        people.call(role, "POST", f"/runs/{failed if role == 'approver' else asking}/cancel", {"reason": "no"})[0],
    )
    assert came == expected
    # Reading apart, whatever the roles refuse is in a journal.
    asked_for = zip(("break-glass", "answer", "intervene", "resume", "cancel"), expected[1:], strict=True)
    wanted = sorted(action for action, status in asked_for if status in (403, 404))

    def refused() -> list[ActionRefused]:
        return [event for run in (asking, failed) for event in events(people, run, ActionRefused)]

    eventually(lambda: sorted(event.action for event in refused()) == wanted, PATIENCE)
    assert all(event.by == role and role in event.reason for event in refused())


@pytest.mark.parametrize("role", ROLES)
def test_who_may_start(people: Team, role: str) -> None:
    status, document = people.call(role, "POST", "/runs", {"workflow": "asks", "run_id": f"started-by-{role}"})
    assert (status == 201) == (role in ("requester", "admin"))
    names = people.call(role, "GET", "/workflows")[1]["workflows"]
    assert names == (["asks", "fails"] if status == 201 else [])
    if status == 201:
        (begun,) = events(people, document["run"], RunStarted)
        assert begun.requester == {"name": role, "assurance": "authenticated", "os_user": ""}
        # Whoever asked for it cannot approve it, and is not shown it as theirs to answer.
        assert people.asked(document["run"])["path"] == "ask"


def test_nobody_comes_in_without_a_token_that_holds(people: Team) -> None:
    for token in ("", "cr_00000000_" + "A" * 43, people.tokens["admin"][:-2] + "xx"):
        status, document = people.call("nobody", "GET", "/runs", token=token)
        assert (status, document["error"]["code"]) == (401, "not_known")


def test_a_token_is_for_its_scopes(people: Team) -> None:
    everything = people.tokens["admin"]
    limited = people.token("admin", ["start"])
    people.tokens["admin"] = everything
    assert people.call("admin", "GET", "/runs", token=limited)[0] == 403
    started = people.call("admin", "POST", "/runs", {"workflow": "asks", "run_id": "scoped"}, token=limited)
    assert started == (201, {"run": "scoped"})
    status, document = people.call("admin", "GET", "/runs/scoped", token=limited)
    assert status == 403 and "the token of admin is not for read" in document["error"]["message"]


def test_an_approver_of_one_workflow_is_one_there_alone(people: Team) -> None:
    people.add("edge", Grant("viewer"), Grant("approver", "fails", frozenset({"neteng"})))
    run = people.create("asks", "only-asks", "somebody")
    answer = {**people.asked(run), "choice": "approve"}
    assert people.call("edge", "POST", f"/runs/{run}/answers", answer)[0] == 403
    mine = [question["run"] for question in people.call("edge", "GET", "/questions")[1]["questions"]]
    assert run not in mine
    assert run in [question["run"] for question in people.call("approver", "GET", "/questions")[1]["questions"]]


def test_an_answer_is_authenticated_and_one_to_something_else_is_void(people: Team) -> None:
    run = people.create("asks", "answered", "somebody")
    assert people.until(run)["questions"][0]["question"]["title"] == "Security review", "the step's name"
    answer = {**people.asked(run), "choice": "approve", "comment": "narrow <b>enough</b>"}
    status, document = people.call("approver", "POST", f"/runs/{run}/answers", {**answer, "question": "0" * 16})
    assert status == 409 and "what is asked has changed" in document["error"]["message"]
    status, document = people.call("approver", "POST", f"/runs/{run}/answers", {**answer, "choice": "maybe"})
    assert status == 409 and "expected one of approve, deny" in document["error"]["message"]
    assert people.call("approver", "POST", f"/runs/{run}/answers", answer)[0] == 200
    (event,) = events(people, run, Answered)
    assert (event.person, event.assurance, event.comment) == ("approver", "authenticated", "narrow <b>enough</b>")
    assert people.until(run, "succeeded")["message"] == ""
    status, document = people.call("approver", "POST", f"/runs/{run}/answers", answer)
    assert status == 409 and "nothing is asked" in document["error"]["message"]


def test_lists_page_by_page_show_each_run_once(people: Team) -> None:
    made = {people.create("asks", f"paged-{number}", "pia") for number in range(5)}
    for run in made:
        people.until(run)
    seen, after = [], ""
    while True:
        query = f"/runs?text=PAGED-&workflow=asks&limit=2&after={after}"
        page = people.call("viewer", "GET", query)[1]
        assert page["total"] == 5
        seen += [run["run"] for run in page["runs"]]
        after = page["next"]
        if not after:
            break
    assert len(seen) == 5 and set(seen) == made
    assert people.call("requester", "GET", "/runs?text=paged-")[1]["runs"] == []
    assert people.call("viewer", "GET", "/runs?after=x")[0] == 400


def test_what_a_run_has_can_be_taken_away(people: Team) -> None:
    run = people.create("asks", "taken", "somebody")
    people.until(run)
    headers = {"Authorization": f"Bearer {people.tokens['viewer']}"}
    status, journal = fetch(f"{people.server.url}/api/v1/runs/{run}/journal", headers)
    assert status == 200
    assert journal.encode() == people.bench.state.open(run).journal.read_bytes()
    assert isinstance(next(records(iter(journal.encode().splitlines(keepends=True)))).event, RunStarted)
    evidence = people.call("viewer", "GET", f"/runs/{run}/evidence")[1]
    assert evidence["run"]["run"] == run
    timeline = people.call("viewer", "GET", f"/runs/{run}/timeline")[1]["entries"]
    assert [entry["kind"] for entry in timeline][:2] == ["run", "started"]
    assert people.call("viewer", "GET", f"/runs/{run}/step?path=ask")[1]["attempts"][0]["number"] == 1


FILES = """
name: Shows files
vars: {inside: "", outside: "", digest: ""}
steps:
  - id: made
    example.world.act:
      world: "{{ world }}"
      result:
        artifacts:
          inside: {name: inside, path: "{{ inside }}", sha256: "{{ digest }}", size: 4}
          outside: {name: outside, path: "{{ outside }}", sha256: "{{ digest }}", size: 4}
          changed: {name: changed, path: "{{ inside }}", sha256: "00", size: 4}
          linked: {name: linked, path: "{{ inside }}.link", sha256: "{{ digest }}", size: 4}
  - {id: ask, approval: {groups: [neteng]}}
"""


def test_only_files_of_the_state_folder_as_they_were_recorded_are_handed_out(people: Team) -> None:
    inside, outside = people.bench.state.path / "file", people.bench.folder / "secret"
    for path in (inside, outside):
        path.write_text("same")
    inside.with_name("file.link").symlink_to(outside)
    digest = hashlib.sha256(b"same").hexdigest()
    folder = people.bench.create(FILES, "files", {"inside": str(inside), "outside": str(outside), "digest": digest})
    wake_server(folder)
    people.until("files")
    headers = {"Authorization": f"Bearer {people.tokens['viewer']}"}
    base = f"{people.server.url}/api/v1/runs/files/artifact?path=made&name="
    assert fetch(base + "inside", headers) == (200, "same")
    assert [fetch(base + name, headers)[0] for name in ("outside", "linked", "changed", "none")] == [404, 404, 409, 404]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("GET", "/nothing", None, 404, "Not Found"),
        ("DELETE", "/runs", None, 405, "Method Not Allowed"),
        ("GET", "/runs/nobody", None, 404, "none of that name"),
        ("GET", "/runs/..%2f..%2fetc", None, 404, "Not Found"),
        ("GET", "/runs?limit=0", None, 400, "query limit: 0 is less than the minimum of 1"),
        ("GET", "/runs?state=x", None, 400, "is not one of"),
        ("GET", "/runs?other=1", None, 400, "was unexpected"),
        ("POST", "/runs", {}, 400, "is a required property"),
        ("POST", "/runs", {"workflow": "../secret"}, 404, "none of that name may be started"),
        ("POST", "/runs", {"workflow": "asks", "variables": {"no name": 1}}, 422, "no name"),
        ("POST", "/runs", {"workflow": "asks", "run_id": "../x"}, 400, "run id"),
        ("POST", "/runs", [], 400, "is not of type"),
        ("POST", "/runs", {"workflow": "asks", "comment": "x" * 1_000_000}, 413, "larger than"),
    ],
)
def test_errors_have_one_shape(people: Team, method: str, path: str, body: Any, status: int, said: str) -> None:
    came, document = people.call("admin", method, path, body)
    assert came == status
    assert set(document) == {"error"} and set(document["error"]) == {"code", "message"}
    assert said in document["error"]["message"]
    assert str(people.bench.folder) not in document["error"]["message"] or status == 404
