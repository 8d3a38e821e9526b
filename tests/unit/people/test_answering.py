"""From an answer on a command line to an event: through the inbox, with real files, users and keys."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.keys import public

from ansible_collections.netops.changerail.plugins.module_utils.question import Question
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import Answered, AnswerRefused
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder, StateFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.people import answering, inbox
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import People, Person, login
from ansible_collections.netops.changerail.plugins.plugin_utils.people.policy import judge
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project
from ansible_collections.netops.changerail.plugins.plugin_utils.people.signatures import verify_all

ME = login(os.getuid())
NETSEC = frozenset({"netsec"})
QUESTION = Question(
    "approval",
    "Security review",
    ("approve", "deny"),
    ("approve",),
    groups=("netsec",),
    requester="rita",
    deadline=2000.0,
)
PROJECT = Project(
    people=People(
        {
            "nina": Person("nina", os_users=(ME,), groups=NETSEC),
            "Jürgen O'Neil": Person("Jürgen O'Neil", os_users=("jm",), groups=NETSEC),
            "rita": Person("rita", os_users=("rita",), groups=NETSEC),
        }
    )
)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return StateFolder(tmp_path / "state").create("run-1")


def deliver(
    folder: RunFolder,
    item: dict[str, Any],
    project: Project = PROJECT,
    question: Question | None = QUESTION,
    **more: Any,
) -> Answered | AnswerRefused:
    """Put the item, read it as the engine does, and make an event of it at time 1500."""
    inbox.put(folder, item)
    found = inbox.items(folder, pytest.fail)[-1]
    return answering.to_event(
        found.document, found.owner_uid, folder.run, question, more.pop("answers", ()), project, 1500.0, **more
    )


def answer(
    person: str = "",
    choice: str = "approve",
    question: Question = QUESTION,
    key: Path | None = None,
    run: str = "run-1",
) -> dict[str, Any]:
    return answering.answer_item(run, "review", question.id, choice, 'passt – "ok"', person, 1400.0, key)


def accepted(event: Answered | AnswerRefused) -> Answered:
    assert isinstance(event, Answered), event
    return event


def refused(event: Answered | AnswerRefused) -> str:
    assert isinstance(event, AnswerRefused), event
    return event.reason


def test_an_answer_by_login_becomes_an_event_with_all_that_is_known(folder: RunFolder) -> None:
    item = answer()
    event = accepted(deliver(folder, item))
    assert event == Answered(
        1500.0, "review", QUESTION.id, item["id"], "approve", "nina", ["netsec"], "os_user", 'passt – "ok"'
    )
    verdict = judge(QUESTION, [event], 1500.0)
    assert verdict is not None
    assert verdict.approved


def test_a_refused_answer_is_an_event_too(folder: RunFolder) -> None:
    stranger = Project(people=People({"otto": Person("otto", os_users=(ME,))}))
    item = answer()
    event = deliver(folder, item, stranger)
    assert isinstance(event, AnswerRefused)
    assert (event.person, event.answer, event.choice, event.assurance, event.comment) == (
        "otto",
        item["id"],
        "approve",
        "os_user",
        'passt – "ok"',
    )
    assert "not entitled" in event.reason


def test_to_claim_to_be_somebody_else_is_asserted_and_does_not_count(folder: RunFolder) -> None:
    event = deliver(folder, answer("Jürgen O'Neil"))
    assert (event.person, event.assurance) == ("Jürgen O'Neil", "asserted")
    assert "only asserted" in refused(event)


def test_an_assertion_counts_where_the_question_says_so(folder: RunFolder) -> None:
    trusting = replace(QUESTION, assurance="asserted")
    event = accepted(deliver(folder, answer("Jürgen O'Neil", question=trusting), question=trusting))
    assert event.assurance == "asserted"


def test_a_requester_who_gave_another_name_is_known_by_login(folder: RunFolder) -> None:
    assert "four eyes" in refused(deliver(folder, answer(), requester_os_user=ME))
    accepted(deliver(folder, answer(), requester_os_user="somebody"))


def test_an_answer_counts_by_when_it_arrived_not_by_when_it_is_read(folder: RunFolder) -> None:
    late = replace(QUESTION, deadline=1450.0)
    assert "too late" in refused(deliver(folder, answer(question=late), question=late))
    event = accepted(deliver(folder, answer(question=late), question=late, arrived=1449.0))
    assert event.at == 1500.0


def test_an_answer_to_a_step_that_is_over_is_refused(folder: RunFolder) -> None:
    assert "the step is over" in refused(deliver(folder, answer(), question=None))


def test_an_answer_to_another_run_is_refused(folder: RunFolder) -> None:
    assert "to run run-2" in refused(deliver(folder, answer(run="run-2")))


def test_a_second_answer_is_refused(folder: RunFolder) -> None:
    two = replace(QUESTION, quorum=2)
    first = accepted(deliver(folder, answer(question=two), question=two))
    assert "answered 'approve' already" in refused(
        deliver(folder, answer(choice="deny", question=two), question=two, answers=[first])
    )


def signing(key: Path, *more: Path) -> Project:
    """PROJECT in which Jürgen O'Neil has this key."""
    people = dict(PROJECT.people.by_name)
    people["Jürgen O'Neil"] = replace(people["Jürgen O'Neil"], keys=tuple(public(each) for each in (key, *more)))
    return replace(PROJECT, people=People(people))


