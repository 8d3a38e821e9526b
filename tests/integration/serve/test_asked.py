"""Questions of plain playbooks asked at a server: by jobs as AWX runs them, each in a folder that is gone afterwards; nobody is asked twice."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ansible_runner
import pytest
from support.calls import eventually
from support.serving import PATIENCE, Serving, fetch
from support.team import Team, team

from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import ROLES, Grant

DIFF = "--- a/edge\n+++ b/edge\n@@ -1 +1 @@\n-old\n+{{ hostile }} <b>new</b> \x1b[31m\n"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with team(tmp_path_factory.mktemp("asked")) as made:
        made.add("sees-and-asks", Grant("viewer"), Grant("requester"))
        made.add("asks-approvals", Grant("requester", "approval"))
        yield made


def job(
    people: Team, user: str, operation: str, /, files: Mapping[str, str] | None = None, awx: str = "", **options: Any
) -> dict[str, Any]:
    """The result of one task in a job of its own: ansible-runner in a private data folder that is deleted afterwards, with nothing of ours kept."""
    place = Path(tempfile.mkdtemp(prefix="awx_", dir=people.bench.folder))
    try:
        (place / "project").mkdir()
        for name, text in (files or {}).items():
            (place / "project" / name).write_text(text)
        tasks = [
            {f"netops.changerail.{operation}": options, "register": "done", "ignore_errors": True},
            {
                "ansible.builtin.copy": {
                    "content": "{{ done | to_json }}",
                    "dest": str(place / "out.json"),
                    "mode": "0600",
                }
            },
        ]
        (place / "project" / "play.yml").write_text(
            json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}])
        )
        named = {
            "CHANGERAIL_SERVER": people.server.url,
            "CHANGERAIL_TOKEN": people.tokens[user],
            "CHANGERAIL_HOME": str(place / "home"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        extra = {"awx_job_id": 7, "awx_user_name": awx} if awx else {}
        done = ansible_runner.run(
            private_data_dir=str(place),
            playbook="play.yml",
            inventory="localhost ansible_connection=local ansible_python_interpreter=" + sys.executable,
            envvars=named,
            extravars=extra,
            quiet=True,
            verbosity=1,
        )
        assert done.rc == 0, done.stdout.read()
        assert not (place / "home").exists(), "nothing of it is on this machine"
        return {**json.loads((place / "out.json").read_text()), "printed": done.stdout.read()}
    finally:
        shutil.rmtree(place)


def answer(people: Team, run: str, choice: str = "approve", comment: str = "") -> None:
    body = {**people.asked(run), "choice": choice, "comment": comment}
    assert people.call("approver", "POST", f"/runs/{run}/answers", body)[0] == 200


def requested(people: Team, run: str) -> Mapping[str, Any]:
    (begun,) = people.bench.events(people.bench.state.open(run), e.RunStarted)
    return dict(begun.requester)


def runs(people: Team, text: str) -> set[str]:
    return {run["run"] for run in people.call("admin", "GET", f"/runs?text={text}&limit=500")[1]["runs"]}


def test_an_approval_is_asked_once_whatever_becomes_of_the_jobs(people: Team) -> None:
    task = {"key": "NET 7", "groups": ["neteng"], "subject": {"prefix": "{{ 203 }}"}, "title": "May it go on?"}
    first = job(people, "requester", "approval", wait=False, awx="ann", **task)
    run = first["run"]
    assert (first["finished"], first["changed"], first.get("failed", False)) == (False, False, False)
    assert "May it go on?" in first["waiting_for"]
    assert requested(people, run)["name"] == "requester"
    asked = people.until(run)["questions"][0]["question"]
    assert "Asked by a job that ann launched, as AWX says." in asked["text"]
    again = job(people, "requester", "approval", wait=False, **task)
    assert (again["run"], again["handle"]) == (run, first["handle"])
    answer(people, run, comment="{{ fine }}")
    people.until(run, "succeeded")
    by_key = job(people, "requester", "approval", timeout="60s", **task)
    by_handle = job(people, "requester", "approval", handle=first["handle"], **task)
    assert (by_key["finished"], by_key["decision"], by_key["answers"][0]["comment"]) == (True, "approve", "{{ fine }}")
    assert {**by_key, "printed": ""} == {**by_handle, "printed": ""}
    assert runs(people, "approval-NET-7") == {run}
    other = job(people, "requester", "approval", wait=False, **{**task, "subject": {"prefix": "another"}})
    assert (other["finished"], other["run"]) == (False, f"{run}-2")


def test_a_review_shows_the_very_bytes_and_holds_for_them_alone(people: Team) -> None:
    task = {"key": "NET-8", "groups": ["neteng"], "artifact": "edge.diff"}
    first = job(people, "requester", "review", files={"edge.diff": DIFF}, wait=False, **task)
    run = first["run"]
    people.until(run)
    assert runs(people, "review-NET-8") == {run}
    shown = f"{people.server.url}/api/v1/runs/{run}/shown?path=question&name=edge.diff"
    status, text = fetch(shown, {"Authorization": f"Bearer {people.tokens['approver']}"})
    assert (status, text) == (200, DIFF)
    digest = hashlib.sha256(DIFF.encode()).hexdigest()
    assert people.until(run)["questions"][0]["question"]["subject"] == {"edge.diff": digest}
    # Another job, another copy of the project: the same bytes are the same question, other bytes another one.
    assert job(people, "requester", "review", files={"edge.diff": DIFF}, wait=False, **task)["run"] == run
    moved = job(people, "requester", "review", files={"edge.diff": DIFF + "+ more\n"}, wait=False, **task)
    assert (moved["run"], moved["finished"]) == (f"{run}-2", False)
    assert "asked anew" in people.until(run, "cancelled")["cancelling"]
    answer(people, f"{run}-2")
    people.until(f"{run}-2", "succeeded")
    by_handle = job(people, "requester", "review", files={"edge.diff": DIFF}, handle=moved["handle"], **task)
    assert by_handle["failed"] and "asks about something else than this task" in by_handle["msg"]
    done = job(people, "requester", "review", files={"edge.diff": DIFF + "+ more\n"}, **task)
    assert done["artifacts"]["edge.diff"]["path"].endswith("project/edge.diff"), "a file of the job, not of the server"
    assert (done["finished"], done["decision"]) == (True, "approve")
    assert done["artifacts"]["edge.diff"]["sha256"] == hashlib.sha256((DIFF + "+ more\n").encode()).hexdigest()


def test_what_somebody_else_asks_is_not_withdrawn_for_another_subject(people: Team) -> None:
    task = {"key": "NET-11", "groups": ["neteng"], "wait": False}
    first = job(people, "requester", "approval", subject={"prefix": "203.0.113.0/24"}, **task)
    other = job(people, "sees-and-asks", "approval", subject={"prefix": "198.51.100.0/24"}, **task)
    assert other["failed"] and "may not cancel" in other["msg"], other["msg"]
    assert runs(people, "approval-NET-11") == {first["run"]}
    assert people.until(first["run"])["cancelling"] == ""


def test_a_task_waits_while_the_server_is_killed_and_sees_the_answer(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    people = Team(tmp_path)
    people.server = Serving(people.bench.state.path, listen=listen)
    with people.server, ThreadPoolExecutor(1) as pool:
        people.server.wait_until_ready()
        waiting = pool.submit(job, people, "requester", "approval", key="NET-9", groups=["neteng"], timeout="100s")
        people.until("approval-NET-9")
        eventually(lambda: people.server.log.count("approval-NET-9/journal") > 1, PATIENCE)
        people.server.kill()
        people.server.start()
        people.server.wait_until_ready()
        answer(people, "approval-NET-9", "deny", "wait for us")
        done = waiting.result(PATIENCE)
    assert (done["failed"], done["failure"], done["decision"]) == (True, "rejected", "deny")
    assert "approver: deny (wait for us)" in done["msg"]
    assert "run approval-NET-9 at http" in done["printed"]


def test_a_token_that_ends_while_a_task_waits_leaves_the_question_open(people: Team) -> None:
    token = people.tokens["admin"]
    revoked = threading.Event()

    def revoke() -> None:
        people.until("approval-NET-10")
        people.accounts.change(lambda accounts: accounts.without_token(token.split("_")[1]))
        revoked.set()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(revoke)
        done = job(people, "admin", "approval", key="NET-10", groups=["neteng"], timeout="60s")
    assert revoked.is_set() and done["failed"]
    assert "was revoked" in done["msg"] and "The question stays open as run approval-NET-10" in done["msg"]
    people.token("admin")
    assert people.until("approval-NET-10")["state"] == "waiting"


def test_nobody_has_decided_in_time(people: Team) -> None:
    late = job(people, "requester", "approval", groups=["neteng"], timeout="1s")
    assert (late["failed"], late["failure"], late["finished"]) == (True, "timeout", False)
    assert f"changerail answer {late['run']}" in late["msg"]
    assert people.until(late["run"])["state"] == "waiting"


@pytest.mark.parametrize(
    ("user", "operation", "options", "why"),
    [
        ("viewer", "approval", {}, "viewer may not start in workflow approval"),
        ("asks-approvals", "review", {"artifact": "play.yml"}, "may not start in workflow review"),
        ("requester", "approval", {"config": "changerail.yml"}, "has a project file of its own"),
        (
            "requester",
            "approval",
            {"handle": {"operation": "approval", "at": {"run": "nothing"}}},
            "returned as 'handle' at http",
        ),
        ("requester", "review", {"artifact": "nothing.diff"}, "cannot be reviewed"),
    ],
)
def test_what_is_refused(people: Team, user: str, operation: str, options: dict[str, Any], why: str) -> None:
    before = runs(people, operation)
    done = job(people, user, operation, key="refused", groups=["neteng"], wait=False, **options)
    assert done["failed"] and why in done["msg"], done["msg"]
    assert runs(people, operation) == before


@pytest.mark.parametrize("role", ROLES)
def test_who_may_ask(people: Team, role: str) -> None:
    status, dummy = people.call(role, "POST", "/questions", body(f"asked-by-{role}", "approval"))
    assert status == (201 if role in ("requester", "admin") else 403)
    assert (people.bench.state.runs / f"asked-by-{role}").exists() == (status == 201)


def test_a_role_of_approvals_alone_asks_them(people: Team) -> None:
    assert job(people, "asks-approvals", "approval", groups=["neteng"], wait=False)["finished"] is False


def test_what_is_too_large_for_a_request_is_said_before_it_is_sent(people: Team) -> None:
    noise = base64.b85encode(os.urandom(1_200_000)).decode()
    done = job(people, "requester", "review", files={"edge.diff": noise}, artifact="edge.diff", wait=False)
    assert done["failed"] and "too large to be reviewed at a server" in done["msg"]
    long = "".join(f"+ line {number} of a diff\n" for number in range(100_000))
    done = job(
        people, "requester", "review", files={"edge.diff": long}, artifact="edge.diff", wait=False, groups=["neteng"]
    )
    assert not done.get("failed") and people.until(done["run"])


# The endpoint itself, which not only our own client calls


def packed(name: str = "edge.diff", content: bytes = b"+ new\n", **other: str) -> dict[str, str]:
    digest = hashlib.sha256(content).hexdigest()
    return {"name": name, "sha256": digest, "gzip": base64.b64encode(gzip.compress(content)).decode(), **other}


def body(run: str, operation: str = "review", **more: Any) -> dict[str, Any]:
    files = {"files": [packed()]} if operation == "review" else {}
    return {"operation": operation, "options": {"groups": ["neteng"]}, "run_id": run, **files, **more}


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else 0


BOMB = base64.b64encode(gzip.compress(b"\0" * 40_000_000)).decode()


@pytest.mark.parametrize(
    ("wrong", "status", "why"),
    [
        ({"files": [packed(sha256="0" * 64)]}, 400, "it was changed on the way"),
        ({"files": [packed(gzip="no base64")]}, 400, "expected gzip in base64"),
        ({"files": [packed(gzip=base64.b64encode(b"plain").decode())]}, 400, "expected gzip in base64"),
        ({"files": [packed(gzip=base64.b64encode(gzip.compress(b"+ new\n")[:-4]).decode())]}, 400, "one whole gzip file"),
        ({"files": [packed(gzip=BOMB)]}, 400, "larger than 16777216 bytes together"),
        ({"files": [packed(content=b"\0" * 9_000_000), packed("b", b"\0" * 9_000_000)]}, 400, "larger than 16777216 bytes together"),
        ({"files": [packed(), packed()]}, 400, "each under another name"),
        ({"files": []}, 400, "shows at least one"),
        ({"operation": "approval"}, 400, "an approval shows none"),
        ({"operation": "pipeline"}, 400, "is not one of"),
        ({"options": {"artifact": "/etc/shadow"}}, 400, "option 'artifact'"),
        ({"operation": "approval", "files": [], "options": {"from": {"provider": "servicenow"}}}, 400, "option 'from'"),
        ({"options": {"a']}}{{ 7 }}": 1}}, 400, "anything else is asked by a workflow"),
        ({"options": {"message": "x" * 300_000}}, 400, "goes under files"),
        ({"operation": "approval", "files": [], "options": {"subject": {"a": nested(100)}}}, 400, "64 deep"),
        ({"operation": "approval", "files": [], "options": {"subject": {"a": nested(500)}}}, 400, "64 deep"),
        ({"options": {"quorum": "many"}}, 400, "quorum"),
        ({"options": {"assurance": "hoped"}}, 400, "assurance"),
        ({"run_id": "../../etc"}, 400, "expected letters, digits"),
        ({"files": [packed(str(number)) for number in range(101)]}, 400, "is too long"),
    ],
)  # fmt: skip
def test_hostile_requests(people: Team, wrong: dict[str, Any], status: int, why: str) -> None:
    came, document = people.call("requester", "POST", "/questions", {**body("hostile"), **wrong})
    assert (came, why in document["error"]["message"]) == (status, True), document
    assert not (people.bench.state.runs / "hostile" / "journal.jsonl").exists()


@pytest.mark.parametrize("name", ["../../../out", "/etc/passwd", "a\nb\x1b[31m", "\u202egnp.exe", "x" * 200, "<b>"])
def test_hostile_names_are_names_and_no_places(people: Team, name: str) -> None:
    run = f"named-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    assert people.call("requester", "POST", "/questions", body(run, files=[packed(name)]))[0] == 201
    assert people.until(run)["questions"][0]["question"]["subject"] == {name: hashlib.sha256(b"+ new\n").hexdigest()}
    outside = {path.name for path in people.bench.state.path.parent.iterdir()}
    assert not outside & {"out", "passwd"}
    # A file that is just being written has a name of its own for a moment, with a dot before it.
    files = (people.bench.state.runs / run).rglob("[!.]*")
    inside = [path for path in files if path.is_file()]
    assert inside
    assert all(path.stat().st_mode & 0o077 == 0 for path in inside), "readable by their owner only"


def test_the_same_again_is_the_same_run_and_another_ones_id_is_taken(people: Team) -> None:
    with ThreadPoolExecutor(8) as pool:
        came = list(pool.map(lambda _number: people.call("requester", "POST", "/questions", body("same")), range(8)))
    assert came == [(201, {"run": "same"})] * 8
    assert len(people.bench.events(people.bench.state.open("same"), e.RunStarted)) == 1
    for user, changed in (
        ("admin", {}),
        ("requester", {"options": {"groups": []}}),
        ("requester", {"files": [packed("b")]}),
    ):
        status, document = people.call(user, "POST", "/questions", {**body("same"), **changed})
        assert status == 409 and "is taken" in document["error"]["message"]


def test_braces_in_what_is_asked_are_text(people: Team) -> None:
    options = {
        "groups": ["neteng"],
        "title": "{{ lookup('pipe', 'id') }}",
        "message": "{% raw %}",
        "subject": {"{{ a }}": "{{ b }}"},
    }
    assert people.call("requester", "POST", "/questions", body("braces", "approval", options=options))[0] == 201
    seen = people.until("braces")
    question = seen["questions"][0]["question"]
    assert question["title"] == options["title"] and seen["name"] == options["title"]
    assert question["text"] == '{% raw %}\n{{ a }}: "{{ b }}"'
