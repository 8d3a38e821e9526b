# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the project beside the run: for jobs whose project is thrown away when they end. Only the action plugins call it.

It also makes sure that what people approved is what is deployed: a later job has a newer project, the run keeps its own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import (
    RunFolder,
    private_folder,
    storage_error,
)

PROJECT, INVENTORY = "project", "inventory"
_LEFT_OUT = (".git", ".hg", ".svn", "__pycache__")
_MOST_BYTES = 500 * 1024 * 1024
_MOST_FILES = 50_000


@dataclass(frozen=True)
class Kept:
    """Where a run finds what it was started with: ``place`` says it for a path of the original."""

    original: Path
    copy: Path

    def place(self, path: str) -> str:
        """``path`` in the copy when it is in the project, else as it is."""
        absolute = Path(os.path.normpath(self.original / path))
        inside = absolute.is_relative_to(self.original)
        return str(self.copy / absolute.relative_to(self.original)) if inside else str(absolute)


def keep(folder: RunFolder, project: Path) -> Kept:
    """Copy the project, without its version control, into the folder of a run that has not begun. Raises AuthorError, StorageError.

    A state folder within the project is left out, or the copy would hold itself.
    What an earlier attempt left is made anew: it may have died in the middle of it.
    """
    original = Path(os.path.realpath(project))
    if not original.is_dir():
        raise AuthorError(
            f"project {project}: no such folder; expected the one that holds the workflow and its playbooks"
        )
    runs = os.path.realpath(folder.state.runs)
    _bounded(original, runs)
    copy = folder.path / PROJECT
    try:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(original, copy, symlinks=True, ignore=lambda place, names: _left_out(place, names, runs))
        copy.chmod(0o700)
    except (OSError, shutil.Error) as error:
        raise storage_error(copy, error if isinstance(error, OSError) else OSError(str(error))) from None
    return Kept(original, copy)


def keep_inventory(folder: RunFolder, kept: Kept, sources: Sequence[str]) -> list[str]:
    """The sources as the run finds them: those outside the project are copied, a list of hosts is as it is. Raises StorageError."""
    return [
        source if "," in source else _kept_source(folder, kept, source, number) for number, source in enumerate(sources)
    ]


def _kept_source(folder: RunFolder, kept: Kept, source: str, number: int) -> str:
    place = kept.place(source)
    if Path(place).is_relative_to(kept.copy):
        return place
    target = private_folder(folder.path / INVENTORY / str(number)) / Path(place).name
    try:
        if Path(place).is_dir():
            shutil.copytree(place, target, dirs_exist_ok=True)
        else:
            # With its mode: AWX's inventory is a program.
            shutil.copy2(place, target)
    except (OSError, shutil.Error) as error:
        raise storage_error(target, error if isinstance(error, OSError) else OSError(str(error))) from None
    return str(target)


def _left_out(place: str, names: Sequence[str], runs: str) -> set[str]:
    """Which of the ``names`` in the folder ``place`` are not copied: version control, and all runs."""
    return {name for name in names if name in _LEFT_OUT or os.path.join(os.path.realpath(place), name) == runs}


def _bounded(project: Path, runs: str) -> None:
    size = 0
    for files, path in enumerate(_files(project, runs), start=1):
        size += path.lstat().st_size
        if size > _MOST_BYTES or files > _MOST_FILES:
            raise AuthorError(
                f"project {project}: larger than {_MOST_BYTES // 1024**2} MB or {_MOST_FILES} files, too much to keep a copy with each run; "
                "name the folder that holds the workflow and its playbooks"
            )


def _files(project: Path, runs: str) -> Iterator[Path]:
    for folder, folders, names in os.walk(project):
        left_out = _left_out(folder, folders, runs)
        folders[:] = [name for name in folders if name not in left_out]
        yield from (Path(folder, name) for name in names)
