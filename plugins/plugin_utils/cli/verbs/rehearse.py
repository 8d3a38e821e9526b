# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``changerail rehearse``: run a workflow in virtual time with outcomes from a scenario file; contacts nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.options import (
    config_option,
    extra_vars_option,
    json_option,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.rehearsing import (
    document,
    expectations,
    performed,
    story,
    verdict,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import line, out, styled, write_json
from ansible_collections.netops.changerail.plugins.plugin_utils.views.rehearsed import rehearsed
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.extra_vars import parse
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.scenario_file import load

if TYPE_CHECKING:
    import click


def command() -> click.Command:
    """The verb for click."""
    import click

    return click.Command(
        "rehearse",
        callback=rehearse,
        params=[
            click.Argument(["file"], required=False),
            click.Option(
                ["-s", "--scenario"],
                required=True,
                metavar="SCENARIO",
                help="What the world answers, and what is expected.",
            ),
            extra_vars_option(),
            config_option(),
            json_option(),
        ],
        help="Rehearse the workflow in FILE (default: the one the scenario names) in virtual time. Contacts nothing, starts nothing, writes nothing.",
    )


def rehearse(file: str | None, scenario: str, extra_vars: Sequence[str], config: str | None, as_json: bool) -> int:
    """Rehearse and show it; returns 1 when something was not as expected."""
    rehearsal = performed(load(scenario, file, parse(extra_vars)), config)
    seen = rehearsed(rehearsal)
    if as_json:
        write_json(document(rehearsal, seen))
        return 0 if seen.passed else 1
    console = out()
    console.print(styled((line(rehearsal.scenario.name), "bold"), "\n"))
    for text in (*story(rehearsal, console.width), styled(""), *expectations(seen.checks), verdict(seen)):
        console.print(text, soft_wrap=True)
    return 0 if seen.passed else 1
