"""Journals of every release read, verify and come to what they came to when they were written: tests/histories/record.py adds a release's."""

from __future__ import annotations

import pytest
from support.histories import Kept, come_to, kept

from ansible_collections.netops.changerail.plugins.plugin_utils.core.decide import RULES
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import NAMES
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import records

ALL = list(kept())


@pytest.mark.parametrize("history", ALL, ids=[history.name for history in ALL])
def test_it_comes_to_what_it_came_to(history: Kept) -> None:
    assert come_to(history.lines()) == history.state()


def test_there_is_every_event_in_them_and_no_rules_are_of_a_later_release() -> None:
    events = [record.event for history in ALL for record in records(history.lines())]
    assert {type(event) for event in events} == set(NAMES)
    assert all(event.rules <= RULES for event in events if hasattr(event, "rules"))
