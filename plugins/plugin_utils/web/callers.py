# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks: the token in an ``Authorization`` header, a user by name and password, or whom others have authenticated. For the routes of API and pages."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, StorageError
from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import Grant
from ansible_collections.netops.changerail.plugins.plugin_utils.people.accounts import (
    Accounts,
    LoggedIn,
    User,
    is_name,
    logged_in,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import plain
from ansible_collections.netops.changerail.plugins.plugin_utils.web.answers import Refused, Unknown
from ansible_collections.netops.changerail.plugins.plugin_utils.web.peers import PROXIED
from ansible_collections.netops.changerail.plugins.plugin_utils.web.server import Server
from ansible_collections.netops.changerail.plugins.plugin_utils.web.sessions import OPENID, Session

if TYPE_CHECKING:
    from starlette.requests import Request

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


def of_session(server: Server, session: Session) -> LoggedIn | None:
    """Who has begun the session, with what they are granted now; None when there is no such user any more. Raises StorageError."""
    if session.way == OPENID:
        return _vouched_for(server, session.user, session.grants)
    user = accounts_of(server).users.get(session.user)
    return None if user is None else logged_in(user, server.people)


def of_proxy(server: Server, request: Request) -> LoggedIn | None:
    """Whom the named proxy that hands this request on says it is, with what the project file grants their groups beside what the user of that name has.

    None where no proxy that was named says it. Raises Refused for a name that is none, or for two; StorageError.
    """
    sign_in = server.around.project.sign_in
    wanted = sign_in.proxy if sign_in is not None else None
    if sign_in is None or wanted is None or not request.scope.get(PROXIED):
        return None
    names = request.headers.getlist(wanted.user)
    if not any(names):
        return None
    name = plain(names[0])
    if len(names) > 1 or not is_name(name):
        _LOG.warning("the proxy's %s header names nobody: %.200r", wanted.user, names)
        raise Refused(f"the proxy's header {wanted.user} does not name one person; the server's log has what it said")
    said = request.headers.getlist(wanted.groups) if wanted.groups else []
    if len(said) > 1:
        # One of them may be what a browser sent, where a proxy adds its own and takes none away.
        _LOG.warning("the %s header stands there more than once", wanted.groups, extra={"person": name})
        raise Refused(
            f"the header {wanted.groups} stands there more than once: the proxy must take away what browsers send"
        )
    groups = frozenset(plain(group) for text in said for group in text.split(",")) - {""}
    return _vouched_for(server, name, sign_in.grants(groups))


def _vouched_for(server: Server, name: str, grants: tuple[Grant, ...]) -> LoggedIn:
    """Somebody whom others have authenticated: ``grants`` come from there, what the user of that name has is added. Raises StorageError."""
    known = accounts_of(server).users.get(name)
    return logged_in(User(name, "", grants + (known.grants if known is not None else ())), server.people)
