# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values as the JSON that Ansible reads, with its own marks for what it must not evaluate; for this room only.

Ansible takes every string of an extra vars file for the author's and evaluates it. What comes from outside must not be: such
strings are marked ``__ansible_unsafe``, which every supported ansible-core obeys (``!unsafe`` in YAML does the same, but
Ansible reads JSON many times faster).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Unsafe, Vaulted

_UNSAFE, _VAULT = "__ansible_unsafe", "__ansible_vault"
_TEMPLATE_BEGINS = ("{{", "{%", "{#")


def data_as_json(values: Mapping[str, Any]) -> str:
    """``values`` as data: no string in them is ever evaluated. Raises OperationError when a key is one of Ansible's marks."""
    return _encoded({name: _data(value, name) for name, value in values.items()})


def author_as_json(tree: Any) -> str:
    """``tree`` as the author wrote it: its strings may be templates, which Ansible evaluates."""
    return _encoded(_author(tree))


def _data(value: Any, name: str) -> Any:
    if isinstance(value, str):
        return {_UNSAFE: str(value)} if any(mark in value for mark in _TEMPLATE_BEGINS) else value
    if isinstance(value, Mapping):
        if _UNSAFE in value or _VAULT in value:
            raise OperationError(
                f"variable {name}: a key is {_UNSAFE!r} or {_VAULT!r}, which Ansible takes for a mark of its own; rename it"
            )
        return {key: _data(item, name) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_data(item, name) for item in value]
    return _marked(value)


def _author(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _author(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_author(item) for item in value]
    return _marked(value)


def _marked(value: Any) -> Any:
    if isinstance(value, Vaulted):
        return {_VAULT: value.ciphertext}
    if isinstance(value, Unsafe):
        return {_UNSAFE: value.text}
    return value


def _encoded(document: Any) -> str:
    return json.dumps(document, default=str)
