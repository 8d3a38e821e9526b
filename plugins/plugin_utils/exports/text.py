# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workflow as an indented list of its steps. Pure; the command line calls it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ansible_collections.netops.changerail.plugins.plugin_utils.views.graph import title
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Step, Workflow


def text(workflow: Workflow, states: Mapping[str, str]) -> Iterator[str]:
    """The lines; ``states`` gives the states of a run by static path."""
    yield workflow.name
    for step in workflow.steps:
        yield from _lines(step, "", "", states)


def _lines(step: Step, prefix: str, indent: str, states: Mapping[str, str]) -> Iterator[str]:
    path = f"{prefix}/{step.id}" if prefix else step.id
    state = f"  [{states[path]}]" if path in states else ""
    yield f"{indent}- {' '.join(title(step).splitlines())}{state}"
    for word, steps in (("", step.steps), ("rescue", step.rescue), ("always", step.always)):
        deeper = f"{indent}  "
        if word and steps:
            yield f"{deeper}{word}:"
            deeper += "  "
        for child in steps:
            yield from _lines(child, path, deeper, states)
