# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a record system and a pipeline system must be able to do, so that the operations can work with any of them.

A provider knows the wire of one system and nothing else. Adopting before starting, walking from state to state, reading back,
check mode and idempotence are in the operations. ``providers/<name>.py`` of any collection defines a ``PROVIDER`` (see
``operation.find``); nothing else has to know of it.

Errors: a provider raises OperationError with the failure class of operation.py. A request that certainly was not taken (refused
connection, 429) is "transient". ``NoAnswer`` says that a write was sent and nobody can tell whether it took effect; the operation then searches.
"""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, OperationError
from ansible_collections.netops.changerail.plugins.module_utils.failures import TRANSIENT, UNKNOWN
from ansible_collections.netops.changerail.plugins.module_utils.operation import JSON, Artifact, Context, find

STATES = ("new", "assess", "authorize", "scheduled", "implement", "review", "closed", "canceled")
"""The states of a change record, in the order in which it goes through them; "canceled" is outside of that order."""
FINAL_STATES = ("closed", "canceled")
LONGEST_CORRELATION_ID = 100
"""ServiceNow's ``correlation_id`` holds no more characters."""


class Status(StrEnum):
    """How a pipeline stands. A blocked one waits for a person or a timer and may do so for days; nobody can tell how a lost one ended."""

    RUNNING = "running"
    BLOCKED = "blocked"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELED = "canceled"
    LOST = "lost"


class NoAnswer(OperationError):
    """A write was sent and no usable answer came: it may or may not have taken effect."""

    def __init__(self, message: str) -> None:
        super().__init__(message, UNKNOWN)


@dataclass(frozen=True)
class Record:
    """A change record as it was read.

    ``state`` is one of ``STATES``, ``type`` "normal", "standard" or "emergency", ``approval`` "not requested", "requested",
    "approved" or "rejected". ``fields`` are its other fields by the names and in the values the operation's options have.
    """

    sys_id: str
    number: str
    state: str
    type: str
    approval: str
    url: str
    fields: Mapping[str, JSON]


@dataclass(frozen=True)
class Moves:
    """Where a record can go from where it is: states by name.

    ``open`` somebody may move it to now; ``automatic`` the system itself will move it to, soon and unasked;
    ``blocked`` are closed for now, each with the reason ("the approval of group cab is missing").
    """

    open: frozenset[str] = frozenset()
    automatic: frozenset[str] = frozenset()
    blocked: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Approval:
    """One approval a record asks for or has.

    ``gate`` is the record's state that asks for it. ``state`` is "requested", "approved", "rejected", "cancelled" or "not_required".
    ``group`` or ``person`` is who must decide, ``by`` who did, ``at`` when (seconds since the epoch, None while it is open).
    """

    id: str
    gate: str
    state: str
    group: str = ""
    person: str = ""
    by: str = ""
    at: float | None = None
    comment: str = ""


@dataclass(frozen=True)
class Attachment:
    """A file that is attached to a record; ``sha256`` in hex."""

    name: str
    sha256: str


class RecordProvider(ABC):
    """The change records of one system, with the settings of one ``Context``.

    ``decides_here`` says that the system takes approvals through ``approve``; otherwise people decide there and we only look.
    ``interval`` is how many seconds to wait before looking at a record again.
    """

    decides_here: bool = False
    interval: float = 30.0

    @abstractmethod
    def find(self, correlation: str) -> Sequence[Record]:
        """All records that carry this correlation id, oldest first."""

    @abstractmethod
    def read(self, reference: str) -> Record:
        """The record with this number or sys_id. Raises OperationError when there is none."""

    @abstractmethod
    def create(self, fields: Mapping[str, JSON], correlation: str) -> Record:
        """Open a record in its type's first state."""

    @abstractmethod
    def update(self, record: Record, fields: Mapping[str, JSON]) -> Record:
        """Write these fields and return the record as it is now."""

    @abstractmethod
    def moves(self, record: Record) -> Moves:
        """Where the record can go now."""

    @abstractmethod
    def move(self, record: Record, state: str, fields: Mapping[str, JSON]) -> Record:
        """Move it one state on, writing ``fields`` at the same time; return the record as it is now."""

    @abstractmethod
    def attachments(self, record: Record) -> Sequence[Attachment]:
        """The files attached to it."""

    @abstractmethod
    def attach(self, record: Record, artifact: Artifact) -> None:
        """Attach a file."""

    @abstractmethod
    def note_once(self, record: Record, text: str, marker: str) -> bool:
        """Add a work note unless one with this marker is there; True when it was added now."""

    @abstractmethod
    def approvals(self, record: Record) -> Sequence[Approval]:
        """Every approval it ever asked for, oldest first."""

    def approve(self, record: Record, group: str, by: str, decision: str, comment: str) -> Record:
        """Write a decision ("approved" or "rejected") of ``by`` for the open approval of ``group``; return the record as it is now."""
        raise OperationError(
            f"{record.number}: {group}'s approval is decided in the record's own system, not from here"
        )

    def conflicts(self, record: Record) -> Sequence[str]:
        """What the system finds in the way of the planned time: one line each ("CHG0030001: CI already scheduled (edge-router-1)"). Looks anew."""
        raise OperationError(f"{record.number}: its system does not look for conflicts")

    def requester(self, name: str) -> str | None:
        """How the system calls this person of ours, to be written as ``requested_by``; None when it does not know them."""
        return name

    def differences(self, record: Record, fields: Mapping[str, JSON]) -> dict[str, JSON]:
        """Those of ``fields`` which the record does not have yet. A system that shows a value otherwise than it was written overrides this."""
        return {name: value for name, value in fields.items() if record.fields.get(name) != value}


