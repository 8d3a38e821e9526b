# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds and ends the processes of one playbook by a marker in their environment; for the supervisor, and for a cancel when that is dead.

Imports the standard library only, and little of it: every playbook pays for the supervisor's start.
Processes of another user (``become``) are out of reach, unless we are root; nor does it reach what runs at the far end of a connection.
"""

from __future__ import annotations

import os
import signal
import time

GRACE = 10.0
"""Seconds a playbook is given to end after it was interrupted."""
_LOOK_EVERY = 0.05
_KILL_FOR = 10.0


def carriers(marker: str) -> list[int]:
    """The living processes with ``marker`` (``NAME=value``) in their environment, other than this one."""
    mine = os.getpid()
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if pid != mine and carries(pid, marker)]


def carries(pid: int, marker: str) -> bool:
    """Whether the process lives and has ``marker`` in its environment; a process we may not look into has not."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return os.fsencode(marker) in file.read().split(b"\0")
    except OSError:
        return False


def roots(marker: str) -> list[int]:
    """Those of the marked processes whose parent is not marked: ``ansible-playbook`` itself when its supervisor is dead."""
    marked = set(carriers(marker))
    return [pid for pid in marked if _parent(pid) not in marked]


def stop(marker: str, mains: list[int], grace: float) -> int:
    """Interrupt the process groups that ``mains`` lead, give them ``grace`` seconds, then kill every marked process that is left.

    SIGINT to its group is the one signal on which every supported ansible-playbook ends its workers and modules too.
    Returns how many had to be killed. A process that became another user's while it ran stays.
    """
    for pid in mains:
        if carries(pid, marker):
            _send_to_group(pid, signal.SIGINT)
    deadline = time.monotonic() + grace
    while any(carries(pid, marker) for pid in mains) and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY)
    killed: set[int] = set()
    deadline = time.monotonic() + _KILL_FOR
    empty = 0
    # Twice, since a process may have forked while it was looked for.
    while empty < 2 and time.monotonic() < deadline:
        found = carriers(marker)
        for pid in found:
            if send(pid, marker, signal.SIGKILL):
                killed.add(pid)
        empty = 0 if found else empty + 1
        time.sleep(_LOOK_EVERY / 5)
    return len(killed)


def send(pid: int, marker: str, number: int) -> bool:
    """Send a signal to the process if it carries ``marker``; whether it was sent. The pid cannot be taken over in between."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if not carries(pid, marker):
            return False
        signal.pidfd_send_signal(descriptor, number)
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _send_to_group(pid: int, number: int) -> None:
    try:
        if os.getpgid(pid) == pid:
            os.killpg(pid, number)
    except OSError:
        return  # ended in the meantime


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The command's name stands in brackets and may hold anything.
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0
