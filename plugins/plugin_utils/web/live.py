# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Server-sent events: an open page hears that something happened, not what, and asks for itself again as whoever is signed in. For the pages."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import Record
from ansible_collections.netops.changerail.plugins.plugin_utils.web.observers import Observers

MOST = 500
"""Pages that are open at once; further ones are told to come back."""
_SELDOM = 0.5
"""Seconds between two messages to one page."""
_HEARTBEAT = 15.0
_LONGEST = 600.0
"""Seconds after which a page has to ask again, and show who it is."""


class Live:
    """The streams of all open pages."""

    def __init__(self, observers: Observers) -> None:
        self._observers = observers
        self._lock = threading.Lock()
        self._open = 0

    def enter(self) -> bool:
        """Take one of the places; whether there was one left."""
        with self._lock:
            if self._open >= MOST:
                return False
            self._open += 1
            return True

    async def stream(self, run: str) -> AsyncIterator[bytes]:
        """What a page of ``run`` ("": of all runs) is sent. Gives the place back when the page is closed."""
        loop, happened = asyncio.get_running_loop(), asyncio.Event()

        def heard(of: str, _record: Record) -> None:
            if run in ("", of):
                loop.call_soon_threadsafe(happened.set)

        leave = self._observers.listen(heard)
        end = loop.time() + _LONGEST
        try:
            yield b"retry: 3000\n\n"
            while loop.time() < end:
                try:
                    await asyncio.wait_for(happened.wait(), _HEARTBEAT)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                happened.clear()
                yield b"data: changed\n\n"
                await asyncio.sleep(_SELDOM)
        finally:
            leave()
            with self._lock:
                self._open -= 1
