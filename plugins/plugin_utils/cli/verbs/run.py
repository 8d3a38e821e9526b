# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``changerail run``: start a workflow and drive it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.display import display, live
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.driving import drive_and_show, shown_at
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.options import (
    config_option,
    extra_vars_option,
    until_waiting_option,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import out, styled
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.driving import begin
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import history, state_folder
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.project import for_new_run, who_says
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.remote import Remote
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.extra_vars import parse
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.slug import workflow_name

if TYPE_CHECKING:
    import click


def command() -> click.Command:
    """The verb for click."""
    import click

    return click.Command(
        "run",
        callback=run,
        params=[
            click.Argument(["file"]),
            click.Option(
                ["-i", "--inventory"],
                multiple=True,
                metavar="INVENTORY",
                help="Inventory for playbooks, instead of the workflow's own.",
            ),
            extra_vars_option(),
            click.Option(["-l", "--limit"], metavar="HOSTS", help="Limit playbooks to these hosts."),
            click.Option(
                ["-C", "--check"], is_flag=True, help="Check and diff mode for playbooks; nothing outside is started."
            ),
            click.Option(
                ["--run-id"], metavar="ID", help="The run's id; default: made of the workflow's name and the day."
            ),
            click.Option(
                ["--as", "person"],
                default="",
                metavar="NAME",
                help="Who requests the change, where it is not your login's person.",
            ),
            until_waiting_option(),
            click.Option(
                ["--vault-password-file", "vault_password_files"],
                multiple=True,
                metavar="FILE",
                help="As for ansible-playbook.",
            ),
            config_option(),
        ],
        help="Run the workflow in FILE. Shows its steps live on a terminal, plain lines elsewhere. Ctrl-C leaves it resumable.",
    )


def run(
    file: str,
    inventory: Sequence[str],
    extra_vars: Sequence[str],
    limit: str | None,
    check: bool,
    run_id: str | None,
    person: str,
    until_waiting: bool,
    vault_password_files: Sequence[str],
    config: str | None,
) -> int:
    """Create the run and drive it; returns the exit code."""
    variables = parse(extra_vars)
    server = Remote.of_environment()
    if server is not None:
        if inventory or person or vault_password_files or config:
            raise AuthorError(
                f"-i, --as, --vault-password-file and --config are for runs on this machine; {server.url} has its own"
            )
        begun = server.history(server.start(workflow_name(file), variables, limit, check, run_id))
        return shown_at(server, begun, until_waiting)
    project = for_new_run(config)
    folder = begin(
        file,
        state=state_folder(),
        project=project,
        variables=variables,
        inventory=inventory,
        limit=limit,
        check=check,
        vault_password_files=vault_password_files,
        requester=who_says(project, person),
        run_id=run_id,
    )
    if not live():
        # The tree says it itself, and stays.
        out().print(styled("run ", (folder.run, "bold")))
    begun = history(folder)
    shown = display(begun.workflow, ())
    for event in begun.events:
        shown.show(event)
    return drive_and_show(folder, project, shown, until_waiting)