TASK_END_STATES = ("closed", "canceled")


@dataclass(frozen=True)
class Task:
    """A task of a change record. ``state`` is "pending", "open", "in_progress", "closed" or "canceled"; ``fields`` as in ``Record``."""

    sys_id: str
    number: str
    state: str
    url: str
    fields: Mapping[str, JSON]


class TaskProvider(ABC):
    """The tasks of change records in one system, with the settings of one ``Context``."""

    interval: float = 30.0

    @abstractmethod
    def find(self, record: Record, correlation: str) -> Sequence[Task]:
        """The record's tasks that carry this correlation id, oldest first."""

    @abstractmethod
    def read(self, reference: str) -> Task:
        """The task with this number or sys_id. Raises OperationError when there is none."""

    @abstractmethod
    def create(self, record: Record, fields: Mapping[str, JSON], correlation: str) -> Task:
        """Open a task of the record."""

    @abstractmethod
    def update(self, task: Task, fields: Mapping[str, JSON]) -> Task:
        """Write these fields, ``state`` among them, and return the task as it is now."""

    @abstractmethod
    def differences(self, task: Task, fields: Mapping[str, JSON]) -> dict[str, JSON]:
        """Those of ``fields`` which the task does not have yet."""


@dataclass(frozen=True)
class Job:
    """One job of a pipeline; ``status`` as the system calls it."""

    name: str
    status: str
    url: str = ""


@dataclass(frozen=True)
class Pipeline:
    """A pipeline as it was seen; ``message`` says what it is at, ``notes`` what is odd about it and worth saying once."""

    id: str
    status: Status
    url: str = ""
    message: str = ""
    jobs: tuple[Job, ...] = ()
    details: Mapping[str, JSON] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PipelineRequest:
    """What pipeline is wanted. ``key`` marks it, so that it is found again. ``artifacts`` are names or globs of files to bring.

    ``options`` are the options that only some systems have, those of the provider's ``options`` that were given.
    """

    key: str
    project: str
    ref: str
    inputs: Mapping[str, JSON]
    variables: Mapping[str, str]
    artifacts: tuple[str, ...]
    options: Mapping[str, JSON]


class PipelineProvider(ABC):
    """The pipelines of one system, with the settings of one ``Context``.

    ``options`` names the options of the operation, beside those every system has, that this one understands.
    ``interval`` is how many seconds to wait before looking at a running pipeline again, ``lag`` how many may pass before ``find`` sees one that
    was started.
    """

    options: frozenset[str] = frozenset()
    interval: float = 10.0
    lag: float = 0.0

    @abstractmethod
    def check(self, request: PipelineRequest) -> None:
        """Raise OperationError when what is asked for makes no sense here; contacts nothing."""

    @abstractmethod
    def find(self, request: PipelineRequest) -> Pipeline | None:
        """The pipeline that already carries the request's key."""

    @abstractmethod
    def trigger(self, request: PipelineRequest) -> Pipeline:
        """Start it, marked with the key."""

    @abstractmethod
    def look(self, pipeline: str) -> Pipeline:
        """The pipeline with this id."""

    @abstractmethod
    def cancel(self, pipeline: str) -> Pipeline:
        """Stop it in an orderly way and return it as it is then."""

    def play(self, pipeline: Pipeline, names: Sequence[str]) -> Pipeline:
        """Start the jobs of these names or globs that a blocked pipeline waits for; return it as it is then. For providers with the option ``play``.

        Raises OperationError "failed" when one may not be started; the pipeline goes on waiting.
        """
        return pipeline

    def retry(self, pipeline: Pipeline) -> Pipeline:
        """Run again what failed in a pipeline of an earlier attempt, once for this attempt; return it as it is then. For providers with the option
        ``retry``, whose ``find`` and ``look`` do not take the earlier failure for this attempt's.
        """
        return pipeline

    @abstractmethod
    def artifacts(self, pipeline: Pipeline, folder: Path, names: Sequence[str]) -> Sequence[Artifact]:
        """The artifacts that match ``names``, brought into ``folder``. Raises OperationError when a file named without a glob is missing."""

    @abstractmethod
    def logs(self, pipeline: Pipeline, folder: Path) -> Sequence[Artifact]:
        """The logs, that of the job that failed first, brought into ``folder``."""


