# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every part of the server is given: the scheduler, the state folder, the settings. ``cli/verbs/serve.py`` makes one, the routes use it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ansible_collections.netops.changerail.plugins.plugin_utils.engine.run import Surround
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.templating import Templating
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import StateFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.people.accounts import AccountsFile
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import People
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Resolver
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.scheduler import Scheduler
from ansible_collections.netops.changerail.plugins.plugin_utils.web.observers import Observers


@dataclass(frozen=True)
class Settings:
    """How the server is reached. ``public_url`` is its address for people, without a slash at the end ("" when nobody said).

    ``proxies`` are the addresses and networks of reverse proxies whose forwarded headers are believed, or "unix" for those that come through a socket
    file. ``plain`` says that it speaks HTTP without TLS on an address that others reach: then nobody but a proxy is answered.
    ``workflows`` is the folder whose workflows may be started here, None when none may.
    ``metrics_from`` are the addresses and networks that may read the metrics.
    """

    public_url: str = ""
    proxies: Sequence[str] = ()
    plain: bool = False
    metrics_from: Sequence[str] = ("127.0.0.0/8", "::1")
    workflows: Path | None = None


@dataclass(frozen=True)
class Server:
    """The parts; ``project_file`` is the server's own project file, None when it has none."""

    state: StateFolder
    scheduler: Scheduler
    around: Surround
    observers: Observers
    settings: Settings = field(default_factory=Settings)
    project_file: Path | None = None

    @cached_property
    def accounts(self) -> AccountsFile:
        """Who may come in."""
        return AccountsFile(self.state)

    @property
    def people(self) -> People:
        """Whom the server's own project file names."""
        return self.around.project.people

    @property
    def resolver(self) -> Resolver:
        """Follows the references to secrets in the server's own project file."""
        path = self.around.project.path
        return Resolver(os.environ, Templating(str(path.parent if path else "."), ()).decrypt)
