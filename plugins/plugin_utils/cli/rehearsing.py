# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rehearsal on a terminal: its timeline, its steps, what was expected and what came. What the verbs ``rehearse`` and ``test`` have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.layout import Canvas
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.lines import entry_line
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import STYLES, line, styled, symbols
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.tree import head, tree
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.rehearsal import Rehearsal, rehearse
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project_file import load as load_project
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.project import for_new_run
from ansible_collections.netops.changerail.plugins.plugin_utils.views.outline import outline
from ansible_collections.netops.changerail.plugins.plugin_utils.views.rehearsed import Check, Rehearsed
from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import status
from ansible_collections.netops.changerail.plugins.plugin_utils.views.timeline import timeline
from ansible_collections.netops.changerail.plugins.plugin_utils.views.words import duration
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.scenario import Scenario

if TYPE_CHECKING:
    from rich.text import Text

_HEIGHT = 500
_SIGNS = {"- ": "red", "+ ": "green"}


def performed(scenario: Scenario, config: str | None) -> Rehearsal:
    """Rehearse with the people of ``config``, else of the project file the scenario names, else of the one found as for a run."""
    if config is None and scenario.project is not None:
        return rehearse(scenario, load_project(scenario.project.absolute()))
    return rehearse(scenario, for_new_run(config))


def story(rehearsal: Rehearsal, width: int) -> Iterator[Text]:
    """What happened, each line with the time since the start, and how the steps ended."""
    began = rehearsal.scenario.begins
    for entry in timeline(rehearsal.events):
        elapsed = duration(entry.at - began) if entry.at > began else "0s"
        yield styled((f"{f'+{elapsed}':>9}", "cyan"), "  ").append_text(entry_line(entry))
    seen = status(rehearsal.scenario.workflow, rehearsal.events)
    canvas = Canvas(width, _HEIGHT, rehearsal.ended, symbols().states["running"])
    yield styled("")
    yield from head(seen, canvas)
    yield styled("")
    yield from tree(outline(seen.steps, _HEIGHT), canvas)


def expectations(checks: Iterable[Check], indent: str = "") -> Iterator[Text]:
    """Each expectation with its sign; below one that was not met, why."""
    for check in checks:
        state = "ok" if check.passed else "failed"
        yield styled(indent, (f"{symbols().states[state]} {line(check.what)}", STYLES[state]))
        for text in check.detail:
            yield styled(f"{indent}    ", (text, _SIGNS.get(text[:2], "")))


def verdict(seen: Rehearsed) -> Text:
    """The last line: whether it passed, and what came of the run."""
    word, style = ("as expected", "succeeded") if seen.passed else ("not as expected", "failed")
    return styled((word, STYLES[style]), f": {seen.status} after {duration(seen.took)}")


def document(rehearsal: Rehearsal, seen: Rehearsed) -> dict[str, Any]:
    """Plain JSON."""
    return {
        "scenario": rehearsal.scenario.name,
        **seen.as_dict(),
        "timeline": [entry.as_dict() for entry in timeline(rehearsal.events)],
        "run": status(rehearsal.scenario.workflow, rehearsal.events).as_dict(),
    }
