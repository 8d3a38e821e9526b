# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Begins runs and drives them in this process; what every door that starts or resumes a run has in common."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.operation import Artifact
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.engine import Ending
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.run import Surround, create, drive
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import Record
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder, StateFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import Who
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import history
from ansible_collections.netops.changerail.plugins.plugin_utils.views.evidence import collect, write
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load


def begin(
    workflow: str,
    *,
    state: StateFolder,
    project: Project,
    variables: Mapping[str, Any],
    inventory: Sequence[str] = (),
    limit: str | None = None,
    check: bool = False,
    vault_password_files: Sequence[str] = (),
    requester: Who,
    run_id: str | None = None,
) -> RunFolder:
    """Write the first record of a run of the workflow file; nothing is started yet.

    ``requester`` is who requests the change, as the door has identified them. Raises AuthorError (CheckError for the file's mistakes), StorageError.
    """
    options = {
        "inventory": [_place(source) for source in inventory],
        "limit": limit,
        "check": check,
        "vault_password_files": [str(Path(path).absolute()) for path in vault_password_files],
    }
    return create(
        load(workflow, variables.keys()),
        state=state,
        variables=variables,
        options={name: value for name, value in options.items() if value},
        requester={"name": requester.person, "assurance": requester.assurance, "os_user": requester.os_user},
        project=project,
        run=run_id,
    )


def driven(
    folder: RunFolder,
    project: Project,
    observer: Callable[[Record], None],
    until_waiting: bool,
    stop: threading.Event | None = None,
) -> Ending:
    """Drive the run until it is over, waits (``until_waiting``) or ``stop`` is set. Raises what ``engine.run.drive`` raises."""
    around = Surround(project=project, observer=observer, evidence=evidence_of)
    return drive(folder, around, until_waiting=until_waiting, stop=stop)


def evidence_of(folder: RunFolder) -> Sequence[Artifact]:
    """The run's evidence so far, as files of its own: evidence that was handed on before stays what it was."""
    past = history(folder)
    return write(collect(past.workflow, past.events), folder.path / "evidence" / str(len(past.records)))


def _place(inventory: str) -> str:
    """An inventory as Ansible takes it: a list of hosts as it is, a path from anywhere."""
    return inventory if "," in inventory else str(Path(inventory).absolute())
