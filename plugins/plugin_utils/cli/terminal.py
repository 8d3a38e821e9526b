# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every verb needs to write to a terminal, a pipe or a log: consoles, harmless text, times, JSON. Only the command line calls it."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, TextIO

from ansible_collections.netops.changerail.plugins.module_utils.text import harmless

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_MADE_ID = re.compile(r"-(\d{8}-[0-9a-f]{4})\Z")
_PIPE_WIDTH = 160
"""Columns for tables that go to a pipe or a file."""


@dataclass(frozen=True)
class Symbols:
    """The signs a terminal can show: one for each state of a step, and those between words. ``spinner`` is one of rich's."""

    states: Mapping[str, str]
    spinner: str
    dot: str
    more: str
    rule: str


_UNICODE = Symbols(
    states={
        "pending": "·",
        "running": "▸",
        "waiting": "○",
        "asking": "?",
        "retrying": "↻",
        "ok": "✓",
        "changed": "✓",
        "rescued": "↺",
        "skipped": "−",
        "ignored": "✗",
        "failed": "✗",
        "cancelled": "■",
        "unreached": "·",
    },
    spinner="dots",
    dot="·",
    more="…",
    rule="│",
)
_ASCII = Symbols(
    states={
        "pending": ".",
        "running": ">",
        "waiting": "o",
        "asking": "?",
        "retrying": "~",
        "ok": "+",
        "changed": "+",
        "rescued": "~",
        "skipped": "-",
        "ignored": "x",
        "failed": "x",
        "cancelled": "#",
        "unreached": ".",
    },
    spinner="line",
    dot="-",
    more="...",
    rule="|",
)
STYLES: Mapping[str, str] = {
    "pending": "dim",
    "running": "cyan",
    "waiting": "cyan",
    "asking": "bold magenta",
    "retrying": "yellow",
    "ok": "green",
    "changed": "yellow",
    "rescued": "yellow",
    "skipped": "dim",
    "ignored": "yellow",
    "failed": "bold red",
    "cancelled": "red",
    "unreached": "dim",
    "succeeded": "bold green",
    "interrupted": "bold yellow",
}
"""How a state of a step or a run looks; the colours are those of Ansible."""


def make_streams_forgiving() -> None:
    """A character the terminal's encoding lacks is written as an escape instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def out() -> Console:
    """The console of standard output."""
    return _console(sys.stdout)


def err() -> Console:
    """The console of standard error."""
    return _console(sys.stderr)


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    width = None if stream.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH
    # Names and messages are other people's text: nothing in them is markup, an emoji code or something to colour.
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


@cache
def symbols() -> Symbols:
    """The signs standard output can show."""
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower()
    able = encoding.replace("-", "").startswith("utf") and os.environ.get("TERM") not in ("linux", "dumb")
    return _UNICODE if able else _ASCII


def line(text: str) -> str:
    """Somebody's text as one harmless line."""
    return harmless(" ".join(text.split("\n"))).replace("\t", " ").strip()


def styled(*parts: str | tuple[str, str]) -> Text:
    """Rich text of ``parts``, each text or (text, style); the texts are made harmless, line feeds stay."""
    from rich.text import Text

    whole = Text()
    for part in parts:
        text, style = (part, "") if isinstance(part, str) else part
        whole.append(harmless(text), style)
    return whole


def write_json(document: Any) -> None:
    """``document`` on standard output, for scripts."""
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower()
    text = json.dumps(document, indent=2, ensure_ascii=not encoding.startswith("utf"))
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode() + "\n")


def write_lines(*lines: str) -> None:
    """Plain harmless lines on standard output, never wrapped."""
    sys.stdout.write("".join(f"{harmless(text)}\n" for text in lines))


def clock(at: float, now: float | None = None) -> str:
    """A time of day in the local zone, with the date unless it is today's: "14:05", "2030-01-31 14:05"."""
    moment = datetime.fromtimestamp(at)
    today = datetime.fromtimestamp(time.time() if now is None else now)
    return f"{moment:%H:%M}" if moment.date() == today.date() else f"{moment:%Y-%m-%d %H:%M}"


def stamp(at: float) -> str:
    """A date and time in the local zone, to the second."""
    return f"{datetime.fromtimestamp(at):%Y-%m-%d %H:%M:%S}"


def short(run: str) -> str:
    """A run's id as it is typed: of an id that changerail made, the end, which is enough to find it."""
    made = _MADE_ID.search(run)
    return made[1] if made else run


def command(*words: str) -> str:
    """A changerail command line to type, quoted for a shell."""
    return shlex.join(["changerail", *words])
