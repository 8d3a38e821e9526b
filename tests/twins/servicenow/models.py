# The state machine: which change may go from where to where, and under which conditions. Decides, changes nothing.
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.netops.changerail.tests.twins.servicenow.schema import (
    ASSESS,
    AUTHORIZE,
    CANCELED,
    CLOSED,
    IMPLEMENT,
    NEW,
    OPEN_TASK_STATES,
    REVIEW,
    SCHEDULED,
)  # fmt: skip
from ansible_collections.netops.changerail.tests.twins.servicenow.store import Row, Store


@dataclass(frozen=True)
class Condition:
    """What must hold for a transition; ``text`` is its description on the instance."""

    name: str
    text: str
    holds: Callable[[Store, Row], bool]


NOT_ON_HOLD = Condition(
    "Not On hold", "Change request is not on hold", lambda store, change: change["on_hold"] != "true"
)
NO_TASKS = Condition(
    "No active Change Tasks",
    "There are no active change tasks",
    lambda store, change: not open_tasks(store, change["sys_id"]),
)
APPROVED = Condition("Approved", "All approvals are given", lambda store, change: change["approval"] == "approved")


@dataclass(frozen=True)
class Transition:
    """``by_flow``: the platform makes the move itself; a caller who tries is refused."""

    source: str
    target: str
    conditions: Sequence[Condition] = ()
    by_flow: bool = False


_CANCEL = [Transition(state, CANCELED) for state in (NEW, ASSESS, AUTHORIZE, SCHEDULED, IMPLEMENT)]
_WORK = [
    Transition(SCHEDULED, IMPLEMENT, (NOT_ON_HOLD,)),
    Transition(IMPLEMENT, REVIEW, (NOT_ON_HOLD, NO_TASKS), by_flow=True),
    Transition(IMPLEMENT, REVIEW, (NOT_ON_HOLD,)),
    Transition(REVIEW, CLOSED, (NOT_ON_HOLD, NO_TASKS)),
]
MODELS: Mapping[str, Sequence[Transition]] = {
    "normal": [
        Transition(NEW, ASSESS, (NOT_ON_HOLD,)),
        Transition(ASSESS, AUTHORIZE, (APPROVED,), by_flow=True),
        Transition(ASSESS, NEW),
        Transition(AUTHORIZE, SCHEDULED, (APPROVED,), by_flow=True),
        *_WORK,
        *_CANCEL,
    ],
    "emergency": [
        Transition(NEW, AUTHORIZE, (NOT_ON_HOLD,)),
        Transition(AUTHORIZE, SCHEDULED, (APPROVED,), by_flow=True),
        Transition(AUTHORIZE, NEW),
        *_WORK,
        *_CANCEL,
    ],
    "standard": [Transition(NEW, SCHEDULED, (NOT_ON_HOLD,)), *_WORK, *_CANCEL],
}
ASKED_IN: Mapping[str, Sequence[str]] = {"normal": (ASSESS, AUTHORIZE), "emergency": (AUTHORIZE,), "standard": ()}
"""In which states the flow asks for approvals."""
AFTER_APPROVAL = {ASSESS: AUTHORIZE, AUTHORIZE: SCHEDULED}


def transitions(change: Row) -> list[Transition]:
    """Those that leave the change's present state."""
    return [t for t in MODELS[change["type"]] if t.source == change["state"]]


def allowed(store: Store, change: Row, target: str) -> bool:
    """Whether a caller may move the change to ``target`` now."""
    return any(t.target == target and not t.by_flow and passes(store, change, t) for t in transitions(change))


def passes(store: Store, change: Row, transition: Transition) -> bool:
    return all(condition.holds(store, change) for condition in transition.conditions)


def open_tasks(store: Store, change_id: str) -> list[Row]:
    return [task for task in store.find("change_task", change_request=change_id) if task["state"] in OPEN_TASK_STATES]
