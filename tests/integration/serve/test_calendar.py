"""The calendar pages of a real server: windows, freezes and who waits for them, in the server's time zone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from support.forms import Browser
from support.serving import Serving
from support.team import PASSWORD, Team

from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import Grant

WAITS = """
name: Waits for the night
vars: {zone: UTC}
steps:
  - id: open
    netops.changerail.window:
      calendar: [night]
      freezes: [shop]
      windows: [{name: Seldom, days: [DAY], from: "10:00", to: "11:00"}]
"""
HANDED = """
name: Waits for a file
steps:
  - id: file
    netops.changerail.dependency:
      file: {path: FOLDER/plan of the change window.txt}
      until: exists
"""
# A freeze now, so that whatever the hour is the run waits.
EVENT = (
    "BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\nSUMMARY:{name}\r\n"
    "DTSTART:{start:%Y%m%dT%H%M%SZ}\r\nDTEND:{end:%Y%m%dT%H%M%SZ}\r\nEND:VEVENT\r\n"
)
HEAD, END = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example//EN\r\n", "END:VCALENDAR\r\n"


def event(name: str, start: datetime, hours: float) -> str:
    return EVENT.format(uid=f"{name}-{start:%s}", name=name, start=start, end=start + timedelta(hours=hours))


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp("calendar")
    made = Team(folder)
    now = datetime.now(UTC).replace(microsecond=0)
    noon = now.replace(hour=12, minute=0, second=0)
    frozen = event("Sale <b>of the year</b> \x1b[31m", now - timedelta(hours=1), 24 * 20)
    many = "".join(event(f"Night {number}", noon + timedelta(hours=number), 0.5) for number in range(1200))
    (folder / "night.ics").write_text(f"{HEAD}{many}{END}", newline="")
    (folder / "shop.ics").write_text(f"{HEAD}{frozen}{END}", newline="")
    (folder / "broken.ics").write_text("this is none")
    (folder / "changerail.yml").write_text(
        "calendars: {night: night.ics, shop: shop.ics, broken: broken.ics, away: missing.ics}\n"
    )
    (made.workflows / "waits.yml").write_text(WAITS.replace("DAY", f"{now + timedelta(days=3):%a}".lower()))
    (made.workflows / "handed.yml").write_text(HANDED.replace("FOLDER", str(folder)))
    options = ["--workflows", str(made.workflows), "--config", str(folder / "changerail.yml")]
    made.server = Serving(made.bench.state.path, options, {"TZ": "Europe/Berlin"})
    made.add("starter", Grant("requester"), password=PASSWORD)
    made.add("stranger", Grant("requester"), password=PASSWORD)
    with made.server:
        made.server.wait_until_ready()
        yield made


def words(text: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


def test_windows_freezes_and_who_waits(people: Team) -> None:
    browser = Browser(people.server.url).sign_in("starter")
    browser.get("/start/waits")
    assert browser.post("/start/waits", {"do": "start", "variable.zone": "UTC"})[0] == 303
    run = browser.headers["location"].rpartition("/")[2]
    people.until(run)
    status, text = browser.get("/calendar")
    assert status == 200 and not re.search(r"<b>of the year|\x1b|style=", text)
    said = words(text)
    assert "Times are of Europe/Berlin" in said
    assert "frozen Sale <b>of the year</b> \\x1b[31m until" in said
    assert re.search(r"broken: calendar \S+broken.ics: this is no usable iCalendar", said)
    assert "away: calendar 'away': " in said
    assert "frozen by Sale" in said and f'href="/runs/{run}/calendar"' in text
    assert text.count('<div class="day') == 28
    assert len(re.findall(r'class="freeze"', text)) > 15
    assert re.search(r"\d+ more entries are not shown: choose fewer weeks", said)
    assert len(text) < 500_000
    assert browser.get("/calendar?weeks=1")[1].count('<div class="day') == 7
    assert [browser.get(f"/calendar?weeks={odd}")[0] for odd in ("0", "99999", "x", "-1", "%C2%B2")] == [200] * 5
    status, text = browser.get(f"/runs/{run}/calendar")
    assert status == 200 and "Seldom" in text and "hours of open" in text and "broken" not in text
    assert f'href="/runs/{run}"' in text and f'"/runs/{run}/calendar"' in browser.get(f"/runs/{run}")[1]
    stranger = Browser(people.server.url).sign_in("stranger")
    assert stranger.get(f"/runs/{run}/calendar")[0] == 404
    assert run not in stranger.get("/calendar")[1], "runs of others are not told of"
    assert Browser(people.server.url).get("/calendar")[0] == 303


def test_what_only_speaks_of_a_window_does_not_wait_for_one(people: Team) -> None:
    people.create("handed", "handed", "starter")
    seen = people.until("handed")
    ((operation, message),) = [(wait["operation"], wait["message"]) for wait in seen["waits"]]
    assert operation == "dependency" and "change window" in message
    assert "/runs/handed" not in Browser(people.server.url).sign_in("starter").get("/calendar")[1]


def test_a_run_without_windows_has_no_calendar(people: Team) -> None:
    people.create("asks", "none", "starter")
    people.until("none")
    browser = Browser(people.server.url).sign_in("starter")
    status, text = browser.get("/runs/none/calendar")
    assert status == 404 and "none of its steps has come to a change window yet" in text
    assert "/runs/none/calendar" not in browser.get("/runs/none")[1]
