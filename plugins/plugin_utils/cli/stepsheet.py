# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One step on a terminal, in full. Only ``show`` calls it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import STYLES, line, stamp, styled, symbols
from ansible_collections.netops.changerail.plugins.plugin_utils.views.detail import ARTIFACTS, Attempt, StepDetail
from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import StepStatus
from ansible_collections.netops.changerail.plugins.plugin_utils.views.words import duration

if TYPE_CHECKING:
    from rich.text import Text

_ELSEWHERE = (*ARTIFACTS, "answers")
"""Parts of a result that are shown in a form of their own."""
_LONGEST_VALUE = 200
_TAIL = 20
"""Lines of output that are shown; ``--output`` shows all."""


def sheet(seen: StepStatus, step: StepDetail, output: Path | None) -> Iterator[Text]:
    """What is known of the step: state, every attempt, what people said, the end of its ``output``."""
    sign = symbols().states[seen.state]
    yield styled(
        (f"{sign} {line(seen.path)}", "bold"),
        "  ",
        (seen.state, STYLES[seen.state]),
        (f"  {seen.action or seen.kind}", "dim"),
    )
    if seen.label or seen.name != seen.path:
        yield styled(("  ", ""), line(f"{seen.name} [{seen.label}]" if seen.label else seen.name))
    for note in step.notes:
        yield styled(f"  {line(note)}")
    for attempt in step.attempts:
        yield styled("")
        yield from _attempt(attempt, seen.attempts)
    if output is not None:
        yield styled("")
        yield from _tail(output)


def _attempt(attempt: Attempt, most: int | None) -> Iterator[Text]:
    of = f" of {most}" if most is not None and most > 1 else ""
    yield styled((f"attempt {attempt.number}{of}", "bold"), "  ", *_when(attempt))
    if attempt.failure is not None:
        word = attempt.failure or ("changed" if attempt.changed else "ok")
        yield _field("outcome", word, "red" if attempt.failure else "green")
    if attempt.message:
        yield _field("message", attempt.message, "red" if attempt.failure else "")
    yield from _mapping("options", attempt.args)
    yield from _mapping("result", {name: value for name, value in attempt.result.items() if name not in _ELSEWHERE})
    for artifact in attempt.artifacts:
        yield _field(
            "artifact", f"{artifact.name}  {artifact.size} bytes  sha256 {artifact.sha256[:16]}  {artifact.path}"
        )
    for question in attempt.questions:
        yield _field("asked", f"{question.get('title', '')} ({' or '.join(question.get('choices', ()))})", "magenta")
    for answer in attempt.answers:
        yield _field("answer", _said(answer), "magenta")
    for answer in attempt.refused:
        yield _field("refused", f"{_said(answer)}: {answer['reason']}", "red")
    if attempt.decision:
        yield _field("decided", attempt.decision, "magenta")


def _when(attempt: Attempt) -> Iterator[tuple[str, str]]:
    if attempt.began is None:
        return
    yield stamp(attempt.began), "dim"
    if attempt.ended is not None:
        yield f"  {duration(attempt.ended - attempt.began)}", "dim"


def _mapping(title: str, values: Mapping[str, Any]) -> Iterator[Text]:
    for name, value in values.items():
        if value in (None, "", [], {}):
            continue
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if len(text) > _LONGEST_VALUE:
            text = f"{text[:_LONGEST_VALUE]}{symbols().more}"
        yield _field(title, f"{name}: {text}")
        title = ""


def _said(answer: Mapping[str, Any]) -> str:
    comment = f": {answer['comment']}" if answer["comment"] else ""
    how = answer.get("key") or answer["assurance"]
    return f"{stamp(answer['at'])}  {answer['person']}: {answer['choice']} ({how}){comment}"


def _field(title: str, value: str, style: str = "") -> Text:
    return styled((f"  {title:9}", "dim"), (line(value), style))


def _tail(path: Path) -> Iterator[Text]:
    with open(path, encoding="utf-8", errors="replace") as stream:
        lines = deque(stream, maxlen=_TAIL)
    yield styled((f"the end of {path}", "dim"))
    for text in lines:
        yield styled(f"  {text.rstrip()}")
