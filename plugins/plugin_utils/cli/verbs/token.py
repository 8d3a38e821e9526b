# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``changerail token``: tokens with which programs come in at the server."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.module_utils.durations import seconds
from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.options import json_option
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import (
    err,
    out,
    stamp,
    styled,
    write_json,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import ACTIONS
from ansible_collections.netops.changerail.plugins.plugin_utils.people.accounts import Accounts, AccountsFile, Token
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
            click.Argument(["user"]),
            click.Option(
                ["--scope", "scopes"],
                multiple=True,
                type=click.Choice(ACTIONS),
                help="An action the token is for; may be given several times. Default: whatever the user may do.",
            ),
            click.Option(["--expires"], default="90d", show_default=True, metavar="TIME", help="How long it holds."),
        ],
        help="Make a token for USER and print it. It is shown this once and kept as a digest only.",
    )
    listing = click.Command(
        "list", callback=list_tokens, params=[json_option()], help="List tokens; not their secrets."
    )
    revoking = click.Command(
        "revoke", callback=revoke, params=[click.Argument(["token_id"], metavar="ID")], help="Revoke the token ID."
    )
    return click.Group("token", commands=[adding, listing, revoking], help="API tokens of the server's users.")


def add(user: str, scopes: Sequence[str], expires: str) -> int:
    """Print a new token alone on standard output, so that a script can take it."""
    lasts = seconds(expires)
    if lasts <= 0:
        raise AuthorError(f"--expires {expires}: expected a time such as 12h or 90d")
    made: list[str] = []

    def with_token(accounts: Accounts) -> Accounts:
        changed, text = accounts.with_token(plain(user), frozenset(scopes) or None, time.time(), lasts)
        made.append(text)
        return changed

    AccountsFile(state_folder()).change(with_token)
    out().print(made[-1], soft_wrap=True, highlight=False)
    return 0


def list_tokens(as_json: bool) -> int:
    """Print the tokens, the ones that expire first at the top."""
    tokens = sorted(AccountsFile(state_folder()).read().tokens.values(), key=lambda token: token.expires)
    if as_json:
        write_json([_document(token) for token in tokens])
        return 0
    if not tokens:
        err().print(styled("no tokens yet: changerail token add USER"), soft_wrap=True)
    for token in tokens:
        until = "expired" if token.expires <= time.time() else "until"
        scopes = "all" if token.scopes is None else ", ".join(sorted(token.scopes))
        out().print(
            styled((token.id, "bold"), f"  {token.user}  {scopes}  {until} {stamp(token.expires)}"), soft_wrap=True
        )
    return 0


def revoke(token_id: str) -> int:
    """Revoke a token."""
    AccountsFile(state_folder()).change(lambda accounts: accounts.without_token(token_id))
    out().print(styled(f"revoked {token_id}"), soft_wrap=True)
    return 0


def _document(token: Token) -> dict[str, object]:
    scopes = None if token.scopes is None else sorted(token.scopes)
    return {"id": token.id, "user": token.user, "scopes": scopes, "created": token.created, "expires": token.expires}
