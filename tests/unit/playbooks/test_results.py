# What a story and an exit code mean, case by case, from events as the callback plugin writes them.
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.netops.changerail.plugins.module_utils.operation import Done, Failed
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks import supervisor
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.attempt import Attempt
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.results import outcome_of, playbook_result
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.story import read_story

NO_COUNTS = {"ok": 0, "changed": 0, "failures": 0, "unreachable": 0, "skipped": 0, "rescued": 0, "ignored": 0}


def task(number: int, name: str) -> dict[str, Any]:
    return {"event": "task", "task": number, "name": name}


def begin(number: int, host: str) -> dict[str, Any]:
    return {"event": "begin", "task": number, "host": host}


def result(number: int, host: str, status: str = "ok", **res: Any) -> dict[str, Any]:
    return {"event": "result", "task": number, "host": host, "status": status, "changed": False, "res": res}


def stats(**hosts: dict[str, int]) -> dict[str, Any]:
    return {"event": "stats", "hosts": {host: {**NO_COUNTS, **counts} for host, counts in hosts.items()}, "custom": {}}


def attempt(folder: Path, events: list[dict[str, Any]], ending: dict[str, Any] | None, output: str = "") -> Attempt:
    """The files of an attempt as its supervisor leaves them."""
    made = Attempt(folder)
    made.artifacts.mkdir(parents=True)
    made.events.write_text("".join(f"{json.dumps(event)}\n" for event in events))
    made.output.write_text(output)
    (folder / supervisor.JOB).write_text(json.dumps({"name": "site.yml", "key": "r/s/1"}))
    if ending is not None:
        full = {"rc": 0, "error": "", "stopped_by": "", "killed": 0, **ending}
        (folder / supervisor.OUTCOME).write_text(json.dumps(full))
    return made


IN_FLIGHT = [task(1, "Commit"), begin(1, "r1"), result(1, "r1"), begin(1, "r2")]

CASES = {
    "failed beats unreachable": (
        [task(1, "Commit"), result(1, "r1", "failed", msg="no"), result(1, "r2", "unreachable", msg="gone"), stats(r1={"failures": 1}, r2={"unreachable": 1})],
        {"rc": 4}, "failed", "site.yml: task 'Commit' failed on r1: no",
    ),
    "unreachable": (
        [task(1, "Commit"), result(1, "r2", "unreachable", msg="gone"), stats(r1={"ok": 1}, r2={"unreachable": 1})],
        {"rc": 4}, "transient", "site.yml: r2 unreachable: gone",
    ),
    "many failures": (
        [task(1, "A"), task(2, "B"), *(result(1, f"r{n}", "failed", msg="x") for n in range(9, 2, -1)), result(2, "r1", "failed", msg="y"),
         stats(**{f"r{n}": {"failures": 1} for n in range(1, 10)})],
        {"rc": 2}, "failed", "site.yml: task 'A' failed on r3, r4, r5, r6, r7 and 2 more: x (and 1 more failures)",
    ),
    "no host": (
        [{"event": "no_hosts", "play": "Deploy"}, stats()], {"rc": 0}, "failed",
        "site.yml: no host matched in play 'Deploy'; check inventory, limit, tags and the plays' hosts",
    ),
    "killed by a signal in the middle": (
        IN_FLIGHT, {"rc": -9}, "unknown",
        "site.yml: ansible-playbook was killed by SIGKILL: task 'Commit' was running on r2; the last to finish was 'Commit' on r1; "
        "look at the devices before you decide",
    ),
    "killed by a signal before the first task": ([], {"rc": -11}, "transient", "site.yml: ansible-playbook was killed by SIGSEGV: no task had begun"),
    "cancelled": (
        IN_FLIGHT, {"rc": 99, "stopped_by": "cancel", "killed": 2}, "cancelled",
        "site.yml: cancelled: task 'Commit' was running on r2; the last to finish was 'Commit' on r1; 2 processes did not obey and were killed; "
        "what a device had been told before may still be carried out there",
    ),
    "shut down": (
        IN_FLIGHT, {"rc": -15, "stopped_by": "SIGTERM"}, "unknown",
        "site.yml: was stopped by SIGTERM, as when the machine shuts down: task 'Commit' was running on r2; the last to finish was 'Commit' on r1; "
        "look at the devices before you decide",
    ),
    "shut down before the first task": (
        [], {"rc": 1, "stopped_by": "SIGTERM"}, "transient", "site.yml: was stopped by SIGTERM, as when the machine shuts down: no task had begun",
    ),
    "lost": (
        IN_FLIGHT, None, "unknown",
        "site.yml: was killed together with its supervisor: task 'Commit' was running on r2; the last to finish was 'Commit' on r1; "
        "look at the devices before you decide",
    ),
    "lost after a failure": (
        [task(1, "Commit"), result(1, "r1", "failed", msg="no"), stats(r1={"failures": 1})], None, "failed", "site.yml: task 'Commit' failed on r1: no",
    ),
    "ended well without events": ([], {"rc": 0}, "unknown", "site.yml: ended well, but its events are missing, so nobody knows on which hosts; see "),
    "could not be executed": ([], {"rc": None, "error": "No such file"}, "failed", "site.yml: ansible-playbook could not be started: No such file"),
}  # fmt: skip


