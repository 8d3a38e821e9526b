# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action ``approval``: asks people from a playbook; what is approved elsewhere is the module's. Ansible runs it.

Its documentation is that of the module of the same name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.netops.changerail.plugins.module_utils import module as door
from ansible_collections.netops.changerail.plugins.module_utils.operations import approval
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.in_actions import arguments, spoken

_DISPLAY = Display()
OWN_OPTIONS: Mapping[str, Mapping[str, Any]] = {"config": {"type": "path"}}
SPEC: Mapping[str, Mapping[str, Any]] = {
    **door.offered(approval.OPTIONS),
    **door.KEY,
    **door.WAITING,
    **door.CONNECTIONS,
    **OWN_OPTIONS,
}


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible does not say what its types are
    """See the module of this name."""

    TRANSFERS_FILES = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        if {"from", "record"} & self._task.args.keys():
            result: dict[str, Any] = self._execute_module(module_name="netops.changerail.approval", task_vars=task_vars)
            return result
        args = arguments(self, SPEC, approval.CONSTRAINTS)
        with spoken("approval"):
            return self._asked(args, task_vars or {})

    def _asked(self, args: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        from ansible_collections.netops.changerail.plugins.plugin_utils.cli import asked

        terms = asked.Terms.of(args, variables)
        if self._task.check_mode:
            would = {name: args[name] for name in ("groups", "people", "quorum", "title", "subject")}
            return {"changed": False, "would_ask": would}
        options = door.operation_args(approval.OPERATION, args)
        bound = _digests(args["subject"])
        asking = asked.Asking(
            "approval", options, bound, _bound_by, lambda variables: _bound_by(variables, {}) == bound
        )
        return asked.ask(asking, terms, _DISPLAY.v)


def _bound_by(variables: Mapping[str, Any], result: Mapping[str, Any]) -> Mapping[str, str]:
    """The digests of what was approved."""
    return _digests(variables["options"]["subject"])


def _digests(subject: Mapping[str, Any]) -> Mapping[str, str]:
    from ansible_collections.netops.changerail.plugins.plugin_utils.cli.asked import digest

    return {
        str(name): digest(json.dumps(value, sort_keys=True, default=str).encode()) for name, value in subject.items()
    }