@dataclass(frozen=True)
class Standing:
    """How something stands that people approve in its own system.

    ``what`` names it, ``state`` is "open", "approved", "rejected" or "gone" (it cannot be approved any more). ``waits_for`` says what is missing,
    or why it is gone.
    """

    what: str
    state: str
    url: str
    approvals: Sequence[Approval] = ()
    waits_for: str = ""


class ApprovalProvider(ABC):
    """What people approve in one system beside change records, with the settings of one ``Context``."""

    interval: float = 30.0

    @abstractmethod
    def standing(self, reference: Mapping[str, JSON]) -> Standing:
        """How it stands; ``reference`` is what the step's ``from`` says. Raises OperationError."""


@dataclass(frozen=True)
class Provider:
    """What one system offers, by kind. Each part is made anew for every call, from the call's context, and contacts nothing by that."""

    records: Callable[[Context], RecordProvider] | None = None
    pipelines: Callable[[Context], PipelineProvider] | None = None
    approvals: Callable[[Context], ApprovalProvider] | None = None
    tasks: Callable[[Context], TaskProvider] | None = None


def chosen(name: str | None, kind: str, context: Context) -> str:
    """A provider's name: the one given, else the project's for this ``kind`` ("records" or "pipelines"), else "local".

    The project file names them under ``defaults``, so that one workflow serves places with different systems.
    """
    defaults: Mapping[str, JSON] = context.settings.get("defaults") or {}
    return name or str(defaults.get(kind) or "local")


def records(name: str, context: Context) -> RecordProvider:
    """The change records of the provider called ``name`` (ours short, others by FQCN). Raises OperationError when there are none."""
    part = _provider(name).records
    if part is None:
        raise OperationError(f"provider {name}: it has no change records")
    return part(context)


def pipelines(name: str, context: Context) -> PipelineProvider:
    """The pipelines of the provider called ``name`` (ours short, others by FQCN). Raises OperationError when there are none."""
    part = _provider(name).pipelines
    if part is None:
        raise OperationError(f"provider {name}: it has no pipelines")
    return part(context)


def approvals(name: str, context: Context) -> ApprovalProvider:
    """What is approved in the system of the provider called ``name``. Raises OperationError when it has nothing of that kind."""
    part = _provider(name).approvals
    if part is None:
        raise OperationError(f"provider {name}: nothing is approved there but change records; name one by its number")
    return part(context)


def tasks(name: str, context: Context) -> TaskProvider:
    """The change tasks of the provider called ``name``. Raises OperationError when it has none."""
    part = _provider(name).tasks
    if part is None:
        raise OperationError(f"provider {name}: it has no change tasks")
    return part(context)


def _provider(name: str) -> Provider:
    try:
        provider: Provider = find("providers", name)
    except AuthorError as error:
        raise OperationError(str(error)) from None
    return provider


def correlation_id(context: Context) -> str:
    """What marks the record of this step: the same for all attempts, so that a retry never opens a second record.

    The key without its attempt, in characters every system's search takes, shortened with a hash when it would be too long.
    """
    stable = context.key.rpartition("/")[0]
    plain = re.sub(r"[^A-Za-z0-9._:/\[\]-]", "_", stable)
    if plain == stable and len(plain) <= LONGEST_CORRELATION_ID:
        return plain
    digest = hashlib.sha256(stable.encode()).hexdigest()[:16]
    return f"{plain[: LONGEST_CORRELATION_ID - 17]}~{digest}"


def next_state(record: Record, wanted: str, moves: Moves) -> str:
    """The state to go to from here on the way to ``wanted``: the nearest one the system knows of that does not lead past it.

    Returns ``wanted`` itself when no state on the way is known; whether it can be reached is for the caller to see in ``moves``.
    """
    if wanted == "canceled" or record.state == "canceled":
        return wanted
    known = moves.open | moves.automatic | set(moves.blocked)
    here, there = STATES.index(record.state), STATES.index(wanted)
    return next((state for state in STATES[here + 1 : there + 1] if state in known), wanted)


def request_approval(provider: RecordProvider, record: Record) -> Record:
    """Move a new record one state on, which is how a system is asked to collect the approvals; any other is returned as it is."""
    if record.state != "new":
        return record
    state = next_state(record, "scheduled", provider.moves(record))
    try:
        return provider.move(record, state, {})
    except NoAnswer as error:
        # The same move again does no harm: either the record is still new, or it is past it.
        raise OperationError(str(error), TRANSIENT) from None
