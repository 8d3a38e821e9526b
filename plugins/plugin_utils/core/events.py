# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The events of a run: everything that ever happened, as values. The journal holds them, ``decide`` and the views fold them.

Pure data. ``at`` is seconds since the epoch by the clock of the machine that recorded it; order is by the journal's sequence number, never by time.
``path`` is a step's path (``deploy[ams1]/verify``), ``attempt`` counts from 1. Values are plain JSON; secrets are masked before an event is made.
Adding an optional field is allowed; renaming or removing one breaks journals of past releases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from operator import itemgetter
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import JournalDamaged

JSON = Any


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The first record: everything a run depends on. ``rules`` is the version of ``decide``'s rules the run was started under.

    ``variables`` are the extra vars (``-e``), ``requester`` is ``{"name", "assurance"}``, ``project`` the path of ``changerail.yml`` or "",
    ``options`` what the command line said beside: ``{"limit", "check", "inventory", "accept_asserted"…}``.
    """

    at: float
    run: str
    name: str
    main: str
    folder: str
    sources: Mapping[str, str]
    digest: str
    variables: Mapping[str, JSON]
    requester: Mapping[str, JSON]
    options: Mapping[str, JSON]
    versions: Mapping[str, str]
    project: str = ""
    rules: int = 1


@dataclass(frozen=True, slots=True)
class EngineStarted:
    """A process took the run up. ``healed`` says how many bytes of a torn last line were cut off."""

    at: float
    host: str
    pid: int
    user: str
    version: str
    healed: int = 0


@dataclass(frozen=True, slots=True)
class EngineStopped:
    """A process put the run down in an orderly way: ``reason`` is "waiting", "interrupted" or "finished"."""

    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Expressions of a step were evaluated. ``purpose`` is "enter" or "result".

    "enter": ``values`` has ``when`` (bool) and the keywords that were templates (retries, delay, timeout, …).
    "result": ``values`` has ``failed`` and ``until`` (bool), as far as the step says so. ``error`` is the message when one could not be evaluated.
    """

    at: float
    path: str
    attempt: int
    purpose: str
    values: Mapping[str, JSON]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Expanded:
    """A loop's items are known. ``labels`` are unique and name the items in paths."""

    at: float
    path: str
    items: Sequence[JSON]
    labels: Sequence[str]
    error: str = ""


@dataclass(frozen=True, slots=True)
class StepStarted:
    """Written and synced before the operation is started. ``args`` are the options with secrets masked, ``name`` is the step's name evaluated.

    ``operation`` is what is started, as the operation calls itself.
    """

    at: float
    path: str
    attempt: int
    key: str
    args: Mapping[str, JSON] = field(default_factory=dict)
    name: str = ""
    operation: str = ""


@dataclass(frozen=True, slots=True)
class StepWaiting:
    """The operation has a handle to look again, or asks people (``question``). Repeated only when something in it changed."""

    at: float
    path: str
    attempt: int
    handle: Mapping[str, JSON]
    message: str
    question: Mapping[str, JSON] | None = None
    long: bool = False


@dataclass(frozen=True, slots=True)
class StepFinished:
    """An attempt is over. ``failure`` is "" when it succeeded, else one of the failure classes of operation.py. ``retry_after`` is in seconds."""

    at: float
    path: str
    attempt: int
    failure: str
    message: str
    changed: bool
    result: Mapping[str, JSON]
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class TimerFired:
    """Time has passed: ``timer`` is "retry", "timeout" or "pause"."""

    at: float
    path: str
    attempt: int
    timer: str


@dataclass(frozen=True, slots=True)
class InterventionAsked:
    """A person is asked how to go on after a failure; ``question`` as in ``StepWaiting``."""

    at: float
    path: str
    attempt: int
    question: Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class InterventionDecided:
    """``choice`` is "retry", "skip", "done", "rollback" or "abort"."""

    at: float
    path: str
    attempt: int
    choice: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """A person's answer to an open question was accepted. ``answer`` is its unique id; ``assurance`` is "asserted", "os_user", "authenticated" or "signed".

    ``question`` is the id of what was asked; ``signature`` the armoured SSH signature or "".
    """

    at: float
    path: str
    question: str
    answer: str
    choice: str
    person: str
    groups: Sequence[str]
    assurance: str
    comment: str = ""
    signature: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class AnswerRefused:
    """Somebody answered who may not, or too late, or twice. ``reason`` says which."""

    at: float
    path: str
    question: str
    answer: str
    choice: str
    person: str
    assurance: str
    reason: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """In an emergency ``person`` wants to go on at an open question without the answers it waits for; the server vouched for them.

    The first such word changes nothing. That of a second person ``opens`` the gate: the question is approved, and what was done is reviewed before
    the run ends. ``role`` says by what the person speaks: "break-glass" is the role at the server, "asked" is one who may answer the question.
    The others are as in ``Answered``.
    """

    at: float
    path: str
    question: str
    answer: str
    person: str
    groups: Sequence[str]
    assurance: str
    reason: str
    role: str
    opens: bool


