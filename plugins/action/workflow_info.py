# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action ``workflow_info``: how runs stand, read on the controller; Ansible runs it.

Its documentation is that of the module of the same name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.in_actions import arguments, spoken

SPEC: Mapping[str, Mapping[str, Any]] = {"run_id": {"type": "str"}, "finished": {"type": "bool"}}


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible does not say what its types are
    """See the module of this name."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        args = arguments(self, SPEC)
        with spoken("workflow_info"):
            from ansible_collections.netops.changerail.plugins.plugin_utils import api
            from ansible_collections.netops.changerail.plugins.plugin_utils.runs.remote import Remote

            server = Remote.of_environment()
            if server is not None:
                return _at(server, args["run_id"], args["finished"])
            if args["run_id"]:
                return {"changed": False, "runs": [api.status(args["run_id"]).as_dict()], "unreadable": []}
            runs = [run.brief() for run in api.runs() if args["finished"] in (None, run.finished)]
            unreadable = [{"run": run, "message": str(error)} for run, error in api.unreadable().items()]
            return {"changed": False, "runs": runs, "unreadable": unreadable}


def _at(server: Any, run: str | None, finished: bool | None) -> dict[str, Any]:
    """The same of the runs of a server."""
    from ansible_collections.netops.changerail.plugins.plugin_utils.cli.playbook_at_server import listed, looked_at

    if run:
        seen = {name: value for name, value in looked_at(server, run).items() if name != "changed"}
        return {"changed": False, "runs": [seen], "unreadable": []}
    runs, unreadable = listed(server)
    return {
        "changed": False,
        "runs": [one for one in runs if finished in (None, one["finished"])],
        "unreadable": unreadable,
    }