@pytest.mark.parametrize(("events", "ending", "failure", "message"), CASES.values(), ids=CASES)
def test_failures_are_classified_and_explained(
    tmp_path: Path, events: list[Any], ending: Any, failure: str, message: str
) -> None:
    outcome = outcome_of(attempt(tmp_path, events, ending), playbook_result)
    assert isinstance(outcome, Failed)
    assert outcome.failure == failure
    assert outcome.message == message or (message.endswith("see ") and outcome.message.startswith(message))


@pytest.mark.parametrize(
    "ending",
    [{"rc": 0}, {"rc": 0, "stopped_by": "cancel"}, None],
    ids=["ended", "cancelled too late", "supervisor lost"],
)
def test_a_playbook_that_came_to_its_end_is_done(tmp_path: Path, ending: Any) -> None:
    outcome = outcome_of(
        attempt(tmp_path, [task(1, "A"), result(1, "r1"), stats(r1={"ok": 1, "changed": 1})], ending), playbook_result
    )
    assert isinstance(outcome, Done) and outcome.changed and outcome.result["rc"] == 0


def test_rescued_failures_are_no_failed_tasks(tmp_path: Path) -> None:
    events = [
        task(1, "A"),
        task(2, "B"),
        result(1, "r1", "failed"),
        result(1, "r2", "failed"),
        result(2, "r2", "failed", msg="final"),
    ]
    made = attempt(tmp_path, [*events, stats(r1={"rescued": 1}, r2={"rescued": 1, "failures": 1})], {"rc": 2})
    assert [(failure.host, failure.task) for failure in read_story(made.events).final_failures()] == [("r2", "B")]


def test_tasks_of_one_name_count_as_the_latest(tmp_path: Path) -> None:
    events = [
        task(1, "A"),
        result(1, "r1"),
        task(2, "B"),
        result(2, "r1"),
        task(3, "A"),
        result(3, "r1"),
        result(3, "r2"),
    ]
    assert list(read_story(attempt(tmp_path, events, None).events).finished.items()) == [
        ("B", ("r1",)),
        ("A", ("r1", "r2")),
    ]


def test_a_loop_speaks_through_its_first_failed_item(tmp_path: Path) -> None:
    items = [
        {"msg": "fine"},
        {"failed": True, "msg": "Task failed: non-zero return code", "stderr": "first\nno such peer\n"},
    ]
    made = attempt(
        tmp_path,
        [
            task(1, "A"),
            result(1, "r1", "failed", msg="One or more items failed", results=items),
            stats(r1={"failures": 1}),
        ],
        {"rc": 2},
    )
    outcome = outcome_of(made, playbook_result)
    assert isinstance(outcome, Failed)
    assert outcome.message == "site.yml: task 'A' failed on r1: non-zero return code: no such peer"


def test_a_line_cut_by_a_full_disk_is_left_out(tmp_path: Path) -> None:
    made = attempt(tmp_path, IN_FLIGHT, {"rc": 1})
    with made.events.open("a") as file:
        file.write('{"event": "result", "task": 1, "ho')
    assert read_story(made.events).in_flight == {"Commit": ("r2",)}


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("PLAY\n\nERROR! no action\n\nThe error appears to be in '/x/site.yml': line 3\n", "ERROR! no action The error appears to be in '/x/site.yml': line 3"),
        ("\x1b[1;31m[ERROR]: no module\x1b[0m\nOrigin: /x/site.yml:3:7\n\n1 - hosts\n", "[ERROR]: no module Origin: /x/site.yml:3:7"),
        ("usage: ...\n\nansible-playbook: error: unrecognized arguments: -x\n", "ansible-playbook: error: unrecognized arguments: -x"),
        ("", "it said nothing"),
    ],
    ids=["2.16", "2.19", "usage", "silent"],
)  # fmt: skip
def test_the_complaint_of_a_playbook_that_never_began(tmp_path: Path, output: str, expected: str) -> None:
    outcome = outcome_of(attempt(tmp_path, [], {"rc": 4}, output), playbook_result)
    assert isinstance(outcome, Failed)
    assert outcome.message == f"site.yml: ansible-playbook ended with 4: {expected}"


def test_bytes_that_were_no_text_become_a_result_that_can_be_written(tmp_path: Path) -> None:
    made = attempt(tmp_path, [{**stats(r1={"ok": 1}), "custom": {"_run": {"x": "caf\udce9"}}}], {"rc": 0})
    outcome = outcome_of(made, playbook_result)
    assert outcome.result["stats"] == {"x": "caf?"}
