# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of a scenario file, each with what its value may be and what it means. The scenario's reader and the test of its documentation use them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.failures import (
    FAILED,
    REJECTED,
    TIMEOUT,
    TRANSIENT,
    UNKNOWN,
)
from ansible_collections.netops.changerail.plugins.module_utils.question import ASSURANCES
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.document import (
    Items,
    Node,
    Scalar,
    Table,
    described,
    plain,
    scalars,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.keywords import Keyword, read_table
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.kinds import (
    STATIC_DURATION,
    SWITCH,
    TEXT,
    VARIABLES,
    Kind,
    choice,
    one_or_more,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.mistake import Mistakes, nearest
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Unsafe, Vaulted
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.scenario import (
    APPROVE,
    ASKS,
    BREAK_GLASS,
    DENY,
    DONE,
    NEVER,
    REVIEWS,
    Answer,
    Cancel,
    Outcome,
)

FAILURES = (FAILED, TRANSIENT, REJECTED, TIMEOUT, UNKNOWN)
_WORDS = (DONE, *FAILURES, NEVER)
_CHOICES = (APPROVE, DENY, "continue", "abort", "retry", "skip", "rollback", DONE, BREAK_GLASS, *REVIEWS)
_TABLE = {"type": "object"}


def _words(*keywords: Keyword) -> Mapping[str, Keyword]:
    return {keyword.name: keyword for keyword in keywords}


def _data(node: Node, mistakes: Mistakes) -> Any:
    """A value that no template in it changes; nothing in a scenario is secret."""
    for scalar in scalars(node):
        if isinstance(scalar.value, Vaulted):
            mistakes.add(scalar.at, "a vaulted value", "plain text", "a rehearsal needs no secrets")
    return _unmarked(plain(node))


def _unmarked(value: Any) -> Any:
    if isinstance(value, (Vaulted, Unsafe)):
        return value.text if isinstance(value, Unsafe) else ""
    if isinstance(value, dict):
        return {str(key): _unmarked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_unmarked(item) for item in value]
    return value


def _read_variables(node: Node, mistakes: Mistakes) -> dict[str, Any]:
    VARIABLES.read(node, mistakes)
    return _data(node, mistakes) if isinstance(node, Table) else {}


def _read_result(node: Node, mistakes: Mistakes) -> dict[str, Any]:
    if isinstance(node, Scalar) and node.value is None:
        return {}
    if not isinstance(node, Table):
        mistakes.add(node.at, described(node), _RESULT.expected)
        return {}
    result: dict[str, Any] = _data(node, mistakes)
    return result


def _read_message(node: Node, mistakes: Mistakes) -> str:
    if isinstance(node, Scalar) and node.value is None:
        return ""
    message: str = TEXT.read(node, mistakes)
    return message


def _read_moment(node: Node, mistakes: Mistakes) -> float:
    try:
        moment = datetime.fromisoformat(node.text.strip() if isinstance(node, Scalar) else "")
    except ValueError:
        mistakes.add(node.at, described(node), _MOMENT.expected)
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


_RESULT = Kind("a mapping: the result that later steps see", {"type": ["object", "null"]}, _read_result)
_MESSAGE = Kind("text", {"type": ["string", "null"]}, _read_message)
_DATA = Kind("a mapping of variable names to values", VARIABLES.schema, _read_variables)
_MOMENT = Kind(
    "a date and time such as 2030-01-07 08:00 (UTC) or 2030-01-07T08:00+01:00", {"type": "string"}, _read_moment
)
_PATHS = one_or_more(TEXT, "a step's path or a list of such")

ANSWER = _words(
    Keyword(
        "answer",
        choice(*_CHOICES),
        "What is answered; `break-glass` by two people goes on without the others, and `accepted` or `refused` is the review that follows.",
        required=True,
    ),
    Keyword("by", TEXT, "Who answers; default: as many of those who may answer as the decision takes."),
    Keyword("after", STATIC_DURATION, "How long after the question; default at once."),
    Keyword("comment", TEXT, "What is said with it."),
    Keyword("assurance", choice(*ASSURANCES), "How sure it is who answered; default `signed`."),
)


def _answer(values: Mapping[str, Any]) -> Answer:
    return Answer(
        values.get("answer") or "",
        values.get("by") or "",
        values.get("after") or 0.0,
        values.get("comment") or "",
        values.get("assurance") or "signed",
    )


def _read_answers(node: Node, mistakes: Mistakes) -> tuple[Answer, ...]:
    found = node.items if isinstance(node, Items) else (node,)
    return tuple(_answer(read_table(item, ANSWER, mistakes)) for item in found)


_ANSWERS = Kind("a list of mappings with answer, by, after", {"type": "array", "items": _TABLE}, _read_answers)

OUTCOME = _words(
    Keyword(DONE, _RESULT, "It succeeds with this result, which `register` gives to later steps."),
    *(Keyword(name, _MESSAGE, f"It fails with class `{name}` and this message.") for name in FAILURES),
    Keyword("result", _RESULT, "What a failed attempt leaves for `failed_step.result`."),
    Keyword("changed", SWITCH, "Whether it changed something; default false."),
    Keyword(
        "after", STATIC_DURATION, "How long it takes; beside `answer` how long the answer takes. Default: no time."
    ),
    Keyword(
        "answer", choice(*_CHOICES), "What people answer to the question it asks; short for `answers` with one answer."
    ),
    *(ANSWER[name] for name in ("by", "comment", "assurance")),
    Keyword(
        "answers",
        _ANSWERS,
        "All that is answered to the question it asks, or to the one how to go on after its failure.",
    ),
)


def _read_outcome(node: Node, mistakes: Mistakes) -> Outcome:
    if isinstance(node, Scalar) and isinstance(node.value, str):
        if node.value not in _WORDS:
            hint = nearest(node.value, _WORDS)
            mistakes.add(node.at, described(node), f"one of {', '.join(_WORDS)}, or a mapping", hint)
        return Outcome(node.value)
    values = read_table(node, OUTCOME, mistakes)
    kinds = [name for name in (DONE, *FAILURES) if name in values]
    if isinstance(node, Table):
        _check_outcome(node, kinds, values, mistakes)
    answers: tuple[Answer, ...] = values.get("answers") or ()
    if "answer" in values:
        return Outcome(ASKS, answers=(_answer(values),))
    kind = kinds[0] if kinds else ASKS
    result = values.get(DONE if kind == DONE else "result") or {}
    message = "" if kind in (DONE, ASKS) else values[kind] or ""
    return Outcome(kind, values.get("after") or 0.0, message, result, bool(values.get("changed")), answers)


def _check_outcome(node: Table, kinds: list[str], values: Mapping[str, Any], mistakes: Mistakes) -> None:
    """Report words that contradict each other or have no effect."""
    known = ", ".join((DONE, *FAILURES))
    if len(kinds) > 1:
        mistakes.add(
            node.at, f"{' and '.join(kinds)} at once", f"one of {known}", "a list gives the outcomes of attempts"
        )
    if not kinds and not {"answer", "answers"} & values.keys():
        mistakes.add(node.at, "an outcome that says nothing", f"one of {known}, answer, answers")
    if "answer" in values and (kinds or "answers" in values):
        mistakes.add(node.at, "answer beside an outcome", "answers: [{answer: …}] for what follows a failure")
    for name in ("by", "comment", "assurance"):
        if name in values and "answer" not in values:
            mistakes.add(node.at, f"{name} without answer", suggestion="put it into the answers")
    if "after" in values and not kinds and "answer" not in values:
        mistakes.add(node.at, "after beside answers", suggestion="put it into each of the answers")
    if "result" in values and (DONE in kinds or not kinds):
        mistakes.add(node.at, "result without a failure", suggestion="the result of a success stands under done")


def _read_outcomes(node: Node, mistakes: Mistakes) -> tuple[Outcome, ...]:
    if isinstance(node, Items) and not node.items:
        mistakes.add(node.at, "an empty list", "an outcome or a list of outcomes")
    return tuple(_read_outcome(item, mistakes) for item in (node.items if isinstance(node, Items) else (node,)))


def _read_steps(node: Node, mistakes: Mistakes) -> dict[str, tuple[Outcome, ...]]:
    if not isinstance(node, Table):
        mistakes.add(node.at, described(node), _STEPS.expected)
        return {}
    return {entry.key.text: _read_outcomes(entry.node, mistakes) for entry in node.entries}


_STEPS = Kind("a mapping of step paths to outcomes", _TABLE, _read_steps)

CANCEL = _words(
    Keyword("after", STATIC_DURATION, "How long after the start of the run.", required=True),
    Keyword("by", TEXT, "Who cancels; default the requester."),
    Keyword("reason", TEXT, "Why."),
)


def _read_cancel(node: Node, mistakes: Mistakes) -> Cancel:
    values = read_table(node, CANCEL, mistakes)
    return Cancel(values.get("after") or 0.0, values.get("by") or "", values.get("reason") or "")


EXPECT = _words(
    Keyword(
        "status", choice("succeeded", "failed", "cancelled", "waiting"), "How the run ends; `waiting`: it does not."
    ),
    Keyword(
        "steps", _PATHS, "Every step that is performed, in this order; a step that is tried again stands there again."
    ),
    Keyword("includes", _PATHS, "Steps that are performed; `*` is any text."),
    Keyword("excludes", _PATHS, "Steps that are not performed; `*` is any text."),
    Keyword("message", TEXT, "What the run's message contains."),
    Keyword("within", STATIC_DURATION, "How long the run takes at most."),
    Keyword("told", one_or_more(TEXT, "a name or a list of names"), "Everybody who is notified, in any order."),
)

_EXPECT = Kind(f"a mapping with {', '.join(EXPECT)}", _TABLE, lambda node, mistakes: read_table(node, EXPECT, mistakes))

SCENARIO = _words(
    Keyword("name", TEXT, "What is rehearsed; default the file's stem."),
    Keyword("workflow", TEXT, "The workflow, relative to this file; the command line's FILE overrides it."),
    Keyword("project", TEXT, "The project file with people, groups and calendars, relative to this file."),
    Keyword("requester", TEXT, "Who requests the change; default `requester`."),
    Keyword("now", _MOMENT, "When the run starts; default Monday, 2030-01-07 08:00 UTC."),
    Keyword("vars", _DATA, "Extra variables; `-e` overrides them."),
    Keyword(
        "steps",
        _STEPS,
        "What the steps come to, by path. Where nothing is said a step succeeds at once with an empty result.",
    ),
    Keyword(
        "default_answer", choice(APPROVE, DENY), "What people say where nothing else is said, except after a failure."
    ),
    Keyword("cancel", Kind("a mapping with after, by, reason", _TABLE, _read_cancel), "Somebody cancels the run."),
    Keyword("expect", _EXPECT, "What is expected of the run."),
)
"""Keywords of a scenario file."""
