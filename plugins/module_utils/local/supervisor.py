# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one local pipeline's command in a process of its own, which outlives whoever started it. local/pipelines.py starts it as a program.

It runs from a copy in the pipeline's folder, so it needs nothing but Python's own library. Files of that folder::

    job.json        in: command, chdir, artifacts, grace (seconds between TERM and KILL)
    inputs.json     in: the inputs; removed when the command has ended, because they may be secret
    lock            held while the supervisor lives
    alive           held while the command or any of its children lives
    started.json    written before the command is started; where it is, nothing is ever started again
    process.json    the command's process group, written by itself before it becomes the command
    log.txt         what the command printed
    artifacts/      copies of what it made
    outcome.json    how it ended, written as a whole and last
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import glob
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

LOCK_TRIES = 50


def main(folder: str) -> int:
    """Take the lock, detach from the caller and supervise; return at once when another supervisor has or had the job."""
    umask = os.umask(0o077)
    os.chdir(folder)
    if not take_lock() or os.path.exists("started.json") or os.fork():
        return 0
    with open("job.json", encoding="utf-8") as file:
        job = json.load(file)
    Supervisor(job, umask).run()
    return 0


class Supervisor:
    """One command from start to outcome; the current folder is the pipeline's, ``umask`` the command's own."""

    def __init__(self, job: dict[str, Any], umask: int) -> None:
        self._job = job
        self._umask = umask
        self._group = 0
        self._stopping = False

    def run(self) -> None:
        """Start the command, wait for it, keep its artifacts and write the outcome."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGALRM, self._kill)
        started = time.time()
        write_json("started.json", {"supervisor": os.getpid(), "at": started})
        outcome: dict[str, Any] = {"started": started, "artifacts": [], "missing": [], "refused": []}
        try:
            returncode = self._command()
        except (OSError, subprocess.SubprocessError) as error:
            outcome.update(status="failed", returncode=None, error=f"cannot be started: {error}")
        else:
            status = "canceled" if self._stopping else "success" if returncode == 0 else "failed"
            outcome.update(status=status, returncode=returncode, **collect(self._job["chdir"], self._job["artifacts"]))
        with contextlib.suppress(FileNotFoundError):
            os.unlink("inputs.json")
        write_json("outcome.json", {**outcome, "finished": time.time()})

    def _command(self) -> int:
        alive = os.open("alive", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(alive, fcntl.LOCK_EX)
        with open("log.txt", "ab") as log:
            # This process is no module, and has no run_command.
            process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                self._job["command"],
                cwd=self._job["chdir"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[alive],
                preexec_fn=functools.partial(self._become, os.getcwd()),
            )
        os.close(alive)
        self._group = process.pid
        if self._stopping:
            self._stop()
        returncode = process.wait()
        if self._stopping:
            self._end_children()
        signal.alarm(0)
        return returncode

    def _become(self, folder: str) -> None:
        """Write ``process.json``, in the process that becomes the command next.

        Were it written by the supervisor, a kill at that moment would leave a command that nobody can end.
        """
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # Popen has gone to the command's folder already, which says by name what is wrong with it.
        os.chdir(folder)
        write_json("process.json", {"group": os.getpid(), "started": process_start(os.getpid())})
        os.chdir(self._job["chdir"])
        os.umask(self._umask)

    def _stop(self, *_signal: Any) -> None:
        """Ask the command to end; what has not ended after the grace is killed."""
        self._stopping = True
        if self._group:
            signal_group(self._group, signal.SIGTERM)
            signal.alarm(max(1, int(self._job["grace"])))

    def _kill(self, *_signal: Any) -> None:
        signal_group(self._group, signal.SIGKILL)

    def _end_children(self) -> None:
        """The command has ended after all; give children of its as long as the grace lasts, then kill what is left."""
        end = time.monotonic() + self._job["grace"]
        while time.monotonic() < end and not lock("alive"):
            time.sleep(0.02)
        signal_group(self._group, signal.SIGKILL)


def take_lock() -> bool:
    """Hold ``lock`` as long as this process and its fork live; False when another supervisor has it.

    Whoever looks whether it is held takes it for a moment, so one refusal says nothing.
    """
    for _try in range(LOCK_TRIES):
        if lock("lock"):
            return True
        time.sleep(0.02)
    return False


def lock(name: str) -> bool:
    """Lock a file until this process and its forks end; False when somebody else holds it."""
    file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return False
    return True


def signal_group(group: int, number: int) -> bool:
    """Signal a process group; False when there is none of that number any more."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def process_start(pid: int) -> str:
    """When a process was started, in the kernel's ticks: with it a number that was given to another process is told apart; "" when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def collect(root: str, patterns: list[str]) -> dict[str, Any]:
    """Copy the files under ``root`` that match into ``artifacts/``.

    Returns them as ``artifacts`` (name, sha256, size), the plain names of which there is no file as ``missing``, and as ``refused``
    what leads out of ``root``.
    """
    found: dict[str, dict[str, Any]] = {}
    missing, refused = [], []
    inside = os.path.join(os.path.realpath(root), "")
    for pattern in patterns:
        names = sorted(
            name
            for name in glob.glob(pattern, root_dir=root, recursive=True)
            if not os.path.isdir(os.path.join(root, name))
        )
        if not names and not glob.has_magic(pattern):
            missing.append(pattern)
        for name in names:
            real = os.path.realpath(os.path.join(root, name))
            if not real.startswith(inside) or not os.path.isfile(real):
                refused.append(name)
            elif name not in found:
                found[name] = keep(real, name)
    return {"artifacts": list(found.values()), "missing": missing, "refused": refused}


def keep(path: str, name: str) -> dict[str, Any]:
    """Copy one file to ``artifacts/<name>``."""
    copy = os.path.join("artifacts", name)
    os.makedirs(os.path.dirname(copy), exist_ok=True)
    shutil.copyfile(path, copy)
    with open(copy, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"name": name, "sha256": digest, "size": os.path.getsize(copy)}


def write_json(name: str, value: Any) -> None:
    """Write a file of the pipeline's folder as a whole: after a crash or a power cut it is there or not."""
    with open(f".{name}", "w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(f".{name}", name)
    folder = os.open(".", os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
