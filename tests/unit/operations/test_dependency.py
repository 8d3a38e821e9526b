# dependency: every kind of thing that can be looked at, on real sockets; what waits, what fails at once, what is shown.
from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.calls import call
from support.servers import Answer, Names, Web, names, web

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, OperationError
from ansible_collections.netops.changerail.plugins.module_utils.operation import Done, Outcome, Waiting
from ansible_collections.netops.changerail.plugins.module_utils.operations import change_record
from ansible_collections.netops.changerail.plugins.module_utils.operations.dependency import OPERATION


@pytest.fixture
def api() -> Iterator[Web]:
    with web() as server:
        yield server


@pytest.fixture
def zone() -> Iterator[Names]:
    with names() as server:
        yield server


def look(folder: Path, args: Mapping[str, Any], **context: Any) -> Outcome:
    return OPERATION.start(call(OPERATION, folder, args, **context))


def waiting(outcome: Outcome) -> str:
    """What it waits for; the handle must survive JSON."""
    assert isinstance(outcome, Waiting), outcome
    assert json.loads(json.dumps(outcome.handle)) == outcome.handle
    return outcome.message


def observed(outcome: Outcome) -> Any:
    assert isinstance(outcome, Done), outcome
    return outcome.result["observed"]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_http_waits_until_the_expression_holds(tmp_path: Path, api: Web) -> None:
    args = {"http": {"url": f"{api.url}/rules/12"}, "until": "state == 'active'"}
    made = call(OPERATION, tmp_path, args, clock=lambda: 1000.0)
    first = OPERATION.start(made)
    assert "rules/12: status 404 since 1970-01-01 00:16:40 UTC; waiting for state == 'active'" in waiting(first)
    api.answers["/rules/12"] = Answer(body={"state": "pending", "id": 12})
    assert isinstance(first, Waiting)
    second = OPERATION.poll(made, first.handle)
    assert 'rules/12: {"state": "pending"} since' in waiting(second)
    api.answers["/rules/12"] = Answer(body={"state": "active", "id": 12})
    assert observed(OPERATION.poll(made, first.handle)) == {"state": "active", "id": 12}


def test_an_unchanged_observation_gives_the_same_outcome(tmp_path: Path, api: Web) -> None:
    moments = iter([100.0, 160.0, 220.0])
    made = call(OPERATION, tmp_path, {"http": {"url": api.url}}, clock=lambda: next(moments))
    first = OPERATION.start(made)
    assert isinstance(first, Waiting)
    second = OPERATION.poll(made, first.handle)
    assert isinstance(second, Waiting)
    assert (second.message, second.handle) == (first.message, first.handle)


def test_http_value_shapes(tmp_path: Path, api: Web) -> None:
    api.answers |= {
        "/text": Answer(body="up\n"),
        "/empty": Answer(204),
        "/list": Answer(body=[1, 2]),
        "/null": Answer(body=None),
    }
    api.answers["/null"].body = "null"
    assert observed(look(tmp_path, {"http": {"url": f"{api.url}/text"}})) == {"status": 200, "text": "up\n"}
    assert observed(look(tmp_path, {"http": {"url": f"{api.url}/empty"}})) == {"status": 204}
    assert observed(look(tmp_path, {"http": {"url": f"{api.url}/list"}, "until": "length(@) == `2`"})) == [1, 2]
    assert observed(look(tmp_path, {"http": {"url": f"{api.url}/text", "method": "HEAD"}})) == {"status": 200}
    assert "null since" in waiting(look(tmp_path, {"http": {"url": f"{api.url}/null"}, "until": "state == 'active'"}))


def test_http_expected_statuses(tmp_path: Path, api: Web) -> None:
    assert observed(look(tmp_path, {"http": {"url": f"{api.url}/gone", "status": [404]}})) == {
        "status": 404,
        "text": "nothing here",
    }
    api.answers["/gone"] = Answer(body={})
    with pytest.raises(OperationError, match="status 200, expected 404"):
        look(tmp_path, {"http": {"url": f"{api.url}/gone", "status": [404]}})


@pytest.mark.parametrize("status", [404, 408, 425, 429, 500, 502, 503])
def test_http_statuses_that_may_pass(tmp_path: Path, api: Web, status: int) -> None:
    api.answers["/"] = Answer(status, "later", {"Retry-After": "120"})
    outcome = look(tmp_path, {"http": {"url": f"{api.url}/"}, "interval": "10s"})
    assert f"status {status}" in waiting(outcome)
    assert isinstance(outcome, Waiting) and outcome.after == 120


