# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``approval``: people decide whether the change goes on, here or in the change record's own system. The engine and Temporal call it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils import asking
from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.failures import (
    CANCELLED,
    FAILED,
    REJECTED,
    TRANSIENT,
)
from ansible_collections.netops.changerail.plugins.module_utils.operation import (
    JSON,
    Call,
    Done,
    Failed,
    Operation,
    Outcome,
    Verdict,
    Waiting,
)
from ansible_collections.netops.changerail.plugins.module_utils.provider import (
    Approval as Row,
)
from ansible_collections.netops.changerail.plugins.module_utils.provider import (
    ApprovalProvider,
    Record,
    RecordProvider,
    Standing,
    approvals,
    chosen,
    records,
    request_approval,
)

_LOOK_AGAIN = 300.0
"""Seconds; between two looks whether the record was decided elsewhere meanwhile."""

_PAST_APPROVAL = ("scheduled", "implement", "review", "closed")


OPTIONS: Mapping[str, Mapping[str, Any]] = {
    **asking.OPTIONS,
    "from": {"type": "raw", "aliases": ["record"]},
    "subject": {"type": "dict", "default": {}},
}
CONSTRAINTS: Mapping[str, Any] = {"mutually_exclusive": [("from", "groups"), ("from", "people"), ("from", "subject")]}


