# window: weekly hours and calendars, freezes, the days on which the clocks change, what is refused.
from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.calls import call
from support.servers import Answer, web

from ansible_collections.netops.changerail.plugins.module_utils import calendars
from ansible_collections.netops.changerail.plugins.module_utils.calendars import Span
from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.operation import Done, Failed, Outcome, Waiting
from ansible_collections.netops.changerail.plugins.module_utils.operations.window import OPERATION

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NIGHTS = {
    "windows": [{"name": "nights", "days": ["sat"], "from": "22:00", "to": "04:00"}],
    "timezone": "Europe/Amsterdam",
}


def at(text: str, zone: ZoneInfo = AMSTERDAM) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def look(folder: Path, args: Mapping[str, Any], now: str, **context: Any) -> Outcome:
    return OPERATION.start(call(OPERATION, folder, args, clock=lambda: at(now), **context))


def ics(path: Path, *events: str) -> str:
    rows = "".join(f"BEGIN:VEVENT\nUID:{number}\n{event}\nEND:VEVENT\n" for number, event in enumerate(events))
    path.write_text(
        f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//\n{rows}END:VCALENDAR\n".replace("\n", "\r\n"), newline=""
    )
    return str(path)


def test_inside_a_window(tmp_path: Path) -> None:
    for now in ("2026-03-07 22:00", "2026-03-08 03:59:59"):
        outcome = look(tmp_path, NIGHTS, now)
        assert isinstance(outcome, Done)
        assert outcome.result == {
            "open": True,
            "name": "nights",
            "start": "2026-03-07T22:00:00+01:00",
            "end": "2026-03-08T04:00:00+01:00",
            "timezone": "Europe/Amsterdam",
        }


def test_outside_it_waits_and_says_when_it_opens(tmp_path: Path) -> None:
    outcome = look(tmp_path, NIGHTS, "2026-03-08 04:00")
    assert isinstance(outcome, Waiting)
    assert outcome.message == "waiting: the change window nights opens Sat 2026-03-14 22:00 CET (Europe/Amsterdam)"
    assert (outcome.after, outcome.long) == (900.0, True)
    soon = look(tmp_path, NIGHTS, "2026-03-14 21:59:30")
    assert isinstance(soon, Waiting) and soon.after == 30.0


def test_outside_it_can_refuse(tmp_path: Path) -> None:
    outcome = look(tmp_path, {**NIGHTS, "outside": "fail"}, "2026-03-08 12:00")
    assert isinstance(outcome, Failed)
    assert outcome.failure == "failed"
    assert "opens Sat 2026-03-14 22:00 CET" in outcome.message


def test_enough_time_must_be_left(tmp_path: Path) -> None:
    assert isinstance(look(tmp_path, {**NIGHTS, "duration": "2h"}, "2026-03-08 02:00"), Done)
    outcome = look(tmp_path, {**NIGHTS, "duration": "2h"}, "2026-03-08 02:01")
    assert isinstance(outcome, Waiting)
    assert "of at least 2:00:00 opens Sat 2026-03-14 22:00" in outcome.message
    never = look(tmp_path, {**NIGHTS, "duration": "8h"}, "2026-03-09 12:00")
    assert isinstance(never, Failed)
    assert "no change window of at least 8:00:00 opens within 366 days" in never.message


@pytest.mark.parametrize(("day", "hours"), [("2026-03-28", 5), ("2026-10-24", 7), ("2026-11-07", 6)])
def test_a_window_has_its_true_length_when_the_clocks_change(tmp_path: Path, day: str, hours: int) -> None:
    outcome = look(tmp_path, NIGHTS, f"{day} 23:00")
    assert isinstance(outcome, Done)
    start, end = (datetime.fromisoformat(outcome.result[name]) for name in ("start", "end"))
    assert end - start == timedelta(hours=hours)
    assert (start.hour, end.hour) == (22, 4)


def test_a_calendar_with_repeated_events_across_the_change_of_clocks(tmp_path: Path) -> None:
    path = ics(
        tmp_path / "maintenance.ics",
        "DTSTART;TZID=Europe/Amsterdam:20260101T220000\nDURATION:PT6H\nRRULE:FREQ=WEEKLY;BYDAY=SA\nEXDATE;TZID=Europe/Amsterdam:20260404T220000\nSUMMARY:Edge",
    )
    outcome = look(tmp_path, {"calendar": [path]}, "2026-03-28 23:00")
    assert isinstance(outcome, Done)
    assert outcome.result["start"] == "2026-03-28T21:00:00+00:00"
    waiting = look(tmp_path, {"calendar": ["maintenance.ics"], "timezone": "Europe/Amsterdam"}, "2026-04-01 12:00")
    assert isinstance(waiting, Waiting)
    assert "the change window Edge opens Sat 2026-04-11 22:00 CEST" in waiting.message


