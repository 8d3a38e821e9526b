"""Sessions and attempts to sign in, by a clock that the test moves."""

from __future__ import annotations

import pytest

from ansible_collections.netops.changerail.plugins.plugin_utils.web import sessions
from ansible_collections.netops.changerail.plugins.plugin_utils.web.sessions import (
    IDLE,
    LONGEST,
    WINDOW,
    Attempts,
    Sessions,
)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_session_ends_when_it_is_not_used_and_at_last_in_any_case(clock: Clock) -> None:
    those = Sessions(clock)
    id_, session = those.begin("rita")
    clock.now += IDLE - 1
    assert (those.of(id_) or session).user == "rita"
    clock.now += IDLE
    assert those.of(id_) is None
    id_, session = those.begin("rita")
    began = clock.now
    while clock.now + IDLE - 1 < began + LONGEST:
        clock.now += IDLE - 1
        assert those.of(id_) is not None
    clock.now = began + LONGEST
    assert those.of(id_) is None


def test_each_session_has_an_id_and_a_token_of_its_own(clock: Clock) -> None:
    those = Sessions(clock)
    begun = [those.begin("rita") for _number in range(3)]
    assert len({id_ for id_, dummy in begun} | {session.token for dummy, session in begun}) == 6
    those.end(begun[0][0])
    assert [those.of(id_) is None for id_, dummy in begun] == [True, False, False]
    assert those.of("") is None and those.of("\ud800") is None


def test_what_is_kept_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST", 3)
    those = Sessions(clock)
    first, *others = [those.begin("rita")[0] for _number in range(4)]
    assert those.of(first) is None and all(those.of(id_) for id_ in others)


def test_attempts_by_name_and_address_by_address_and_by_name(clock: Clock) -> None:
    attempts = Attempts(clock, pair=2, address=3, name=4)

    def fail(name: str, address: str) -> None:
        assert attempts.left(name, address)
        attempts.failed(name, address)

    fail("rita", "192.0.2.1")
    fail("rita", "192.0.2.1")
    assert not attempts.left("rita", "192.0.2.1")
    fail("otto", "192.0.2.1")
    assert not attempts.left("anna", "192.0.2.1"), "an address that tries names"
    fail("rita", "192.0.2.2")
    fail("rita", "192.0.2.3")
    assert not attempts.left("rita", "192.0.2.4"), "a name that is tried from everywhere"
    clock.now += WINDOW
    assert attempts.left("rita", "192.0.2.1")


def test_who_comes_in_at_last_starts_anew_there(clock: Clock) -> None:
    attempts = Attempts(clock, pair=2)
    attempts.failed("rita", "192.0.2.1")
    attempts.succeeded("rita", "192.0.2.1")
    attempts.failed("rita", "192.0.2.1")
    assert attempts.left("rita", "192.0.2.1")
