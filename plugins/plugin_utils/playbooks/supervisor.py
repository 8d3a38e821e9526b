# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that runs one playbook and outlives the engine; launch.py starts it, nobody else imports ``main``.

It is handed the attempt's lock, which it holds as long as it lives, and does three things in this order, each durable before the next:
writes that it starts, runs the playbook, writes how that ended. The playbook writes to a file, never to a pipe or a terminal of a process that may die.
SIGTERM makes it stop the playbook in an orderly way; whether that was a cancel or the machine shuts down, a file tells.

Imports the standard library only, and little of it: every playbook pays for this start.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import time
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks import processes

JOB = "job.json"
STARTED = "started.json"
OUTCOME = "outcome.json"
CANCEL = "cancel"
"""Made by who cancels before the SIGTERM."""
BY_CANCEL, BY_SIGNAL = "cancel", "SIGTERM"
"""Who stopped a playbook."""
# Names of ansible-runner's for the files of a finished run, in the folder of its artifacts.
STATUS = "status"
RETURN_CODE = "rc"
_LOOK_EVERY = 0.1


def main(folder: str, lock: int) -> None:
    """Run the job that lies in ``folder``; ``lock`` is the inherited file descriptor that holds the attempt's lock."""
    os.set_inheritable(lock, False)
    # An engine in the background of a script ignores SIGINT. The playbook would inherit that, and not be interrupted by a cancel.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    wake = _wake_on(signal.SIGTERM, signal.SIGCHLD)
    with open(os.path.join(folder, JOB), encoding="utf-8") as file:
        job = json.load(file)
    started = {"key": job["key"], "pid": os.getpid(), "host": os.uname().nodename, "time": time.time()}
    _write_durably(os.path.join(folder, STARTED), started)
    ending = _run(job, os.path.join(folder, CANCEL), wake)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(job["extra_vars"])
    for path in (job["output"], job["events"]):
        with contextlib.suppress(OSError):
            _sync(path)
    _write_durably(os.path.join(folder, OUTCOME), {**ending, "time": time.time()})
    _write_artifacts(job["artifacts"], ending)


def _run(job: dict[str, Any], cancel: str, wake: int) -> dict[str, Any]:
    """Run the playbook to its end.

    Returns ``rc`` as subprocess has it, ``error`` when it could not be started, ``stopped_by`` ("" unless it was stopped), and how many were ``killed`` then.
    """
    ending: dict[str, Any] = {"rc": None, "error": "", "stopped_by": "", "killed": 0}
    output = os.open(job["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        playbook = subprocess.Popen(
            job["command"],
            cwd=job["cwd"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return {**ending, "error": str(error)}
    finally:
        os.close(output)
    # A worker that outlives ansible-playbook still changes something: it is not over before that one is.
    while playbook.poll() is None or is_locked(job["events"]):
        ready = select.select([wake], [], [], None if playbook.returncode is None else _LOOK_EVERY)[0]
        if ready and signal.SIGTERM in os.read(wake, 64) and not ending["stopped_by"]:
            ending["stopped_by"] = BY_CANCEL if os.path.exists(cancel) else BY_SIGNAL
            ending["killed"] = processes.stop(job["marker"], [playbook.pid], processes.GRACE)
    return {**ending, "rc": playbook.returncode}


def is_locked(path: str) -> bool:
    """Whether somebody holds a lock on the file; not when there is no file."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not take_lock(descriptor)
    finally:
        os.close(descriptor)


def take_lock(descriptor: int) -> bool:
    """Lock the open file, which holds until its last descriptor is closed; whether nobody else has a lock on it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wake_on(*numbers: int) -> int:
    """A file descriptor from which a byte with the number of each of these signals can be read, also of those that came before it was asked."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in numbers:
        signal.signal(number, lambda _number, _frame: None)
    return reader


def _write_artifacts(folder: str, ending: dict[str, Any]) -> None:
    """Leave what ansible-runner's own readers look for."""
    status = "canceled" if ending["stopped_by"] else "successful" if ending["rc"] == 0 else "failed"
    for name, value in ((STATUS, status), (RETURN_CODE, ending["rc"])):
        descriptor = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(str(value))


def _write_durably(path: str, document: dict[str, Any]) -> None:
    temporary = f"{path}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file)
        file.flush()
        os.fsync(descriptor)
    os.replace(temporary, path)
    _sync(os.path.dirname(path))


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