@dataclass(frozen=True, slots=True)
class BreakGlassReviewAsked:
    """All else is over: those whom a gate had asked are asked whether it was right to open it by break-glass. ``question`` as in ``StepWaiting``."""

    at: float
    path: str
    question: Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class BreakGlassReviewed:
    """The review of what was done by break-glass is over: ``outcome`` is "accepted", "refused", or "unreviewed" when nobody looked in time.

    ``question`` is the id of the review's question; ``message`` says who and why.
    """

    at: float
    path: str
    question: str
    outcome: str
    message: str


@dataclass(frozen=True, slots=True)
class Escalated:
    """Nobody answered in time: ``to`` were told; ``level`` counts from 1."""

    at: float
    path: str
    question: str
    level: int
    to: Sequence[str]


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Somebody cancelled the run. ``force`` also stops what runs under ``always``. ``item`` is its unique id where it came through the inbox."""

    at: float
    by: str
    reason: str
    force: bool = False
    item: str = ""


@dataclass(frozen=True, slots=True)
class ActionRefused:
    """The server refused ``by`` to do ``action`` (answer, intervene, break_glass, cancel, resume) at step ``path`` ("": the run).

    ``item`` is the refusal's unique id.
    """

    at: float
    by: str
    action: str
    path: str
    reason: str
    item: str


@dataclass(frozen=True, slots=True)
class EvidenceAdded:
    """Something was done beside the run that belongs to it, and its files are evidence of the run from now on.

    ``name`` says what was done, such as a playbook's name, ``by`` who did it. ``failure``, ``message`` and ``changed`` say what came of it as in
    ``StepFinished``. ``files`` are ``{"path", "sha256", "size"}`` by name. ``item`` is its unique id in the inbox.
    """

    at: float
    by: str
    name: str
    failure: str
    message: str
    changed: bool
    files: Mapping[str, JSON]
    item: str = ""


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The end: ``status`` is "succeeded", "failed" or "cancelled"; ``message`` names the failure that decided it."""

    at: float
    status: str
    message: str = ""


Event = (
    RunStarted
    | EngineStarted
    | EngineStopped
    | Evaluated
    | Expanded
    | StepStarted
    | StepWaiting
    | StepFinished
    | TimerFired
    | InterventionAsked
    | InterventionDecided
    | Answered
    | AnswerRefused
    | BreakGlass
    | BreakGlassReviewAsked
    | BreakGlassReviewed
    | Escalated
    | CancelRequested
    | ActionRefused
    | EvidenceAdded
    | RunFinished
)

NAMES: Mapping[type, str] = {
    RunStarted: "run_started",
    EngineStarted: "engine_started",
    EngineStopped: "engine_stopped",
    Evaluated: "evaluated",
    Expanded: "expanded",
    StepStarted: "step_started",
    StepWaiting: "step_waiting",
    StepFinished: "step_finished",
    TimerFired: "timer_fired",
    InterventionAsked: "intervention_asked",
    InterventionDecided: "intervention_decided",
    Answered: "answered",
    AnswerRefused: "answer_refused",
    BreakGlass: "break_glass",
    BreakGlassReviewAsked: "break_glass_review_asked",
    BreakGlassReviewed: "break_glass_reviewed",
    Escalated: "escalated",
    CancelRequested: "cancel_requested",
    ActionRefused: "action_refused",
    EvidenceAdded: "evidence_added",
    RunFinished: "run_finished",
}
"""The name each event has in a journal, for ever."""

_FIELDS: Mapping[Any, tuple[tuple[str, bool], ...]] = {
    kind: tuple((f.name, f.default is MISSING and f.default_factory is MISSING) for f in fields(kind)) for kind in NAMES
}
_READERS: Mapping[
    str, tuple[Callable[..., Event], Callable[[Mapping[str, JSON]], tuple[JSON, ...]], tuple[tuple[str, bool], ...]]
] = {
    name: (kind, itemgetter(*(field_name for field_name, _required in _FIELDS[kind])), _FIELDS[kind])
    for kind, name in NAMES.items()
}


def to_json(event: Event) -> dict[str, JSON]:
    """The event as a flat JSON object with its name under ``event``."""
    document: dict[str, JSON] = {"event": NAMES[type(event)]}
    for name, _required in _FIELDS[type(event)]:
        document[name] = getattr(event, name)
    return document


def from_json(document: Mapping[str, JSON], line: int) -> Event:
    """The event of a journal line; unknown fields (of the journal itself, or of a later release) are left out.

    Raises JournalDamaged with ``line`` when the event is unknown or a field is missing.
    """
    try:
        kind, values, known = _READERS[document["event"]]
    except (KeyError, TypeError):
        raise JournalDamaged(f"line {line}: {document.get('event')!r} is no event this release knows", line) from None
    try:
        return kind(*values(document))
    except KeyError:
        # Written before a field was added, or damaged.
        pass
    try:
        return kind(**{name: document[name] for name, required in known if required or name in document})
    except KeyError as error:
        raise JournalDamaged(f"line {line}: {document['event']} lacks its field {error}", line) from None
