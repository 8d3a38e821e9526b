# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that playbooks and inventories a workflow names are there. For the checker alone."""

from __future__ import annotations

import os

from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.actions import IMPORT_PLAYBOOK
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.arguments import (
    is_collection_playbook,
    relocated,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.document import Items, Node, Scalar, Table
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.draft import FileDraft, walk
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.files import Disk, file_problem, near_files
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.kinds import is_template
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.mistake import Mistakes


def check_paths(file: FileDraft, files: Disk, mistakes: Mistakes) -> None:
    """Report each playbook and inventory that is not there; a path with a template in it is not known yet."""
    _check_inventory(file.nodes.get("inventory"), file.key, files, mistakes)
    for draft in walk(file.steps):
        if draft.named is None or draft.named.name != IMPORT_PLAYBOOK or not isinstance(draft.args, Table):
            continue
        _check_inventory(draft.args.get("inventory"), draft.key, files, mistakes)
        node = draft.args.get("playbook")
        if (
            isinstance(node, Scalar)
            and isinstance(node.value, str)
            and not is_template(node.value)
            and not is_collection_playbook(node.value)
        ):
            _check(node, "a playbook", draft.key, files, mistakes)


def _check_inventory(node: Node | None, key: str, files: Disk, mistakes: Mistakes) -> None:
    for item in node.items if isinstance(node, Items) else (node,):
        # With a comma it is a list of hosts, as for ansible-playbook -i.
        if (
            isinstance(item, Scalar)
            and isinstance(item.value, str)
            and not is_template(item.value)
            and "," not in item.value
        ):
            _check(item, "an inventory", key, files, mistakes)


def _check(node: Scalar, expected: str, key: str, files: Disk, mistakes: Mistakes) -> None:
    written = relocated(node.value, key)
    path = os.path.join(files.folder, os.path.expanduser(os.path.expandvars(written)))
    problem = file_problem(path)
    if problem and not (expected == "an inventory" and os.path.isdir(path)):
        mistakes.add(node.at, f"{files.shown(written)}: {problem}", expected, near_files(path))
