# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The FIFO of a state folder, through which other processes tell its server that a run wants to be looked after. For the scheduler.

What is written there is a hint and nothing more: whoever can write into the folder can wake the server, and one that is lost costs a wait until the next look.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import StateFolder, storage_error

_PIPE = 65536
"""Bytes a pipe holds on Linux."""


class Bell:
    """``woken`` is called with the id of each run that was written, ``missed`` when some may have been lost; both in the bell's thread."""

    def __init__(self, state: StateFolder, woken: Callable[[str], None], missed: Callable[[], None]) -> None:
        try:
            if not state.wake.is_fifo():
                os.mkfifo(state.wake, 0o600)
            # For both ways: it neither waits for a writer nor ends when the last one leaves, and the end is a byte of our own.
            self._file = os.open(state.wake, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise storage_error(state.wake, error) from None
        self._woken = woken
        self._missed = missed
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="changerail-bell", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Listen no more."""
        self._over.set()
        os.write(self._file, b"\n")
        self._thread.join(seconds)
        os.close(self._file)

    def _listen(self) -> None:
        begun = b""
        while (data := os.read(self._file, _PIPE)) and not self._over.is_set():
            *lines, begun = (begun + data).split(b"\n")
            for line in dict.fromkeys(lines):
                if line:
                    self._woken(line.decode("ascii", "replace"))
            if len(data) > _PIPE // 2:
                self._missed()
            if len(begun) > _PIPE:
                begun = b""
