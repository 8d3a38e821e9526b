"""What a run came to, as JSON: the same for two runs that went the same way, whoever was killed in between."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.core import events as e
from ansible_collections.netops.changerail.plugins.plugin_utils.core.decide import apply
from ansible_collections.netops.changerail.plugins.plugin_utils.core.state import Leaf, State
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load_sources

VOLATILE = frozenset({"answer", "at", "elapsed", "ended_at", "log", "path_of_log", "started_at", "waited"})
"""Names under which results carry moments, lengths of time and ids made of chance."""


def summary(history: Iterable[e.Event]) -> dict[str, Any]:
    """``status`` and ``message``; ``ended``, the status, failure and attempts of every step by path; ``registered`` by name; ``live`` paths."""
    events = list(history)
    first = events[0]
    if not isinstance(first, e.RunStarted):
        raise ValueError("the first event is not run_started")
    state = State(load_sources(first.main, first.sources, first.folder))
    ended: dict[str, Any] = {}
    for event in events:
        apply(state, event)
        for node, status, failure in state.over:
            attempts = node.attempt if isinstance(node, Leaf) else 0
            ended[node.path] = [status, (failure or {}).get("failure", ""), attempts]
    status, message = state.ending or ("", "")
    return {
        "status": state.status,
        "ending": [status, message],
        "ended": dict(sorted(ended.items())),
        "registered": dict(sorted(state.root.scope.values.items())) if state.root is not None else {},
        "live": sorted(state.live),
    }


def lasting(value: Any) -> Any:
    """``value`` without what differs between two runs that went the same way."""
    if isinstance(value, dict):
        return {name: lasting(item) for name, item in value.items() if name not in VOLATILE}
    if isinstance(value, (list, tuple)):
        return [lasting(item) for item in value]
    return value
