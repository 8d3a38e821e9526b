# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``changerail list``: the runs, newest first, and who each waits for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import ChangerailError
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.options import config_option, json_option
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import (
    STYLES,
    err,
    line,
    out,
    styled,
    symbols,
    write_json,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.places import of_environment
from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import RunSummary
from ansible_collections.netops.changerail.plugins.plugin_utils.views.words import asked, duration

if TYPE_CHECKING:
    import click
    from rich.table import Table

_WIDE = 120
_LONGEST_NAME = 40
"""Columns from which the workflow's name is shown too, and how many it may take; most ids begin with it."""

Listed = tuple[str, RunSummary | ChangerailError]


def command() -> click.Command:
    """The verb for click."""
    import click

    return click.Command(
        "list",
        callback=list_runs,
        params=[
            click.Option(["--mine"], is_flag=True, help="Only runs that wait for you."),
            config_option(),
            json_option(),
        ],
        help="List runs, the newest first: state, who or what is waited for, age.",
    )


def list_runs(mine: bool, config: str | None, as_json: bool) -> int:
    """Print the runs of this state folder, or of the server."""
    place = of_environment()
    found = list(place.summaries(mine, config))
    if as_json:
        write_json([_document(run, seen) for run, seen in found])
    elif found:
        console = out()
        console.print(_table(found, console.width))
    else:
        waiting = "nothing waits for you" if mine else "no runs yet"
        err().print(styled(f"{waiting} {place}"), soft_wrap=True)
    return 0


def _document(run: str, seen: RunSummary | ChangerailError) -> dict[str, Any]:
    if isinstance(seen, ChangerailError):
        return {"run": run, "state": "unreadable", "message": str(seen)}
    return seen.as_dict()


def _table(found: list[Listed], width: int) -> Table:
    from rich.table import Table

    now = time.time()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_edge=False, expand=True)
    for title in ("RUN", "STATE"):
        table.add_column(title, no_wrap=True)
    table.add_column("AGE", no_wrap=True, justify="right")
    # Only this column gives way: an id that is cut short is of no use.
    table.add_column("WAITS FOR", no_wrap=True, overflow="ellipsis", ratio=1)
    if width >= _WIDE:
        table.add_column("WORKFLOW", no_wrap=True, overflow="ellipsis", max_width=_LONGEST_NAME)
    for run, seen in found:
        if isinstance(seen, ChangerailError):
            table.add_row(run, styled(("unreadable", "bold red")), "", styled((line(str(seen)), "red")))
        else:
            state = styled((seen.state, STYLES.get(seen.state, "cyan")))
            row = (run, state, duration(now - seen.began), styled(_waited(seen)), styled(line(seen.name)))
            table.add_row(*row[: len(table.columns)])
    return table


def _waited(seen: RunSummary) -> str:
    """People first; of several questions the longest open one, with how many more there are."""
    if seen.over:
        return line(seen.message)
    words = [f"{asked(question.question)}: {question.question.title}" for question in seen.questions]
    words += [wait.message or wait.path for wait in seen.waits]
    more = f" (and {len(words) - 1} more)" if len(words) > 1 else ""
    return line(words[0]) + more if words else symbols().dot if seen.state == "running" else ""
