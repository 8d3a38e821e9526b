# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run as lists show it: small enough to hold ten thousand of them in memory. Made of a summary; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import OVER, RunSummary, Wait
from ansible_collections.netops.changerail.plugins.plugin_utils.views.waiting import OpenQuestion

UNKNOWN = "unknown"
"""The kind of a wait of which the journal does not say what operation waits."""
_LONGEST = 200
"""Characters of a text that a row keeps; the run's own page has the whole."""


@dataclass(frozen=True, slots=True)
class RowWait:
    """What step ``path`` waits for since ``since``: people who answer a question, or something else.

    ``kind`` is that of the question, or the operation that waits (``window``, ``dependency``, ``pipeline``).
    ``title`` is what is asked, or what is waited for. Of a question: its ``question`` id, who may answer, by when, how many must approve and how many
    did, who answered already, in ``barred`` who may not (four eyes), and in ``opened_by`` who opened by break-glass what this is the review of.
    """

    path: str
    kind: str
    title: str
    since: float
    question: str = ""
    groups: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    deadline: float | None = None
    quorum: int = 1
    approvals: int = 0
    answered: tuple[str, ...] = ()
    barred: str = ""
    opened_by: tuple[str, ...] = ()

    @property
    def asks(self) -> bool:
        """Whether people answer what is waited for."""
        return bool(self.question)

    def waits_for(self, person: str, groups: Iterable[str]) -> bool:
        """Whether ``person``, a member of ``groups``, could still answer; as ``views.waiting.OpenQuestion.waits_for``."""
        if not self.asks or (self.barred and person == self.barred) or person in self.answered + self.opened_by:
            return False
        anybody = not self.groups and not self.people
        return anybody or person in self.people or any(group in self.groups for group in groups)


@dataclass(frozen=True, slots=True)
class Row:
    """``state`` is running, waiting, interrupted, succeeded, failed, cancelled or unreadable; times are seconds since the epoch.

    ``message`` is how the run ended, or what is wrong with it (``unreadable``: a damaged journal, or one of a later release). ``workflow`` is the file it
    was started from. ``engine`` names another process that drives it; "" for what this server drives. ``problem`` is why it does not go on here, "" when
    it does. ``break_glass`` says what was said and done by break-glass, one line each.
    """

    run: str
    name: str
    state: str
    requester: str
    began: float
    last: float
    ended: float | None = None
    message: str = ""
    engine: str = ""
    cancelling: str = ""
    check: bool = False
    workflow: str = ""
    waits: tuple[RowWait, ...] = ()
    problem: str = ""
    break_glass: tuple[str, ...] = ()

    @property
    def over(self) -> bool:
        """Whether nothing can happen any more."""
        return self.state in OVER

    def as_list(self) -> list[Any]:
        """Plain JSON, for what the server keeps itself."""
        return [*(getattr(self, name) for name in _PLAIN), [[getattr(w, n) for n in _WAIT] for w in self.waits]]

    @classmethod
    def from_list(cls, values: Sequence[Any]) -> Row:
        """The row that ``as_list`` made this of. Raises TypeError, ValueError."""
        *plain, waits = values
        named: dict[str, Any] = dict(zip(_PLAIN, map(_kept, plain), strict=True))
        return cls(**named, waits=tuple(RowWait(*map(_kept, wait)) for wait in waits))


_PLAIN = tuple(field.name for field in fields(Row) if field.name not in ("waits", "problem"))
_WAIT = tuple(field.name for field in fields(RowWait))


def _kept(value: Any) -> Any:
    if isinstance(value, str):
        return shared(value)
    return tuple(map(_kept, value)) if isinstance(value, list) else value


UNREADABLE = "unreadable"


@lru_cache(maxsize=16384)
def shared(text: str) -> str:
    """The same text, once for all rows that have it."""
    return text


def row_of(seen: RunSummary) -> Row:
    """The row of a run that stands as ``seen``."""
    return Row(
        seen.run,
        shared(seen.name),
        shared(seen.state),
        shared(seen.requester),
        seen.began,
        seen.last,
        seen.ended,
        seen.message[:_LONGEST],
        seen.engine,
        seen.cancelling[:_LONGEST],
        seen.check,
        shared(seen.workflow),
        (*map(_asked, seen.questions), *map(_waited, seen.waits)),
        break_glass=tuple(str(broken)[:_LONGEST] for broken in seen.break_glass),
    )


def _asked(seen: OpenQuestion) -> RowWait:
    asked = seen.question
    return RowWait(
        shared(seen.path),
        shared(asked.kind),
        shared(asked.title[:_LONGEST]),
        seen.since,
        asked.id,
        tuple(map(shared, asked.groups)),
        tuple(map(shared, asked.people)),
        asked.deadline,
        asked.quorum,
        seen.approvals,
        tuple(shared(answer.person) for answer in seen.given),
        shared(asked.requester) if asked.four_eyes else "",
        tuple(map(shared, asked.opened_by)),
    )


def _waited(seen: Wait) -> RowWait:
    kind = shared(seen.operation or UNKNOWN)
    return RowWait(shared(seen.path), kind, shared((seen.message or seen.path)[:_LONGEST]), seen.since)
