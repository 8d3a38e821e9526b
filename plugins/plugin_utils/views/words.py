# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How durations and people are said, the same in every view and at every door."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.netops.changerail.plugins.module_utils.question import Question


def asks(question: Question) -> str:
    """Who is asked for what, in words: "asks group netsec: approve or reject (2 answers needed)"."""
    needed = f" ({question.quorum} answers needed)" if question.quorum > 1 else ""
    return f"asks {asked(question)}: {either(question.choices)}{needed}"


def either(choices: Sequence[str]) -> str:
    """Choices in words: "retry, skip or abort"."""
    *others, last = choices
    return f"{', '.join(others)} or {last}" if others else last


def asked(question: Question) -> str:
    """Who may answer, in words: "group netsec or anna"."""
    names = []
    if question.groups:
        names.append(("group " if len(question.groups) == 1 else "groups ") + ", ".join(question.groups))
    names.extend(question.people)
    return " or ".join(names) or "anybody"


def duration(seconds: float) -> str:
    """How long, for people: "0.4s", "12s", "3m 20s", "4h 05m", "2d 3h"."""
    if seconds < 0:
        seconds = 0.0
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}h {minutes:02d}m"
    return f"{hours // 24}d {hours % 24}h"
