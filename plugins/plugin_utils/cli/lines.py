# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happened, line by line: logs of runs without a terminal, and timelines. Only the command line calls it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import STYLES, clock, line, stamp, styled
from ansible_collections.netops.changerail.plugins.plugin_utils.views.timeline import Entry

if TYPE_CHECKING:
    from rich.text import Text

_STYLES: Mapping[str, str] = {
    **STYLES,
    "run": "bold",
    "engine": "dim",
    "started": "dim",
    "progress": "dim",
    "asked": STYLES["asking"],
    "answered": "magenta",
    "refused": "red",
    "break_glass": "bold red",
    "escalated": "yellow",
    "evidence": "blue",
    "decided": "magenta",
    "cancel": "bold red",
}


def entry_line(entry: Entry) -> Text:
    """One line: when, where, who, what."""
    who = (
        (f"{line(entry.who)}: ", "bold")
        if entry.who and entry.path
        else (f"{line(entry.who)} ", "bold")
        if entry.who
        else ""
    )
    due = (f", by {clock(entry.due, entry.at)}", "dim") if entry.due is not None else ""
    where = f"{line(entry.path)}: " if entry.path else ""
    return styled((stamp(entry.at), "dim"), "  ", where, who, (line(entry.text), _STYLES.get(entry.kind, "")), due)
