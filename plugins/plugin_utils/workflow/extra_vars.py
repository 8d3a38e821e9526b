# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables from the command line (``-e``), by Ansible's rules. For the doors.

They are data: a template in them is not evaluated. A value may be ``Vaulted``. Messages show no value, which may be secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow import document
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.files import Disk
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.kinds import VARIABLE, VARIABLES
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.mistake import Mistakes
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Position, Unsafe

_OPTION = "-e"
_VAULTED_FILE = "$ANSIBLE_VAULT;"


def parse(arguments: Iterable[str]) -> dict[str, Any]:
    """The variables of ``-e`` arguments: ``key=value …``, ``@file.yml`` or a YAML or JSON mapping; a later one wins.

    Values of ``key=value`` are text. Raises AuthorError, or CheckError for the mistakes of a file or mapping.
    """
    variables: dict[str, Any] = {}
    for argument in arguments:
        variables.update(_variables(argument))
    return variables


def parse_text(text: str, name: str) -> dict[str, Any]:
    """The variables of a YAML or JSON mapping that errors call ``name``. Raises CheckError."""
    return dict(_from_text(text, name, Mistakes()))


def named(variables: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Variables that are values already, whose names come from ``source``. Raises CheckError for a name that is none."""
    mistakes = Mistakes()
    for name in variables:
        VARIABLE.read(document.Scalar(Position(source, 1, 1), name, name), mistakes)
    mistakes.raise_if_any()
    return dict(variables)


def _variables(argument: str) -> Mapping[str, Any]:
    if argument.startswith("@"):
        return _from_file(argument[1:])
    if argument.startswith(("/", ".")):
        raise AuthorError(f"{_OPTION} {argument}: a file needs an @ before it: {_OPTION} @{argument}")
    if argument.startswith(("{", "[")):
        mistakes = Mistakes()
        return _from_text(argument, _OPTION, mistakes)
    return _from_pairs(argument) if argument else {}


def _from_file(path: str) -> Mapping[str, Any]:
    mistakes = Mistakes()
    disk = Disk(path)
    text = disk.text(disk.main, Position(path, 1, 1), mistakes)
    if text is not None and text.startswith(_VAULTED_FILE):
        hint = "encrypt its values one by one: ansible-vault encrypt_string"
        mistakes.add(
            Position(path, 1, 1), "a file that is encrypted as a whole", "one that can be kept in a journal", hint
        )
    mistakes.raise_if_any()
    return _from_text(text or "", path, mistakes)


def _from_text(text: str, name: str, mistakes: Mistakes) -> Mapping[str, Any]:
    node = document.parse(text, name, mistakes)
    if node is not None and not isinstance(node, document.Table):
        mistakes.add(node.at, document.described(node), VARIABLES.expected)
    mistakes.raise_if_any()
    variables = VARIABLES.read(node, mistakes) if node is not None else {}
    mistakes.raise_if_any()
    return {name: _without_marks(value) for name, value in variables.items()}


def _from_pairs(argument: str) -> Mapping[str, Any]:
    from ansible.errors import AnsibleError
    from ansible.parsing.splitter import parse_kv

    try:
        pairs = parse_kv(argument)
    except AnsibleError as error:
        problem = str(error).partition(":")[0]
        raise AuthorError(f"{_OPTION}: {problem}; expected key=value, with quotes around a value with spaces") from None
    if "_raw_params" in pairs:
        raise AuthorError(
            f"{_OPTION}: a word without '='; expected key=value (a value with spaces in quotes), @file or a mapping"
        )
    return named({str(name): str(value) for name, value in pairs.items()}, _OPTION)


def _without_marks(value: Any) -> Any:
    """Unsafe text as plain text: nothing here is evaluated anyway."""
    if isinstance(value, Unsafe):
        return value.text
    if isinstance(value, Mapping):
        return {key: _without_marks(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_marks(item) for item in value]
    return value
