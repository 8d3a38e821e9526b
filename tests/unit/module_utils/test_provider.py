# What the operations share over all providers: which provider, which state next.
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.operation import Context
from ansible_collections.netops.changerail.plugins.module_utils.provider import (
    STATES,
    Moves,
    Record,
    chosen,
    next_state,
    pipelines,
    records,
)


def context(**parts: Any) -> Context:
    return Context("r/s/1", "r", "s", 1, Path(), **parts)


def record(state: str) -> Record:
    return Record("id", "CHG1", state, "normal", "not requested", "", {})


def test_the_step_chooses_before_the_project_and_the_project_before_us() -> None:
    project = context(settings={"defaults": {"records": "servicenow"}})
    assert chosen("jira", "records", project) == "jira"
    assert chosen(None, "records", project) == "servicenow"
    assert chosen(None, "pipelines", project) == "local"
    assert chosen(None, "records", context()) == "local"


@pytest.mark.parametrize(
    ("here", "wanted", "moves", "following"),
    [
        ("new", "closed", Moves(frozenset({"assess", "canceled"})), "assess"),
        ("new", "closed", Moves(frozenset({"scheduled", "canceled"})), "scheduled"),
        ("assess", "implement", Moves(frozenset({"new", "canceled"}), blocked={"authorize": "x"}), "authorize"),
        ("implement", "closed", Moves(frozenset({"canceled"}), frozenset({"review"})), "review"),
        ("scheduled", "canceled", Moves(frozenset({"implement", "canceled"})), "canceled"),
        ("assess", "new", Moves(frozenset({"new", "canceled"})), "new"),
        ("closed", "implement", Moves(), "implement"),
        ("canceled", "closed", Moves(), "closed"),
        ("new", "assess", Moves(frozenset({"scheduled"})), "assess"),
    ],
)
def test_the_next_state_never_leads_past_the_wanted_one(here: str, wanted: str, moves: Moves, following: str) -> None:
    assert next_state(record(here), wanted, moves) == following


def test_every_state_has_an_answer() -> None:
    for here in STATES:
        for wanted in STATES:
            assert next_state(record(here), wanted, Moves()) == wanted


@pytest.mark.parametrize("part", [records, pipelines])
@pytest.mark.parametrize("name", ["nobody", "nobody.at.all", "..", "a.b", ""])
def test_a_provider_that_is_not_there_is_named(part: Any, name: str) -> None:
    with pytest.raises(OperationError, match="no such provider"):
        part(name, context())
