# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment a playbook runs in; for this room only.

A playbook gets what it would get from the shell, so that credentials, proxies and ANSIBLE_* settings work as ever. It is handed
from process to process and never written down.
"""

from __future__ import annotations

import configparser
import contextlib
import os
import shutil
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError

CALLBACK = "events"
CALLBACKS = Path(__file__).parents[2] / "callback"
_DEFAULT_CALLBACKS = ("plugins/callback", "/usr/share/ansible/plugins/callback")
# What ansible-runner sets for the playbook that we may be running in, and which is not meant for ours.
_OF_AN_OUTER_RUNNER = (
    "AWX_ISOLATED_DATA_DIR",
    "ORIGINAL_STDOUT_CALLBACK",
    "RUNNER_OMIT_EVENTS",
    "RUNNER_ONLY_FAILED_EVENTS",
)
_RUNNER_DISPLAY = "awx_display"


def ansible_playbook(environment: Mapping[str, str]) -> str:
    """The ``ansible-playbook`` beside our own Python, else the one on PATH. Raises OperationError when there is none."""
    beside = Path(sys.executable).parent / "ansible-playbook"
    if os.access(beside, os.X_OK):
        return str(beside)
    found = shutil.which("ansible-playbook", path=environment.get("PATH"))
    if found is None:
        raise OperationError(f"ansible-playbook: neither beside {sys.executable} nor on PATH; install ansible-core")
    return found


def playbook_environment(base: Mapping[str, str], folder: Path) -> dict[str, str]:
    """``base`` with our callback plugin enabled beside those that the user enabled. ``folder`` is where the playbook will run."""
    environment = {name: value for name, value in base.items() if name not in _OF_AN_OUTER_RUNNER}
    if environment.get("ANSIBLE_STDOUT_CALLBACK") == _RUNNER_DISPLAY:
        environment.pop("ANSIBLE_STDOUT_CALLBACK")
        if base.get("ORIGINAL_STDOUT_CALLBACK"):
            environment["ANSIBLE_STDOUT_CALLBACK"] = base["ORIGINAL_STDOUT_CALLBACK"]
    settings = _Settings(environment, folder)
    home = environment.get("ANSIBLE_HOME", "~/.ansible")
    paths = settings.of(
        "ANSIBLE_CALLBACK_PLUGINS",
        "callback_plugins",
        ":",
        tuple(os.path.join(home, path) for path in _DEFAULT_CALLBACKS),
    )
    enabled = settings.of("ANSIBLE_CALLBACKS_ENABLED", "callbacks_enabled", ",", ())
    # Setting a variable hides the same setting in ansible.cfg, so that one is repeated here.
    folders = [path for path in map(settings.path, paths) if not _of_an_outer_runner(path)]
    environment["ANSIBLE_CALLBACK_PLUGINS"] = ":".join([str(CALLBACKS), *folders])
    environment["ANSIBLE_CALLBACKS_ENABLED"] = ",".join(
        [CALLBACK, *(name for name in enabled if name != f"netops.changerail.{CALLBACK}")]
    )
    # The output goes to a file.
    environment["ANSIBLE_FORCE_COLOR"] = "false"
    return environment


def _of_an_outer_runner(folder: str) -> bool:
    """Whether the folder holds ansible-runner's display. Ansible imports whatever lies there, and that display writes into the outer run's files."""
    return os.path.exists(os.path.join(folder, f"{_RUNNER_DISPLAY}.py"))


class _Settings:
    """What Ansible would find in its environment, else in its configuration file when it runs in ``folder``."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._environment = environment
        self._folder = folder
        self._file = self._configuration_file()
        self._parser = configparser.ConfigParser(inline_comment_prefixes=(";",), interpolation=None, strict=False)
        if self._file is not None:
            # A file that cannot be read is Ansible's to complain about.
            with contextlib.suppress(configparser.Error, UnicodeDecodeError):
                self._parser.read(self._file, encoding="utf-8")

    def of(self, variable: str, name: str, separator: str, default: tuple[str, ...]) -> list[str]:
        """The parts of a setting that is a list."""
        value = self._environment.get(variable)
        if value is None:
            value = self._parser.get("defaults", name, fallback=None)
        if value is None:
            return list(default)
        return [part.strip() for part in value.split(separator) if part.strip()]

    def path(self, written: str) -> str:
        """A path as Ansible understands it: relative to the configuration file."""
        expanded = os.path.expandvars(written.replace("{{CWD}}", str(self._folder)))
        if expanded.startswith("~/"):
            expanded = self._home() + expanded[1:]
        return os.path.join(self._file.parent if self._file is not None else self._folder, expanded)

    def _home(self) -> str:
        return self._environment.get("HOME") or os.path.expanduser("~")

    def _configuration_file(self) -> Path | None:
        chosen = self._environment.get("ANSIBLE_CONFIG")
        places = [Path(chosen).expanduser()] if chosen else []
        # Ansible does not trust a folder in which anybody may put a file.
        if not self._folder.stat().st_mode & stat.S_IWOTH:
            places.append(self._folder)
        places += [Path(self._home(), ".ansible.cfg"), Path("/etc/ansible/ansible.cfg")]
        files = (place / "ansible.cfg" if place.is_dir() else place for place in places)
        return next((file for file in files if file.is_file() and os.access(file, os.R_OK)), None)
