# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom others let in at the server, as the project file says: a reverse proxy or an OpenID Connect provider, and the roles of their groups. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import Grant

EVERYBODY = "*"
"""In ``SignIn.roles``: whoever comes in that way."""


@dataclass(frozen=True)
class Proxy:
    """``user`` and ``groups`` are names of headers that the proxies named to the server set, ``groups`` "" where none does."""

    user: str
    groups: str = ""


@dataclass(frozen=True)
class OpenId:
    """The provider ``issuer``, which knows the server as ``client_id``. ``client_secret`` is a reference, None for a public client.

    ``user`` and ``groups`` are the claims that name a person and their groups; ``scopes`` are asked for.
    """

    issuer: str
    client_id: str
    client_secret: Any = None
    user: str = "preferred_username"
    groups: str = "groups"
    scopes: Sequence[str] = ("openid", "profile")

    @property
    def host(self) -> str:
        """How the provider is called on a page."""
        return urlsplit(self.issuer).netloc


@dataclass(frozen=True)
class SignIn:
    """Who says who somebody is, at least one of the two. ``roles`` are the grants by group there, EVERYBODY for all."""

    proxy: Proxy | None = None
    openid: OpenId | None = None
    roles: Mapping[str, Sequence[Grant]] = field(default_factory=dict)

    def grants(self, groups: Collection[str]) -> tuple[Grant, ...]:
        """What somebody in these groups is granted."""
        held = [grant for name, grants in self.roles.items() if name == EVERYBODY or name in groups for grant in grants]
        return tuple(dict.fromkeys(held))


def is_confidential(url: str) -> bool:
    """Whether nobody on the way can read what is sent to ``url``: https, or this machine itself. No credentials and no fragment may be in it."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        usable = bool(host) and parts.port != 0 and "@" not in parts.netloc and not parts.fragment
    except ValueError:
        return False
    if not usable or not url.isprintable() or " " in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


def is_loopback(host: str) -> bool:
    """Whether a host's name or address, without port and brackets, is this machine's own."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
