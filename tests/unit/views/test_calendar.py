"""Change windows and freezes, day by day."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from ansible_collections.netops.changerail.plugins.module_utils.calendars import Span
from ansible_collections.netops.changerail.plugins.plugin_utils.views.calendar import Calendar, agenda, cut

BERLIN = ZoneInfo("Europe/Berlin")


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 10, day, hour, minute, tzinfo=UTC)


def test_a_window_over_midnight_is_on_both_days() -> None:
    night = Calendar("edge", False, (Span(at(1, 20), at(2, 2), "Night"),))
    first, second, third = agenda([night], at(1, 21), BERLIN, 3)
    assert (first.title, first.today, second.today) == ("Thu 1 October", True, False)
    assert [(entry.begins, entry.minutes, entry.since, entry.until, entry.now) for entry in first.entries] == [
        (22 * 60, 120, "22:00", "Fri 2 Oct 04:00", True)
    ]
    assert [(entry.begins, entry.minutes, entry.since, entry.until) for entry in second.entries] == [
        (0, 240, "Thu 1 Oct 22:00", "04:00")
    ]
    assert third.entries == ()


def test_the_day_on_which_the_clocks_change_is_drawn_by_the_clock() -> None:
    # 25 October 2026: 03:00 becomes 02:00 in Berlin.
    day = agenda([Calendar("edge", False, (Span(at(24, 22), at(25, 23), "Sunday"),))], at(25, 8), BERLIN, 1)[0]
    assert [(entry.begins, entry.minutes) for entry in day.entries] == [(0, 1440)]


def test_windows_and_freezes_in_the_order_of_the_day() -> None:
    freeze = Calendar("shop", True, (Span(at(1, 10), at(1, 11), "Sale"),))
    window = Calendar("edge", False, (Span(at(1, 8), at(1, 9), "Morning"), Span(at(1, 12), at(1, 13), "Noon")))
    day = agenda([freeze, window], at(1, 0), ZoneInfo("UTC"), 1)[0]
    assert [(entry.name, entry.freeze) for entry in day.entries] == [
        ("Morning", False),
        ("Sale", True),
        ("Noon", False),
    ]


def test_the_first_entries_are_kept_and_the_others_counted() -> None:
    spans = tuple(Span(at(day, hour), at(day, hour + 1)) for day in (1, 2, 3) for hour in (8, 10))
    days = agenda([Calendar("edge", False, spans)], at(1, 0), ZoneInfo("UTC"), 3)
    few, left = cut(days, 3)
    assert [len(day.entries) for day in few] == [2, 1, 0] and left == 3
    assert cut(days, 6) == (days, 0)
