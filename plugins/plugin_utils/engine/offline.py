# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Templating that contacts nothing, starts nothing and opens no vault, for rehearsals alone.

Ansible has one loader of lookups for the whole process, so nothing else may evaluate templates there at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.engine.dialects import Dialect
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.mask import MASK
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.templating import Templating
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.variables import Variables
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Position

LOOKUPS = frozenset(
    (
        *("dict", "indexed_items", "items", "list", "nested", "sequence", "subelements", "together"),
        *("config", "varnames", "vars"),
        *("csvfile", "file", "fileglob", "first_found", "ini", "template"),
    )
)
"""The lookups of ansible.builtin that only rearrange values, know Ansible's own settings or read files; all others are refused."""
_NAMESPACES = ("ansible.builtin.", "ansible.legacy.")


class OfflineTemplating(Templating):
    """As Templating, but only ``LOOKUPS`` are done, and a vaulted value is ``MASK``."""

    def decrypt(self, ciphertext: str) -> str:
        """No text, and no vault password is asked for."""
        return MASK

    def _evaluated(
        self, text: str, evaluate: Callable[[Dialect, dict[str, Any]], Any], variables: Variables, at: Position | None
    ) -> Any:
        with _few_lookups():
            return super()._evaluated(text, evaluate, variables, at)


@contextmanager
def _few_lookups() -> Iterator[None]:
    """Refuse lookups where every ansible-core gets them, also from templates that a lookup reads."""
    from ansible.errors import AnsibleError
    from ansible.plugins.loader import lookup_loader

    find = lookup_loader.get

    def get(name: str, *args: Any, **options: Any) -> Any:
        short = name
        for namespace in _NAMESPACES:
            short = short.removeprefix(namespace)
        if short not in LOOKUPS:
            raise AnsibleError(
                f"lookup {name!r} is not done in a rehearsal; keep it in a variable, and say its value in the scenario's vars"
            )
        return find(name, *args, **options)

    lookup_loader.get = get
    try:
        yield
    finally:
        lookup_loader.get = find