def test_a_signed_answer_is_its_signers_whatever_login_brings_it(folder: RunFolder, nina_key: Path) -> None:
    strict = replace(QUESTION, assurance="signed")
    event = accepted(
        deliver(
            folder,
            answer("Ju\u0308rgen O'Neil", question=strict, key=nina_key),
            signing(nina_key),
            strict,
            requester_os_user=ME,
        )
    )
    assert (event.person, event.assurance) == ("Jürgen O'Neil", "signed")
    assert event.key.startswith("ED25519 SHA256:")
    assert event.signature.startswith("-----BEGIN SSH SIGNATURE-----")


def test_the_event_of_a_signed_answer_verifies_offline(folder: RunFolder, nina_key: Path) -> None:
    from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import RunStarted, StepWaiting

    event = accepted(deliver(folder, answer("Jürgen O'Neil", key=nina_key), signing(nina_key)))
    started = RunStarted(1.0, "run-1", "Change", "change.yml", "/", {}, "", {}, {}, {}, {})
    history = [started, StepWaiting(2.0, "review", 1, {}, "", QUESTION.as_dict()), event]
    (found,) = verify_all(enumerate(history, 1), signing(nina_key).signers())
    assert (found.seq, found.error) == (3, "")


def test_a_signature_of_somebody_elses_key_is_refused_and_not_taken_as_unsigned(
    folder: RunFolder, nina_key: Path, mallory_key: Path
) -> None:
    trusting = replace(QUESTION, assurance="asserted")
    item = answer("Jürgen O'Neil", question=trusting, key=mallory_key)
    assert "does not verify" in refused(deliver(folder, item, signing(nina_key), trusting))


@pytest.mark.parametrize(
    "change",
    [{"choice": "deny"}, {"comment": ""}, {"id": "replayed-1"}, {"path": "deploy"}, {"person": "rita"}],
    ids=lambda change: next(iter(change)),
)
def test_a_signed_answer_that_was_changed_on_its_way_is_refused(
    folder: RunFolder, nina_key: Path, change: dict[str, str]
) -> None:
    item = {**answer("Jürgen O'Neil", key=nina_key), **change}
    refused(deliver(folder, item, signing(nina_key)))


def test_a_signed_answer_cannot_be_replayed_in_another_run(folder: RunFolder, nina_key: Path) -> None:
    item = answer("Jürgen O'Neil", key=nina_key, run="run-2")
    refused(deliver(folder, item, signing(nina_key)))
    refused(deliver(folder, {**item, "run": "run-1"}, signing(nina_key)))


def test_a_signed_answer_must_say_whose_it_is(folder: RunFolder, nina_key: Path) -> None:
    assert "must say whose" in refused(deliver(folder, answer("", key=nina_key), signing(nina_key)))


def test_where_the_project_names_nobody_a_key_in_allowed_signers_makes_known(
    folder: RunFolder, nina_key: Path, tmp_path: Path
) -> None:
    allowed = tmp_path / "allowed_signers"
    allowed.write_text(f"zoë {public(nina_key)}\n")
    anybody = replace(QUESTION, groups=(), assurance="signed")
    event = accepted(
        deliver(folder, answer("zoë", question=anybody, key=nina_key), Project(allowed_signers=allowed), anybody)
    )
    assert (event.person, event.assurance) == ("zoë", "signed")


def test_without_its_allowed_signers_file_a_signature_is_refused(
    folder: RunFolder, nina_key: Path, tmp_path: Path
) -> None:
    lost = replace(PROJECT, allowed_signers=tmp_path / "lost")
    reason = refused(deliver(folder, answer("Jürgen O'Neil", key=nina_key), lost))
    assert "cannot be verified" in reason
    assert "lost" in reason


