# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``changerail test``: rehearse all scenarios of a folder; contacts nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, CheckError
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.options import config_option, json_option
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.rehearsing import document, expectations, performed
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import (
    STYLES,
    line,
    out,
    styled,
    symbols,
    write_json,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.rehearsal import Rehearsal
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project_file import NAME
from ansible_collections.netops.changerail.plugins.plugin_utils.views.rehearsed import Rehearsed, rehearsed
from ansible_collections.netops.changerail.plugins.plugin_utils.views.words import duration
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.scenario import Scenario
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.scenario_file import load

if TYPE_CHECKING:
    import click
    from rich.text import Text

_ENDINGS = (".yml", ".yaml")


def command() -> click.Command:
    """The verb for click."""
    import click

    return click.Command(
        "test",
        callback=test,
        params=[click.Argument(["folder"]), config_option(), json_option()],
        help=f"Rehearse every scenario in FOLDER (all .yml files but {NAME}). Contacts nothing, starts nothing, writes nothing.",
    )


def test(folder: str, config: str | None, as_json: bool) -> int:
    """Rehearse all; returns 1 when a scenario failed, 2 when a file is wrong, and then nothing is rehearsed."""
    scenarios = _scenarios(folder)
    rehearsals = [performed(scenario, config) for scenario in scenarios]
    seen = [rehearsed(rehearsal) for rehearsal in rehearsals]
    if as_json:
        write_json([document(*both) for both in zip(rehearsals, seen, strict=True)])
    else:
        console = out()
        for text in _table(rehearsals, seen):
            console.print(text, soft_wrap=True)
    return 0 if all(one.passed for one in seen) else 1


def _scenarios(folder: str) -> list[Scenario]:
    """All scenarios, by file name. Raises CheckError with the mistakes of all files."""
    if not Path(folder).is_dir():
        raise AuthorError(f"{folder}: no such folder; expected one with scenario files")
    files = sorted(path for path in Path(folder).iterdir() if path.suffix in _ENDINGS and path.name != NAME)
    if not files:
        raise AuthorError(f"{folder}: no scenario files; expected files that end in .yml")
    scenarios: list[Scenario] = []
    mistakes: list[object] = []
    for path in files:
        try:
            scenarios.append(load(path))
        except CheckError as error:
            mistakes += error.mistakes
    if mistakes:
        raise CheckError(list(dict.fromkeys(mistakes)))
    return scenarios


def _table(rehearsals: Sequence[Rehearsal], seen: Sequence[Rehearsed]) -> list[Text]:
    """A line for each scenario; below one that failed, what was not as expected; then the count."""
    width = max(len(line(rehearsal.scenario.name)) for rehearsal in rehearsals)
    rows: list[Text] = []
    for rehearsal, one in zip(rehearsals, seen, strict=True):
        state = "ok" if one.passed else "failed"
        name = line(rehearsal.scenario.name).ljust(width)
        rows.append(
            styled(
                (f"{symbols().states[state]} {name}", STYLES[state]),
                (f"  {one.status} after {duration(one.took)}, {len(one.performed)} steps", "dim"),
            )
        )
        rows += expectations((check for check in one.checks if not check.passed), "    ")
    failed = sum(not one.passed for one in seen)
    summary = f"{len(seen) - failed} passed" + (f", {failed} failed" if failed else "")
    return [*rows, styled((summary, STYLES["failed" if failed else "succeeded"]))]
