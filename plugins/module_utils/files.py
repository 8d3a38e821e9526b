# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that must be whole or absent, and files as artifacts; for operations and providers."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path

from ansible_collections.netops.changerail.plugins.module_utils.operation import JSON, Artifact


def write_whole(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path``, readable by its owner only: after a crash or a power cut there is the old file or the new one."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    sync_folder(path.parent)


def write_json(path: Path, value: JSON) -> None:
    """``write_whole`` of a value as JSON that people can read."""
    write_whole(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def sync_folder(folder: Path) -> None:
    """Make a file that was created or renamed in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def artifact_of(path: Path, name: str) -> Artifact:
    """The artifact that the file at ``path`` is, under this name."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Artifact(name, str(path), digest, path.stat().st_size)
