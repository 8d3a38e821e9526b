# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the language, each with where it may stand, what its value may be and what it means.

The one table the reader, the JSON Schema and the reference documentation are made from. Operations and their options are not here: they describe themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.failures import CANCELLED, FAILURE_CLASSES, REJECTED
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.document import Items, Node, Table, described
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.kinds import (
    AT_ONCE,
    CONDITIONS,
    COUNT,
    DURATION,
    FACTOR,
    FLAG,
    ID,
    LOOP,
    PATHS,
    STATIC_COUNT,
    STATIC_DURATION,
    STATIC_TEXTS,
    STEPS,
    SWITCH,
    TEXT,
    VARIABLE,
    VARIABLES,
    Kind,
    choice,
    one_or_more,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.mistake import Mistakes, nearest

OPERATION, PLAYBOOK, MODULE = "operation", "import_playbook", "module"
BLOCK, PARALLEL, WORKFLOW = "block", "parallel", "import_workflow"
LEAVES = (OPERATION, PLAYBOOK, MODULE)
CONTAINERS = (BLOCK, PARALLEL, WORKFLOW)
EVERYWHERE = (*LEAVES, *CONTAINERS)


@dataclass(frozen=True, slots=True)
class Keyword:
    """One word. ``places`` are the kinds of step it may stand on; ``elsewhere`` says what to do instead on the others."""

    name: str
    kind: Kind
    doc: str
    places: tuple[str, ...] = EVERYWHERE
    elsewhere: str = ""
    required: bool = False


def _table(*keywords: Keyword) -> Mapping[str, Keyword]:
    return {keyword.name: keyword for keyword in keywords}


def read_table(node: Node, keywords: Mapping[str, Keyword], mistakes: Mistakes) -> dict[str, Any]:
    """The values of a mapping that holds nothing but ``keywords``; those that are not given are left out."""
    if not isinstance(node, Table):
        mistakes.add(node.at, described(node), f"a mapping with {', '.join(keywords)}")
        return {}
    values = {}
    for entry in node.entries:
        keyword = keywords.get(entry.key.text)
        if keyword is None:
            hint = nearest(entry.key.text, keywords) or f"known are {', '.join(keywords)}"
            mistakes.add(entry.key.at, f"unknown keyword {entry.key.text!r}", "", hint)
        else:
            values[keyword.name] = keyword.kind.read(entry.node, mistakes)
    for keyword in keywords.values():
        if keyword.required and keyword.name not in values:
            mistakes.add(node.at, f"{keyword.name!r} is missing", keyword.kind.expected)
    return values


def _schema_of(keywords: Mapping[str, Keyword]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            keyword.name: {**keyword.kind.schema, "description": keyword.doc} for keyword in keywords.values()
        },
        "required": [keyword.name for keyword in keywords.values() if keyword.required],
        "additionalProperties": False,
    }


def _mapping_of(expected: str, keywords: Mapping[str, Keyword]) -> Kind:
    return Kind(expected, _schema_of(keywords), lambda node, mistakes: read_table(node, keywords, mistakes))


LOOP_CONTROL = _table(
    Keyword("loop_var", VARIABLE, "The variable that holds the item; default `item`."),
    Keyword("index_var", VARIABLE, "A variable that holds the item's number, counted from 0."),
    Keyword("label", TEXT, "What an item is called in paths and views; a template."),
    Keyword("pause", STATIC_DURATION, "How long to wait between items that run in order."),
    Keyword(
        "parallel", AT_ONCE, "`true` runs all items at once, a number at most so many; default is one after the other."
    ),
    Keyword("max_failures", STATIC_COUNT, "How many items may fail before the loop counts as failed; default 0."),
    Keyword("fail_fast", SWITCH, "Stop the items that still run as soon as more than `max_failures` failed."),
)

ESCALATION = _table(
    Keyword("to", STATIC_TEXTS, "Who is told: names of people, groups or notification channels.", required=True),
    Keyword("after", STATIC_DURATION, "How long nobody answered before this level is told; default 0."),
)

_RETRIABLE = tuple(name for name in FAILURE_CLASSES if name not in (REJECTED, CANCELLED))
_ON_ITS_STEPS = "put it on the steps inside"


def _read_escalations(node: Node, mistakes: Mistakes) -> tuple[Mapping[str, Any], ...]:
    levels = node.items if isinstance(node, Items) else (node,)
    return tuple(read_table(level, ESCALATION, mistakes) for level in levels)


_ESCALATIONS = Kind(
    "a list of mappings with to and after",
    {"anyOf": [_schema_of(ESCALATION), {"type": "array", "items": _schema_of(ESCALATION)}]},
    _read_escalations,
)

