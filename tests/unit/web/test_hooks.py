"""Webhooks: who may send them, what they wake, what they start; forged, old, repeated and hostile ones change nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
from itertools import product

import pytest

from ansible_collections.netops.changerail.plugins.module_utils.hook import HookRefused
from ansible_collections.netops.changerail.plugins.plugin_utils.people.hooks import HookSource, HookStart
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.row import Row, RowWait
from ansible_collections.netops.changerail.plugins.plugin_utils.web.actions import StartWish
from ansible_collections.netops.changerail.plugins.plugin_utils.web.hooks import Asked, Receiver

SECRET = "the secret of the source"
NOW = 1_800_000_000.0
INCIDENT = HookStart("remediate", "join('-', ['INC', number])", "state == 'new'", {"interface": "details.interface"})


def receiver(kind: str, step: str = "step", start: HookStart | None = None, rows: tuple[Row, ...] = ()) -> Receiver:
    return Receiver(HookSource(kind, (), "" if kind == "gitlab" else step, start), [SECRET], lambda: rows)


def signature(content: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()


def proven(kind: str, body: bytes, now: float = NOW, secret: str = SECRET) -> dict[str, str]:
    """The headers with which a sender that knows the secret sends ``body``."""
    if kind == "github":
        return {"x-hub-signature-256": signature(body, secret), "x-github-delivery": "1"}
    if kind == "servicenow":
        return {"x-changerail-token": secret}
    moment = str(int(now))
    return {"x-changerail-timestamp": moment, "x-changerail-signature": signature(f"{moment}.".encode() + body, secret)}


KINDS = ("github", "servicenow", "hmac")


@pytest.mark.parametrize("kind", KINDS)
def test_a_hook_names_the_step_to_look_at(kind: str) -> None:
    body = json.dumps({"step": "CHG1/deploy[ams]/the firewall"}).encode()
    assert receiver(kind).receive(proven(kind, body), body, NOW) == Asked((("CHG1", "deploy[ams]/the firewall"),))


# A token in a header says nothing of the body; only a signature does.
@pytest.mark.parametrize(
    ("kind", "forged"),
    sorted(set(product(KINDS, ("nothing", "other secret", "other body"))) - {("servicenow", "other body")}),
)
def test_who_does_not_prove_it_is_refused(kind: str, forged: str) -> None:
    body = b'{"step": "CHG1/deploy"}'
    headers = {} if forged == "nothing" else proven(kind, body, secret=SECRET if forged == "other body" else "guessed")
    sent = b'{"step": "CHG2/deploy"}' if forged == "other body" else body
    with pytest.raises(HookRefused) as refused:
        receiver(kind).receive(headers, sent, NOW)
    assert refused.value.status == 401 and SECRET not in str(refused.value)


@pytest.mark.parametrize("late", [-301, 301])
def test_a_signed_hook_is_worth_something_for_five_minutes(late: int) -> None:
    body = b'{"step": "CHG1/deploy"}'
    headers = proven("hmac", body)
    assert receiver("hmac").receive(headers, body, NOW + 299).steps
    with pytest.raises(HookRefused, match=r"300 s is a replay or a wrong clock"):
        receiver("hmac").receive(headers, body, NOW + late)


@pytest.mark.parametrize("kind", ["github", "hmac"])
def test_a_delivery_that_comes_twice_counts_once(kind: str) -> None:
    body = json.dumps({"step": "CHG1/deploy", "number": "7", "state": "new"}).encode()
    one = receiver(kind, start=INCIDENT)
    assert one.receive(proven(kind, body), body, NOW).start is not None
    assert one.receive(proven(kind, body), body, NOW) == Asked()


def test_a_message_of_servicenow_is_no_repetition_of_one_before() -> None:
    """Nothing tells them apart, and each may be of a change of its own."""
    body = json.dumps({"step": "CHG1/deploy"}).encode()
    one = receiver("servicenow")
    for _time in range(2):
        assert one.receive(proven("servicenow", body), body, NOW).steps == (("CHG1", "deploy"),)


def test_a_hook_that_was_refused_counts_when_it_is_sent_again_as_it_should_be() -> None:
    rule = HookStart("remediate", "number")
    body = json.dumps({"step": "CHG1/deploy"}).encode()
    one = receiver("hmac", start=rule)
    for _time in range(2):
        with pytest.raises(HookRefused, match="gives no id for the run"):
            one.receive(proven("hmac", body), body, NOW)


@pytest.mark.parametrize("kind", [*KINDS, "gitlab"])
def test_any_of_several_secrets_will_do_while_one_is_replaced_by_another(kind: str) -> None:
    body = json.dumps({"step": "CHG1/deploy"}).encode()
    one = Receiver(HookSource(kind, (), "step"), ["the old one", SECRET], lambda: ())
    headers = {"x-gitlab-token": SECRET, "x-gitlab-event": "Push Hook"} if kind == "gitlab" else proven(kind, body)
    assert one.receive(headers, body, NOW).steps == (("CHG1", "deploy"),)


def test_a_hook_starts_the_workflow_of_its_rule_with_data_and_no_templates() -> None:
    document = {"number": "7", "state": "new", "details": {"interface": "{{ lookup('pipe', 'id') }}"}}
    one = receiver("servicenow", start=INCIDENT)
    body = json.dumps(document).encode()
    wanted = one.receive(proven("servicenow", body), body, NOW)
    assert wanted.start == StartWish("remediate", {"interface": "{{ lookup('pipe', 'id') }}"}, run_id="INC-7")
    closed = json.dumps({**document, "number": "8", "state": "closed"}).encode()
    assert one.receive(proven("servicenow", closed), closed, NOW).start is None


def test_a_hook_without_what_the_runs_id_is_made_of_starts_nothing() -> None:
    body = b'{"state": "new"}'
    with pytest.raises(HookRefused, match=r"start: join\('-', \['INC', number\]\) cannot be evaluated"):
        receiver("servicenow", start=INCIDENT).receive(proven("servicenow", body), body, NOW)


@pytest.mark.parametrize(
    "body", [b"payload=%7B%7D", b"\xff\xfe", b"[" * 100_000, b'{"step": ' * 5000, b"7", b"[]", b'"x"']
)
def test_a_hostile_body_is_refused_or_says_nothing(body: bytes) -> None:
    try:
        assert receiver("servicenow").receive(proven("servicenow", body), body, NOW) == Asked()
    except HookRefused as refused:
        assert refused.status == 400


def test_a_gitlab_job_hook_wakes_who_says_that_it_waits_for_that_pipeline() -> None:
    def row(run: str, title: str, question: str = "") -> Row:
        wait = RowWait("build", "approval" if question else "pipeline", title, 0.0, question)
        return Row(run, "", "waiting", "", 0.0, 0.0, waits=(wait,))

    rows = (
        row("CHG1", "pipeline net/edge 7/110 is running (http://gitlab.example.net/110)"),
        row("CHG2", "pipeline net/edge 7/1 is running"),
        row("CHG3", "May 7/110 be built?", "q1"),
    )
    body = json.dumps({"object_kind": "build", "project_id": 7, "pipeline_id": 110}).encode()
    headers = {"x-gitlab-event": "Job Hook", "x-gitlab-token": SECRET}
    assert receiver("gitlab", rows=rows).receive(headers, body, NOW) == Asked((("CHG1", "build"),))
