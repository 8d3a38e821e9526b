# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A form of a workflow's variables, and the extra vars of what somebody filled in. Pure; the web pages call it.

What comes back is values, never templates to evaluate: a field that was left as it was keeps the workflow's own default.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import ChangerailError
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.mask import is_secret_name
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.extra_vars import parse_text
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Unsafe, Vaulted, Workflow

TEXT, LINES, NUMBER, SWITCH, STRUCTURE, SECRET = "text", "lines", "number", "switch", "structure", "secret"
"""How a variable is asked for; a structure is YAML, a secret is never shown."""


@dataclass(frozen=True, slots=True)
class Field:
    """One variable. ``value`` is its default as the form shows it ("" for a secret); ``computed`` says that the default is a template."""

    name: str
    kind: str
    value: str
    computed: bool = False

    @property
    def checked(self) -> bool:
        """Whether a switch is on."""
        return self.value == "true"


def fields(workflow: Workflow) -> tuple[Field, ...]:
    """A field for each variable of the workflow, in its order."""
    return tuple(_field(name, default) for name, default in workflow.vars.items())


def declared(workflow: Workflow) -> dict[str, Any]:
    """Each variable of the workflow with its default as plain JSON, None for one that is secret."""
    secret = {field.name for field in fields(workflow) if field.kind == SECRET}
    shown = {name: None if name in secret else default for name, default in workflow.vars.items()}
    plain: dict[str, Any] = json.loads(json.dumps(shown, default=_plain))
    return plain


def filled(workflow: Workflow, form: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The extra vars that ``form`` (texts by name) sets, and by name what is wrong with the others. Names the workflow does not declare are left out."""
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for field in fields(workflow):
        # A browser sends nothing for a switch that is off, and CR LF for a line's end.
        given = form.get(field.name, "false" if field.kind == SWITCH else field.value).replace("\r\n", "\n")
        if given == field.value.replace("\r\n", "\n"):
            continue
        try:
            values[field.name] = _value(field, given)
        except (ValueError, ChangerailError) as error:
            wrong[field.name] = str(error)
    return values, wrong


def as_entered(workflow: Workflow, form: Mapping[str, str]) -> tuple[Field, ...]:
    """The fields as somebody left them; what was typed into a secret is not sent back."""
    return tuple(
        field
        if field.kind == SECRET
        else Field(
            field.name,
            field.kind,
            form.get(field.name, "false" if field.kind == SWITCH else field.value),
            field.computed,
        )
        for field in fields(workflow)
    )


def _field(name: str, default: Any) -> Field:
    if isinstance(default, Unsafe):
        default = default.text
    if isinstance(default, Vaulted) or (is_secret_name(name) and (default is None or isinstance(default, str))):
        return Field(name, SECRET, "")
    if isinstance(default, bool):
        return Field(name, SWITCH, "true" if default else "false")
    if isinstance(default, (int, float)):
        return Field(name, NUMBER, str(default))
    if isinstance(default, str):
        return Field(name, LINES if "\n" in default else TEXT, default, "{{" in default or "{%" in default)
    if default is None:
        return Field(name, TEXT, "")
    return Field(name, STRUCTURE, _written(default))


def _written(value: Any) -> str:
    """A list or mapping as YAML that is JSON too, one entry a line where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=_plain)
    return text if len(text) <= 60 else json.dumps(value, ensure_ascii=False, indent=2, default=_plain)


def _plain(value: Any) -> str:
    return value.text if isinstance(value, Unsafe) else "(encrypted)" if isinstance(value, Vaulted) else str(value)


def _value(field: Field, given: str) -> Any:
    if field.kind == SWITCH:
        return given == "true"
    if field.kind == NUMBER:
        return _number(given)
    if field.kind == STRUCTURE:
        return _structure(field.name, given)
    return given


def _number(given: str) -> int | float:
    try:
        return int(given)
    except ValueError:
        pass
    try:
        number = float(given)
    except ValueError:
        raise ValueError(f"{given!r} is no number") from None
    if not math.isfinite(number):
        raise ValueError(f"{given!r} is no number that can be kept")
    return number


def _structure(name: str, given: str) -> Any:
    """A list or mapping from YAML, read by the reader that ``-e`` has: no tags, no aliases that grow without end."""
    # Indented, so that it cannot be more than this variable's value.
    indented = "\n".join(f"  {line}" for line in given.split("\n"))
    value = parse_text(f"{name}:\n{indented}\n", f"variable {name}")[name]
    if not isinstance(value, (list, Mapping)):
        raise ValueError("expected a list or a mapping, in YAML or JSON")
    return value
