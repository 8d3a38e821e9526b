# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The project files that the runs of a server name, each read once until it changes. For the scheduler."""

from __future__ import annotations

import threading
from pathlib import Path

from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project_file import load

_MOST = 64
"""Files that are remembered."""


class Projects:
    """``default`` is the server's own, for runs that were started without one."""

    def __init__(self, default: Project) -> None:
        self._default = default
        self._lock = threading.Lock()
        self._read: dict[str, tuple[tuple[int, int], Project]] = {}

    def of(self, named: str) -> Project:
        """The project of the file a run names, as it is now; the server's own for "". Raises AuthorError."""
        if not named:
            return self._default
        path = Path(named)
        try:
            status = path.stat()
        except OSError:
            # Says what is wrong with it.
            return load(path)
        version = (status.st_mtime_ns, status.st_size)
        with self._lock:
            known = self._read.get(named)
            if known is None or known[0] != version:
                if len(self._read) >= _MOST:
                    self._read.clear()
                known = self._read[named] = (version, load(path))
        return known[1]
