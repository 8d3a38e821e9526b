# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of rich text that fit a terminal's width, so that it is known how many there are. Only the command line calls it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import styled, symbols

if TYPE_CHECKING:
    from rich.text import Text

_NARROWEST = 20


@dataclass(frozen=True)
class Canvas:
    """Where to draw: columns and lines of the terminal, the time, and the sign for what runs (it may turn)."""

    width: int
    height: int
    now: float
    running: str


def cut(text: Text, width: int) -> Text:
    """``text`` as one line of at most so many columns."""
    text.truncate(width, overflow="ellipsis")
    text.no_wrap = True
    return text


def wrapped(message: str, indent: str, style: str, width: int, most: int) -> Iterator[Text]:
    """A message in at most so many lines, each beginning with ``indent``."""
    room = max(_NARROWEST, width - len(indent))
    lines = _folds(styled((message.strip(), style)), room)
    for number, text in enumerate(lines[:most], start=1):
        if number == most < len(lines):
            text.truncate(max(1, room - 2))
            text.append(f" {symbols().more}")
        yield cut(styled((indent, style)).append_text(text), width)


def typed(line: str, indent: str, width: int) -> Iterator[Text]:
    """A command line in full, on as many lines as it takes: it is there to be copied."""
    for text in _folds(styled((line, "bold")), max(_NARROWEST, width - len(indent))):
        yield styled(indent).append_text(text)


def _folds(text: Text, width: int) -> list[Text]:
    from rich.console import Console

    return list(text.wrap(Console(width=width), width))
