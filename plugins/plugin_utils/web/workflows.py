# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workflows that may be started at the server: the files of one folder, by name. Only ``web.actions`` asks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, CheckError
from ansible_collections.netops.changerail.plugins.plugin_utils.web.answers import NotFound
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Action
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_ENDS = (".yml", ".yaml")
WINDOW = "netops.changerail.window"
"""The operation of a change window."""


@dataclass(frozen=True)
class _Judged:
    """What is known of a file as long as it has this ``mark`` (its time and size): its freezes, None when it is no workflow."""

    mark: tuple[int, int]
    freezes: frozenset[str] | None


class Startable:
    """The workflows in ``folder``, not below it; none without a folder."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._judged: dict[str, _Judged] = {}

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

    def freezes(self, name: str) -> frozenset[str]:
        """Names of the calendars that the windows of a workflow take for freezes, as they are written there."""
        try:
            return self._freezes_of(self.file(name)) or frozenset()
        except (NotFound, OSError):
            # It was there when it was listed, a moment ago.
            return frozenset()

    def _is_workflow(self, path: Path) -> bool:
        return self._freezes_of(path) is not None

    def _freezes_of(self, path: Path) -> frozenset[str] | None:
        """As ``freezes``; None for a file that is no workflow."""
        status = path.stat()
        mark = (status.st_mtime_ns, status.st_size)
        known = self._judged.get(path.name)
        if known is None or known.mark != mark:
            known = self._judged[path.name] = _Judged(mark, _freezes(path))
        return known.freezes


def _freezes(path: Path) -> frozenset[str] | None:
    try:
        flow = load(path)
    except CheckError:
        return None
    return frozenset(name for dummy, step in flow.walk() if step.action is not None for name in _named(step.action))


def _named(action: Action) -> Iterator[str]:
    given = action.args.get("freezes") if action.name == WINDOW and isinstance(action.args, Mapping) else None
    yield from ([given] if isinstance(given, str) else map(str, given or ()))
