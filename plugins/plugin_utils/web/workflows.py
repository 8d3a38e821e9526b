# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workflows that may be started at the server: the files of one folder, by name. Only ``web.actions`` asks."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, CheckError
from ansible_collections.netops.changerail.plugins.plugin_utils.web.answers import NotFound
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_ENDS = (".yml", ".yaml")


class Startable:
    """The workflows in ``folder``, not below it; none without a folder."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._judged: dict[str, tuple[tuple[int, int], bool]] = {}

    def names(self) -> list[str]:
        """The names of all files that are workflows without a mistake."""
        if self._folder is None:
            return []
        try:
            found = sorted(os.scandir(self._folder), key=lambda entry: entry.name)
        except OSError as error:
            raise AuthorError(f"{self._folder}: cannot be read: {error.strerror}") from None
        paths = [Path(entry.path) for entry in found if entry.name.endswith(_ENDS) and entry.is_file()]
        return [path.stem for path in paths if _NAME.match(path.stem) and self._is_workflow(path)]

    def file(self, name: str) -> Path:
        """The file of a workflow. Raises NotFound."""
        if self._folder is not None and _NAME.match(name):
            for end in _ENDS:
                path = self._folder / f"{name}{end}"
                if path.is_file():
                    return path
        raise NotFound(f"workflow {name!r}: none of that name may be started here")

    def _is_workflow(self, path: Path) -> bool:
        status = path.stat()
        mark = (status.st_mtime_ns, status.st_size)
        known = self._judged.get(path.name)
        if known is None or known[0] != mark:
            known = self._judged[path.name] = (mark, _is_right(path))
        return known[1]


def _is_right(path: Path) -> bool:
    try:
        load(path)
    except CheckError:
        return False
    return True