def test_freezes_cut_windows(tmp_path: Path) -> None:
    freeze = ics(tmp_path / "freeze.ics", "DTSTART;VALUE=DATE:20261219\nDTEND;VALUE=DATE:20270104\nSUMMARY:Year end")
    args = {**NIGHTS, "freezes": [freeze]}
    outcome = look(tmp_path, args, "2026-12-19 23:00")
    assert isinstance(outcome, Waiting)
    assert (
        outcome.message == "waiting: frozen by Year end until Mon 2027-01-04 00:00 CET (Europe/Amsterdam); "
        "the change window nights opens Sat 2027-01-09 22:00 CET (Europe/Amsterdam)"
    )
    assert isinstance(look(tmp_path, args, "2026-12-12 23:00"), Done)


def test_freezes_alone_leave_the_rest_open(tmp_path: Path) -> None:
    freeze = ics(tmp_path / "freeze.ics", "DTSTART:20261219T120000Z\nDTEND:20261219T130000Z\nSUMMARY:Audit")
    outcome = look(tmp_path, {"freezes": [freeze]}, "2026-12-01 00:00")
    assert isinstance(outcome, Done)
    assert outcome.result["end"] == "2026-12-19T12:00:00+00:00"
    later = look(tmp_path, {"freezes": [freeze]}, "2027-01-01 00:00")
    assert isinstance(later, Done) and later.result["end"] is None
    short = look(tmp_path, {"freezes": [freeze], "duration": "90m"}, "2026-12-19 12:00")
    assert isinstance(short, Waiting)
    assert "frozen" not in short.message


def test_windows_that_touch_are_one(tmp_path: Path) -> None:
    rows = [{"days": ["mon"], "from": "20:00", "to": "24:00"}, {"days": ["tue"], "from": "00:00", "to": "02:00"}]
    outcome = look(tmp_path, {"windows": rows, "duration": "5h"}, "2026-03-02 21:30")
    assert isinstance(outcome, Done)
    assert outcome.result["end"] == "2026-03-03T02:00:00+00:00"


def test_cancelled_events_do_not_count(tmp_path: Path) -> None:
    path = ics(tmp_path / "c.ics", "DTSTART:20260301T000000Z\nDTEND:20260401T000000Z\nSTATUS:CANCELLED")
    assert isinstance(look(tmp_path, {"calendar": [path]}, "2026-03-05 00:00"), Failed)


def test_a_time_that_yaml_read_as_a_number(tmp_path: Path) -> None:
    outcome = look(tmp_path, {"windows": [{"from": 1320, "to": "04:00"}]}, "2026-03-07 23:30")
    assert isinstance(outcome, Done)
    assert outcome.result["start"] == "2026-03-07T22:00:00+00:00"


def test_a_calendar_by_its_name_or_address(tmp_path: Path) -> None:
    path = ics(tmp_path / "c.ics", "DTSTART:20260301T000000Z\nDTEND:20260401T000000Z")
    named = {"calendars": {"maintenance": path}}
    assert isinstance(look(tmp_path, {"calendar": ["maintenance"]}, "2026-03-05 00:00", settings=named), Done)
    with web() as server:
        server.answers["/c.ics"] = Answer(body=Path(path).read_bytes())
        address = f"{server.url}/c.ics?token=s3cret"
        assert isinstance(look(tmp_path, {"calendar": [address]}, "2026-03-05 00:00"), Done)
        server.answers["/c.ics"] = Answer(404, "no")
        with pytest.raises(OperationError) as error:
            look(tmp_path, {"calendar": [address]}, "2026-03-05 00:00")
        assert "s3cret" not in str(error.value)
    outcome = look(tmp_path, {"calendar": [address]}, "2026-03-05 00:00")
    assert isinstance(outcome, Waiting)
    assert "Connection refused" in outcome.message and "s3cret" not in outcome.message
    with pytest.raises(OperationError) as error:
        look(tmp_path, {"calendar": [address], "outside": "fail"}, "2026-03-05 00:00")
    assert error.value.failure == "transient"


def test_poll_says_the_same_and_its_handle_is_json(tmp_path: Path) -> None:
    made = call(OPERATION, tmp_path, NIGHTS, clock=lambda: at("2026-03-08 12:00"))
    first = OPERATION.start(made)
    assert isinstance(first, Waiting)
    assert OPERATION.poll(made, json.loads(json.dumps(first.handle))) == first