@pytest.mark.parametrize("status", [400, 401, 403, 410, 302])
def test_http_statuses_that_fail_at_once(tmp_path: Path, api: Web, status: int) -> None:
    api.answers["/"] = Answer(status, "no such right")
    with pytest.raises(OperationError, match=f"GET {api.url}/: status {status}, expected 2xx: no such right") as error:
        look(tmp_path, {"http": {"url": f"{api.url}/"}})
    assert error.value.failure == "failed"


def test_http_not_yet_can_be_set(tmp_path: Path, api: Web) -> None:
    api.answers["/"] = Answer(403, "not deployed")
    assert "status 403" in waiting(look(tmp_path, {"http": {"url": f"{api.url}/", "not_yet": [403]}}))
    with pytest.raises(OperationError, match="status 404"):
        look(tmp_path, {"http": {"url": f"{api.url}/x", "not_yet": [403]}})


def test_http_unreachable_is_not_there_yet(tmp_path: Path, api: Web) -> None:
    assert "Connection refused" in waiting(look(tmp_path, {"http": {"url": f"http://127.0.0.1:{free_port()}/"}}))
    api.answers["/"] = Answer(cut=True)
    waiting(look(tmp_path, {"http": {"url": f"{api.url}/"}}))
    waiting(look(tmp_path, {"http": {"url": f"{api.url}/", "method": "POST", "body": {"query": "x"}}}))
    assert json.loads(api.asked[-1].body) == {"query": "x"}


def test_http_follows_only_where_it_may(tmp_path: Path, api: Web) -> None:
    with web() as other:
        other.answers["/there"] = Answer(body={"ok": True})
        api.answers |= {
            "/here": Answer(302, headers={"Location": "/end"}),
            "/end": Answer(body={"ok": True}),
            "/away": Answer(302, headers={"Location": f"{other.url}/there"}),
            "/round": Answer(302, headers={"Location": "/round"}),
        }
        token = {"api": {"url": api.url, "token": "t0ken-1", "headers": {"X-Key": "k3y-2"}}}
        assert observed(look(tmp_path, {"http": {"url": "/here", "connection": "api"}}, connections=token)) == {
            "ok": True
        }
        with pytest.raises(OperationError, match="another host"):
            look(tmp_path, {"http": {"url": "/away", "connection": "api"}}, connections=token)
        with pytest.raises(OperationError, match="more than 5 times"):
            look(tmp_path, {"http": {"url": "/round", "connection": "api"}}, connections=token)
        assert other.asked == []
        outcome = look(
            tmp_path, {"http": {"url": "/away", "connection": "api", "follow_redirects": "all"}}, connections=token
        )
        assert observed(outcome) == {"ok": True}
        assert "t0ken-1" in json.dumps(api.asked[-1].headers)
        assert not {"Authorization", "X-Key"} & set(other.asked[-1].headers)


def test_http_credentials_of_a_connection_stay_with_it(tmp_path: Path, api: Web) -> None:
    connections = {"api": {"url": "http://api.example.net", "username": "u", "password": "p4ss"}}
    with pytest.raises(OperationError, match="is not at connection api"):
        look(tmp_path, {"http": {"url": f"{api.url}/", "connection": "api"}}, connections=connections)
    with pytest.raises(
        OperationError, match=r"connection 'app': changerail\.yml has no connection of that name; it has: api"
    ):
        look(tmp_path, {"http": {"url": "/", "connection": "app"}}, connections=connections)
    assert api.asked == []


def test_no_secret_is_shown(tmp_path: Path, api: Web) -> None:
    connections = {"api": {"url": api.url, "username": "u", "password": "p4ss-1", "headers": {"X-Api-Key": "k3y-2"}}}
    body = {"echo": "p4ss-1 k3y-2 tok3n-3", "state": "p4ss-1"}
    port = free_port()
    seen = []
    for status in (200, 503):
        api.answers["/"] = Answer(status, body)
        outcome = look(
            tmp_path,
            {"http": {"url": "/?token=tok3n-3&x=1", "connection": "api"}, "until": "state == 'a'"},
            connections=connections,
        )
        seen.append(waiting(outcome) + json.dumps(outcome.handle if isinstance(outcome, Waiting) else {}))
    api.answers["/"] = Answer(200, body)
    seen.append(
        json.dumps(
            observed(look(tmp_path, {"http": {"url": "/?token=tok3n-3", "connection": "api"}}, connections=connections))
        )
    )
    seen.append(
        waiting(look(tmp_path, {"http": {"url": f"http://u:p4ss-1@127.0.0.1:{port}/?api_key=k3y-2&token=tok3n-3"}}))
    )
    api.answers["/"] = Answer(403, body)
    with pytest.raises(OperationError) as error:
        look(tmp_path, {"http": {"url": "/?token=tok3n-3", "connection": "api"}}, connections=connections)
    seen.append(str(error.value))
    for text in seen:
        assert not re.search("p4ss-1|k3y-2|tok3n-3", text), text
    assert api.asked[0].path == "/?token=tok3n-3&x=1"
    assert api.asked[0].headers["X-Api-Key"] == "k3y-2"


