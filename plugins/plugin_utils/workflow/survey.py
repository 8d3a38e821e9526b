# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of a survey as variables of a workflow: what is asked for as text gets the type of the workflow's own default. Pure; doors call it.

AWX asks for text, numbers and choices only, and gives the empty text for a question that was left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, ChangerailError
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.extra_vars import parse_text

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def variables(declared: Mapping[str, Any], answers: Mapping[str, Any]) -> dict[str, Any]:
    """The variables that ``answers`` set. ``declared`` are the workflow's own, by name with their defaults.

    Of a declared variable, an empty text, or nothing, means that the default holds. What is not declared is taken as it is. Raises AuthorError, which shows
    no answer: it may be secret.
    """
    taken = {}
    for name, answer in answers.items():
        if name in declared and (answer is None or (isinstance(answer, str) and not answer.strip())):
            continue
        taken[name] = _typed(name, answer, declared[name]) if name in declared and isinstance(answer, str) else answer
    return taken


def _typed(name: str, answer: str, default: Any) -> Any:
    if isinstance(default, bool):
        return _flag(name, answer)
    if isinstance(default, (int, float)):
        return _number(name, answer, default)
    if isinstance(default, (list, tuple)):
        return _list(name, answer)
    if isinstance(default, Mapping):
        found = _structure(name, answer)
        if not isinstance(found, Mapping):
            raise AuthorError(
                f"variable {name}: expected a mapping in YAML or JSON, as its default in the workflow is one"
            )
        return found
    return answer


def _flag(name: str, answer: str) -> bool:
    word = answer.strip().lower()
    if word not in (*_TRUE, *_FALSE):
        raise AuthorError(f"variable {name}: expected true or false, as its default in the workflow is one of them")
    return word in _TRUE


def _number(name: str, answer: str, default: float) -> float:
    for kind in (int, float):
        try:
            number = kind(answer)
        except (ValueError, OverflowError):
            continue
        if isinstance(number, int) or math.isfinite(number):
            return number
    raise AuthorError(f"variable {name}: expected a number, as its default in the workflow, {default}, is one")


def _list(name: str, answer: str) -> list[Any]:
    """A list in YAML or JSON, else one entry a line, else one between each two commas."""
    if answer.lstrip().startswith(("[", "-")):
        found = _structure(name, answer)
        if not isinstance(found, (list, tuple)):
            raise AuthorError(
                f"variable {name}: expected a list in YAML or JSON, as its default in the workflow is one"
            )
        return list(found)
    entries = answer.splitlines() if "\n" in answer.strip() else answer.split(",")
    return [entry.strip() for entry in entries if entry.strip()]


def _structure(name: str, answer: str) -> Any:
    # Indented, so that it cannot be more than this variable's value.
    indented = "\n".join(f"  {line}" for line in answer.splitlines())
    try:
        return parse_text(f"value:\n{indented}\n", f"variable {name}")["value"]
    except ChangerailError:
        raise AuthorError(f"variable {name}: expected YAML or JSON, and it cannot be read as that") from None
