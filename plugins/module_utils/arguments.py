# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks a step's options against an operation's ``options``; for the engine, the checker and the modules."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.module_utils.operation import Operation


def validated(operation: Operation, args: Mapping[str, Any]) -> dict[str, Any]:
    """The options in their declared types, with defaults; an option that was not given and has no default is None.

    Works as a module's own check does (Ansible's ``ArgumentSpecValidator``), so ``retries: "3"`` counts as a number here too.
    Raises AuthorError with every mistake at once; values of ``no_log`` options are not shown in it.
    """
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
    from ansible.module_utils.common.parameters import remove_values

    result = ArgumentSpecValidator(operation.options, **operation.constraints).validate(dict(args))
    if result.error_messages:
        mistakes = list(_unknown_options(operation.options, result.unsupported_parameters))
        mistakes += [str(error) for error in result.errors if type(error).__name__ != "UnsupportedError"]
        raise AuthorError(remove_values(f"{operation.name}: {'; '.join(mistakes)}", result._no_log_values))
    return dict(result.validated_parameters)


def _unknown_options(options: Mapping[str, Mapping[str, Any]], unknown: Sequence[Any]) -> list[str]:
    """One message per option that does not exist; a nested one comes as a tuple of names."""
    messages = []
    for path in sorted(name if isinstance(name, tuple) else (name,) for name in unknown):
        known = options
        for name in path[:-1]:
            known = known[name].get("options") or {}
        near = difflib.get_close_matches(str(path[-1]), list(known), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known))}"
        messages.append(f"unknown option {'.'.join(map(str, path))!r}; {hint}")
    return messages
