# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A question to people: what approval, review and intervention have in common. Pure values, for operations and the rooms that judge answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

ASSURANCES = ("asserted", "os_user", "authenticated", "signed")
"""How sure we are who answered, weakest first: said so, the operating system's user, logged in at the server, an SSH signature."""


INTERVENTION = "intervention"
"""The kind of the question how to go on after a failure."""


@dataclass(frozen=True)
class Question:
    """What is asked, of whom, and when it is decided.

    ``kind`` is "approval", "review" or "intervention". ``choices`` are the allowed answers, ``approving`` those of them that mean go on.
    Who may answer: members of any of ``groups`` and the named ``people``; both empty means anybody known.
    ``quorum`` approving answers decide; one other answer decides at once. ``four_eyes`` keeps the ``requester`` out.
    ``assurance`` is the least assurance an answer must have. ``deadline`` is seconds since the epoch; at that time an open question is denied.
    ``subject`` is what the answer is bound to (names and SHA-256 digests of what was shown); ``show`` are files to show by name.
    ``opened_by`` are those who opened a gate by break-glass, of which this is the review that follows: they may not answer it.
    """

    kind: str
    title: str
    choices: tuple[str, ...]
    approving: tuple[str, ...]
    groups: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    quorum: int = 1
    four_eyes: bool = True
    requester: str = ""
    assurance: str = "os_user"
    deadline: float | None = None
    text: str = ""
    subject: Mapping[str, str] | None = None
    show: Mapping[str, str] | None = None
    opened_by: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """16 hex digits over what is asked and of whom. The deadline and the files' places are no part of it."""
        asked = {name: value for name, value in asdict(self).items() if name not in ("deadline", "show")}
        if not self.opened_by:
            # Ids of journals from before there was break-glass stay what they are.
            del asked["opened_by"]
        return hashlib.sha256(json.dumps(asked, sort_keys=True, default=list).encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON for a ``Waiting`` outcome and the journal, with ``id``; with ``opened_by`` only where somebody did."""
        document = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        if not self.opened_by:
            del document["opened_by"]
        return {"id": self.id, **document}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Question:
        """The question of a mapping made by ``as_dict``."""
        values = {f.name: document[f.name] for f in fields(cls) if f.name in document}
        for name in ("choices", "approving", "groups", "people", "opened_by"):
            values[name] = tuple(values.get(name) or ())
        return cls(**values)
