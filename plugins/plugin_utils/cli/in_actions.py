# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every action of ours does alike: take its options, and say what is wrong as Ansible says it. Only the actions call it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import ChangerailError
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.in_templates import missing


def arguments(
    action: Any, spec: Mapping[str, Mapping[str, Any]], constraints: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The options of the task, checked and with their defaults. Raises AnsibleActionFail."""
    copied = {name: dict(option) for name, option in spec.items()}
    dummy, args = action.validate_argument_spec(argument_spec=copied, **(constraints or {}))
    checked: dict[str, Any] = args
    return checked


@contextmanager
def spoken(name: str) -> Iterator[None]:
    """Errors within are those of the action ``name``. Raises AnsibleActionFail."""
    from ansible.errors import AnsibleActionFail

    try:
        yield
    except ModuleNotFoundError as error:
        raise AnsibleActionFail(missing(name, error)) from None
    except ChangerailError as error:
        raise AnsibleActionFail(f"{name}: {error}") from None
