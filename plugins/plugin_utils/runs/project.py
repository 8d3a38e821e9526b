# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which project file holds for a run, and who is typing. Every door calls it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ansible_collections.netops.changerail.plugins.module_utils.text import harmless
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import Who, login
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project_file import find, load
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import History


def for_new_run(config: str | None) -> Project:
    """The project ``config`` names, else the one found by the rules; without any, a project that names nobody. Raises AuthorError."""
    if config is not None:
        return load(Path(config).absolute())
    found = find(os.environ, Path.cwd())
    for warning in found.warnings:
        sys.stderr.write(f"changerail: {harmless(warning)}\n")
    return Project() if found.path is None else load(found.path)


def of_run(past: History) -> Project:
    """The project a run was started with, as its file is now. Raises AuthorError."""
    return load(Path(past.started.project)) if past.started.project else Project()


def who_says(project: Project, name: str) -> Who:
    """The person ``name`` that somebody at this login says to be; "" for the person behind it."""
    return project.people.claimed(name, login(os.getuid()))


def who_types(project: Project) -> Who:
    """The person behind the login of this process."""
    return project.people.of_login(login(os.getuid()))
