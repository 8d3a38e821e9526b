"""Durations and points in time, as people write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.netops.changerail.plugins.module_utils.durations import moment, seconds
from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError


@pytest.mark.parametrize(
    ("written", "length"),
    [
        (90, 90),
        (1.5, 1.5),
        ("90", 90),
        ("0", 0),
        ("15m", 900),
        ("2h30m", 9000),
        ("2h 30m", 9000),
        ("1d", 86400),
        ("1w", 604800),
        ("0.5h", 1800),
        (" 4H ", 14400),
    ],
)
def test_a_duration_is_read_as_people_write_it(written: object, length: float) -> None:
    assert seconds(written) == length


@pytest.mark.parametrize(
    "written", ["", "soon", "-5", -5, "5 parsecs", "m", "1h30", "nan", "inf", True, None, [], "1h\x00"]
)
def test_what_is_no_duration_is_refused_with_an_example(written: object) -> None:
    with pytest.raises(AuthorError, match="15m"):
        seconds(written)


def test_a_moment_is_a_duration_from_now_or_a_date() -> None:
    assert moment("4h", 1000.0) == 15400.0
    assert moment("2030-01-31T18:00:00+01:00", 0.0) == datetime(2030, 1, 31, 17, tzinfo=UTC).timestamp()
    assert moment("2030-01-31 18:00", 0.0) == datetime(2030, 1, 31, 18).timestamp()
    assert moment(datetime(2030, 1, 31, 18, tzinfo=UTC), 0.0) == datetime(2030, 1, 31, 18, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("written", ["tomorrow", "2030-13-01", {}, None])
def test_what_is_no_moment_is_refused_with_both_forms(written: object) -> None:
    with pytest.raises(AuthorError, match=r"4h.*2030-01-31"):
        moment(written, 0.0)
