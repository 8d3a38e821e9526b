# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which runs of many a list shows: filtered, the newest first, page by page. Pure; API and pages use it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.row import Row
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.slug import workflow_name


@dataclass(frozen=True)
class Wanted:
    """``text`` is looked for in id, name and requester, whatever its case; ``after`` is where the page before ended ("" for the first)."""

    states: frozenset[str] = frozenset()
    workflow: str = ""
    text: str = ""
    limit: int = 50
    after: str = ""


@dataclass(frozen=True)
class Page:
    """``next`` is what ``after`` has to be for the next page, "" on the last one. ``total`` is how many there are on all pages."""

    rows: Sequence[Row]
    next: str
    total: int


def page(rows: Iterable[Row], wanted: Wanted) -> Page:
    """The page. Raises ValueError for an ``after`` that no page gave."""
    found = sorted((row for row in rows if _fits(row, wanted)), key=_key, reverse=True)
    total = len(found)
    if wanted.after:
        began, sign, run = wanted.after.partition("~")
        if not sign:
            raise ValueError("after: expected what 'next' of the page before said")
        last = (float(began), run)
        found = [row for row in found if _key(row) < last]
    shown = found[: wanted.limit]
    more = len(found) > len(shown)
    return Page(shown, f"{shown[-1].began!r}~{shown[-1].run}" if more else "", total)


def _key(row: Row) -> tuple[float, str]:
    return row.began, row.run


def _fits(row: Row, wanted: Wanted) -> bool:
    if wanted.states and row.state not in wanted.states:
        return False
    if wanted.workflow and workflow_name(row.workflow) != wanted.workflow:
        return False
    text = wanted.text.casefold()
    return not text or any(text in field.casefold() for field in (row.run, row.name, row.requester))