STEP = _table(
    Keyword(
        "name",
        TEXT,
        "What people call the step; may be a template. Default: the action's short name, or the stem of the imported file.",
    ),
    Keyword("id", ID, "The step's part of paths, unique among its siblings. Default: made from the name."),
    Keyword(
        "when",
        CONDITIONS,
        "Run the step only if all these expressions hold. On a block, parallel or import it is evaluated once, when it is entered.",
    ),
    Keyword("vars", VARIABLES, "Variables of this step and everything inside it; a playbook gets them as extra vars."),
    Keyword("register", VARIABLE, "The variable that holds the step's result for later steps."),
    Keyword("loop", LOOP, "Run the step, block or parallel once for each item."),
    Keyword("loop_control", _mapping_of("a mapping of loop settings", LOOP_CONTROL), "How the loop runs."),
    Keyword(
        "timeout",
        DURATION,
        "Stop the step when it takes longer; it then failed with class `timeout`. On a block it covers neither rescue nor always.",
    ),
    Keyword("ignore_errors", FLAG, "Go on after a failure."),
    Keyword("no_log", FLAG, "Keep options and result out of journal, views and logs."),
    Keyword(
        "retries",
        COUNT,
        "How many attempts may follow a failed one; default 3 once another retry keyword or `until` is given.",
        LEAVES,
        _ON_ITS_STEPS,
    ),
    Keyword("delay", DURATION, "How long to wait before the first retry; default 5 s.", LEAVES, _ON_ITS_STEPS),
    Keyword("backoff", FACTOR, "By what each further wait is multiplied; default 1.", LEAVES, _ON_ITS_STEPS),
    Keyword(
        "max_delay", DURATION, "What the wait between two attempts may grow to; default 300 s.", LEAVES, _ON_ITS_STEPS
    ),
    Keyword(
        "retry_on",
        one_or_more(choice(*_RETRIABLE), "a failure class or a list of them"),
        "Which failures are retried; default `transient`.",
        LEAVES,
        _ON_ITS_STEPS,
    ),
    Keyword(
        "until",
        CONDITIONS,
        "Repeat the step until all these expressions hold; they see its result under its `register` name.",
        LEAVES,
        _ON_ITS_STEPS,
    ),
    Keyword(
        "failed_when",
        CONDITIONS,
        "The step failed if all these expressions hold, whatever it says itself.",
        LEAVES,
        _ON_ITS_STEPS,
    ),
    Keyword(
        "escalate",
        _ESCALATIONS,
        "After the last attempt ask people how to go on, and tell them level by level.",
        LEAVES,
        _ON_ITS_STEPS,
    ),
    Keyword(
        "on_interrupt",
        choice("ask", "retry"),
        "When the machine died in the middle of it: `ask` people (default), or `retry` a step that is safe to repeat.",
        LEAVES,
        _ON_ITS_STEPS,
    ),
    Keyword(
        "rescue", STEPS, "Steps that run when the steps before failed.", (BLOCK, PARALLEL), "put the step into a block"
    ),
    Keyword("always", STEPS, "Steps that run in any case, at the end.", (BLOCK, PARALLEL), "put the step into a block"),
    Keyword(
        "throttle",
        STATIC_COUNT,
        "How many branches at most run at once; default 0, all.",
        (PARALLEL,),
        "a loop has loop_control.parallel",
    ),
    Keyword(
        "fail_fast",
        SWITCH,
        "Stop the other branches as soon as one failed.",
        (PARALLEL,),
        "a loop has loop_control.fail_fast",
    ),
)
"""Keywords of a step, beside its action."""

TOP = _table(
    Keyword("name", TEXT, "What people call the change; may be a template. Default: the file's stem."),
    Keyword("description", TEXT, "What the workflow is for."),
    Keyword("vars", VARIABLES, "Variables; `-e` and everything nearer to a step override them."),
    Keyword(
        "vars_files",
        PATHS,
        "YAML files with more variables, relative to this file; they override `vars`, a later file an earlier one.",
    ),
    Keyword(
        "inventory",
        PATHS,
        "Inventory of the playbooks, relative to this file; `-i` overrides it. It does not count in an imported workflow.",
    ),
    Keyword("steps", STEPS, "The steps, in order.", required=True),
)
"""Keywords of a workflow file."""

TASK = (
    "any_errors_fatal",
    "args",
    "async",
    "become",
    "become_exe",
    "become_flags",
    "become_method",
    "become_user",
    "changed_when",
    "check_mode",
    "collections",
    "connection",
    "debugger",
    "delegate_facts",
    "delegate_to",
    "diff",
    "environment",
    "ignore_unreachable",
    "module_defaults",
    "poll",
    "port",
    "remote_user",
    "run_once",
    "tags",
)
"""Ansible's task keywords that go to a module's task as they are: the names in ``ansible.playbook.task.Task.fattributes`` without those above,
without the action itself and without ``notify`` (there are no handlers here, and it is an operation)."""
