# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was said and done by break-glass in a run, and what its review came to. A fold over events; the summary and with it every other view has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    BreakGlass,
    BreakGlassReviewed,
    Event,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.people.policy import BREAK_GLASS
from ansible_collections.netops.changerail.plugins.plugin_utils.views.waiting import Given, OpenQuestions

SAID, OPENED = "said", "opened"


@dataclass(frozen=True, slots=True)
class Broken:
    """Break-glass at question id ``question`` of step ``path``, which asked ``title``; ``said`` is by whom and why.

    ``state`` is said (by one person, which changes nothing), opened (it went on, and is not reviewed yet), accepted, refused or unreviewed. ``review`` says
    who reviewed it and why, or that nobody did.
    """

    path: str
    question: str
    title: str
    said: tuple[Given, ...]
    state: str = SAID
    review: str = ""

    def __str__(self) -> str:
        """One line for people: ``BREAK-GLASS at approve: opened by ann (core is down) and bob (seen it); not reviewed yet``."""
        who = " and ".join(f"{one.person} ({one.comment})" for one in self.said)
        if self.state == SAID:
            return f"BREAK-GLASS at {self.path}: wanted by {who}; a second person would open it"
        review = f"{self.state} afterwards ({self.review})" if self.review else "not reviewed yet"
        return f"BREAK-GLASS at {self.path}: opened by {who}; {review}"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON, with its line for people under ``text``."""
        return {**asdict(self), "said": [asdict(one) for one in self.said], "text": str(self)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Broken:
        """What ``as_dict`` made this of."""
        plain = {name: value for name, value in document.items() if name != "text"}
        return cls(**{**plain, "said": tuple(Given(**one) for one in document["said"])})


class BrokenGlass:
    """The fold: give it every event of one run in order, and the questions that are open then. ``found`` is in the order of the first words."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Broken] = {}

    @property
    def found(self) -> tuple[Broken, ...]:
        return tuple(self._found.values())

    def apply(self, event: Event, open_now: OpenQuestions) -> None:
        """Take the next event of the run."""
        if isinstance(event, BreakGlass):
            self._say(event, open_now)
        elif isinstance(event, BreakGlassReviewed):
            # Of several at one step each is reviewed before the next is asked about.
            opened = (key for key, one in self._found.items() if one.path == event.path and one.state == OPENED)
            if (key := next(opened, None)) is not None:
                self._found[key] = replace(self._found[key], state=event.outcome, review=event.message)

    def _say(self, event: BreakGlass, open_now: OpenQuestions) -> None:
        key = (event.path, event.question)
        asked = open_now.by_path.get(event.path)
        if key not in self._found and (asked is None or asked.question.id != event.question):
            return
        title = asked.question.title if asked is not None else ""
        before = self._found.get(key, Broken(event.path, event.question, title, ()))
        said = Given(event.at, event.person, BREAK_GLASS, event.assurance, event.reason)
        state = OPENED if event.opens else before.state
        self._found[key] = replace(before, said=(*before.said, said), state=state)
