"""What the demo and the lab set up alike: a fresh folder with the intent, the people's keys, the project file and a change window."""

from __future__ import annotations

import getpass
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from icalendar import Calendar, Event

from examples.common.changerail import CHANGE
from examples.common.intent import BRANCH, make_repository
from examples.common.people import PEOPLE, REQUESTER, make_keys

WINDOW_OPENS_AFTER = timedelta(seconds=40)
WINDOW_LASTS = timedelta(hours=2)
IN_A_WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Stage:
    """The folder one demo or lab works in. Everything it writes is below ``home``."""

    home: Path

    @property
    def intent(self) -> Path:
        return self.home / "intent"

    @property
    def keys(self) -> Path:
        return self.home / "keys"

    @property
    def mail(self) -> Path:
        return self.home / "mail"

    @property
    def baseline(self) -> Path:
        return self.home / "baseline"

    @property
    def project(self) -> Path:
        return self.home / "changerail.yml"

    @property
    def records(self) -> Path:
        return self.home / "state" / "records"

    @property
    def variables(self) -> Path:
        return self.home / "variables.json"

    @classmethod
    def fresh(cls, home: Path) -> Stage:
        """Empty the folder, then lay the intent, the keys and a change window that is about to open into it."""
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(mode=0o700, parents=True)
        stage = cls(home)
        make_repository(stage.intent)
        make_keys(stage.keys)
        opens = datetime.now(UTC) + WINDOW_OPENS_AFTER
        stage.write_calendar("window", "Change window of the edge", opens, opens + WINDOW_LASTS)
        stage.write_calendar("freeze", "Freeze of the edge", opens + IN_A_WEEK, opens + IN_A_WEEK + WINDOW_LASTS)
        return stage

    def write_variables(self, place: Mapping[str, Any]) -> None:
        """The extra variables of the run: what ``place`` adds to those that the demo and the lab share."""
        shared = {
            # As a URL, because Ansible's git module splits a path at its blanks.
            "intent_repo": self.intent.as_uri(),
            "intent_ref": BRANCH,
            "build": str(self.home / "build"),
            "backups": str(self.home / "backups"),
            "look_every": "1s",
        }
        self.variables.write_text(json.dumps({**shared, **place}, indent=2), encoding="utf-8")

    def write_project(self, mail_server: str, inventory: Path, systems: Mapping[str, Any] | None = None) -> None:
        """The project file: who is who, how mail goes out (``host:port``), where records are kept and pipelines run.

        ``systems`` are the connections and defaults of other systems for both, and their defaults come before ours; without them records are files
        and pipelines are commands here.
        """
        people: dict[str, Any] = {}
        for person in PEOPLE:
            people[person.name] = {
                "groups": list(person.groups),
                "mail": person.mail,
                "notify": f"mailto://{mail_server}/?from=changerail@example.net&to={person.mail}",
                "keys": [key.read_text(encoding="utf-8").strip() for key in self.keys.glob(f"{person.name}.pub")],
            }
        # Whoever runs this asks for the change, and so may not approve it.
        people[REQUESTER.name]["os_user"] = getpass.getuser()
        project = {
            "people": people,
            "connections": systems["connections"] if systems else {"local": self._local(inventory)},
            "calendars": {"edge": "window.ics", "freeze": "freeze.ics"},
            "defaults": {
                "assurance": "signed" if any(self.keys.iterdir()) else "asserted",
                "deadline": "1h",
                **(systems["defaults"] if systems else {}),
            },
        }
        self.project.write_text(yaml.safe_dump(project, sort_keys=False), encoding="utf-8")

    def write_calendar(self, name: str, summary: str, begins: datetime, ends: datetime) -> None:
        """One event in a calendar of its own, ``<name>.ics``."""
        event = Event()
        event.add("uid", f"{name}@example.net")
        event.add("dtstamp", begins)
        event.add("dtstart", begins.replace(microsecond=0))
        event.add("dtend", ends.replace(microsecond=0))
        event.add("summary", summary)
        calendar = Calendar()
        calendar.add("prodid", "-//changerail//examples//EN")
        calendar.add("version", "2.0")
        calendar.add_component(event)
        (self.home / f"{name}.ics").write_bytes(calendar.to_ical())

    def _local(self, inventory: Path) -> dict[str, Any]:
        return {
            "records": str(self.records),
            "approvals": {"authorize": ["cab"]},
            "pipelines": {"edge-validation": self._validation(inventory)},
        }

    def _validation(self, inventory: Path) -> dict[str, Any]:
        """A pipeline as a command of this machine; the step's inputs come as one more file of variables."""
        build = self.home / "build"
        build.mkdir(exist_ok=True)
        arguments = [str(inventory), str(CHANGE / "playbooks" / "pipeline.yml"), str(self.variables)]
        return {
            "command": ["sh", "-c", 'exec ansible-playbook -i "$0" "$1" -e @"$2" -e @"$CHANGERAIL_INPUTS"', *arguments],
            "chdir": str(build),
            "artifacts": ["edge.diff", "*.conf", "*.before", "intent/*.yml"],
        }
