"""Signatures made and verified by the real ssh-keygen."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.keys import public

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.module_utils.question import Question
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    Answered,
    Event,
    RunStarted,
    StepWaiting,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.people.signatures import (
    Signers,
    document,
    sign,
    verify,
    verify_all,
)

NOW = 1_800_000_000.0
CONTENT = document("run-1", "review", "0" * 16, "a-1", "approve", "Jürgen O'Neil", 'looks "right" – Grüße')


def test_what_is_signed_is_canonical_json() -> None:
    assert CONTENT.decode() == (
        '{"answer":"a-1","choice":"approve","comment":"looks \\"right\\" – Grüße","path":"review",'
        '"person":"Jürgen O\'Neil","question":"0000000000000000","run":"run-1"}'
    )


@pytest.mark.parametrize("person", ["nina", "Jürgen O'Neil", 'the "boss"', "-f", "a,b *?!", "名前"])
def test_a_signature_verifies_with_the_persons_key_from_the_project(nina_key: Path, person: str) -> None:
    found = verify(CONTENT, sign(CONTENT, nina_key), Signers(keys={person: [public(nina_key)]}), person, NOW)
    assert found.error == ""
    assert re.match(r"ED25519 SHA256:\S{43}\Z", found.key)


def test_a_signature_verifies_with_an_allowed_signers_file_by_name_or_mail(nina_key: Path) -> None:
    signature = sign(CONTENT, nina_key)
    by_name = Signers(allowed=f"# ours\nnina {public(nina_key)}\n")
    by_mail = Signers(
        allowed=f'*@example.net namespaces="changerail,git" {public(nina_key)}\n',
        principals={"nina": ["nina@example.net"]},
    )
    assert verify(CONTENT, signature, by_name, "nina", NOW).key
    assert verify(CONTENT, signature, by_mail, "nina", NOW).key


def test_any_change_of_what_was_signed_is_found(nina_key: Path) -> None:
    signature, signers = sign(CONTENT, nina_key), Signers(keys={"nina": [public(nina_key)]})
    found = verify(CONTENT.replace(b"approve", b"approv3"), signature, signers, "nina", NOW)
    assert found.key == ""
    assert "does not verify" in found.error


@pytest.mark.parametrize(
    "signature", ["", "hello", "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n", "\0"]
)
def test_what_is_no_signature_does_not_verify(nina_key: Path, signature: str) -> None:
    assert verify(CONTENT, signature, Signers(keys={"nina": [public(nina_key)]}), "nina", NOW).error


def test_somebody_elses_key_does_not_verify(nina_key: Path, mallory_key: Path) -> None:
    signature = sign(CONTENT, mallory_key)
    signers = Signers(
        keys={"nina": [public(nina_key)], "mallory": [public(mallory_key)]}, allowed=f"mallory {public(mallory_key)}\n"
    )
    assert verify(CONTENT, signature, signers, "nina", NOW).error
    assert verify(CONTENT, signature, signers, "mallory", NOW).key


def test_a_signature_made_for_something_else_does_not_verify(nina_key: Path) -> None:
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(nina_key), "-n", "git"]
    for_git = subprocess.run(command, input=CONTENT, capture_output=True, check=True, timeout=30).stdout.decode()
    assert verify(CONTENT, for_git, Signers(keys={"nina": [public(nina_key)]}), "nina", NOW).error
    assert verify(CONTENT, for_git, Signers(allowed=f"nina {public(nina_key)}\n"), "nina", NOW).error


def test_a_key_counts_while_it_is_valid(nina_key: Path) -> None:
    signature = sign(CONTENT, nina_key)
    signers = Signers(allowed=f'nina valid-before="20260101" {public(nina_key)}\n')
    assert verify(CONTENT, signature, signers, "nina", 1_700_000_000.0).key
    assert verify(CONTENT, signature, signers, "nina", NOW).error


def test_a_person_without_a_key_is_told_where_to_put_it(nina_key: Path) -> None:
    assert "allowed_signers" in verify(CONTENT, sign(CONTENT, nina_key), Signers(), "nina", NOW).error


def test_a_key_with_options_or_a_second_line_gives_nobody_else_anything(nina_key: Path, mallory_key: Path) -> None:
    smuggled = Signers(keys={"nina": [f"{public(nina_key)}\nperson {public(mallory_key)}"]})
    assert verify(CONTENT, sign(CONTENT, mallory_key), smuggled, "nina", NOW).error


def test_signing_without_a_key_says_so(tmp_path: Path) -> None:
    with pytest.raises(AuthorError, match="no such key"):
        sign(CONTENT, tmp_path / "none")
    (tmp_path / "broken").write_text("no key")
    with pytest.raises(AuthorError, match="cannot sign"):
        sign(CONTENT, tmp_path / "broken")


def test_a_key_in_the_agent_signs_by_its_public_half(
    make_key: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make_key("in-agent")
    alone = tmp_path / "id.pub"
    alone.write_text(public(key))
    started = subprocess.run(
        ["ssh-agent", "-s", "-a", str(tmp_path / "agent")], capture_output=True, text=True, check=True, timeout=30
    )
    pid = re.search(r"SSH_AGENT_PID=(\d+)", started.stdout)
    assert pid is not None
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        subprocess.run(["ssh-add", "-q", str(key)], check=True, timeout=30)
        assert verify(CONTENT, sign(CONTENT, alone), Signers(keys={"nina": [public(key)]}), "nina", NOW).key
    finally:
        os.kill(int(pid[1]), 15)


def test_a_locked_key_is_an_error_and_no_hang(make_key: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_ASKPASS", "/bin/false")
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    with pytest.raises(AuthorError, match="cannot sign"):
        sign(CONTENT, make_key("locked", "open sesame"))


def test_without_ssh_keygen_the_message_names_what_to_install(
    nina_key: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    signature = sign(CONTENT, nina_key)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AuthorError, match="install OpenSSH"):
        sign(CONTENT, nina_key)
    assert (
        "install OpenSSH" in verify(CONTENT, signature, Signers(keys={"nina": [public(nina_key)]}), "nina", NOW).error
    )


QUESTION = Question("review", "Review of edge.diff", ("approve", "deny"), ("approve",), subject={"edge.diff": "a" * 64})


def history(key: Path) -> list[Event]:
    """A run in which nina signed her approval of QUESTION."""
    content = document("run-1", "review", QUESTION.id, "a-1", "approve", "nina", "fine")
    return [
        RunStarted(NOW, "run-1", "Change", "change.yml", "/", {}, "", {}, {"name": "rita"}, {}, {}),
        StepWaiting(NOW, "review", 1, {}, "waiting", QUESTION.as_dict(), True),
        Answered(NOW, "other", "0" * 16, "a-0", "approve", "otto", (), "os_user"),
        Answered(
            NOW,
            "review",
            QUESTION.id,
            "a-1",
            "approve",
            "nina",
            ("netops",),
            "signed",
            "fine",
            sign(content, key),
            "ED25519",
        ),
    ]


def checked(events: list[Event], key: Path) -> list[tuple[int, str, str]]:
    return [
        (found.seq, found.person, found.error)
        for found in verify_all(enumerate(events, 1), Signers(keys={"nina": [public(key)]}))
    ]


def test_signed_answers_of_a_history_verify_offline(nina_key: Path) -> None:
    assert checked(history(nina_key), nina_key) == [(4, "nina", "")]


@pytest.mark.parametrize(
    "change",
    [
        {"choice": "deny"},
        {"comment": "fine!"},
        {"answer": "a-2"},
        {"path": "other"},
        {"question": "0" * 16},
        {"signature": ""},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_answer_that_was_tampered_with_is_found(nina_key: Path, change: dict[str, str]) -> None:
    events = history(nina_key)
    events[3] = replace(events[3], **change)  # type: ignore[type-var]
    ((seq, person, error),) = checked(events, nina_key)
    assert (seq, person) == (4, "nina")
    assert error


@pytest.mark.parametrize(
    "change",
    [{"title": "Another"}, {"subject": {"edge.diff": "b" * 64}}, {"requester": "nina"}],
    ids=lambda change: next(iter(change)),
)
def test_a_question_that_was_exchanged_under_an_answer_is_found(nina_key: Path, change: dict[str, object]) -> None:
    events = history(nina_key)
    events[1] = StepWaiting(NOW, "review", 1, {}, "waiting", {**QUESTION.as_dict(), **change}, True)
    assert checked(events, nina_key) == [(4, "nina", "the question on record is not the one that was answered")]


def test_a_question_that_was_taken_away_is_found(nina_key: Path) -> None:
    events = history(nina_key)
    del events[1]
    assert checked(events, nina_key)[0][2]
    broken = history(nina_key)
    broken[1] = StepWaiting(NOW, "review", 1, {}, "waiting", {"id": QUESTION.id}, True)
    assert checked(broken, nina_key)[0][2]


def test_an_answer_of_another_run_is_found(nina_key: Path) -> None:
    events = history(nina_key)
    events[0] = replace(events[0], run="run-2")  # type: ignore[type-var]
    assert "does not verify" in checked(events, nina_key)[0][2]
