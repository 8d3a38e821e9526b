# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a step's action as they are written: a mapping, or one of the short forms. For the outline alone.

A path that an imported workflow names is made relative to the main file's folder here; one that begins with a template cannot be and is taken
as relative to that folder.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.actions import (
    ENGINE_OPTIONS,
    FULL_NAME_PATTERN,
    PLAYBOOK_OPTIONS,
    SET_FACT,
    Named,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.document import (
    Entry,
    Node,
    Scalar,
    Table,
    described,
    plain,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.keywords import MODULE, OPERATION, PLAYBOOK
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.kinds import is_template
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.mistake import Mistakes

_PATHS = tuple(name for name, spec in PLAYBOOK_OPTIONS.spec.items() if "path" in (spec["type"], spec.get("elements")))
_FULL_NAME = re.compile(FULL_NAME_PATTERN)


def arguments(action: Named, node: Node, key: str, mistakes: Mistakes) -> tuple[Mapping[str, Any] | str, Node]:
    """The options of a leaf that stands in file ``key``, as the model holds them, and the node the checks look at."""
    if action.place == PLAYBOOK:
        return _playbook(node, key, mistakes)
    if isinstance(node, Scalar) and node.value is None:
        return {}, Table(node.at, ())
    ours = action.place == OPERATION or _is_done_here(action)
    if isinstance(node, Scalar) and isinstance(node.value, str):
        if not ours:
            return node.value, node
        if action.place == MODULE:
            node = _key_values(node, mistakes)
    if not isinstance(node, Table):
        mistakes.add(node.at, f"{described(node)} as options of {action.short}", "a mapping of options")
        return {}, Table(node.at, ())
    return plain(node), node


def is_collection_playbook(path: str) -> bool:
    """Whether ``path`` names a playbook of a collection (``namespace.collection.playbook``) and no file."""
    return bool(_FULL_NAME.match(path)) and not path.endswith((".yml", ".yaml", ".json"))


def relocated(path: str, key: str) -> str:
    """A path written in file ``key``, relative to the main file's folder. What is no relative path (a list of hosts with commas) stays as it is."""
    folder = posixpath.dirname(key)
    if not folder or path.startswith(("/", "{{", "{%", "~", "$")) or "," in path or is_collection_playbook(path):
        return path
    joined = posixpath.join(folder, path)
    return joined if is_template(path) else posixpath.normpath(joined)


def default_name(action: Named, args: Mapping[str, Any] | str) -> str:
    """What a leaf without a name is called: the stem of its playbook, else the action's short name."""
    path = args.get("playbook") if action.place == PLAYBOOK and isinstance(args, Mapping) else None
    stem = PurePosixPath(path).stem if isinstance(path, str) else ""
    return action.short if not stem or is_template(stem) or "}}" in stem else stem


def _is_done_here(action: Named) -> bool:
    return action.name == SET_FACT or (action.name.startswith("ansible.builtin.") and action.short in ENGINE_OPTIONS)


def _playbook(node: Node, key: str, mistakes: Mistakes) -> tuple[Mapping[str, Any], Node]:
    if isinstance(node, Scalar) and isinstance(node.value, str):
        node = Table(node.at, (Entry(Scalar(node.at, "playbook", "playbook"), node),))
    if not isinstance(node, Table):
        mistakes.add(node.at, described(node), "the playbook's path, or a mapping of options with playbook")
        return {}, Table(node.at, ())
    args = plain(node)
    for name in _PATHS:
        value = args.get(name)
        if isinstance(value, str):
            args[name] = relocated(value, key)
        elif isinstance(value, list):
            args[name] = [relocated(item, key) if isinstance(item, str) else item for item in value]
    return args, node


def _key_values(node: Scalar, mistakes: Mistakes) -> Node:
    """``debug: msg=hello`` as the mapping it stands for, by Ansible's own rules."""
    from ansible.errors import AnsibleError
    from ansible.parsing.splitter import parse_kv

    try:
        values = parse_kv(node.text)
    except AnsibleError as error:
        mistakes.add(node.at, str(error), "a mapping of options")
        return Table(node.at, ())
    if "_raw_params" in values:  # words without "="
        return node
    return Table(
        node.at,
        tuple(Entry(Scalar(node.at, str(k), str(k)), Scalar(node.at, str(v), str(v))) for k, v in values.items()),
    )
