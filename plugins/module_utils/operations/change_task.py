# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation ``change_task``: give somebody a task of a change record, follow it to its end, or close it.

The engine, the module and any other driver find it with ``operation.find``. It knows no system; see ``provider.TaskProvider``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.failures import CANCELLED, FAILED, TRANSIENT
from ansible_collections.netops.changerail.plugins.module_utils.operation import (
    JSON,
    Call,
    Done,
    Failed,
    Operation,
    Outcome,
    Waiting,
)
from ansible_collections.netops.changerail.plugins.module_utils.provider import (
    TASK_END_STATES,
    NoAnswer,
    Task,
    TaskProvider,
    chosen,
    correlation_id,
    records,
    tasks,
)
from ansible_collections.netops.changerail.plugins.module_utils.record_options import reference_of, utc

FIELDS = ("short_description", "description", "type", "assignment_group", "assigned_to")
DATES = ("start_date", "end_date")
CLOSING = ("close_code", "close_notes")
MOST_LOOKS = 3
"""How often a task that may have been opened is searched for before it counts as not opened."""


class ChangeTask(Operation):
    """Open or change a task. Without ``task`` it opens one under ``record``, or adopts the one this step has opened."""

    name = "change_task"
    options: Mapping[str, Mapping[str, Any]] = {
        "provider": {"type": "str"},
        "record": {"type": "raw"},
        "task": {"type": "raw"},
        "short_description": {"type": "str"},
        "description": {"type": "str"},
        "type": {"type": "str", "choices": ["planning", "implementation", "testing", "review"]},
        "assignment_group": {"type": "str"},
        "assigned_to": {"type": "str"},
        "start_date": {"type": "str"},
        "end_date": {"type": "str"},
        "state": {"type": "str", "choices": ["open", "in_progress", "closed", "canceled"]},
        "close_code": {"type": "str", "choices": ["successful", "successful_issues", "unsuccessful"]},
        "close_notes": {"type": "str"},
        "wait_for": {"type": "str", "choices": ["closed"]},
    }
    constraints: Mapping[str, Any] = {
        "required_one_of": [("record", "task")],
        "mutually_exclusive": [("record", "task"), ("state", "wait_for")],
        "required_if": [("state", "closed", CLOSING)],
        "required_by": {"record": ("short_description",)},
    }

    def start(self, call: Call) -> Outcome:
        """Adopt, or open; then bring the task to what is wanted."""
        name, provider = _provider(call)
        if call.context.check:
            return _planned(call, name, provider)
        if call.args["task"] is not None:
            return _bring(call, name, provider, provider.read(reference_of("task", call.args["task"])[1]), [])
        found = _adopted(call, name, provider)
        return _bring(call, name, provider, found, []) if found else _open(call, name, provider)

    def poll(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        """Look at the task and go on with it; never opens one."""
        name, provider = _provider(call)
        try:
            task = provider.read(handle["task"]) if handle["task"] else _adopted(call, name, provider)
        except OperationError as error:
            if error.failure != TRANSIENT:
                raise
            return Waiting(handle, error.retry_after or provider.interval, f"waiting: {error}")
        if task is not None:
            return _bring(call, name, provider, task, handle["changed"])
        looks = handle["looks"] + 1
        if looks >= MOST_LOOKS:
            return Failed(TRANSIENT, f"the change task was not opened: none was found in {looks} looks")
        return Waiting(
            {**handle, "looks": looks}, provider.interval, "searching for the change task that may have been opened"
        )

    def cancel(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        """Nothing is taken back: whoever has the task keeps it until the change is cancelled or closed."""
        return Failed(CANCELLED, "the change task was left as it is")


OPERATION = ChangeTask()


def _provider(call: Call) -> tuple[str, TaskProvider]:
    option = "task" if call.args["task"] is not None else "record"
    said, _reference = reference_of(option, call.args[option])
    name = chosen(call.args["provider"] or said, "records", call.context)
    return name, tasks(name, call.context)


def _wanted(call: Call) -> dict[str, JSON]:
    args = call.args
    wanted = {name: args[name] for name in (*FIELDS, *CLOSING) if args[name] is not None}
    return wanted | {name: utc(name, args[name]) for name in DATES if args[name] is not None}


def _planned(call: Call, name: str, provider: TaskProvider) -> Outcome:
    """What would be done, without doing it: a task that is there is read, nothing is written."""
    option = "task" if call.args["task"] is not None else "record"
    reference = reference_of(option, call.args[option])[1]
    task: Task | None = None
    if reference and option == "task":
        task = provider.read(reference)
    elif reference:
        found = provider.find(records(name, call.context).read(reference), correlation_id(call.context))
        task = next((one for one in found if one.state != "canceled"), None)
    state = call.args["state"]
    if task is None:
        return Done({"provider": name, "number": "", "state": state or "open"}, changed=True)
    missing = provider.differences(task, _wanted(call) | ({"state": state} if state else {}))
    return Done(_result(name, task, list(missing)) | {"state": state or task.state}, changed=bool(missing))


def _adopted(call: Call, name: str, provider: TaskProvider) -> Task | None:
    """The oldest this step has opened; a younger one of the same request is cancelled."""
    record = records(name, call.context).read(reference_of("record", call.args["record"])[1])
    found = [task for task in provider.find(record, correlation_id(call.context)) if task.state != "canceled"]
    for double in (task for task in found[1:] if task.state not in TASK_END_STATES):
        try:
            provider.update(
                double, {"state": "canceled", "close_notes": f"Opened twice by one request, see {found[0].number}."}
            )
        except NoAnswer as error:
            # Nothing is lost by doing it again.
            raise OperationError(str(error), TRANSIENT) from None
    return found[0] if found else None


def _open(call: Call, name: str, provider: TaskProvider) -> Outcome:
    record = records(name, call.context).read(reference_of("record", call.args["record"])[1])
    wanted = _wanted(call)
    try:
        opened = provider.create(record, wanted, correlation_id(call.context))
        task = _adopted(call, name, provider) or opened
    except NoAnswer as error:
        handle = {"provider": name, "task": "", "changed": [], "looks": 0}
        return Waiting(handle, provider.interval, f"searching for the change task that may have been opened: {error}")
    return _bring(call, name, provider, task, ["number", *wanted])


def _bring(call: Call, name: str, provider: TaskProvider, task: Task, changed: Sequence[str]) -> Outcome:
    """Write what differs, in one go with the state; then wait for its end if that is wanted."""
    wanted, state = _wanted(call), call.args["state"]
    missing = provider.differences(task, wanted | ({"state": state} if state else {}))
    if missing and task.state in TASK_END_STATES:
        return Failed(
            FAILED,
            f"{task.number} is {task.state}; what is wanted is different: {', '.join(sorted(missing))}",
            _result(name, task, changed),
        )
    changed = [*changed, *(field for field in missing if field not in changed)]
    try:
        task = provider.update(task, missing) if missing else task
    except NoAnswer as error:
        return _waiting(name, provider, task, changed, f"looking again at {task.number}: {error}")
    ignored = provider.differences(task, missing)
    if ignored:
        message = f"{task.number} took a write without complaint, yet {', '.join(sorted(ignored))} stayed as it was: a rule of the system undid it"
        return Failed(FAILED, message, _result(name, task, changed))
    if call.args["wait_for"] and task.state not in TASK_END_STATES:
        return _waiting(name, provider, task, changed, f"waiting for {task.number} to be closed ({task.url})")
    return _ended(call, name, task, changed)


def _ended(call: Call, name: str, task: Task, changed: Sequence[str]) -> Outcome:
    """A task somebody else has ended may have ended badly; one we ended has ended as we said."""
    result = _result(name, task, changed)
    if call.args["wait_for"] and (task.state == "canceled" or task.fields.get("close_code") == "unsuccessful"):
        notes = task.fields.get("close_notes") or "without notes"
        return Failed(
            FAILED,
            f"{task.number} ended {'canceled' if task.state == 'canceled' else 'unsuccessful'} ({notes})",
            result,
        )
    return Done(result, changed=bool(changed))


def _waiting(name: str, provider: TaskProvider, task: Task, changed: Sequence[str], message: str) -> Waiting:
    handle = {"provider": name, "task": task.sys_id, "changed": list(changed), "looks": 0}
    return Waiting(handle, provider.interval, message, long=True)


def _result(name: str, task: Task, changed: Sequence[str]) -> dict[str, JSON]:
    return {
        "provider": name,
        "number": task.number,
        "sys_id": task.sys_id,
        "state": task.state,
        "url": task.url,
        "fields": dict(task.fields),
        "changed_fields": list(changed),
    }
