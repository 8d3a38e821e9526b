# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``changerail show``: what happened in a run, or in one step: attempts, options, results, output, artifacts, answers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.files import (
    artifact_of,
    output_name,
    output_of,
    write_content,
    write_file,
)
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
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import (
    History,
    current_status,
    find,
    history,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.remote import Remote
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.steps import named
from ansible_collections.netops.changerail.plugins.plugin_utils.views.detail import StepDetail, details
from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import RunStatus, status
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
    server = Remote.of_environment()
    past = history(find(run)) if server is None else server.history(run)
    if step is None:
        if output or artifact is not None:
            raise AuthorError("--output and --artifact are of a step: name it after the run")
        (_show_timeline if as_timeline else _show_run)(past, as_json)
        return 0
    path = named(step, (seen.path for seen in _status(past).walk()), past.folder.run)
    found = details(past.events).get(path, StepDetail(path))
    if artifact is not None:
        _write_artifact(server, past, found, artifact)
    elif output:
        _write_output(server, past, found)
    elif as_timeline:
        _show_timeline(past, as_json, path)
    else:
        _show_step(past, found, as_json)
    return 0


def _status(past: History) -> RunStatus:
    """Of a run at a server the history alone tells it: what drives it there, its journal says."""
    return current_status(past) if past.folder.path.is_absolute() else status(past.workflow, past.events)


def _write_artifact(server: Remote | None, past: History, found: StepDetail, name: str) -> None:
    if server is None:
        write_file(Path(artifact_of(found, name).path))
    else:
        write_content(server.file(past.folder.run, "artifact", found.path, name))


def _show_run(past: History, as_json: bool) -> None:
    seen = _status(past)
    if as_json:
        write_json(seen.as_dict())
        return
    console = out()
    for text in picture(seen, Canvas(console.width, _NO_LIMIT, time.time(), symbols().states["running"])):
        console.print(text, soft_wrap=True)
    if past.folder.path.is_absolute():
        console.print(styled((f"\njournal {past.folder.journal}", "dim")), soft_wrap=True)


def _show_timeline(past: History, as_json: bool, path: str | None = None) -> None:
    entries = [entry for entry in timeline(past.events) if path is None or entry.path == path]
    if as_json:
        write_json([entry.as_dict() for entry in entries])
        return
    console = out()
    for entry in entries:
        console.print(entry_line(entry), soft_wrap=True)


def _write_output(server: Remote | None, past: History, found: StepDetail) -> None:
    if server is not None and (name := output_name(found)):
        _write_artifact(server, past, found, name)
        return
    path = output_of(past.folder, found) if server is None else None
    if path is None:
        raise AuthorError(
            f"step {found.path} has no output: {typed('show', short(past.folder.run), found.path)} shows what there is"
        )
    write_file(path)


def _show_step(past: History, found: StepDetail, as_json: bool) -> None:
    if as_json:
        write_json(found.as_dict())
        return
    seen = next(step for step in _status(past).walk() if step.path == found.path)
    console = out()
    output = output_of(past.folder, found) if past.folder.path.is_absolute() else None
    for text in sheet(seen, found, output):
        console.print(text, soft_wrap=True)
