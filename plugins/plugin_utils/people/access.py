# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what at the server: roles over actions. Pure; the web room asks before it acts.

Roles say who may try. Whether an answer then counts (asked, four eyes, in time) is decided by ``people.policy`` when the engine reads it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import plain

READ, START, ANSWER, BREAK_GLASS, CANCEL, RESUME, INTERVENE, MANAGE = ACTIONS = (
    "read",
    "start",
    "answer",
    "break-glass",
    "cancel",
    "resume",
    "intervene",
    "manage",
)
"""``answer`` is to a question of an approval or a review, ``break-glass`` goes on there in an emergency, ``intervene`` answers that of a failed step,
``manage`` changes users and tokens."""

VIEWER, REQUESTER, APPROVER, OPERATOR, ON_CALL, ADMIN = ROLES = (
    "viewer",
    "requester",
    "approver",
    "operator",
    "break-glass",
    "admin",
)

_ANY_RUN = {
    VIEWER: frozenset({READ}),
    REQUESTER: frozenset({START}),
    # Who is asked may be the second person of a break-glass, never the first.
    APPROVER: frozenset({READ, ANSWER, BREAK_GLASS}),
    OPERATOR: frozenset({READ, CANCEL, RESUME, INTERVENE}),
    ON_CALL: frozenset({READ, BREAK_GLASS}),
    # Who runs the server does not thereby approve changes.
    ADMIN: frozenset({READ, START, CANCEL, RESUME, INTERVENE, MANAGE}),
}
_OWN_RUN = {REQUESTER: frozenset({READ, CANCEL})}


@dataclass(frozen=True)
class Grant:
    """``role`` for runs of ``workflow`` ("" for all). An approver's ``groups`` are those whose questions it may answer; none for all.

    Raises ValueError for an unknown role, and for groups of a role that is not approver.
    """

    role: str
    workflow: str = ""
    groups: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"role {self.role!r} does not exist: expected one of {', '.join(ROLES)}")
        if self.groups and self.role != APPROVER:
            raise ValueError(f"role {self.role} has no groups: only an approver is one of groups")


def grant(text: str) -> Grant:
    """The grant written as ``role[:group,...][@workflow]``. Raises AuthorError."""
    held, dummy, workflow = text.partition("@")
    role, dummy, groups = held.partition(":")
    try:
        return Grant(role, plain(workflow), frozenset(plain(group) for group in groups.split(",") if group.strip()))
    except ValueError as error:
        raise AuthorError(f"role {text}: {error}") from None


def written(held: Grant) -> str:
    """A grant as ``grant`` reads it."""
    groups = f":{','.join(sorted(held.groups))}" if held.groups else ""
    return f"{held.role}{groups}" + (f"@{held.workflow}" if held.workflow else "")


@dataclass(frozen=True)
class Caller:
    """Who asks. ``scopes`` are the actions that a token is limited to; None for a person who has logged in."""

    person: str
    grants: tuple[Grant, ...] = ()
    scopes: frozenset[str] | None = None


@dataclass(frozen=True)
class Concerned:
    """What an action is about: a run of ``workflow`` that ``requester`` asked for, and for an answer the question's ``groups`` and ``people``.

    A run that does not exist yet has no requester, the server itself has neither.
    """

    workflow: str = ""
    requester: str = ""
    groups: Collection[str] = ()
    people: Collection[str] = ()


@dataclass(frozen=True)
class Refusal:
    """Why not, as a sentence for who asked and for the journal."""

    reason: str


def may(caller: Caller, action: str, about: Concerned) -> Refusal | None:
    """Why ``caller`` may not do ``action``, None when it may. Raises ValueError for an unknown action."""
    if action not in ACTIONS:
        raise ValueError(f"action {action!r} does not exist: expected one of {', '.join(ACTIONS)}")
    if caller.scopes is not None and action not in caller.scopes:
        return Refusal(f"the token of {caller.person} is not for {action}: {_listed(caller.scopes)}")
    if any(_allows(grant, caller.person, action, about) for grant in caller.grants):
        return None
    where = f" in workflow {about.workflow}" if about.workflow else ""
    return Refusal(f"{caller.person} may not {action}{where}: {_roles(caller)}")


def on_call(caller: Caller, about: Concerned) -> bool:
    """Whether ``caller`` holds the role for emergencies of this workflow."""
    return any(grant.role == ON_CALL and grant.workflow in ("", about.workflow) for grant in caller.grants)


def _allows(grant: Grant, person: str, action: str, about: Concerned) -> bool:
    if grant.workflow and grant.workflow != about.workflow:
        return False
    if action == MANAGE and grant.workflow:
        return False
    if action in (ANSWER, BREAK_GLASS) and grant.groups and not _asked(grant, person, about):
        return False
    own = bool(about.requester) and plain(person) == plain(about.requester)
    return action in _ANY_RUN[grant.role] or (own and action in _OWN_RUN.get(grant.role, ()))


def _asked(grant: Grant, person: str, about: Concerned) -> bool:
    return plain(person) in map(plain, about.people) or not grant.groups.isdisjoint(map(plain, about.groups))


def _listed(scopes: Collection[str]) -> str:
    return f"it is for {', '.join(sorted(scopes))}" if scopes else "it is for nothing"


def _roles(caller: Caller) -> str:
    held = [grant.role + (f" of {grant.workflow}" if grant.workflow else "") for grant in caller.grants]
    return f"has the roles {', '.join(held)}" if held else "has no role"
