# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a workflow beyond its structure: options, files it names, variables. For ``reader.load`` alone. Contacts nothing."""

from __future__ import annotations

from collections.abc import Collection

from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.draft import FileDraft, walk
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.files import Disk
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.mistake import Mistakes
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.names import check_names
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.options import check_options
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.paths import check_paths


def check(file: FileDraft, files: Disk, extra: Collection[str], mistakes: Mistakes) -> None:
    """Report everything; ``extra`` are names of variables that are known from elsewhere."""
    for draft in walk(file.steps):
        check_options(draft, mistakes)
    check_paths(file, files, mistakes)
    check_names(file, extra, mistakes)
