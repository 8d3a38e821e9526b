# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that decide who may do what are believed only when not everybody can write them; for the rest of this room."""

from __future__ import annotations

import stat
from pathlib import Path

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError


def distrust(path: Path) -> str:
    """Why an existing file cannot be believed: anybody may write to it or to its folder. "" when it can."""
    for place in (path, path.parent):
        if place.stat().st_mode & stat.S_IWOTH:
            return f"anybody may write to {place}; take that permission away (chmod o-w) or keep the file elsewhere"
    return ""


def read_trusted(path: Path) -> bytes:
    """The content of such a file. Raises AuthorError when it cannot be believed or read."""
    try:
        problem = distrust(path)
        if not problem:
            return path.read_bytes()
    except OSError as error:
        raise AuthorError(f"{path}: cannot be read: {error.strerror}") from None
    raise AuthorError(f"{path}: {problem}")
