# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The review that follows break-glass: what is asked of those who were passed over, and what their answer comes to. Pure; the engine calls it."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from ansible_collections.netops.changerail.plugins.module_utils.operation import Verdict
from ansible_collections.netops.changerail.plugins.module_utils.question import Question
from ansible_collections.netops.changerail.plugins.plugin_utils.core.state import Opened
from ansible_collections.netops.changerail.plugins.plugin_utils.people.policy import written

ACCEPTED, REFUSED, UNREVIEWED = "accepted", "refused", "unreviewed"
"""What a review comes to; the last when nobody looked in time. The first two are the answers to it."""


def review(opened: Opened, until: float) -> Question:
    """The question whether it was right to open a gate; of those the gate had asked, never of those who opened it or requested the change.

    It shows what the gate showed. At ``until`` (seconds since the epoch) it is over, and the run fails.
    """
    asked = Question.from_dict(opened.question)
    said = [f"{word.person}, {written(word.at)}: {word.reason}" for word in opened.words]
    # Two gates may have asked the very same thing one after the other: what was said tells them apart.
    about = hashlib.sha256("\n".join(word.answer for word in opened.words).encode()).hexdigest()
    return replace(
        asked,
        kind="review",
        title=f"Was break-glass right? {asked.title}",
        choices=(ACCEPTED, REFUSED),
        approving=(ACCEPTED,),
        quorum=1,
        four_eyes=True,
        deadline=until,
        text="\n".join(["It was opened by break-glass:", *said, *([asked.text] if asked.text else [])]),
        subject={**(asked.subject or {}), "break-glass": about},
        opened_by=tuple(word.person for word in opened.words),
    )


def outcome(verdict: Verdict) -> tuple[str, str]:
    """What the review came to, and who said so and why."""
    if not verdict.answers:
        return UNREVIEWED, verdict.reason
    answer = verdict.answers[-1]
    return verdict.choice, f"{answer['person']}: {answer['comment']}"
