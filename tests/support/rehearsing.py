"""Rehearses texts: a workflow and a scenario, laid into a folder; for tests of rehearsals at every level."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import Event
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.rehearsal import Rehearsal, rehearse
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import People, Person
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project
from ansible_collections.netops.changerail.plugins.plugin_utils.views.rehearsed import Rehearsed, rehearsed
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.scenario import Scenario
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.scenario_file import load


def project(**groups_of: str) -> Project:
    """A project in which each person (by keyword) is in one group."""
    people = {name: Person(name, (name,), frozenset({group})) for name, group in groups_of.items()}
    members: dict[str, list[str]] = {}
    for name, group in groups_of.items():
        members.setdefault(group, []).append(name)
    return Project(people=People(people), groups=members)


class Stage:
    """A folder with a workflow, in which scenarios are rehearsed."""

    def __init__(self, folder: Path, steps: str, head: str = "") -> None:
        self.folder = folder
        (folder / "change.yml").write_text(f"name: a change\n{head}steps:\n{steps}", encoding="utf-8")

    def rehearse(self, scenario: str = "", who: Project | None = None, **variables: Any) -> Told:
        """What comes of the scenario; ``variables`` are extra vars."""
        return Told(rehearse(self.scenario(scenario, **variables), who or Project()))

    def scenario(self, text: str = "", **variables: Any) -> Scenario:
        """The scenario in ``text``, which need not name the workflow."""
        path = self.folder / "scenario.yml"
        path.write_text(f"workflow: change.yml\n{text}", encoding="utf-8")
        return load(path, None, variables)


class Told:
    """A rehearsal, and what came of it in short."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self.rehearsal = rehearsal
        self.seen: Rehearsed = rehearsed(rehearsal)

    def events(self, kind: type[Event], path: str = "") -> list[Any]:
        """Events of one kind, of one step or all."""
        found = [event for event in self.rehearsal.events if isinstance(event, kind)]
        return [event for event in found if not path or event.path == path]

    def after(self, event: Any) -> float:
        """Seconds from the start to the event."""
        return float(event.at - self.rehearsal.scenario.begins)
