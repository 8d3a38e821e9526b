"""When a failed attempt is repeated: exponential, spread, with a ceiling, and never before the other side wants it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netops.changerail.plugins.plugin_utils.core.retry import next_delay
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Retry

RULES = Retry(retries=10, delay=10.0, backoff=2.0, max_delay=60.0)


def test_without_backoff_every_wait_is_the_delay_as_written() -> None:
    rules = Retry(retries=3, delay=10.0)
    assert [next_delay(rules, attempt, "k", None) for attempt in (1, 2, 3, 4)] == [10.0, 10.0, 10.0, None]


@pytest.mark.parametrize(("attempt", "longest"), [(1, 10.0), (2, 20.0), (3, 40.0), (4, 60.0), (10, 60.0)])
def test_with_backoff_it_grows_to_the_ceiling_and_is_spread_below(attempt: int, longest: float) -> None:
    waits = {next_delay(RULES, attempt, f"run/step-{number}/{attempt}", None) for number in range(200)}
    assert len(waits) > 150, "many that failed at once would come back at once"
    assert all(wait is not None and 0.8 * longest <= wait <= longest for wait in waits)
    assert max(wait or 0.0 for wait in waits) - min(wait or 0.0 for wait in waits) > 0.15 * longest


def test_a_replay_waits_as_long_as_the_run_did() -> None:
    assert next_delay(RULES, 2, "run/step/2", None) == next_delay(RULES, 2, "run/step/2", None)


def test_what_the_other_side_asks_for_is_waited_for_up_to_the_ceiling() -> None:
    assert next_delay(RULES, 1, "k", 45.0) == 45.0
    assert next_delay(RULES, 1, "k", 3600.0) == 60.0
    assert (next_delay(RULES, 1, "k", 1.0) or 0.0) >= 8.0


def test_a_ceiling_below_the_delay_does_not_cut_the_delay_as_written() -> None:
    assert next_delay(Retry(retries=3, delay=600.0, max_delay=60.0), 1, "k", None) == 600.0


@given(
    st.integers(0, 10_000),
    st.floats(0, 1e6),
    st.floats(1, 1e3),
    st.floats(0, 1e6),
    st.integers(1, 10_001),
    st.none() | st.floats(0, 1e9),
)
def test_it_is_never_negative_and_never_over_the_ceiling(
    retries: int, delay: float, backoff: float, max_delay: float, attempt: int, retry_after: float | None
) -> None:
    wait = next_delay(Retry(retries, delay, backoff, max_delay), attempt, "k", retry_after)
    if attempt > retries:
        assert wait is None
    else:
        assert wait is not None and 0 <= wait <= max(delay, max_delay)
