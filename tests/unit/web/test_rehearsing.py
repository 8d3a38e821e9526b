# Rehearsals before a start: bounded, and one at a time. Run by pytest.
from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project, Resolver
from ansible_collections.netops.changerail.plugins.plugin_utils.web.answers import Conflict
from ansible_collections.netops.changerail.plugins.plugin_utils.web.rehearsing import Rehearsals
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.scenario import APPROVE, Outcome, Scenario


def scenario(folder: Path, steps: str, outcomes: Mapping[str, tuple[Outcome, ...]] | None = None) -> Scenario:
    file = folder / "change.yml"
    file.write_text(f"name: Change\nsteps:\n{steps}")
    return Scenario("change", load(file), {}, 1_000_000.0, "rita", outcomes=outcomes or {}, default_answer=APPROVE)


def test_one_that_comes_to_its_end_says_how_long_a_run_takes(tmp_path: Path) -> None:
    steps = "  - {name: Soak, ansible.builtin.pause: {minutes: 120}}\n  - {name: Done, ansible.builtin.debug: {msg: done}}\n"
    came = Rehearsals().of(scenario(tmp_path, steps), Project())
    assert (came.status, came.stopped, came.took) == ("succeeded", "", 7200.0)
    assert [entry.path for _after, entry in came.moments if entry.path] == ["soak", "soak", "done", "done"]


def test_one_without_an_end_is_ended(tmp_path: Path) -> None:
    steps = "  - {id: ever, import_playbook: play.yml, retries: 1000000, delay: 1}\n"
    (tmp_path / "play.yml").write_text("- {hosts: localhost, tasks: []}\n")
    never = scenario(tmp_path, steps, outcomes={"ever": (Outcome("transient"),)})
    came = Rehearsals().of(never, Project())
    assert came.status == ""
    assert re.fullmatch(
        r"it takes more than (5000 events|10 s to rehearse); 'changerail rehearse' on the command line has no bound",
        came.stopped,
    )


def test_one_at_a_time(tmp_path: Path) -> None:
    rehearsals = Rehearsals()
    refused: list[str] = []

    class Busy(Project):
        """A project that is asked for its people while the rehearsal goes on."""

        def context_parts(self, resolver: Resolver) -> tuple[Mapping[str, Mapping[str, Any]], dict[str, Any]]:
            with pytest.raises(Conflict) as said:
                rehearsals.of(short, Project())
            refused.append(str(said.value))
            return super().context_parts(resolver)

    short = scenario(tmp_path, "  - {name: Done, ansible.builtin.debug: {msg: done}}\n")
    assert rehearsals.of(short, Busy()).status == "succeeded"
    assert refused == ["somebody else rehearses a run just now; try again in a moment"]
    assert rehearsals.of(short, Project()).status == "succeeded", "it is free again"
