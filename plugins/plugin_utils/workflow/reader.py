# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a workflow file to the model, with every mistake at once. The doors and the engine call ``load`` and ``load_sources``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.checker import check
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.document import Items
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.draft import FileDraft
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.files import Disk, Files, Kept
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.mistake import Mistakes
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Position, Workflow
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.outline import Outliner


def load(path: str | Path, extra: Collection[str] = frozenset()) -> Workflow:
    """Read and check a workflow file with all it imports. ``extra`` are names of variables that come from elsewhere and need no declaration.

    Contacts nothing and starts nothing. Raises CheckError with all mistakes.
    """
    files = Disk(path)
    mistakes = Mistakes()
    outliner = Outliner(files, mistakes)
    draft = outliner.file(files.main, Position(files.shown(files.main), 1, 1))
    check(draft, files, extra, mistakes)
    mistakes.raise_if_any()
    return _workflow(draft, files, outliner.sources)


def load_sources(main: str, sources: Mapping[str, str], folder: str) -> Workflow:
    """The workflow of texts a journal kept (``Workflow.main``, ``.sources`` and ``.folder``), without a look at the disk.

    What a run was started with is not checked again, so a later release cannot refuse it. Raises CheckError when the texts are no workflow.
    """
    files = Kept(main, sources, folder)
    mistakes = Mistakes()
    outliner = Outliner(files, mistakes)
    draft = outliner.file(main, Position(main, 1, 1))
    mistakes.raise_if_any()
    return _workflow(draft, files, outliner.sources)


def digest_of(sources: Mapping[str, str]) -> str:
    """The SHA-256 (hex) over all sources with their keys."""
    return hashlib.sha256(json.dumps(sources, sort_keys=True).encode()).hexdigest()


def _workflow(draft: FileDraft, files: Files, sources: Mapping[str, str]) -> Workflow:
    paths: Sequence[str] = draft.values.get("inventory") or ()
    inventory = list(paths) if isinstance(draft.nodes.get("inventory"), Items) else "".join(paths)
    return Workflow(
        name=draft.values.get("name") or Path(files.main).stem,
        steps=tuple(child.step for child in draft.steps),
        vars=draft.vars,
        inventory=inventory or None,
        folder=files.folder,
        main=files.main,
        sources=dict(sources),
        digest=digest_of(sources),
    )
