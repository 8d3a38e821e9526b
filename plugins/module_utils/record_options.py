# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What operations on change records have in common in their options; for ``change_record`` and ``change_task``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.operation import JSON


def reference_of(option: str, given: JSON) -> tuple[str | None, str]:
    """The provider's name, where it is said, and the number or sys_id that an option such as ``record`` names: a number or a registered result."""
    if not isinstance(given, Mapping):
        return None, str(given)
    if "number" not in given:
        raise OperationError(
            f"{option}: expected a record's number or the registered result of a change_{option if option == 'task' else 'record'} step; "
            "this mapping has no 'number'"
        )
    provider = given.get("provider")
    return None if provider is None else str(provider), str(given.get("sys_id") or given["number"])


def utc(name: str, text: str) -> str:
    """A date as records carry it: ``YYYY-MM-DD HH:MM:SS`` in UTC. A time without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise OperationError(
            f"{name}: {text!r} is no date and time; expected one such as '2030-01-31 22:00:00' (UTC) or '2030-01-31T22:00+01:00'"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
