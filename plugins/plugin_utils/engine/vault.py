# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decrypts vaulted values, with the passwords Ansible would use. For templating.py alone, which holds a lock around it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import TemplateFailed

_DEFAULT_LABEL = "default"


class Vault:
    """Reads password files at the first use, so a run without vaulted values asks for no password. ``secrets`` holds what was decrypted."""

    def __init__(self, basedir: str, vault_ids: Sequence[str], password: str) -> None:
        self._basedir = basedir
        self._vault_ids = tuple(vault_ids)
        self._password = password
        self._texts: dict[str, str] = {}
        self._library: Any = None

    @property
    def secrets(self) -> frozenset[str]:
        """Every text that was decrypted so far."""
        return frozenset(self._texts.copy().values())

    def decrypt(self, ciphertext: str) -> str:
        """The text; decrypted once, as it is slow. Raises TemplateFailed."""
        if ciphertext not in self._texts:
            self._texts[ciphertext] = self._decrypted(ciphertext)
        return self._texts[ciphertext]

    def _decrypted(self, ciphertext: str) -> str:
        from ansible.errors import AnsibleError

        if self._library is None:
            self._library = self._opened()
        try:
            return bytes(self._library.decrypt(ciphertext.strip())).decode()
        except (AnsibleError, UnicodeDecodeError) as error:
            raise TemplateFailed(f"a vaulted value cannot be decrypted: {error}") from None

    def _opened(self) -> Any:
        from ansible.constants import config
        from ansible.parsing.vault import VaultLib, VaultSecret

        secrets = [(_DEFAULT_LABEL, VaultSecret(self._password.encode()))] if self._password else []
        configured = [
            *(config.get_config_value("DEFAULT_VAULT_IDENTITY_LIST") or ()),
            config.get_config_value("DEFAULT_VAULT_PASSWORD_FILE"),
        ]
        for vault_id in (*self._vault_ids, *filter(None, configured)):
            secrets.append(self._secret(vault_id))
        if not secrets:
            raise TemplateFailed(
                "a vaulted value cannot be decrypted: no vault password; give --vault-password-file or set ANSIBLE_VAULT_PASSWORD_FILE"
            )
        return VaultLib(secrets)

    def _secret(self, vault_id: str) -> tuple[str, Any]:
        from ansible.errors import AnsibleError
        from ansible.parsing.dataloader import DataLoader
        from ansible.parsing.vault import get_file_vault_secret

        label, separator, source = vault_id.rpartition("@")
        path = os.path.join(self._basedir, os.path.expanduser(source))
        loader = DataLoader()
        try:
            secret = get_file_vault_secret(filename=path, vault_id=label or _DEFAULT_LABEL, loader=loader)
            secret.load()
        except (AnsibleError, OSError) as error:
            raise TemplateFailed(f"vault password file {path}: {error}") from None
        return label if separator else _DEFAULT_LABEL, secret
