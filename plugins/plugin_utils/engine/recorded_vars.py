# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extra vars on their way into the journal and back: a vaulted one goes as its ciphertext, one whose name says that it is secret not at all.

The value of such a secret lies beside the journal, readable by its owner only, until the run is over. For ``engine/run.py``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import RunError
from ansible_collections.netops.changerail.plugins.module_utils.files import write_whole
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.mask import is_secret_name
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder, storage_error
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Vaulted

_VAULT = "__ansible_vault"
"""The key under which Ansible's own JSON carries a vaulted value's ciphertext."""
_KEPT_APART = "__changerail_secret"
"""The key that stands in the journal for a secret; its value is the secret's place in the file beside it."""


def recorded(variables: Mapping[str, Any], folder: RunFolder) -> dict[str, Any]:
    """``variables`` as the journal may hold them; secrets are laid durably beside it first. Raises StorageError."""
    secrets: dict[str, str] = {}
    public = {
        str(name): _public(value, str(name), is_secret_name(str(name)), secrets) for name, value in variables.items()
    }
    if secrets:
        try:
            write_whole(folder.secrets, json.dumps(secrets, ensure_ascii=False).encode())
        except OSError as error:
            raise storage_error(folder.secrets, error) from None
    return public


def restored(variables: Mapping[str, Any], folder: RunFolder) -> dict[str, Any]:
    """The variables that ``recorded`` made this of. Raises RunError when a secret's value is gone."""
    kept: dict[str, str] = {}
    if folder.secrets.is_file():
        kept = json.loads(folder.secrets.read_text(encoding="utf-8"))
    return {name: _restored(value, kept, folder) for name, value in variables.items()}


def forget(folder: RunFolder) -> None:
    """The run is over: nobody needs its secrets any more."""
    folder.secrets.unlink(missing_ok=True)


def _public(value: Any, place: str, secret: bool, secrets: dict[str, str]) -> Any:
    if isinstance(value, Vaulted):
        return {_VAULT: value.ciphertext}
    if isinstance(value, Mapping):
        return {
            str(key): _public(item, f"{place}.{key}", secret or is_secret_name(str(key)), secrets)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_public(item, f"{place}.{number}", secret, secrets) for number, item in enumerate(value)]
    if secret and isinstance(value, str):
        secrets[place] = value
        return {_KEPT_APART: place}
    return value


def _restored(value: Any, kept: Mapping[str, str], folder: RunFolder) -> Any:
    if isinstance(value, Mapping):
        if set(value) == {_VAULT}:
            return Vaulted(value[_VAULT])
        if set(value) == {_KEPT_APART}:
            place = value[_KEPT_APART]
            # A run that is over needs it no more, and its views show that there was one.
            if place not in kept and folder.secrets.exists():
                raise RunError(f"{folder.secrets}: the value of extra var {place} is not in it; start the run anew")
            return kept.get(place, "")
        return {key: _restored(item, kept, folder) for key, item in value.items()}
    if isinstance(value, list):
        return [_restored(item, kept, folder) for item in value]
    return value
