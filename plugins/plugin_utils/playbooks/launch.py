# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepares an attempt at a playbook and starts its supervisor; for this room only.

ansible-runner prepares: the private data directory and the command are its own. Its ``Runner.run`` is not used, because what must
not be lost lies there: it writes the whole environment to disk, reads the playbook's terminal and takes it down when it dies, leaves modules running when
it cancels, forgets the exit code of a playbook whose parent was killed and writes a file per event. The supervisor does its work.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.failures import TRANSIENT
from ansible_collections.netops.changerail.plugins.module_utils.files import write_json
from ansible_collections.netops.changerail.plugins.module_utils.operation import Context
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import private_folder
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks import supervisor
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.attempt import IDENT, MARKER, Attempt
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.environment import (
    ansible_playbook,
    playbook_environment,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.variables import data_as_json

_OUR_ROOT = str(Path(__file__).parents[6])
# The forked child goes on and its parent ends, so nobody has to wait for the supervisor. All else is imported only then.
_BOOT = f"""
import os, sys
if os.fork(): os._exit(0)
sys.path.append(sys.argv[1])
from {supervisor.__name__} import main
main(sys.argv[2], int(sys.argv[3]))
"""


@dataclass(frozen=True)
class Work:
    """What is to be run.

    ``name`` is for messages. ``playbook`` is an absolute path or ``namespace.collection.name``, ``folder`` where it runs: ``ansible.cfg`` is looked up there.
    ``extra_vars`` are data, never evaluated. ``flags`` are further arguments of ansible-playbook, ``settings`` further environment variables.
    """

    name: str
    playbook: str
    folder: Path
    inventory: tuple[str, ...] = ()
    extra_vars: Mapping[str, Any] = field(default_factory=dict)
    limit: str | None = None
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()
    forks: int | None = None
    verbosity: int = 0
    flags: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


def launch(attempt: Attempt, work: Work, context: Context, lock: int) -> None:
    """Start the supervisor of a fresh attempt and hand it the lock. Raises OperationError when it cannot be started; then nothing was run."""
    marker = f"{MARKER}={uuid.uuid4().hex}"
    environment = {
        **playbook_environment(context.environment, work.folder),
        **work.settings,
        "CHANGERAIL_KEY": context.key,
        MARKER: marker.partition("=")[2],
        "CHANGERAIL_EVENTS_FILE": str(attempt.events),
        "CHANGERAIL_EVENTS_REMOVE_FILE": str(attempt.extra_vars),
    }
    command = _prepare(attempt, work, environment)
    job = {
        "key": context.key,
        "name": work.name,
        "marker": marker,
        "command": command,
        "cwd": str(work.folder),
        "output": str(attempt.output),
        "events": str(attempt.events),
        "extra_vars": str(attempt.extra_vars),
        "artifacts": str(attempt.artifacts),
    }
    try:
        write_json(attempt.folder / supervisor.JOB, job)
        _spawn(attempt, environment, lock)
    except BaseException:
        attempt.forget_variables()
        raise


def _prepare(attempt: Attempt, work: Work, environment: Mapping[str, str]) -> list[str]:
    """Fill the private data directory and return the command line."""
    from ansible_runner.config.runner import RunnerConfig

    for folder in (attempt.extra_vars.parent, attempt.artifacts / "job_events"):
        private_folder(folder)
    # ansible-runner finds it there, so that the variables are neither in the command line nor among the artifacts.
    _write_private(attempt.extra_vars, data_as_json(work.extra_vars))
    config = RunnerConfig(
        private_data_dir=str(attempt.folder),
        ident=IDENT,
        playbook=work.playbook,
        inventory=list(work.inventory) or None,
        limit=work.limit,
        tags=",".join(work.tags) or None,
        skip_tags=",".join(work.skip_tags) or None,
        forks=work.forks,
        verbosity=work.verbosity,
        cmdline=shlex.join(work.flags) or None,
        suppress_env_files=True,
    )
    config.prepare()
    command = [ansible_playbook(environment), *config.command[1:]]
    shown = {"command": command, "cwd": str(work.folder), "env": {}}
    _write_private(attempt.artifacts / "command", json.dumps(shown, ensure_ascii=False))
    return command


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _spawn(attempt: Attempt, environment: Mapping[str, str], lock: int) -> None:
    # Isolated and without site-packages: it needs our own modules only, and starts in a tenth of the time.
    command = [sys.executable, "-I", "-S", "-c", _BOOT, _OUR_ROOT, str(attempt.folder), str(lock)]
    log = os.open(attempt.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            cwd="/",
            pass_fds=[lock],
            start_new_session=True,
        )
    except OSError as error:
        raise OperationError(f"the playbook's supervisor could not be started: {error}", TRANSIENT) from None
    finally:
        os.close(log)
    if process.wait() != 0:
        raise OperationError(
            f"the playbook's supervisor could not be started: it ended with {process.returncode}; see {attempt.log}",
            TRANSIENT,
        )