def test_check_mode_does_not_wait(tmp_path: Path) -> None:
    outcome = look(tmp_path, NIGHTS, "2026-03-08 12:00", check=True)
    assert isinstance(outcome, Done)
    assert (outcome.result["open"], outcome.result["start"]) == (False, "2026-03-14T22:00:00+01:00")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "at least one of calendar, windows and freezes"),
        ({**NIGHTS, "timezone": "Europe/Amsterdm"}, "timezone: 'Europe/Amsterdm' is unknown"),
        ({**NIGHTS, "timezone": "../../etc/passwd"}, "is unknown"),
        ({**NIGHTS, "duration": "long"}, "duration"),
        ({"windows": [{"from": "25:00", "to": "04:00"}]}, "from: '25:00' is no time of day"),
        ({"windows": [{"from": "20:00", "to": "4"}]}, "to: '4' is no time of day"),
        ({"calendar": ["nowhere.ics"]}, "the project file names: none"),
    ],
)
def test_bad_values_are_named(tmp_path: Path, args: dict[str, Any], message: str) -> None:
    with pytest.raises(OperationError) as error:
        look(tmp_path, args, "2026-03-08 12:00")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ("DTSTART:20260101T000000Z\nRRULE:FREQ=SECONDLY", "repeated more than 24 times a day"),
        (
            "DTSTART:20260101T000000Z\nRRULE:FREQ=DAILY;BYHOUR=1,2,3,4,5;BYMINUTE=1,2,3,4,5",
            "repeated more than 24 times a day",
        ),
        (
            "DTSTART;TZID=Nowhere/City:20260101T000000\nDTEND;TZID=Nowhere/City:20260101T010000",
            "time zone 'Nowhere/City' is unknown",
        ),
        ("DTSTART:20261301T000000Z", "no usable iCalendar"),
        ("SUMMARY:nothing", "no usable iCalendar"),
        ("DTSTART:20260101T000000Z\nRRULE:FREQ=SOMETIMES", "no usable iCalendar"),
    ],
)
def test_bad_calendars_are_named(tmp_path: Path, event: str, message: str) -> None:
    path = ics(tmp_path / "bad.ics", event)
    with pytest.raises(OperationError) as error:
        look(tmp_path, {"calendar": [path]}, "2026-03-08 12:00")
    assert message in str(error.value)
    assert "bad.ics" in str(error.value)


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"\xff\xfe\x00", b"BEGIN:VCALENDAR\r\n" * 2, b"BEGIN:VEVENT\r\nEND:VCALENDAR\r\n"]
)
def test_what_is_no_calendar_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.ics").write_bytes(content)
    with pytest.raises(OperationError, match=r"bad\.ics"):
        look(tmp_path, {"calendar": ["bad.ics"]}, "2026-03-08 12:00")


_HOURS = st.integers(0, 60)
_SPANS = st.lists(st.tuples(_HOURS, _HOURS).map(sorted), max_size=8)


def _spans(pairs: Iterable[list[int]]) -> list[Span]:
    base = datetime(2026, 1, 1, tzinfo=UTC)
    return [Span(base + timedelta(hours=start), base + timedelta(hours=end)) for start, end in pairs]


@given(open_pairs=_SPANS, frozen_pairs=_SPANS)
@settings(max_examples=100, deadline=None)
def test_what_is_left_is_open_and_not_frozen(open_pairs: list[list[int]], frozen_pairs: list[list[int]]) -> None:
    left = calendars.without(calendars.united(_spans(open_pairs)), _spans(frozen_pairs))
    for before, after in itertools.pairwise(left):
        assert before.end <= after.start
    for hour in range(60):
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour, minutes=30)
        is_open = any(span.start <= moment < span.end for span in _spans(open_pairs))
        is_frozen = any(span.start <= moment < span.end for span in _spans(frozen_pairs))
        assert any(span.start <= moment < span.end for span in left) == (is_open and not is_frozen)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_only_a_regular_file_is_read_as_a_calendar(tmp_path: Path, kind: str) -> None:
    """A pipe into which nobody writes would keep whoever opens it for ever."""
    place = {"pipe": tmp_path / "pipe.ics", "device": Path("/dev/zero"), "folder": tmp_path}[kind]
    if kind == "pipe":
        os.mkfifo(place)
    with pytest.raises(OperationError, match=r"no regular file|Is a directory"):
        look(tmp_path, {"calendar": [str(place)]}, "2026-03-08 12:00")
