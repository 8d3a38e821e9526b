# The playbooks as AWX job templates: a job that ends while the change waits, people who answer by launching jobs, one that goes on. Run by pytest.
from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from support.awx import Controller, Refused, plain, templates
from support.repository import make

from ansible_collections.netops.changerail.tests.twins.gitlab.access import TOKEN
from ansible_collections.netops.changerail.tests.twins.kit.start import running
from ansible_collections.netops.changerail.tests.twins.servicenow.people import INTEGRATION, PASSWORD

TEMPLATES = templates()
CHANGE, ANSWER, ALL, ONE, STATUS, REHEARSE = (
    TEMPLATES[name]
    for name in ("Change", "Answer", "Go on with all changes", "Go on with a change", "Status", "Rehearse")
)


def events(controller: Controller, run: str) -> list[dict]:
    lines = (controller.volume / "runs" / run / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_a_change_from_a_survey_over_four_jobs_to_its_end(controller, tmp_path):
    started = controller.launch(CHANGE, "alice", {"ticket": "CHG-7", "sites": "fra\nams", "urgent": "true"})
    assert started.status == "successful", plain(started.output)
    assert (started.artifacts["run_id"], started.artifacts["run_state"]) == ("CHG-7", "waiting")
    assert started.artifacts["run_waiting_for"][0]["asked"] == "group netsec"

    # Launched again it goes on, and opens no second record.
    again = controller.launch(CHANGE, "alice", {"ticket": "CHG-7"})
    assert again.artifacts["run_state"] == "waiting"
    assert len(list((controller.volume / "records").glob("*.json"))) == 1

    own = controller.launch(ANSWER, "alice", {"run_id": "CHG-7", "choice": "approve"})
    assert own.status == "failed"
    assert "alice is not entitled to answer" in plain(own.output) or "four eyes" in plain(own.output)

    answered = controller.launch(
        ANSWER, "b.miller", {"run_id": "CHG-7", "choice": "approve", "comment": "narrow {{ 1 }}"}
    )
    assert answered.status == "successful", plain(answered.output)

    # The next node of a workflow template gets what the one before handed on.
    ended = controller.launch(ONE, None, answered.artifacts, schedule="every ten minutes")
    assert ended.status == "successful", plain(ended.output)
    assert (ended.artifacts["run_state"], ended.artifacts["run_finished"]) == ("succeeded", True)
    (answer,) = ended.artifacts["run_results"]["review"]["answers"]
    assert (answer["person"], answer["assurance"]) == ("bob", "authenticated")
    assert answer["comment"] == f"narrow {{{{ 1 }}}} (AWX job {answered.id})"
    for name in ("fra1", "ams1"):
        assert "network 203.0.113.0/24" in (tmp_path / "routers" / f"{name}.conf").read_text()
    first = events(controller, "CHG-7")[0]
    assert first["requester"] == {**first["requester"], "name": "alice", "assurance": "authenticated"}
    assert first["variables"]["sites"] == ["fra", "ams"] and first["variables"]["urgent"] is True
    assert "prefix" not in first["variables"]
    # What later nodes get is taken from the run; nothing of AWX's own went into it.
    assert not [name for name in first["variables"] if name.startswith(("awx_", "tower_"))]


def test_the_run_keeps_the_project_that_was_approved(controller, tmp_path):
    """A later job has a newer project; what was approved is what is deployed."""
    project = tmp_path / "project"
    project.mkdir()
    for path in controller.project.rglob("*"):
        if path.is_file():
            (project / path.relative_to(controller.project)).parent.mkdir(parents=True, exist_ok=True)
            (project / path.relative_to(controller.project)).write_bytes(path.read_bytes())
    (project / ".git").mkdir()
    controller.project = project
    controller.launch(CHANGE, "alice", {"ticket": "CHG-8", "sites": "fra"})
    text = (project / "deploy.yml").read_text()
    (project / "deploy.yml").write_text(text.replace('"network {{ prefix }}"', '"no network at all"'))
    controller.launch(ANSWER, "bob", {"run_id": "CHG-8", "choice": "approve"})
    ended = controller.launch(ALL, None, schedule="every ten minutes")
    assert ended.status == "successful", plain(ended.output)
    assert ended.artifacts["changerail_runs"] == {"CHG-8": "succeeded"}
    assert "no network at all" not in (tmp_path / "routers" / "fra1.conf").read_text()
    kept = controller.volume / "runs" / "CHG-8" / "project"
    assert kept.stat().st_mode & 0o777 == 0o700 and not (kept / ".git").exists()


def test_without_the_trust_of_the_project_file_awx_names_are_assertions(controller):
    path = controller.volume / "changerail.yml"
    project = yaml.safe_load(path.read_text())
    del project["trusted_os_users"]
    path.write_text(yaml.safe_dump(project))
    controller.launch(CHANGE, "alice", {"ticket": "CHG-9", "sites": "fra"})
    first = events(controller, "CHG-9")[0]
    assert (first["requester"]["name"], first["requester"]["assurance"]) == ("alice", "asserted")
    answered = controller.launch(ANSWER, "bob", {"run_id": "CHG-9", "choice": "approve"})
    assert answered.status == "failed"
    assert "that it is bob is only asserted; this question wants authenticated" in plain(answered.output)


def test_a_job_that_nobody_launched_cannot_answer_but_can_request(controller):
    started = controller.launch(CHANGE, None, {"ticket": "CHG-10", "sites": "fra"}, schedule="nightly")
    assert started.artifacts["run_state"] == "waiting"
    assert events(controller, "CHG-10")[0]["requester"]["name"] == "AWX schedule nightly"
    answered = controller.launch(ANSWER, None, {"run_id": "CHG-10", "choice": "approve"}, schedule="nightly")
    assert answered.status == "failed"
    assert "was started by no person" in plain(answered.output)


def test_a_denied_change_fails_its_job_and_says_why_and_status_shows_it(controller):
    controller.launch(CHANGE, "alice", {"ticket": "CHG-11", "sites": "fra"})
    seen = controller.launch(STATUS, "alice")
    assert "CHG-11: waiting (Advertise 203.0.113.0/24, requested by alice)" in plain(seen.output)
    controller.launch(ANSWER, "bob", {"run_id": "CHG-11", "choice": "deny", "comment": "too wide"})
    ended = controller.launch(ONE, "alice", {"run_id": "CHG-11"})
    assert ended.status == "failed"
    assert ended.artifacts["run_state"] == "failed"
    assert "too wide" in plain(ended.output)
    seen = controller.launch(STATUS, "alice", {"run_id": "CHG-11"})
    assert (seen.artifacts["run_state"], seen.artifacts["run_finished"]) == ("failed", True)


def test_a_limit_that_leaves_out_localhost_does_not_pass_for_success(controller):
    job = controller.launch(CHANGE, "alice", {"ticket": "CHG-12"}, limit="fra1")
    assert job.status == "failed"
    assert "left out localhost, where this playbook runs: nothing was done" in plain(job.output)
    assert not (controller.volume / "runs").exists()


def test_a_survey_answer_of_the_wrong_kind_is_named_and_starts_nothing(controller):
    job = controller.launch(CHANGE, "alice", {"ticket": "CHG-13", "sites": "[fra"})
    assert job.status == "failed"
    assert "variable sites: expected YAML or JSON" in plain(job.output)
    assert not list((controller.volume / "runs").glob("*/journal.jsonl"))


def test_a_rehearsal_from_a_job_contacts_nothing(controller):
    job = controller.launch(REHEARSE, "alice", {"scenario": "scenarios/denied.yml"})
    assert job.status == "successful", plain(job.output)
    assert "as expected: failed" in plain(job.output)
    assert not (controller.volume / "records").exists() and not (controller.volume / "runs").exists()


@pytest.mark.parametrize(
    ("answers", "said"),
    [({}, "'ticket' value missing"), ({"ticket": "CHG-1", "urgent": True}, "expected to be one of")],
)
def test_the_surveys_refuse_as_awx_does(controller, answers, said):
    with pytest.raises(Refused, match=said):
        controller.launch(CHANGE, "alice", answers)


def test_the_vault_password_of_a_credential_reaches_the_run(controller, tmp_path):
    """AWX keeps ANSIBLE_VAULT_PASSWORD_FILE from credentials, so the type sets a variable of ours."""
    from ansible.parsing.vault import VaultLib, VaultSecret

    text = VaultLib([("default", VaultSecret(b"open sesame"))]).encrypt(b"s3cr3t-of-the-edge").decode()
    project = tmp_path / "vaulted"
    project.mkdir()
    indented = "".join(f"    {line}\n" for line in text.splitlines())
    (project / "change.yml").write_text(
        f"name: Vaulted\nvars:\n  key: !vault |\n{indented}steps:\n  - ansible.builtin.import_playbook: use.yml\n"
    )
    (project / "use.yml").write_text(
        "- hosts: fra1\n  gather_facts: false\n  tasks:\n    - ansible.builtin.assert: {that: key | length == 18}\n"
    )
    (project / "run.yml").write_text((controller.project / "run.yml").read_text())
    controller.project = project
    controller.credentials = {**controller.credentials, "changerail_vault": {"vault_password": "open sesame"}}
    job = controller.launch(CHANGE, "alice", {"ticket": "CHG-14"})
    assert job.artifacts.get("run_state") == "succeeded", plain(job.output)
    everything = [path.read_bytes() for path in controller.volume.rglob("*") if Path(path).is_file()]
    assert not [text for text in everything if b"s3cr3t-of-the-edge" in text or b"open sesame" in text]


def test_four_eyes_hold_back_a_requester_who_belongs_to_the_group(controller):
    path = controller.volume / "changerail.yml"
    project = yaml.safe_load(path.read_text())
    project["people"]["alice"]["groups"].append("netsec")
    path.write_text(yaml.safe_dump(project))
    controller.launch(CHANGE, "alice", {"ticket": "CHG-15", "sites": "fra"})
    own = controller.launch(ANSWER, "alice", {"run_id": "CHG-15", "choice": "approve"})
    assert own.status == "failed"
    assert "four eyes" in plain(own.output)
    refused = [event for event in events(controller, "CHG-15") if event["event"] == "answer_refused"]
    assert [(event["person"], event["assurance"]) for event in refused] == [("alice", "authenticated")]


def test_an_answer_that_goes_on_and_a_node_that_wants_the_change_finished(controller):
    """Further extra vars of the playbooks, as a template would fix them."""
    must_end = {**CHANGE, "extra_vars": {**CHANGE["extra_vars"], "fail_when_waiting": True, "timeout": "60s"}}
    waiting = controller.launch(must_end, "alice", {"ticket": "CHG-16", "sites": "fra"})
    assert (waiting.status, waiting.artifacts["run_state"]) == ("failed", "waiting")
    going_on = {**ANSWER, "extra_vars": {"go_on": True}}
    answered = controller.launch(going_on, "bob", {"run_id": "CHG-16", "choice": "approve"})
    assert (answered.status, answered.artifacts["run_state"]) == ("successful", "succeeded"), plain(answered.output)


SYSTEMS = """\
name: Both systems
steps:
  - name: Open the change record
    netops.changerail.change_record: {provider: servicenow, type: normal, short_description: Both systems}
    register: change
  - name: Build
    netops.changerail.pipeline: {provider: gitlab, project: net/edge, ref: main}
"""
CI_FILE = """\
workflow: {name: $CHANGERAIL_KEY}
build: {script: [echo built]}
"""


def test_the_credentials_reach_servicenow_and_gitlab(controller, tmp_path):
    (tmp_path / "repository").mkdir()
    repository = make(tmp_path / "repository", CI_FILE)
    project = tmp_path / "systems"
    project.mkdir()
    (project / "change.yml").write_text(SYSTEMS)
    (project / "run.yml").write_text((controller.project / "run.yml").read_text())
    controller.project = project
    with (
        running("servicenow", tmp_path / "servicenow", settings={"flow_delay": 0}) as servicenow,
        running("gitlab", tmp_path / "gitlab", "--project", f"net/edge={repository}") as gitlab,
    ):
        controller.credentials = {
            **controller.credentials,
            "servicenow": {"host": servicenow.url, "username": INTEGRATION, "password": PASSWORD},
            "gitlab": {"url": gitlab.url, "token": TOKEN},
        }
        job = controller.launch(CHANGE, "alice", {"ticket": "CHG-17"})
    assert job.artifacts.get("run_state") == "succeeded", plain(job.output)
    assert job.artifacts["run_results"]["change"]["number"].startswith("CHG")
    everything = [path.read_bytes() for path in controller.volume.rglob("*") if path.is_file()]
    assert not [text for text in everything if PASSWORD.encode() in text or TOKEN.encode() in text]
    assert PASSWORD not in job.output and TOKEN not in job.output
