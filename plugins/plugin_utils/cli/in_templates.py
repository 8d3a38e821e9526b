# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs as templates see them: read by name, as plain data. Only the filters, the lookup and the actions call it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, ChangerailError

T = TypeVar("T")


def filtered(name: str, run: object, read: Callable[[str], T]) -> T:
    """What ``read`` gives for the run that the filter ``name`` was given. Raises AnsibleFilterError."""
    from ansible.errors import AnsibleFilterError

    try:
        return data(read(run_of(run)))
    except ModuleNotFoundError as error:
        raise AnsibleFilterError(missing(name, error)) from None
    except ChangerailError as error:
        raise AnsibleFilterError(f"{name}: {error}") from None


def run_of(given: object) -> str:
    """The name in ``given``: a run's name, or a result that has it as ``run``. Raises AuthorError."""
    name = given.get("run") if isinstance(given, Mapping) else given
    if not isinstance(name, str) or not name:
        raise AuthorError(
            f"expected the name of a run, or what netops.changerail.workflow returned, got {str(given)[:60]!r}"
        )
    return name


def data(value: T) -> T:
    """``value`` as nothing that Ansible evaluates once more: what people and devices said stands in it."""
    from ansible import template

    # Since ansible-core 2.19 only what is marked as an author's is evaluated, before only what is marked as unsafe is not.
    if hasattr(template, "trust_as_template"):
        return value
    from ansible.utils.unsafe_proxy import wrap_var

    marked: T = wrap_var(value)
    return marked


def missing(name: str, error: ModuleNotFoundError) -> str:
    """What is said when a library is not installed."""
    return (
        f"{name}: the Python library {error.name} is missing on the controller; install changerail's requirements there"
    )
