# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers signed with SSH keys, by OpenSSH's own tool (``ssh-keygen -Y``); doors sign, the inbox's reader and ``audit verify`` verify.

Whatever ssh-keygen can use works here: keys with a passphrase, an agent (name the ``.pub`` file), hardware keys, certificates.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.module_utils.question import Question
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    Answered,
    Event,
    InterventionAsked,
    RunStarted,
    StepWaiting,
)

NAMESPACE = "changerail"
"""What a signature is for; a key that is restricted to other namespaces, or a signature made for Git, does not verify."""

_SIGN_SECONDS = 120  # somebody may have to type a passphrase or touch a key
_VERIFY_SECONDS = 20
_OWN_KEYS = "person"
_GOOD = re.compile(r"with (\S+) key (\S+)")


@dataclass(frozen=True)
class Verification:
    """``key`` describes the key ("ED25519 SHA256:…") of a good signature; else ``error`` says what is wrong."""

    key: str = ""
    error: str = ""


@dataclass(frozen=True)
class Signers:
    """Whose key is whose: the text of an ``allowed_signers`` file, and for each person further public keys and further principals (mail addresses).

    In the file a person is a principal by name or by any of the further principals.
    """

    allowed: str = ""
    keys: Mapping[str, Sequence[str]] = field(default_factory=dict)
    principals: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Checked:
    """One signed answer of a history: the journal's sequence number, who answered at which step, and "" or what is wrong."""

    seq: int
    path: str
    person: str
    error: str


def document(run: str, path: str, question: str, answer: str, choice: str, person: str, comment: str) -> bytes:
    """What is signed: canonical JSON. ``question`` is the id of what was asked, which stands for all of it; ``answer`` the answer's own id."""
    fields = {
        "answer": answer,
        "choice": choice,
        "comment": comment,
        "person": person,
        "path": path,
        "question": question,
        "run": run,
    }
    return json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def sign(content: bytes, key: Path) -> str:
    """The armoured signature of ``content`` with the private key in ``key``, or through the agent when it names a ``.pub`` file.

    ssh-keygen asks for a passphrase on the terminal. Raises AuthorError.
    """
    if not key.is_file():
        raise AuthorError(f"{key}: no such key; name a private key, or the .pub file of a key your agent holds")
    try:
        done = _ssh_keygen(["-Y", "sign", "-f", str(key.absolute()), "-n", NAMESPACE], content, _SIGN_SECONDS)
    except _CannotRun as error:
        raise AuthorError(f"cannot sign with {key}: {error}") from None
    if done.returncode:
        raise AuthorError(f"cannot sign with {key}: {_said(done)}")
    return done.stdout.decode()


def verify(content: bytes, signature: str, signers: Signers, person: str, at: float) -> Verification:
    """Whether ``signature`` is ``person``'s over ``content``. ``at`` (seconds since the epoch) is when the key had to be valid."""
    own = "".join(
        f'{_OWN_KEYS} namespaces="{NAMESPACE}" {" ".join(key.split())}\n' for key in signers.keys.get(person, ())
    )
    tries = [(own, _OWN_KEYS)] if own else []
    if signers.allowed:
        tries += [(signers.allowed, principal) for principal in (person, *signers.principals.get(person, ()))]
    result = Verification(
        error=f"no key of {person} is known: add it to allowed_signers, or to the person's keys in changerail.yml"
    )
    for allowed, principal in tries:
        result = _verified(content, signature, allowed, principal, at)
        if result.key:
            break
    return result


def verify_all(records: Iterable[tuple[int, Event]], signers: Signers) -> Iterator[Checked]:
    """Every signed answer of a run's history (sequence numbers and events, in order), verified anew without anything but ``signers``.

    Checked are the signature over the answer as recorded, and that the question on record is the one the signature is bound to.
    """
    run = ""
    asked: dict[str, Mapping[str, Any]] = {}
    for seq, event in records:
        if isinstance(event, RunStarted):
            run = event.run
        elif isinstance(event, (StepWaiting, InterventionAsked)) and event.question is not None:
            asked[event.path] = event.question
        elif isinstance(event, Answered) and (event.signature or event.assurance == "signed"):
            yield Checked(seq, event.path, event.person, _fault(event, run, asked.get(event.path), signers))


def _fault(event: Answered, run: str, question: Mapping[str, Any] | None, signers: Signers) -> str:
    if not event.signature:
        return "recorded as signed, but the signature is missing"
    if question is None or _id(question) != event.question:
        return "the question on record is not the one that was answered"
    content = document(run, event.path, event.question, event.answer, event.choice, event.person, event.comment)
    return verify(content, event.signature, signers, event.person, event.at).error


def _id(question: Mapping[str, Any]) -> str:
    try:
        return Question.from_dict(question).id
    except TypeError:  # somebody took a field away
        return ""


def _verified(content: bytes, signature: str, allowed: str, principal: str, at: float) -> Verification:
    # ssh-keygen reads local time; only 9.1 and newer could be told UTC.
    time = f"{datetime.fromtimestamp(at):%Y%m%d%H%M%S}"
    with tempfile.TemporaryDirectory(prefix="changerail-") as folder:
        allowed_file, signature_file = Path(folder, "allowed_signers"), Path(folder, "signature")
        allowed_file.write_text(allowed, encoding="utf-8")
        signature_file.write_text(signature, encoding="utf-8")
        arguments = ["-Y", "verify", "-f", str(allowed_file), "-I", principal, "-n", NAMESPACE]
        try:
            done = _ssh_keygen(
                [*arguments, "-s", str(signature_file), "-O", f"verify-time={time}"], content, _VERIFY_SECONDS
            )
        except _CannotRun as error:
            return Verification(error=f"the signature cannot be verified: {error}")
    good = _GOOD.search(done.stdout.decode(errors="replace"))
    if done.returncode or good is None:
        return Verification(error=f"the signature does not verify: {_said(done)}")
    return Verification(key=f"{good[1]} {good[2]}")


class _CannotRun(Exception):
    """ssh-keygen is missing or does not come to an end."""


def _ssh_keygen(arguments: Sequence[str], content: bytes, seconds: float) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        return subprocess.run(
            ["ssh-keygen", *arguments],
            input=content,
            capture_output=True,
            timeout=seconds,
            check=False,
            env=environment,
        )
    except FileNotFoundError:
        raise _CannotRun("there is no ssh-keygen; install OpenSSH's client, 8.7 or newer") from None
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise _CannotRun(str(error)) from None


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = (done.stderr + b"\n" + done.stdout).decode(errors="replace").split("\n")
    return "; ".join(line.strip() for line in lines if line.strip()) or f"ssh-keygen ended with {done.returncode}"
