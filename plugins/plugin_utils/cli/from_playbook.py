# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs as playbooks see them: driven by the command line in a process of its own, and read here. Only the action plugins and the callback call it.

A process of its own, because Ansible's worker has its signals, its settings and its state, and the engine has its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import UnknownRun
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import (
    History,
    history,
    state_folder,
)

_OUR_ROOT = str(Path(__file__).parents[6])
_PROGRAM = f"""
import os, sys
root = sys.argv.pop(1)
# The collection that the playbook uses and no other copy of it (an installed package beside it): Ansible's own loader allows none to be found twice.
# Last where it is new, since anything may lie beside collections.
sys.path = [place for place in sys.path if place == root or not os.path.isdir(os.path.join(place, "ansible_collections/netops/changerail"))]
sys.path += {{root}} - set(sys.path)
from {__package__}.main import main
sys.exit(main())
"""
_TIME_TO_STOP = 60.0
"""Seconds the engine has to put a run down before it is killed; nothing is lost by that."""


@dataclass(frozen=True)
class Driven:
    """How the command ended: its exit code, and what it said on standard output and standard error."""

    code: int
    output: str
    complaint: str
    timed_out: bool = False


def command(
    arguments: Sequence[str],
    timeout: float | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Driven:
    """Run ``changerail`` with ``arguments``. Each line of its output goes to ``say`` as it comes.

    After ``timeout`` seconds it is asked to put the run down, which leaves it resumable.
    """
    # What it complains about goes to a file: a second pipe could fill up while the first is read.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaint:
        process = subprocess.Popen(
            # Not from the current folder (-P): that is somebody's project.
            [sys.executable, "-P", "-c", _PROGRAM, _OUR_ROOT, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaint,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=_with_vault(os.environ),
        )
        out_of_time = threading.Event()
        stopping = threading.Timer(timeout or 0, _stop, (process, out_of_time))
        stopping.daemon = True
        if timeout is not None:
            stopping.start()
        lines = []
        try:
            for line in process.stdout or ():
                lines.append(line)
                say(line.rstrip("\n"))
            code = process.wait()
        except BaseException:
            process.send_signal(signal.SIGINT)
            raise
        finally:
            stopping.cancel()
        complaint.seek(0)
        return Driven(code, "".join(lines), complaint.read().strip(), out_of_time.is_set())


def existing(run: str) -> History | None:
    """The history of the run of exactly this id, None when there is none yet. Raises AuthorError, JournalDamaged, StorageError."""
    try:
        folder = state_folder().open(run)
    except UnknownRun:
        return None
    return history(folder) if folder.has_begun() else None


def launched_by(variables: Mapping[str, Any]) -> str:
    """Who launched the AWX job this is, as AWX says it in variables that win over all others there; "" outside of one."""
    if variables.get("awx_job_id") is None:
        return ""
    if variables.get("awx_user_name"):
        return str(variables["awx_user_name"])
    for kind in ("schedule", "parent_job_schedule"):
        if variables.get(f"awx_{kind}_name"):
            return f"AWX schedule {variables[f'awx_{kind}_name']}"
    return f"AWX {variables.get('awx_job_template_name') or 'job'}"


def _stop(process: subprocess.Popen[str], out_of_time: threading.Event) -> None:
    out_of_time.set()
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_TIME_TO_STOP)
    except subprocess.TimeoutExpired:
        process.kill()


def _with_vault(environment: Mapping[str, str]) -> Mapping[str, str]:
    """AWX lets no credential set a variable that begins with ANSIBLE, so the vault's password file may be named by one of ours."""
    password_file = environment.get("CHANGERAIL_VAULT_PASSWORD_FILE")
    return {"ANSIBLE_VAULT_PASSWORD_FILE": password_file, **environment} if password_file else environment
