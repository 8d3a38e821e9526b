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
        stage._write_window(datetime.now(UTC) + WINDOW_OPENS_AFTER)
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

    def write_project(self, mail_server: str, inventory: Path) -> None:
        """The project file: who is who, where records are kept, how mail goes out (``host:port``), what the validation pipeline is."""
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
            "connections": {
                "local": {
                    "records": str(self.records),
                    "approvals": {"authorize": ["cab"]},
                    "pipelines": {"edge-validation": self._validation(inventory)},
                }
            },
            "calendars": {"edge": "window.ics"},
            "defaults": {"assurance": "signed" if any(self.keys.iterdir()) else "asserted", "deadline": "1h"},
        }
        self.project.write_text(yaml.safe_dump(project, sort_keys=False), encoding="utf-8")

    def _write_window(self, opens: datetime) -> None:
        window = Event()
        window.add("uid", "edge-window@example.net")
        window.add("dtstamp", opens)
        window.add("dtstart", opens.replace(microsecond=0))
        window.add("dtend", opens.replace(microsecond=0) + WINDOW_LASTS)
        window.add("summary", "Change window of the edge")
        calendar = Calendar()
        calendar.add("prodid", "-//changerail//examples//EN")
        calendar.add("version", "2.0")
        calendar.add_component(window)
        (self.home / "window.ics").write_bytes(calendar.to_ical())

    def _validation(self, inventory: Path) -> dict[str, Any]:
        """A pipeline as a command of this machine; the step's inputs come as one more file of variables."""
        build = self.home / "build"
        build.mkdir()
        arguments = [str(inventory), str(CHANGE / "playbooks" / "pipeline.yml"), str(self.variables)]
        return {
            "command": ["sh", "-c", 'exec ansible-playbook -i "$0" "$1" -e @"$2" -e @"$CHANGERAIL_INPUTS"', *arguments],
            "chdir": str(build),
            "artifacts": ["edge.diff", "*.conf", "*.before", "intent/*.yml"],
        }