def test_without_a_project_ones_own_login_answers(folder: RunFolder) -> None:
    anybody = replace(QUESTION, groups=())
    assert accepted(deliver(folder, answer(question=anybody), Project(), anybody)).person == ME
    assert "not entitled" in refused(deliver(folder, answer(), Project()))


def test_a_cancel_names_who_asked_for_it(folder: RunFolder) -> None:
    for person, by in (("", "nina"), ("rita", f"rita (asserted by {ME})")):
        inbox.put(folder, answering.cancel_item("run-1", person, "wrong window", 1400.0, force=True))
        (found,) = inbox.items(folder, pytest.fail)
        event = answering.to_cancel(found.document, found.owner_uid, PROJECT.people, 1500.0)
        assert (event.at, event.by, event.reason, event.force) == (1500.0, by, "wrong window", True)
        inbox.done(folder, found.id)


def test_ids_are_new_each_time_and_sort_by_time() -> None:
    ids = [answering.new_id(1000.0 + second) for second in range(3) for dummy in range(5)]
    assert len(set(ids)) == 15
    assert [name[:16] for name in ids] == sorted(name[:16] for name in ids)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_owner_of_the_file_is_who_answers(folder: RunFolder) -> None:
    item_id = inbox.put(folder, answer())
    os.chown(folder.inbox / f"{item_id}.json", 65534, 65534)
    (found,) = inbox.items(folder, pytest.fail)
    event = answering.to_event(found.document, found.owner_uid, "run-1", QUESTION, (), PROJECT, 1500.0)
    assert event.person == login(65534)
    assert "not entitled" in refused(event)


def test_a_program_that_knows_who_talks_to_it_is_believed_and_four_eyes_still_hold(folder: RunFolder) -> None:
    people = replace(PROJECT.people, by_name={**PROJECT.people.by_name, "nina": Person("nina", groups=NETSEC)})
    project = replace(PROJECT, people=replace(people, trusted=frozenset({ME})))

    question = replace(QUESTION, assurance="authenticated")

    def answered(person: str) -> Answered | AnswerRefused:
        return deliver(folder, answer(person, question=question), project, question, requester_os_user=ME)

    by_nina, by_requester, by_nobody, by_stranger = map(answered, ("nina", "rita", "", "ghost"))
    assert isinstance(by_nina, Answered)
    assert (by_nina.person, by_nina.assurance) == ("nina", "authenticated")
    assert isinstance(by_requester, AnswerRefused) and "four eyes" in by_requester.reason
    assert isinstance(by_nobody, AnswerRefused) and "not entitled" in by_nobody.reason
    assert isinstance(by_stranger, AnswerRefused) and "not entitled" in by_stranger.reason


def test_who_logged_in_at_the_server_is_more_than_a_login_and_less_than_a_signature(folder: RunFolder) -> None:
    wanted = replace(QUESTION, assurance="authenticated")
    event = accepted(deliver(folder, answering.logged_in(answer("jm", question=wanted), ["board"]), question=wanted))
    assert (event.person, event.assurance, event.groups) == ("Jürgen O'Neil", "authenticated", ["board", "netsec"])
    signed = replace(QUESTION, assurance="signed")
    item = answering.logged_in(answer("jm", question=signed), ["board"])
    assert "sign the answer" in refused(deliver(folder, item, question=signed))


def test_the_requester_stays_out_whatever_they_log_in_with(folder: RunFolder) -> None:
    assert "four eyes" in refused(deliver(folder, answering.logged_in(answer("rita"), ["netsec"])))


def test_nobody_but_the_owner_of_the_runs_says_that_a_person_has_logged_in(folder: RunFolder) -> None:
    inbox.put(folder, answering.logged_in(answer("Jürgen O'Neil"), ["netsec"]))
    (found,) = inbox.items(folder, pytest.fail)
    event = answering.to_event(found.document, os.getuid() + 1, folder.run, QUESTION, (), PROJECT, 1500.0)
    assert "only asserted" in refused(event)


def test_an_account_that_the_project_does_not_name_has_the_groups_of_the_account(folder: RunFolder) -> None:
    assert accepted(deliver(folder, answering.logged_in(answer("otto"), ["netsec"]))).person == "otto"
    assert "not entitled" in refused(deliver(folder, answering.logged_in(answer("otto"), [])))