def test_a_reply_without_end_is_refused(tmp_path: Path, api: Web) -> None:
    api.answers["/"] = Answer(body="x" * (1024 * 1024 + 1))
    with pytest.raises(OperationError, match="the reply is larger than 1048576 bytes"):
        look(tmp_path, {"http": {"url": f"{api.url}/"}})
    api.answers["/"] = Answer(body=["y" * 100000])
    assert list(observed(look(tmp_path, {"http": {"url": f"{api.url}/"}}))) == ["truncated"]


@pytest.mark.parametrize("url", ["nonsense", "http://", "ftp://127.0.0.1/x", "http://127.0.0.1:99999/", "http://[::1/"])
def test_an_address_that_cannot_be_asked_fails_at_once(tmp_path: Path, url: str) -> None:
    with pytest.raises(OperationError) as error:
        look(tmp_path, {"http": {"url": url}})
    assert error.value.failure == "failed"


def test_dns(tmp_path: Path, zone: Names) -> None:
    at = {"server": "127.0.0.1", "port": zone.port}
    args = {"dns": {"name": "edge.example.net", **at}, "until": "contains(answers, '203.0.113.1')"}
    assert 'A edge.example.net at 127.0.0.1: {"answers": []} since' in waiting(look(tmp_path, args))
    zone.zone["edge.example.net", "A"] = ["203.0.113.2", "203.0.113.1"]
    assert observed(look(tmp_path, args)) == {"answers": ["203.0.113.1", "203.0.113.2"], "ttl": 60, "rcode": "NOERROR"}
    zone.zone["edge.example.net", "TXT"] = ['"v=1 " "x"']
    assert observed(look(tmp_path, {"dns": {"name": "edge.example.net", "type": "txt", **at}}))["answers"] == ["v=1 x"]
    waiting(look(tmp_path, {"dns": {"name": "edge.example.net", "type": "AAAA", **at}}))
    assert (
        observed(look(tmp_path, {"dns": {"name": "no.example.net", **at}, "until": "rcode == 'NXDOMAIN'"}))["answers"]
        == []
    )
    zone.broken["edge.example.net"] = "SERVFAIL"
    assert "SERVFAIL" in waiting(
        look(tmp_path, {"dns": {"name": "edge.example.net", **at}, "until": "rcode == 'NOERROR'"})
    )


def test_dns_server_that_is_not_there(tmp_path: Path) -> None:
    assert "127.0.0.1: " in waiting(
        look(tmp_path, {"dns": {"name": "a.example", "server": "127.0.0.1", "port": free_port()}})
    )


@pytest.mark.parametrize("name", ["a..b", "x" * 64, ""])
def test_dns_name_that_cannot_be_asked(tmp_path: Path, name: str) -> None:
    if name == "":
        name = "a" * 300
    with pytest.raises(OperationError, match="cannot be asked"):
        look(tmp_path, {"dns": {"name": name}})


