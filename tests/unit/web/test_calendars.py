"""Calendars as the pages read them: kept a while, with their errors; and the time zone of the machine."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project
from ansible_collections.netops.changerail.plugins.plugin_utils.web.calendars import Calendars, local_zone

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)
TEXT = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//example//EN
BEGIN:VEVENT
UID:1
DTSTAMP:20260101T000000Z
SUMMARY:{name}
DTSTART:20261001T100000Z
DTEND:20261001T130000Z
END:VEVENT
END:VCALENDAR
"""


def test_a_calendar_is_read_again_after_a_while_and_a_broken_one_sooner(tmp_path: Path) -> None:
    file, moments = tmp_path / "night.ics", [0.0]
    read = Calendars({}, ZoneInfo("UTC"), lambda: moments[0])
    project = Project(calendars={"night": str(file)})

    def seen() -> tuple[list[str], str]:
        (found,) = read.of_project(project, frozenset({"night"}), NOW)
        assert found.name == "night" and found.freeze
        return [span.name for span in found.spans], found.error[:17]

    assert seen() == ([], "calendar 'night':")
    file.write_text(TEXT.format(name="First"))
    assert seen() == ([], "calendar 'night':")
    moments[0] = 60.0
    assert seen() == (["First"], "")
    file.write_text(TEXT.format(name="Second"))
    moments[0] = 959.0
    assert seen() == (["First"], "")
    moments[0] = 960.0
    assert seen() == (["Second"], "")


def test_what_a_step_goes_by(tmp_path: Path) -> None:
    (tmp_path / "shop.ics").write_text(TEXT.format(name="Sale"))
    read = Calendars({}, ZoneInfo("UTC"), lambda: 0.0)
    rows = [{"name": "Night", "days": ["thu"], "from": 1320, "to": "06:00"}]
    args = {"windows": rows, "freezes": ["shop.ics"], "timezone": "Europe/Berlin"}
    hours, freeze = read.of_step("open", args, Project(), tmp_path, NOW)
    assert (hours.name, hours.freeze, freeze.name, freeze.freeze) == ("hours of open", False, "shop.ics", True)
    assert hours.spans[0].start == datetime(2026, 10, 1, 20, tzinfo=UTC) and len(hours.spans) == 13
    (wrong,) = read.of_step("open", {**args, "timezone": "Mars/Olympus"}, Project(), tmp_path, NOW)
    assert "Mars/Olympus" in wrong.error and wrong.spans == ()


@pytest.mark.parametrize(
    ("environment", "leads_to", "zone"),
    [
        ({"TZ": "Europe/Berlin"}, "/usr/share/zoneinfo/Asia/Tokyo", "Europe/Berlin"),
        ({"TZ": ":Europe/Berlin"}, "", "Europe/Berlin"),
        ({}, "/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo"),
        ({"TZ": "../../etc/passwd"}, "", "UTC"),
        ({"TZ": "CET-1CEST"}, "", "UTC"),
        ({}, "/elsewhere", "UTC"),
    ],
)
def test_the_time_zone_of_this_machine(tmp_path: Path, environment: dict[str, str], leads_to: str, zone: str) -> None:
    link = tmp_path / "localtime"
    link.symlink_to(leads_to or "/nowhere")
    assert local_zone(environment, link).key == zone


def test_two_project_files_may_mean_two_calendars_by_one_name(tmp_path: Path) -> None:
    read = Calendars({}, ZoneInfo("UTC"), lambda: 0.0)
    names = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        file = tmp_path / folder / "night.ics"
        file.write_text(TEXT.format(name=folder))
        project = Project(tmp_path / folder / "changerail.yml", calendars={"night": str(file)})
        (found,) = read.of_step("open", {"calendar": ["night"]}, project, tmp_path, NOW)
        names += [span.name for span in found.spans]
    assert names == ["one", "two"]
