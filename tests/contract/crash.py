"""A process that dies at a chosen line of our code, as if it were killed there."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

DIED = 77
_OURS = ("/plugins/module_utils/", "/plugins/plugin_utils/")


def lines_of(work: Callable[[], Any]) -> int:
    """How many lines of our code ``work`` runs through, counted in a process of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        counter = _Tracer(0)
        counter.run(work)
        os.write(writer, str(counter.lines).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        lines = int(answer.read() or 0)
    os.waitpid(child, 0)
    return lines


def die_at(line: int, work: Callable[[], Any]) -> bool:
    """Run ``work`` in a process of its own that dies at its ``line``-th line; whether it did."""
    child = os.fork()
    if child == 0:
        _Tracer(line).run(work)
        os._exit(0)
    _pid, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == DIED


class _Tracer:
    """Counts lines, and ends the process without any clean-up at the ``last`` one."""

    def __init__(self, last: int) -> None:
        self.lines = 0
        self._last = last

    def run(self, work: Callable[[], Any]) -> None:
        """Run ``work`` under the tracer; whatever it raises ends it, as it would an engine's attempt."""
        sys.settrace(self._call)
        try:
            work()
        except BaseException:  # noqa: BLE001 - the process ends here in any case
            os._exit(1)
        finally:
            sys.settrace(None)

    def _call(self, frame: FrameType, event: str, arg: Any) -> Any:
        return self._line if any(part in frame.f_code.co_filename for part in _OURS) else None

    def _line(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "line":
            self.lines += 1
            if self.lines == self._last:
                os._exit(DIED)
        return self._line
