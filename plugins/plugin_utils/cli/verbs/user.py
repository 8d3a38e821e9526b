# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``changerail user``: who may come in at the server, and with which roles."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.options import json_option, need_extra
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import err, out, styled, write_json
from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import ROLES, Grant, grant, written
from ansible_collections.netops.changerail.plugins.plugin_utils.people.accounts import AccountsFile, User, hashed
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import plain
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import state_folder

if TYPE_CHECKING:
    import click


def command() -> click.Command:
    """The verb for click, with its three verbs."""
    import click

    adding = click.Command(
        "add",
        callback=add,
        params=[
            click.Argument(["name"]),
            click.Option(
                ["--role", "roles"],
                multiple=True,
                required=True,
                metavar="ROLE",
                help=f"One of {', '.join(ROLES)}; approver:GROUP,GROUP for questions to these groups; ROLE@WORKFLOW for runs of one workflow. "
                "May be given several times.",
            ),
            click.Option(["--no-password"], is_flag=True, help="For a program: it comes in with tokens only."),
            click.Option(["--password-stdin"], is_flag=True, help="Read the password from standard input."),
        ],
        help="Add user NAME: a person of the project file, one of that person's logins, or somebody known to the server only.",
    )
    listing = click.Command("list", callback=list_users, params=[json_option()], help="List users and their roles.")
    removing = click.Command(
        "remove", callback=remove, params=[click.Argument(["name"])], help="Remove user NAME and every token of it."
    )
    return click.Group("user", commands=[adding, listing, removing], help="Users of the server and their roles.")


def add(name: str, roles: Sequence[str], no_password: bool, password_stdin: bool) -> int:
    """Add a user."""
    if no_password and password_stdin:
        raise AuthorError("--no-password and --password-stdin exclude each other")
    grants = tuple(map(grant, roles))
    file = AccountsFile(state_folder())
    file.read().with_user(User(plain(name)))
    kept = "" if no_password else _password(password_stdin)
    file.change(lambda accounts: accounts.with_user(User(plain(name), kept, grants)))
    out().print(styled("added ", (plain(name), "bold"), f": {_said(grants)}"), soft_wrap=True)
    return 0


def list_users(as_json: bool) -> int:
    """Print the users."""
    users = sorted(AccountsFile(state_folder()).read().users.values(), key=lambda user: user.name)
    if as_json:
        write_json(
            [
                {"name": user.name, "password": bool(user.password), "roles": [written(held) for held in user.grants]}
                for user in users
            ]
        )
        return 0
    if not users:
        err().print(styled("no users yet: changerail user add NAME --role ROLE"), soft_wrap=True)
    for user in users:
        alone = "" if user.password else "  (tokens only)"
        out().print(styled((user.name, "bold"), f"  {_said(user.grants)}{alone}"), soft_wrap=True)
    return 0


def remove(name: str) -> int:
    """Remove a user."""
    AccountsFile(state_folder()).change(lambda accounts: accounts.without_user(plain(name)))
    out().print(styled(f"removed {plain(name)}"), soft_wrap=True)
    return 0


def _said(grants: Sequence[Grant]) -> str:
    return ", ".join(map(written, grants))


def _password(from_stdin: bool) -> str:
    import click

    need_extra("serve", "argon2")
    if from_stdin:
        return hashed(sys.stdin.readline().removesuffix("\n"))
    if not sys.stdin.isatty():
        raise AuthorError("there is no terminal to ask for the password at: give --password-stdin or --no-password")
    return hashed(click.prompt("Password", hide_input=True, confirmation_prompt=True))