def test_tcp(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        closed = look(tmp_path, {"tcp": {"host": "127.0.0.1", "port": port}})
        assert f"127.0.0.1 port {port}: Connection refused" in waiting(closed)
        assert observed(look(tmp_path, {"tcp": {"host": "127.0.0.1", "port": port}, "until": "!open"})) == {
            "open": False
        }
        listener.listen()
        assert observed(look(tmp_path, {"tcp": {"host": "127.0.0.1", "port": port}})) == {"open": True}


def test_file(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    args = {"file": {"path": "state.json"}, "until": "content.ready"}
    assert "waiting for content.ready" in waiting(look(tmp_path, args))
    assert observed(look(tmp_path, {"file": {"path": str(path), "state": "absent"}})) == {"exists": False}
    path.write_text('{"ready": false}')
    waiting(look(tmp_path, args))
    waiting(look(tmp_path, {"file": {"path": "state.json", "state": "absent"}}))
    path.write_text('{"ready": true}')
    seen = observed(look(tmp_path, args))
    assert (seen["content"], seen["kind"], seen["size"]) == ({"ready": True}, "file", 15)
    assert observed(look(tmp_path, {"file": {"path": "."}}))["kind"] == "folder"


def test_step_of_another_run(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}
    args = {"step": {"run": "fw-7", "step": "deploy"}}
    made = call(OPERATION, tmp_path, args, observe_step=lambda run, step: seen.get(f"{run} {step}"))
    assert "step deploy of run fw-7: there is no such run here" in waiting(OPERATION.start(made))
    seen["fw-7 deploy"] = {"state": "failed", "result": {}, "run": "running"}
    waiting(OPERATION.start(made))
    seen["fw-7 deploy"] = {"state": "ok", "result": {"rule": 12}, "run": "running"}
    assert observed(OPERATION.start(made))["result"] == {"rule": 12}
    seen["fw-7 deploy"] = {"state": "failed", "result": {}, "run": "failed"}
    with pytest.raises(OperationError, match="failed, and that run is over"):
        OPERATION.start(made)


def test_change_record(tmp_path: Path) -> None:
    opened = change_record.OPERATION.start(
        call(change_record.OPERATION, tmp_path, {"short_description": "x"}, path="open")
    )
    assert isinstance(opened, Done)
    args = {"record": opened.result, "until": "state == 'scheduled' && fields.risk == 'low'"}
    assert '{"state": "new", "fields":' in waiting(look(tmp_path, args))
    assert observed(look(tmp_path, {"record": "CHG0000001", "until": "state == 'new'"}))["number"] == "CHG0000001"
    with pytest.raises(AuthorError, match="until"):
        look(tmp_path, {"record": "CHG0000001"})
    with pytest.raises(OperationError, match="no record of that number"):
        look(tmp_path, {"record": "CHG0000009", "until": "state == 'new'"})


@pytest.mark.parametrize(
    ("until", "message"),
    [
        ("state = 'active'", "is no JMESPath expression at column 7"),
        ("state ==", "is no JMESPath expression at column 9"),
        ("", "is no JMESPath expression"),
        ("startswith(state, 'a')", "JMESPath has no function 'startswith'; it has"),
        ("contains(state)", "contains() takes 2 arguments, not 1"),
        ("state", "gives 'pending'; expected true or false"),
    ],
)
def test_wrong_expressions_fail_at_the_start(tmp_path: Path, api: Web, until: str, message: str) -> None:
    api.answers["/"] = Answer(body={"state": "pending"})
    with pytest.raises(OperationError) as error:
        look(tmp_path, {"http": {"url": f"{api.url}/"}, "until": until})
    assert message in str(error.value)


@pytest.mark.parametrize("until", ["contains(rules, 'x')", "count > `3`", "missing.field"])
def test_what_cannot_be_evaluated_yet_is_waited_for(tmp_path: Path, api: Web, until: str) -> None:
    api.answers["/"] = Answer(body={"count": "many"})
    waiting(look(tmp_path, {"http": {"url": f"{api.url}/"}, "until": until}))


def test_check_mode_looks_once_and_goes_on(tmp_path: Path) -> None:
    outcome = look(tmp_path, {"file": {"path": "nothing"}}, check=True)
    assert isinstance(outcome, Done)
    assert outcome.result["would_wait"] is True


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "one of the following is required: http, dns, tcp, file, step, record"),
        ({"tcp": {"host": "a", "port": 1}, "file": {"path": "x"}}, "mutually exclusive"),
        ({"tcp": {"host": "a"}}, "port"),
        ({"http": {"ulr": "x"}}, "unknown option 'http.ulr'; did you mean 'url'"),
    ],
)
def test_bad_options_are_named(tmp_path: Path, args: dict[str, Any], message: str) -> None:
    with pytest.raises(AuthorError) as error:
        look(tmp_path, args)
    assert message in str(error.value)


@pytest.mark.parametrize("interval", ["soon", 0, -5])
def test_interval_must_be_a_duration(tmp_path: Path, interval: object) -> None:
    with pytest.raises(OperationError, match="interval"):
        look(tmp_path, {"file": {"path": "x"}, "interval": interval})
