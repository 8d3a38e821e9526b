# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks: the token in an ``Authorization`` header, or a user by name and password. For the routes of API and pages."""

from __future__ import annotations

import logging
import time

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, StorageError
from ansible_collections.netops.changerail.plugins.plugin_utils.people.accounts import Accounts, LoggedIn, logged_in
from ansible_collections.netops.changerail.plugins.plugin_utils.web.answers import Unknown
from ansible_collections.netops.changerail.plugins.plugin_utils.web.server import Server

_LOG = logging.getLogger("changerail.serve")


def accounts_of(server: Server) -> Accounts:
    """Users and tokens as they are now. Raises StorageError, which says no more than a stranger may know."""
    try:
        return server.accounts.read()
    except (AuthorError, StorageError) as error:
        _LOG.error("nobody can come in: %s", error)
        raise StorageError("the file of users cannot be read; the server's log says why") from None


def of_bearer(server: Server, authorization: str) -> LoggedIn:
    """Whose token it is. Raises Unknown, StorageError."""
    kind, dummy, text = authorization.partition(" ")
    if kind.lower() != "bearer" or not text:
        raise Unknown("this takes a token: send 'Authorization: Bearer TOKEN' ('changerail token add' makes one)")
    found = accounts_of(server).of_token(text.strip(), time.time())
    if found is None:
        raise Unknown("the token is not valid: it is unknown, has expired, or was revoked")
    user, token = found
    return logged_in(user, server.people, token.scopes)


def of_user(server: Server, name: str) -> LoggedIn | None:
    """The user of this name as they are now; None when there is none any more. Raises StorageError."""
    user = accounts_of(server).users.get(name)
    return None if user is None else logged_in(user, server.people)
