# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a person sends to an event: doors build inbox items here, the engine makes events of them.

``to_event`` is pure but for the operating system's user names and the verification of a signature; the clock is passed in.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.module_utils.operation import Artifact
from ansible_collections.netops.changerail.plugins.module_utils.question import Question
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    ActionRefused,
    Answered,
    AnswerRefused,
    BreakGlass,
    CancelRequested,
    EvidenceAdded,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.people import policy, signatures
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import People, Who, login, plain
from ansible_collections.netops.changerail.plugins.plugin_utils.people.inbox import (
    ANSWER,
    BREAK_GLASS,
    CANCEL,
    EVIDENCE,
    REFUSED,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.people.policy import (
    Emergency,
    Offered,
    break_glass_refusal,
    opens,
    refusal,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project

_NOT_LOGGED_IN: Mapping[str, Any] = {"authenticated": False, "groups": []}


def answer_item(
    run: str, path: str, question: str, choice: str, comment: str, person: str, now: float, key: Path | None = None
) -> dict[str, Any]:
    """An item for ``inbox.put``: ``choice`` to question id ``question`` at step ``path``.

    ``person`` is who answers ("" leaves it to the login that puts the item); ``key`` signs the answer, and then ``person`` must be given.
    Raises AuthorError when the key cannot sign.
    """
    item = {
        "kind": ANSWER,
        "id": new_id(now),
        "run": run,
        "path": path,
        "question": question,
        "choice": choice,
        "comment": comment,
        "person": plain(person),
        "signature": "",
        **_NOT_LOGGED_IN,
    }
    return item if key is None else {**item, "signature": signatures.sign(_signed(item), key)}


def break_glass_item(
    run: str, path: str, question: str, reason: str, person: str, on_call: bool, now: float
) -> dict[str, Any]:
    """An item for ``inbox.put``: ``person`` wants to go on at question id ``question`` in an emergency, ``on_call`` when they hold the role for it.

    It counts only as the server sends it (``logged_in``).
    """
    item = {"kind": BREAK_GLASS, "id": new_id(now), "run": run, "path": path, "question": question, "reason": reason}
    return {**item, "person": plain(person), "on_call": on_call, **_NOT_LOGGED_IN}


def cancel_item(run: str, person: str, reason: str, now: float, force: bool) -> dict[str, Any]:
    """An item for ``inbox.put`` that cancels the run; ``force`` also stops what runs under ``always``."""
    item = {"kind": CANCEL, "id": new_id(now), "run": run, "person": person, "reason": reason, "force": force}
    return {**item, **_NOT_LOGGED_IN}


def refused_item(run: str, person: str, action: str, path: str, reason: str, now: float) -> dict[str, Any]:
    """An item for ``inbox.put`` that has the journal say: a door refused ``person`` to do ``action`` (at step ``path``, or "")."""
    item = {"kind": REFUSED, "id": new_id(now), "run": run, "person": person, "action": action, "path": path}
    return {**item, "reason": reason, **_NOT_LOGGED_IN}


def logged_in(item: Mapping[str, Any], groups: Collection[str]) -> dict[str, Any]:
    """The item as the server sends it for a person who has logged in there; ``groups`` are those of the account."""
    return {**item, "authenticated": True, "groups": sorted(groups)}


def evidence_item(
    run: str,
    person: str,
    name: str,
    now: float,
    *,
    failure: str,
    message: str,
    changed: bool,
    files: Iterable[Artifact],
) -> dict[str, Any]:
    """An item for ``inbox.put`` that makes what was done beside the run evidence of it; the fields are those of ``EvidenceAdded``."""
    return {
        "kind": EVIDENCE,
        "id": new_id(now),
        "run": run,
        "person": plain(person),
        "name": name,
        "failure": failure,
        "message": message,
        "changed": changed,
        "files": {file.name: {"path": file.path, "sha256": file.sha256, "size": file.size} for file in files},
    }


def new_id(now: float) -> str:
    """A new item's id: when it was made, and chance. A signature covers it, so it also dates a signed answer."""
    return f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(6)}"


def to_event(
    item: Mapping[str, Any],
    owner_uid: int,
    run: str,
    question: Question | None,
    answers: Sequence[Answered | BreakGlass],
    project: Project,
    now: float,
    arrived: float | None = None,
    requester_os_user: str = "",
) -> Answered | AnswerRefused:
    """What becomes of an answer from the inbox.

    ``item`` and ``owner_uid`` are ``Item.document`` and ``Item.owner_uid``; ``run`` is the run whose inbox it lay in. ``question`` is what
    is asked at the item's step now, None when nothing is; ``answers`` are those accepted since that was first asked.
    Whether it was in time is judged by ``arrived``, when given, so that an answer counts which lay there while no engine ran;
    the event is dated ``now``. ``requester_os_user`` is the login under which the run was requested, whatever name was given with it.
    """
    who, reason = _identified(item, owner_uid, project, now)
    reason = _of_another_run(item, run) or reason
    if not reason:
        logins = {requester_os_user, *project.people.logins(question.requester)} if question else set()
        offered = Offered(item["question"], item["choice"], who, item["comment"])
        reason = refusal(question, offered, answers, now if arrived is None else arrived, logins) or ""
    common = _common(item, who, now)
    said_so = {"choice": item["choice"], "comment": item["comment"]}
    if reason:
        return AnswerRefused(**common, **said_so, reason=reason)
    return Answered(**common, **said_so, groups=sorted(who.groups), signature=item["signature"], key=who.key)


def to_break_glass(
    item: Mapping[str, Any],
    owner_uid: int,
    run: str,
    question: Question | None,
    answers: Sequence[Answered | BreakGlass],
    project: Project,
    now: float,
    arrived: float,
) -> BreakGlass | AnswerRefused:
    """What becomes of a word of break-glass from the inbox; everything as in ``to_event``."""
    who = _who(item, owner_uid, project.people)
    said = Emergency(item["question"], who, item["reason"], item["on_call"])
    reason = _of_another_run(item, run) or break_glass_refusal(question, said, answers, arrived)
    common = _common(item, who, now)
    if reason or question is None:
        return AnswerRefused(**common, choice=policy.BREAK_GLASS, comment=item["reason"], reason=reason or "")
    return BreakGlass(
        **common,
        groups=sorted(who.groups),
        reason=item["reason"],
        role=policy.BREAK_GLASS if said.on_call else policy.ASKED,
        opens=opens(question, answers),
    )


def to_cancel(item: Mapping[str, Any], owner_uid: int, people: People, now: float) -> CancelRequested:
    """The event of a cancel from the inbox."""
    return CancelRequested(now, _by(item, owner_uid, people), item["reason"], item["force"], item["id"])


def to_refusal(item: Mapping[str, Any], owner_uid: int, people: People, now: float) -> ActionRefused:
    """The event of an action that a door refused."""
    return ActionRefused(now, _by(item, owner_uid, people), item["action"], item["path"], item["reason"], item["id"])


def to_evidence(item: Mapping[str, Any], owner_uid: int, people: People, now: float) -> EvidenceAdded:
    """The event of evidence from the inbox."""
    return EvidenceAdded(
        now,
        _by(item, owner_uid, people),
        item["name"],
        item["failure"],
        item["message"],
        item["changed"],
        item["files"],
        item["id"],
    )


def _common(item: Mapping[str, Any], who: Who, now: float) -> dict[str, Any]:
    """What the events of all answers say: of which item, by whom, and when."""
    return {
        "at": now,
        "path": item["path"],
        "question": item["question"],
        "answer": item["id"],
        "person": who.person,
        "assurance": who.assurance,
    }


def _of_another_run(item: Mapping[str, Any], run: str) -> str:
    return "" if item["run"] == run else f"the answer was given to run {item['run']}, not to this one"


def _by(item: Mapping[str, Any], owner_uid: int, people: People) -> str:
    """Who sent it. A name that is only asserted is recorded with the login beside it."""
    who = _who(item, owner_uid, people)
    return who.person if who.assurance != "asserted" else f"{who.person} (asserted by {who.os_user})"


def _who(item: Mapping[str, Any], owner_uid: int, people: People) -> Who:
    # Who owns the state folder could write the journal itself: of them, and of nobody else, it is believed that the person has logged in.
    if item.get("authenticated") and owner_uid == os.geteuid():
        return people.authenticated(item["person"], item["groups"])
    return people.claimed(item["person"], login(owner_uid))


def _identified(item: Mapping[str, Any], owner_uid: int, project: Project, at: float) -> tuple[Who, str]:
    """Who answers, and why the answer's signature does not stand ("" when it does, or when there is none)."""
    who = _who(item, owner_uid, project.people)
    if not item["signature"]:
        return who, ""
    if item["person"] != who.person:
        return who, f"a signed answer must say whose it is, in the spelling of the project file ({who.person})"
    try:
        signers = project.signers()
    except AuthorError as error:
        return who, f"the signature cannot be verified: {error}"
    verified = signatures.verify(_signed(item), item["signature"], signers, who.person, at)
    if verified.error:
        return who, verified.error
    # Where the project names nobody, whoever has a key in allowed_signers is known.
    known = who.known or not project.people.by_name
    return replace(who, assurance="signed", key=verified.key, known=known), ""


def _signed(item: Mapping[str, Any]) -> bytes:
    return signatures.document(
        item["run"], item["path"], item["question"], item["id"], item["choice"], item["person"], item["comment"]
    )