class Approval(Operation):
    """Asks the people of the step's options; with ``from``, whoever the change record asks.

    A record whose provider decides here has its open approvals asked one after the other, and each decision is written to it;
    any other record is followed until it is decided where it lives.
    """

    name = "approval"
    options = OPTIONS
    constraints = CONSTRAINTS

    def start(self, call: Call) -> Outcome:
        handle: dict[str, JSON] = {"deadline": asking.deadline(call)}
        if call.args.get("from") is None:
            return _ask(call, handle)
        if _is_elsewhere(call):
            return Done({"would_ask": dict(call.args["from"])}) if call.context.check else _watch(call, handle)
        if call.context.check:
            return Done({"would_ask": {"record": _reference(call)[1]}})
        provider, record = _record(call)
        handle = {**handle, "answers": []}
        asked = request_approval(provider, record)
        # A failure from here on would have the next attempt ask anew, also whoever has rejected meanwhile.
        return _patiently(call, handle, provider, lambda: _follow(call, handle, provider, asked))

    def poll(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        if call.args.get("from") is None:
            return _ask(call, handle)
        if _is_elsewhere(call):
            return _watch(call, handle)
        name, reference = _reference(call)
        provider = records(name, call.context)
        return _patiently(call, handle, provider, lambda: _follow(call, handle, provider, provider.read(reference)))

    def conclude(self, call: Call, handle: Mapping[str, JSON], verdict: Verdict) -> Outcome:
        if call.args.get("from") is None:
            return super().conclude(call, handle, verdict)
        provider, record = _record(call)
        decision, by = ("approved" if verdict.approved else "rejected"), asking.names(verdict.answers) or "changerail"
        comment = verdict.reason or "; ".join(str(answer["comment"]) for answer in verdict.answers if answer["comment"])
        # Once only: told twice, the second decision would go to the next round when the same group is asked there too.
        if any(row.id == handle["row"] and row.state == "requested" for row in provider.approvals(record)):
            record = provider.approve(record, str(handle["group"]), by, decision, comment)
        answers = [*handle["answers"], *(dict(answer) for answer in verdict.answers)]
        if not verdict.approved:
            return Failed(REJECTED, verdict.reason, _decided(asking.DENY, answers, provider, record))
        return _follow(call, {"deadline": handle["deadline"], "answers": answers}, provider, record)

    def cancel(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        return Failed(CANCELLED, "nobody is asked any more")


def _ask(call: Call, handle: Mapping[str, JSON]) -> Outcome:
    bound = call.args["subject"]
    digests = {str(name): hashlib.sha256(_canonical(value).encode()).hexdigest() for name, value in bound.items()}
    lines = "\n".join(f"{name}: {_canonical(value)}" for name, value in bound.items())
    title = asking.called(call, "Approval")
    asked = asking.question(call, "approval", title, handle["deadline"], digests, text=lines)
    if problem := asking.unanswerable(asked, call.context):
        return Failed(FAILED, problem)
    if call.context.check:
        return Done(asking.would_ask(asked))
    # Only an answer or the deadline moves it, and neither needs a look.
    return Waiting(handle, math.inf, asking.waited_for(asked), asked.as_dict(), long=True)


def _patiently(
    call: Call, handle: Mapping[str, JSON], provider: RecordProvider | ApprovalProvider, look: Callable[[], Outcome]
) -> Outcome:
    """What the look says. A system that cannot be reached just now is looked at again until the deadline: people go on deciding meanwhile."""
    try:
        return look()
    except OperationError as error:
        until = handle["deadline"]
        if error.failure != TRANSIENT or (until is not None and call.context.clock() >= until):
            raise
        after = error.retry_after or provider.interval
        return Waiting(handle, after, f"cannot look at what is approved, trying again: {error}", long=True)


def _follow(call: Call, handle: Mapping[str, JSON], provider: RecordProvider, record: Record) -> Outcome:
    answers = list(handle["answers"])
    if record.state == "canceled":
        return Failed(FAILED, f"{record.number} was canceled", _decided("", answers, provider, record))
    if record.approval == "rejected":
        message = f"{record.number} was rejected{_why(provider, record)}"
        return Failed(REJECTED, message, _decided(asking.DENY, answers, provider, record))
    if record.state == "new":
        message = f"{record.number} was taken back to new before it was approved; it is asked for anew by running this step again"
        return Failed(FAILED, message, _decided("", answers, provider, record))
    if record.state in _PAST_APPROVAL:
        return Done(_decided(asking.APPROVE, answers, provider, record), message=f"{record.number} is approved")
    rows = [row for row in provider.approvals(record) if row.state == "requested"]
    if provider.decides_here and rows:
        return _ask_for(call, handle, record, rows[0])
    until = handle["deadline"]
    if until is not None and call.context.clock() >= until:
        message = f"{record.number}: nobody decided in time"
        return Failed(REJECTED, message, _decided(asking.DENY, answers, provider, record))
    waited = ", ".join(row.group or row.person for row in rows) or f"it to leave {record.state}"
    return Waiting(
        handle, provider.interval, f"waiting for {waited} in {record.number} ({record.url or record.state})", long=True
    )


def _ask_for(call: Call, handle: Mapping[str, JSON], record: Record, row: Row) -> Outcome:
    """Ask the people of one of the record's open approvals."""
    who = {"groups": [row.group] if row.group else [], "people": [row.person] if row.person else []}
    title = f"{record.number}: {row.gate} by {row.group or row.person}"
    subject = {"approval": hashlib.sha256(f"{record.sys_id}/{row.id}".encode()).hexdigest()}
    text = str(record.fields.get("short_description") or "")
    asked = asking.question(
        Call({**call.args, **who}, call.context), "approval", title, handle["deadline"], subject, text=text
    )
    if problem := asking.unanswerable(asked, call.context):
        return Failed(FAILED, f"{record.number}: {problem}")
    return Waiting(
        {**handle, "row": row.id, "group": row.group}, _LOOK_AGAIN, asking.waited_for(asked), asked.as_dict(), long=True
    )


def _is_elsewhere(call: Call) -> bool:
    """Whether ``from`` names something else than a change record: a merge request, a deployment."""
    given = call.args["from"]
    return isinstance(given, Mapping) and "provider" in given and not ({"number", "sys_id"} & set(given))


def _watch(call: Call, handle: Mapping[str, JSON]) -> Outcome:
    """Look at what people approve in its own system, and at nothing else."""
    reference: Mapping[str, JSON] = call.args["from"]
    provider = approvals(str(reference.get("provider") or ""), call.context)
    return _patiently(call, handle, provider, lambda: _judged(call, handle, provider, provider.standing(reference)))


def _judged(call: Call, handle: Mapping[str, JSON], provider: ApprovalProvider, seen: Standing) -> Outcome:
    """The outcome of what was seen."""
    rows = [asdict(row) for row in seen.approvals]
    result = {"decision": "", "answers": [], "what": seen.what, "url": seen.url, "approvals": rows}
    if seen.state == "approved":
        return Done({**result, "decision": asking.APPROVE}, message=f"{seen.what} is approved")
    if seen.state == "rejected":
        said = next(row for row in seen.approvals if row.state == "rejected")
        message = f"{seen.what} was rejected by {said.by} ({said.comment or 'without a comment'})"
        return Failed(REJECTED, message, {**result, "decision": asking.DENY})
    if seen.state == "gone":
        return Failed(FAILED, f"{seen.what} cannot be approved any more: {seen.waits_for} ({seen.url})", result)
    until = handle["deadline"]
    if until is not None and call.context.clock() >= until:
        return Failed(REJECTED, f"{seen.what}: nobody decided in time", {**result, "decision": asking.DENY})
    return Waiting(handle, provider.interval, f"waiting for {seen.waits_for}: {seen.what} ({seen.url})", long=True)


def _record(call: Call) -> tuple[RecordProvider, Record]:
    name, reference = _reference(call)
    provider = records(name, call.context)
    return provider, provider.read(reference)


def _reference(call: Call) -> tuple[str, str]:
    """Provider and number of the record in ``from``: a registered result of ``change_record``, or a number in the project's record system."""
    given: Any = call.args["from"]
    if not isinstance(given, Mapping):
        return chosen(None, "records", call.context), str(given)
    reference = given.get("sys_id") or given.get("number")
    if not reference and not call.context.check:
        raise OperationError(
            "from: expected the registered result of a change_record step, or a record's number; found neither sys_id nor number in it"
        )
    return chosen(given.get("provider"), "records", call.context), str(reference or "")


def _decided(decision: str, answers: list[JSON], provider: RecordProvider, record: Record) -> dict[str, JSON]:
    return {
        "decision": decision,
        "answers": answers,
        "number": record.number,
        "state": record.state,
        "approval": record.approval,
        "approvals": [asdict(row) for row in provider.approvals(record)],
    }


def _why(provider: RecordProvider, record: Record) -> str:
    rows = [row for row in provider.approvals(record) if row.state == "rejected"]
    return f" by {rows[-1].by} ({rows[-1].comment})" if rows else ""


def _canonical(value: JSON) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


OPERATION = Approval()
