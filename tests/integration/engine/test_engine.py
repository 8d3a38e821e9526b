"""The engine with a real journal, real templating and an operation of a stranger's collection; engines are put down and taken up in between."""

from __future__ import annotations

import getpass

import pytest
from support.calls import eventually
from support.runs import PATIENCE, Bench

from ansible_collections.netops.changerail.plugins.module_utils.errors import (
    JournalDamaged,
    OperationError,
    RunIsHeld,
    StorageError,
)
from ansible_collections.netops.changerail.plugins.module_utils.operation import Waiting, find
from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.run import (
    Surround,
    collect,
    os_requester,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import FileJournal, holder
from ansible_collections.netops.changerail.plugins.plugin_utils.people.answering import cancel_item
from ansible_collections.netops.changerail.plugins.plugin_utils.people.inbox import put


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def finished(events, path):
    return next(event for event in reversed(events) if isinstance(event, e.StepFinished) and event.path == path)


def test_results_and_variables_reach_later_steps(bench):
    ending, events = bench.run("""
name: a change
vars:
  site: ams1
  greeting: "hello {{ site }}"
steps:
  - id: one
    example.world.act: {world: "{{ world }}", result: {site: "{{ site }}", n: 4}}
    register: one
  - ansible.builtin.set_fact: {twice: "{{ one.n * 2 }}"}
  - id: check
    ansible.builtin.assert:
      that: [one.site == 'ams1', twice == 8, greeting == 'hello ams1', one.changed, changerail.run == 'run-1', item == 'x']
    vars: {item: x}
""")
    assert (ending.status, ending.message) == ("succeeded", "")
    assert finished(events, "one").result["key"] == "run-1/one/1"
    assert bench.log() == ["start run-1/one/1"]


def test_what_comes_from_outside_is_never_a_template(bench):
    hostile = "{{ lookup('pipe', 'touch " + str(bench.world / "pwned") + "') }}"
    ending, events = bench.run(
        """
name: a change
steps:
  - id: outside
    example.world.act: {world: "{{ world }}", result: {text: "{{ evil }}"}}
    register: outside
  - id: use
    ansible.builtin.debug: {msg: "it says {{ outside.text }}"}
    when: outside.text | length > 3
  - id: each
    ansible.builtin.debug: {msg: "{{ item }}"}
    loop: ["{{ outside.text }}"]
""",
        variables={"evil": hostile},
    )
    assert ending.status == "succeeded"
    assert finished(events, "use").message == f"it says {hostile}"
    assert not (bench.world / "pwned").exists()


def test_a_template_that_fails_fails_its_step_with_place_and_reason(bench):
    ending, _events = bench.run("""
name: a change
vars: {site: {name: ams1}}
steps:
  - id: one
    ansible.builtin.debug: {msg: "{{ site.nmae }}"}
""")
    assert ending.status == "failed"
    assert "change.yml:5:" in ending.message
    assert "nmae" in ending.message


PARALLEL = """
name: a change
steps:
  - id: both
    parallel:
      - {id: a, example.world.act: {world: "{{ world }}", until: go}}
      - {id: b, example.world.act: {world: "{{ world }}", until: go}}
  - id: after
    example.world.act: {world: "{{ world }}"}
"""


def test_branches_run_at_once_and_an_engine_that_is_stopped_leaves_the_run_resumable(bench):
    folder = bench.create(PARALLEL)
    future, stop = bench.background(folder)
    eventually(lambda: len(bench.events(folder, e.StepWaiting)) == 2)
    assert sorted(bench.log()) == ["start run-1/both/a/1", "start run-1/both/b/1"]
    stop.set()
    assert future.result(PATIENCE).status == "interrupted"
    assert holder(folder) is None
    (bench.world / "go").touch()
    assert bench.drive(folder).status == "succeeded"
    assert sorted(bench.log()) == ["start run-1/after/1", "start run-1/both/a/1", "start run-1/both/b/1"]
    assert bench.drive(folder).message == "the run is over"


def test_a_second_engine_is_told_who_holds_the_run(bench):
    folder = bench.create(PARALLEL)
    future, stop = bench.background(folder)
    eventually(lambda: bench.events(folder, e.StepWaiting))
    with pytest.raises(RunIsHeld, match="pid"):
        bench.drive(folder)
    stop.set()
    future.result(PATIENCE)


def test_an_effect_without_its_record_is_adopted(bench):
    """As after a crash between the call and the checkpoint: the world has the mark, the journal has only the start."""
    folder = bench.create("name: a\nsteps:\n  - {id: one, example.world.act: {world: '{{ world }}'}}\n")
    with FileJournal(folder) as journal:
        journal.append([e.StepStarted(1.0, "one", 1, "run-1/one/1")])
    (bench.world / "start|run-1|one|1").touch()
    assert bench.drive(folder).status == "succeeded"
    assert bench.log() == []
    assert len(bench.events(folder, e.StepStarted)) == 1


ASKING = """
name: a change
steps:
  - id: ask
    netops.changerail.approval: {people: [%s], four_eyes: false}
    register: said
  - id: after
    example.world.act: {world: "{{ world }}", result: {by: "{{ said.answers[0].person }}"}}
"""


@pytest.fixture
def asking(bench):
    return bench.create(ASKING % getpass.getuser())


def test_a_run_that_waits_for_people_holds_no_process_and_goes_on_after_the_answer(bench, asking):
    assert bench.drive(asking, until_waiting=True).status == "waiting"
    bench.answer(asking, "approve", comment="fine with me")
    new = collect(asking, Surround())
    assert [type(event) for event in new] == [e.Answered]
    assert (new[0].person, new[0].comment, new[0].assurance) == (getpass.getuser(), "fine with me", "os_user")
    assert not list(asking.inbox.glob("*.json"))
    assert bench.drive(asking).status == "succeeded"
    assert finished(bench.events(asking), "after").result["by"] == getpass.getuser()


def test_a_running_engine_notices_an_answer(bench, asking):
    future, _stop = bench.background(asking)
    eventually(lambda: bench.events(asking, e.StepWaiting))
    bench.answer(asking, "approve")
    assert future.result(PATIENCE).status == "succeeded"


def test_a_denial_ends_the_run_and_is_not_retried(bench, asking):
    bench.drive(asking, until_waiting=True)
    bench.answer(asking, "deny", comment="not tonight")
    ending = bench.drive(asking)
    assert ending.status == "failed"
    assert "not tonight" in ending.message
    assert len(bench.events(asking, e.StepStarted)) == 1
    assert finished(bench.events(asking), "ask").failure == "rejected"


def test_answers_that_do_not_count_are_recorded_with_the_reason(bench):
    folder = bench.create(ASKING % "somebody-else")
    bench.drive(folder, until_waiting=True)
    bench.answer(folder, "approve")
    bench.answer(folder, "perhaps")
    bench.answer(folder, "approve", question="0" * 16)
    bench.answer(folder, "approve", path="after", question="0" * 16)
    collect(folder, Surround())
    reasons = [event.reason for event in bench.events(folder, e.AnswerRefused)]
    assert "is not entitled" in reasons[0]
    assert "is no answer" in reasons[1]
    assert "has changed since" in reasons[2]
    assert "nothing is asked here" in reasons[3]
    assert bench.drive(folder, until_waiting=True).status == "waiting"


def test_an_item_that_comes_back_after_a_crash_counts_once(bench, asking):
    bench.drive(asking, until_waiting=True)
    name = bench.answer(asking, "approve")
    item = (asking.inbox / f"{name}.json").read_bytes()
    collect(asking, Surround())
    path = asking.inbox / f"{name}.json"
    path.write_bytes(item)
    path.chmod(0o600)
    assert bench.drive(asking).status == "succeeded"
    assert len(bench.events(asking, e.Answered)) == 1
    assert not bench.events(asking, e.AnswerRefused)


def test_cancel_stops_what_is_live_runs_always_and_says_what_is_left_undone(bench):
    folder = bench.create("""
name: a change
steps:
  - id: b
    block:
      - {id: one, example.world.act: {world: "{{ world }}", until: never}}
      - {id: two, example.world.act: {world: "{{ world }}"}}
    rescue:
      - {id: undo, example.world.act: {world: "{{ world }}"}}
    always:
      - {id: record, example.world.act: {world: "{{ world }}"}}
""")
    future, _stop = bench.background(folder)
    eventually(lambda: bench.events(folder, e.StepWaiting))
    put(folder, cancel_item(folder.run, "", "no longer wanted", 1_000_000.0, False))
    ending = future.result(PATIENCE)
    assert (ending.status, ending.message) == ("cancelled", "no longer wanted")
    assert bench.log() == ["start run-1/b/one/1", "cancel run-1/b/one/1", "start run-1/b/record/1"]
    assert finished(bench.events(folder), "b/one").message == "stopped; one thing is left undone"


@pytest.mark.parametrize("answer", ["no answer", "still waiting"])
def test_what_cannot_be_stopped_at_once_is_asked_again(bench, monkeypatch, answer):
    act = find("operations", "example.world.act")
    real, asked = act.cancel, []

    def cancel(call, handle):
        asked.append(call)
        if len(asked) > 2:
            return real(call, handle)
        if answer == "no answer":
            raise OperationError("the world is gone", "transient", retry_after=0.01)
        return Waiting(handle, 0.01, "not yet")

    monkeypatch.setattr(act, "cancel", cancel)
    ending, _events = bench.run("""
name: a change
steps:
  - {id: slow, timeout: 2, example.world.act: {world: "{{ world }}", until: never}, ignore_errors: true}
""")
    assert ending.status == "succeeded"
    assert len(asked) == 3
    assert bench.log() == ["start run-1/slow/1", "cancel run-1/slow/1"]


def test_a_timeout_stops_the_step_and_may_be_rescued(bench):
    ending, events = bench.run("""
name: a change
steps:
  - block:
      - {id: slow, timeout: 2, example.world.act: {world: "{{ world }}", until: never}}
    rescue:
      - {id: said, ansible.builtin.debug: {msg: "{{ failed_step.failure }}: {{ failed_step.message }}"}}
""")
    assert ending.status == "succeeded"
    said = next(event for event in events if isinstance(event, e.StepFinished) and event.path.endswith("said"))
    assert said.message == "timeout: not done within 2.0 s; stopped; one thing is left undone"


def test_a_transient_failure_is_tried_again_under_a_key_of_its_own(bench):
    ending, _events = bench.run("""
name: a change
vars: {tries: 2}
steps:
  - id: one
    example.world.act: {world: "{{ world }}", failure: transient, times: 2}
    retries: "{{ tries }}"
    delay: 0
""")
    assert ending.status == "succeeded"
    assert bench.log() == [f"start run-1/one/{attempt}" for attempt in (1, 2, 3)]


def test_after_the_last_attempt_a_person_is_asked_and_may_grant_another(bench):
    folder = bench.create("""
name: a change
steps:
  - id: one
    example.world.act: {world: "{{ world }}", failure: failed, times: 1}
    escalate: [{after: 1h, to: [oncall]}]
""")
    assert bench.drive(folder, until_waiting=True).status == "waiting"
    asked = bench.events(folder, e.InterventionAsked)[0].question
    assert asked["choices"] == ["retry", "skip", "rollback", "abort"]
    bench.answer(folder, "retry", path="one", comment="the fibre is back")
    assert bench.drive(folder).status == "succeeded"
    assert bench.log() == ["start run-1/one/1", "start run-1/one/2"]
    assert "the fibre is back" in bench.events(folder, e.InterventionDecided)[0].reason


def test_secrets_are_masked_wherever_they_appear(bench):
    bench.environment = {"ROUTER_PASSWORD": "s3cr3t-in-environment"}
    folder = bench.create(
        """
name: a change
steps:
  - id: one
    example.world.act:
      world: "{{ world }}"
      password: "s3cr3t-option"
      result: {seen: "s3cr3t-in-environment inside"}
  - id: two
    no_log: true
    example.world.act: {world: "{{ world }}", result: {token: s3cr3t-result}}
    register: two
  - id: three
    ansible.builtin.debug: {msg: "{{ two }}"}
""",
    )
    assert bench.drive(folder).status == "succeeded"
    text = "\n".join(line for line in folder.journal.read_text().splitlines() if '"run_started"' not in line)
    assert "s3cr3t" not in text
    assert "hidden due to the fact that 'no_log: true'" in text


def test_a_damaged_journal_is_refused_and_left_alone(bench, asking):
    bench.drive(asking, until_waiting=True)
    damaged = asking.journal.read_bytes().replace(b'"approve"', b'"APPROVE"', 1)
    asking.journal.write_bytes(damaged)
    with pytest.raises(JournalDamaged, match="line"):
        bench.drive(asking)
    assert asking.journal.read_bytes() == damaged


def test_when_the_disk_is_full_the_run_stops_and_goes_on_after_space_is_made(bench, monkeypatch):
    folder = bench.create(PARALLEL)
    (bench.world / "go").touch()
    real_append = FileJournal.append
    left = iter(range(3))

    def append(self, events):
        if next(left, None) is None:
            raise StorageError("no space left on device")
        return real_append(self, events)

    monkeypatch.setattr(FileJournal, "append", append)
    with pytest.raises(StorageError, match="no space"):
        bench.drive(folder)
    monkeypatch.undo()
    assert holder(folder) is None
    assert bench.drive(folder).status == "succeeded"
    assert sorted(bench.log()) == ["start run-1/after/1", "start run-1/both/a/1", "start run-1/both/b/1"]


def test_a_loop_names_its_items_and_repeated_labels_stay_apart(bench):
    ending, events = bench.run("""
name: a change
steps:
  - id: each
    loop: [ams1, "a/b", ams1, {name: München}, {x: 1}, ""]
    loop_control: {parallel: 2}
    example.world.act: {world: "{{ world }}", result: {site: "{{ item }}"}}
    register: all
  - ansible.builtin.assert: {that: [all.results | length == 6, "all.results[0].site == 'ams1'"]}
""")
    assert ending.status == "succeeded", ending
    paths = [event.path for event in events if isinstance(event, e.StepStarted) and event.path.startswith("each")]
    assert sorted(paths) == sorted(["each[ams1]", "each[a-b]", "each[ams1#2]", "each[München]", "each[4]", "each[#5]"])


def test_os_requester_names_the_login():
    assert os_requester() == {"name": getpass.getuser(), "assurance": "os_user", "os_user": getpass.getuser()}


def test_an_engine_module_with_another_task_keyword_is_run_by_ansible(bench):
    ending, events = bench.run("""
name: a change
inventory: "localhost,"
vars: {site: ams1}
steps:
  - id: said
    ansible.builtin.debug: {msg: "hello {{ site }}"}
    changed_when: true
    register: said
  - ansible.builtin.assert: {that: [said.changed]}
""")
    assert ending.status == "succeeded", ending
    assert finished(events, "said").result["msg"] == "hello ams1"


def test_check_mode_starts_nothing_and_comes_to_its_end(bench):
    (bench.folder / "play.yml").write_text(
        "- hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n"
        "    - ansible.builtin.copy: {content: x, dest: '{{ playbook_dir }}/made', mode: '0600'}\n"
    )
    ending, events = bench.run(
        """
name: a change
inventory: "localhost,"
steps:
  - id: validate
    netops.changerail.pipeline: {command: [touch, started], artifacts: [edge.diff]}
    register: validation
  - id: review
    netops.changerail.review: {artifact: "{{ validation.artifacts['edge.diff'] }}"}
    register: said
  - id: guarded
    when: said.answers | length > 0
    ansible.builtin.debug: {msg: never}
  - id: until
    netops.changerail.dependency: {file: {path: never-there}}
    until: validation.artifacts['edge.diff'].size > 0
  - id: ask
    netops.changerail.approval: {people: [somebody]}
  - id: play
    import_playbook: play.yml
""",
        check=True,
    )
    assert ending.status == "succeeded", ending
    assert not (bench.folder / "started").exists()
    assert not (bench.folder / "made").exists()
    assert "would run" in finished(events, "review").message
    assert finished(events, "play").result["artifacts"]["diff"]["size"] > 0
