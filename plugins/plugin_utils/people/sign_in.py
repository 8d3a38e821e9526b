# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom others let in at the server, as the project file says: which headers of a reverse proxy name a person, and the roles of their groups. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import Grant

EVERYBODY = "*"
"""In ``SignIn.roles``: whoever comes in that way."""


@dataclass(frozen=True)
class SignIn:
    """``user`` and ``groups`` are names of headers that the proxies named to the server set, ``groups`` "" where none does.

    ``roles`` are the grants by group there, EVERYBODY for all.
    """

    user: str
    groups: str = ""
    roles: Mapping[str, Sequence[Grant]] = field(default_factory=dict)

    def grants(self, groups: Collection[str]) -> tuple[Grant, ...]:
        """What somebody in these groups is granted."""
        held = [grant for name, grants in self.roles.items() if name == EVERYBODY or name in groups for grant in grants]
        return tuple(dict.fromkeys(held))
