# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A question of a plain playbook as a run of its own: a workflow of one step that asks. The actions lay one on the controller, a server lays one of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.files import write_json
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder, storage_error

OPERATIONS = ("approval", "review")
STEP = "question"
"""The id of the step that asks."""


def variables(options: Mapping[str, Any], line: str) -> dict[str, Any]:
    """The run's variables: what is asked, which is data whatever it holds, and what the run is called."""
    return {"options": dict(options), "subject_line": line}


def laid(folder: RunFolder, operation: str, options: Mapping[str, Any]) -> Path:
    """Write the workflow into the run's folder. ``options`` are those of the operation, of which only the names stand in it. Raises StorageError."""
    step = {
        "id": STEP,
        "name": "{{ subject_line }}",
        f"netops.changerail.{operation}": {name: f"{{{{ options['{name}'] }}}}" for name in options},
    }
    place = folder.path / f"{operation}.yml"
    try:
        write_json(place, {"name": "{{ subject_line }}", "steps": [step]})
    except OSError as error:
        raise storage_error(place, error) from None
    return place
