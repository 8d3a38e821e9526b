# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action ``review``: shows files on the controller and has people answer for exactly these files; Ansible runs it.

Its documentation is that of the module of the same name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.netops.changerail.plugins.module_utils import module as door
from ansible_collections.netops.changerail.plugins.module_utils.operations import review
from ansible_collections.netops.changerail.plugins.module_utils.text import harmless
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.in_actions import arguments, spoken

_DISPLAY = Display()
OWN_OPTIONS: Mapping[str, Mapping[str, Any]] = {"config": {"type": "path"}}
SPEC: Mapping[str, Mapping[str, Any]] = {**door.offered(review.OPTIONS), **door.KEY, **door.WAITING, **OWN_OPTIONS}
_MOST = 1_000_000
"""Characters of a file that are shown in diff mode."""


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible does not say what its types are
    """See the module of this name."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        args = arguments(self, SPEC, review.CONSTRAINTS)
        with spoken("review"):
            return self._reviewed(args, task_vars or {})

    def _reviewed(self, args: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        from ansible_collections.netops.changerail.plugins.plugin_utils.cli import asked

        terms = asked.Terms.of(args, variables)
        files = review.located(args, Path.cwd())
        contents = {file["name"]: review.content(Path(file["path"])) for file in files}
        bound = {name: asked.digest(content) for name, content in contents.items()}
        shown = self._show(contents) if self._task.diff else {}
        if self._task.check_mode:
            would = {name: args[name] for name in ("groups", "people", "quorum", "title")}
            return {"changed": False, "would_ask": {**would, "subject": bound}, **shown}
        options = {**door.operation_args(review.OPERATION, args), "artifact": None, "artifacts": files}
        shown_files = {file["name"]: asked.File(file["path"], contents[file["name"]]) for file in files}

        def asks_this(variables: Mapping[str, Any]) -> bool:
            # On the controller a question follows the file at its path, at a server it has a copy.
            shown = variables["options"]["artifacts"]
            at = {file["name"]: file["path"] for file in shown}
            return at == {name: file.path for name, file in shown_files.items()} or _digests(shown) == bound

        asking = asked.Asking("review", options, bound, _bound_by, asks_this, shown_files)
        return {**asked.ask(asking, terms, _DISPLAY.v), **shown}

    def _show(self, contents: Mapping[str, bytes]) -> dict[str, Any]:
        """Ansible itself shows the differences of changed tasks only, and a review changes nothing."""
        shown = [_shown(name, content) for name, content in contents.items()]
        for file in shown:
            _DISPLAY.display(file["prepared"])
        return {"diff": shown}


def _digests(shown: Iterable[Mapping[str, str]]) -> Mapping[str, str]:
    return {file["name"]: file["sha256"] for file in shown}


def _bound_by(variables: Mapping[str, Any], result: Mapping[str, Any]) -> Mapping[str, str]:
    """The digests for which a review was given."""
    return {name: artifact["sha256"] for name, artifact in result["artifacts"].items()}


def _shown(name: str, content: bytes) -> dict[str, str]:
    """A file as Ansible shows it in diff mode."""
    text = harmless(content.decode(errors="replace"))
    cut = f"\n... (cut here: {len(text)} characters in all)\n" if len(text) > _MOST else ""
    return {"prepared": f"{name}\n{text[:_MOST]}{cut}"}
