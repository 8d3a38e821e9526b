# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``changerail graph``: a workflow, or a run with the states of its steps, as a drawing."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import write_lines
from ansible_collections.netops.changerail.plugins.plugin_utils.exports.dot import dot
from ansible_collections.netops.changerail.plugins.plugin_utils.exports.mermaid import mermaid
from ansible_collections.netops.changerail.plugins.plugin_utils.exports.svg import svg
from ansible_collections.netops.changerail.plugins.plugin_utils.exports.text import text
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.places import of_environment
from ansible_collections.netops.changerail.plugins.plugin_utils.views.graph import graph, states_of
from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import RunStatus, Status
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Workflow
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load

if TYPE_CHECKING:
    import click

_FORMATS = ("mermaid", "dot", "svg", "text")


def command() -> click.Command:
    """The verb for click."""
    import click

    return click.Command(
        "graph",
        callback=draw,
        params=[
            click.Argument(["what"], metavar="FILE|RUN"),
            click.Option(["--format", "-f", "form"], type=click.Choice(_FORMATS), default="mermaid", show_default=True),
        ],
        help="Draw the workflow in FILE, or RUN with the states of its steps.",
    )


def draw(what: str, form: str) -> int:
    """Print the drawing."""
    workflow, seen = _meant(what)
    states = {} if seen is None else states_of(seen)
    if form == "text":
        write_lines(*text(workflow, states))
    elif form == "svg":
        write_lines(svg(_not_begun(workflow) if seen is None else seen, time.time()).rstrip("\n"))
    else:
        drawn = graph(workflow, states)
        write_lines((mermaid(drawn) if form == "mermaid" else dot(drawn)).rstrip("\n"))
    return 0


def _meant(what: str) -> tuple[Workflow, RunStatus | None]:
    """The workflow in a file, else of a run with how that stands. Raises CheckError, UnknownRun."""
    if Path(what).exists() or what.endswith((".yml", ".yaml")):
        return load(what), None
    place = of_environment()
    past = place.history(what)
    return past.workflow, place.status(past)


def _not_begun(workflow: Workflow) -> RunStatus:
    seen = Status(workflow).snapshot()
    return replace(seen, summary=replace(seen.summary, name=workflow.name))
