# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows a run while it happens: a live tree on a terminal, plain lines elsewhere. Only verbs call it."""

from __future__ import annotations

import os
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.layout import Canvas, cut
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.lines import entry_line
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import out, styled, symbols
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.tree import picture
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import Event
from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import RunStatus, Status
from ansible_collections.netops.changerail.plugins.plugin_utils.views.timeline import Timeline
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Workflow

if TYPE_CHECKING:
    from rich.console import Group

_FRAMES_PER_SECOND = 5
_MARGIN = 1
"""Lines of the terminal that stay free below the picture, for the cursor."""
_FINAL_HEIGHT = 60
_SHOW_CURSOR = b"\x1b[?25h\n"


class Display(AbstractContextManager["Display"], ABC):
    """Shows events as they come; ``past`` are those that happened before. ``show`` may be called from any thread, one at a time."""

    def __init__(self, workflow: Workflow, past: Iterable[Event]) -> None:
        self._fold = Status(workflow)
        for event in past:
            self._fold.apply(event)

    @abstractmethod
    def show(self, event: Event) -> None:
        """Take the next event."""

    @abstractmethod
    def note(self, text: str) -> None:
        """Tell the user something beside the run; safe to call from a signal handler."""

    def abandon(self) -> None:
        """The process is about to end at once: leave the terminal as it was; safe to call from a signal handler."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing more will come."""

    @property
    def status(self) -> RunStatus:
        """How the run stands now."""
        return self._fold.snapshot()


class Lines(Display):
    """A line for each event of interest, for pipes and logs."""

    def __init__(self, workflow: Workflow, past: Iterable[Event]) -> None:
        events = tuple(past)
        super().__init__(workflow, events)
        self._timeline = Timeline()
        for event in events:
            self._timeline.apply(event)
        self._console = out()

    def show(self, event: Event) -> None:
        self._fold.apply(event)
        entry = self._timeline.apply(event)
        if entry is not None:
            self._console.print(entry_line(entry), soft_wrap=True)
            sys.stdout.flush()

    def note(self, text: str) -> None:
        # Python's streams are not reentrant: this may interrupt a write to one of them.
        os.write(sys.stderr.fileno(), f"{text}\n".encode())


class Tree(Display):
    """The tree of steps, painted anew a few times a second."""

    def __init__(self, workflow: Workflow, past: Iterable[Event]) -> None:
        from rich.live import Live
        from rich.spinner import Spinner

        super().__init__(workflow, past)
        self._lock = threading.Lock()
        self._spinner = Spinner(symbols().spinner)
        self._console = out()
        self._over = False
        self._note = ""
        self._live = Live(
            console=self._console,
            get_renderable=self._painted,
            refresh_per_second=_FRAMES_PER_SECOND,
            vertical_overflow="visible",
        )

    def __enter__(self) -> Tree:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        self._live.stop()

    def show(self, event: Event) -> None:
        with self._lock:
            self._fold.apply(event)

    def note(self, text: str) -> None:
        self._note = text

    def abandon(self) -> None:
        os.write(self._console.file.fileno(), _SHOW_CURSOR)

    def _painted(self) -> Group:
        from rich.console import Group

        with self._lock:
            seen = self._fold.snapshot()
        now = time.time()
        width = self._console.width
        if self._over:
            return Group(*picture(seen, Canvas(width, _FINAL_HEIGHT, now, symbols().states["running"])))
        note = [cut(styled((self._note, "yellow")), width)] if self._note else []
        height = self._console.height - _MARGIN - len(note)
        return Group(*picture(seen, Canvas(width, height, now, str(self._spinner.render(now)))), *note)


def live() -> bool:
    """Whether standard output can be painted anew. Colours in a log (``FORCE_COLOR``) make no terminal of it."""
    return sys.stdout.isatty() and not out().is_dumb_terminal


def display(workflow: Workflow, past: Iterable[Event]) -> Display:
    """The display that fits standard output."""
    return Tree(workflow, past) if live() else Lines(workflow, past)
