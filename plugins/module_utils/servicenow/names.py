# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a name stands for in ServiceNow: groups, users and configuration items by their sys_id; only the other files of this folder use it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.servicenow.api import Api, Row
from ansible_collections.netops.changerail.plugins.module_utils.servicenow.fields import raw

_SYS_ID = re.compile(r"[0-9a-f]{32}\Z")


@dataclass(frozen=True)
class Reference:
    """A column that refers to a record of ``table``, which people name by one of ``names``."""

    table: str
    names: Sequence[str]
    what: str


_USER = Reference("sys_user", ("user_name", "email", "name"), "user")
REFERENCES: Mapping[str, Reference] = {
    "assignment_group": Reference("sys_user_group", ("name",), "group"),
    "requested_by": _USER,
    "assigned_to": _USER,
    "cmdb_ci": Reference("cmdb_ci", ("name",), "configuration item"),
}


def is_sys_id(text: str) -> bool:
    return _SYS_ID.match(text) is not None


def has(column: str, value: str) -> Callable[[Row], bool]:
    """Tells rows with this value from those the platform adds when it does not understand a query."""
    return lambda row: raw(row, column) == value


def refuse_unmarked(number: str, row: Row, correlation: str) -> None:
    """Raises OperationError for what was opened and does not show the mark by which it would be found again."""
    if raw(row, "correlation_id") != correlation:
        raise OperationError(
            f"{number} was opened and does not show its correlation_id to this account, so it would not be found again and another be opened: "
            "have the right to read and write that column given, and close this one"
        )


class Names:
    """Looks names up, each once. Raises OperationError for a name that stands for nothing, or for more than one thing."""

    def __init__(self, api: Api, url: str) -> None:
        self._api, self._url = api, url
        self._known: dict[tuple[str, str], str] = {}

    def resolved(self, option: str, text: str) -> str:
        """The sys_id of what people call ``text``; a sys_id is taken as it is."""
        found = text if is_sys_id(text) else self.look_up(option, text)
        if not found:
            reference = REFERENCES[option]
            raise OperationError(
                f"{option}: {self._url} has no {reference.what} {text!r} (table {reference.table}), or hides it from this account"
            )
        return found

    def look_up(self, option: str, text: str) -> str:
        """The sys_id of the one record with that name, "" when there is none."""
        if (option, text) in self._known:
            return self._known[option, text]
        reference = REFERENCES[option]
        for name in reference.names if "^" not in text else ():
            rows = self._api.rows(reference.table, f"{name}={text}", has(name, text), ("sys_id", name))
            if len(rows) > 1:
                raise OperationError(
                    f"{option}: {self._url} has {len(rows)} of the {name} {text!r}; give the sys_id of one"
                )
            if rows:
                self._known[option, text] = raw(rows[0], "sys_id")
                return self._known[option, text]
        return ""
