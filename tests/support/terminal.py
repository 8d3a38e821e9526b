"""A command in a pseudo-terminal, and what its screen shows; the documentation's tests and its pictures use it."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

PATIENCE = 100.0
"""Seconds one command may take."""
_TOKEN = re.compile(r"\x1b\[(?P<count>[?\d;]*)(?P<letter>[A-Za-z])|\n|\r|[^\x1b\n\r]+")


class Terminal:
    """One command of a shell in a terminal of its own, of ``COLUMNS`` and ``LINES`` in ``environment``; nobody types anything into it."""

    def __init__(self, command: str, folder: Path, environment: Mapping[str, str]) -> None:
        self._end = time.monotonic() + PATIENCE
        self._printed = ""
        self._read, writes = pty.openpty()
        try:
            self._process = subprocess.Popen(
                ["bash", "-c", command],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=writes,
                stderr=writes,
            )
        finally:
            os.close(writes)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait(timeout=PATIENCE)
        os.close(self._read)

    def when(self, wanted: Callable[[str], bool]) -> str:
        """The screen as soon as it is as wanted."""
        while self._more():
            if wanted(screen(self._printed)):
                return screen(self._printed)
        raise RuntimeError(f"the command ended before it showed what was wanted; it shows\n{screen(self._printed)}")

    def at_the_end(self) -> tuple[int, str]:
        """The exit code, and the screen."""
        while self._more():
            pass
        return self._process.wait(timeout=PATIENCE), screen(self._printed)

    def _more(self) -> bool:
        """Read what comes; False when the command has ended."""
        if not select.select([self._read], [], [], max(0.0, self._end - time.monotonic()))[0]:
            raise TimeoutError(f"not over after {PATIENCE:.0f} s; the screen shows\n{screen(self._printed)}")
        try:
            read = os.read(self._read, 65536)
        except OSError:
            # So says Linux when nobody has the other side open any more.
            return False
        self._printed += read.decode("utf-8", "replace")
        return bool(read)


def screen(printed: str) -> str:
    """What can be read after all of it was printed, with its colours: a line that was erased and written anew is there once."""
    rows, row = [""], 0
    for token in _TOKEN.finditer(printed):
        if token[0] == "\n":
            row += 1
            rows += [""] * (row + 1 - len(rows))
        elif token["letter"] == "A":
            row = max(0, row - int(token["count"] or 1))
        elif token["letter"] == "K":
            rows[row] = ""
        elif token["letter"] in (None, "m") and token[0] != "\r":
            rows[row] += token[0]
    return "\n".join(rows).rstrip()
