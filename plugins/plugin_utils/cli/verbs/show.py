# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``changerail show``: what happened in a run, or in one step: attempts, options, results, output, artifacts, answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.files import write_content
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.layout import Canvas
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.lines import entry_line
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.options import json_option, run_argument
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.stepsheet import sheet
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import command as typed
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import (
    out,
    short,
    styled,
    symbols,
    write_json,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.tree import picture
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import History
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.places import Place, of_environment
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.steps import named
from ansible_collections.netops.changerail.plugins.plugin_utils.views.detail import StepDetail, details
from ansible_collections.netops.changerail.plugins.plugin_utils.views.timeline import timeline

if TYPE_CHECKING:
    import click

_NO_LIMIT = 100_000


def command() -> click.Command:
    """The verb for click."""
    import click

    return click.Command(
        "show",
        callback=show,
        params=[
            run_argument(),
            click.Argument(["step"], required=False),
            click.Option(["--timeline", "as_timeline"], is_flag=True, help="Who did what, and when."),
            click.Option(["--output"], is_flag=True, help="The whole output of the step's last attempt."),
            click.Option(
                ["--artifact"], metavar="NAME", help="One of the step's files; a diff is coloured on a terminal."
            ),
            json_option(),
        ],
        help="Show what happened in a run, or in one STEP of it (its path, or the end of it).",
    )


def show(run: str, step: str | None, as_timeline: bool, output: bool, artifact: str | None, as_json: bool) -> int:
    """Print a run, a step, or a file of a step."""
    place = of_environment()
    past = place.history(run)
    if step is None:
        if output or artifact is not None:
            raise AuthorError("--output and --artifact are of a step: name it after the run")
        if as_timeline:
            _show_timeline(past, as_json)
        else:
            _show_run(place, past, as_json)
        return 0
    path = named(step, (seen.path for seen in place.status(past).walk()), past.folder.run)
    found = details(past.events).get(path, StepDetail(path))
    if artifact is not None:
        write_content(place.artifact(past, found, artifact))
    elif output:
        _write_output(place, past, found)
    elif as_timeline:
        _show_timeline(past, as_json, path)
    else:
        _show_step(place, past, found, as_json)
    return 0


def _show_run(place: Place, past: History, as_json: bool) -> None:
    seen = place.status(past)
    if as_json:
        write_json(seen.as_dict())
        return
    console = out()
    for text in picture(seen, Canvas(console.width, _NO_LIMIT, time.time(), symbols().states["running"])):
        console.print(text, soft_wrap=True)
    if (journal := place.journal_place(past)) is not None:
        console.print(styled((f"\njournal {journal}", "dim")), soft_wrap=True)


def _show_timeline(past: History, as_json: bool, path: str | None = None) -> None:
    entries = [entry for entry in timeline(past.events) if path is None or entry.path == path]
    if as_json:
        write_json([entry.as_dict() for entry in entries])
        return
    console = out()
    for entry in entries:
        console.print(entry_line(entry), soft_wrap=True)


def _write_output(place: Place, past: History, found: StepDetail) -> None:
    content = place.output(past, found)
    if content is None:
        raise AuthorError(
            f"step {found.path} has no output: {typed('show', short(past.folder.run), found.path)} shows what there is"
        )
    write_content(content)


def _show_step(place: Place, past: History, found: StepDetail, as_json: bool) -> None:
    if as_json:
        write_json(found.as_dict())
        return
    seen = next(step for step in place.status(past).walk() if step.path == found.path)
    console = out()
    for text in sheet(seen, found, place.output_place(past, found)):
        console.print(text, soft_wrap=True)
