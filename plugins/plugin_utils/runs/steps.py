# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps as people name them: the path, or an end of it that no other step has. Doors call it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError

_LISTED = 8


def named(name: str, paths: Iterable[str], run: str) -> str:
    """The one of ``paths`` that ``name`` means. Raises AuthorError when it means none or several, with those that come near."""
    known = list(dict.fromkeys(paths))
    if name in known:
        return name
    ends = [path for path in known if path.endswith(f"/{name}")] or [path for path in known if path.endswith(name)]
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise AuthorError(f"step {name!r} of run {run}: could be {_list(ends)}")
    near = get_close_matches(name, known, n=_LISTED, cutoff=0.4) or known
    raise AuthorError(f"step {name!r}: run {run} has no such step there; it has {_list(near)}")


def _list(paths: list[str]) -> str:
    more = f" and {len(paths) - _LISTED} more" if len(paths) > _LISTED else ""
    return ", ".join(paths[:_LISTED]) + more
