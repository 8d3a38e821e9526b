# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action ``event_info``: values of the event that ansible-rulebook started this playbook for, as data; Ansible runs it.

Its documentation is that of the module of the same name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.netops.changerail.plugins.module_utils.conditions import Expression
from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.in_actions import arguments, spoken

SPEC: Mapping[str, Mapping[str, Any]] = {
    "values": {"type": "dict", "default": {}},
    "key": {"type": "list", "elements": "str"},
    "prefix": {"type": "str", "default": "event"},
}


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible does not say what its types are
    """See the module of this name."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        args = arguments(self, SPEC)
        with spoken("event_info"):
            event = _event(task_vars or {})
            found = {"changed": False, "data": {name: _at(event, path) for name, path in args["values"].items()}}
            if args["key"]:
                found["run_id"] = _run_id(args["prefix"], [_at(event, path) for path in args["key"]])
            return found


def _event(variables: Mapping[str, Any]) -> Any:
    """The event as it came, its texts with no mark of Ansible's that they may be templates: these are the variables before any is evaluated."""
    given = variables.get("ansible_eda")
    event = given.get("event", given.get("events")) if isinstance(given, Mapping) else None
    if event is None:
        raise AuthorError(
            "there is no event: expected the variable ansible_eda, which ansible-rulebook gives to the playbooks and job templates of its actions"
        )
    return json.loads(json.dumps(event, default=str))


def _at(event: Any, path: Any) -> Any:
    value = Expression(str(path)).of(event)
    if value is None:
        there = ", ".join(sorted(event)) if isinstance(event, Mapping) else type(event).__name__
        raise AuthorError(
            f"the event has nothing at {path!r}; it has {there}. Where it may be missing, write another value behind ||"
        )
    return value


def _run_id(prefix: str, values: list[Any]) -> str:
    """The same for the same values, and readable as far as they are."""
    from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.slug import slug

    digest = hashlib.sha256(json.dumps([prefix, values], sort_keys=True).encode()).hexdigest()[:12]
    words = [slug(prefix)[:24].strip("-"), slug(" ".join(map(str, values))), digest]
    return "-".join(word for word in words if word)
