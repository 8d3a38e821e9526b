# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evidence of a run: who did what when, who approved what, what came of every step, which files there are. Made from the history alone.

``collect`` and ``markdown`` are pure; ``write`` lays the files down. The engine (for a change record), the command line and the web pages call it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.files import artifact_of, write_whole
from ansible_collections.netops.changerail.plugins.module_utils.operation import Artifact
from ansible_collections.netops.changerail.plugins.module_utils.text import harmless
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    Answered,
    AnswerRefused,
    BreakGlass,
    Event,
    EvidenceAdded,
    RunStarted,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import private_folder, storage_error
from ansible_collections.netops.changerail.plugins.plugin_utils.views.detail import (
    StepDetail,
    details,
    said_by_break_glass,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import RunStatus, StepStatus, status
from ansible_collections.netops.changerail.plugins.plugin_utils.views.timeline import Entry, timeline
from ansible_collections.netops.changerail.plugins.plugin_utils.views.words import duration
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Workflow

MARKDOWN, DOCUMENT = "evidence.md", "evidence.json"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A run as it is put before an auditor. ``digest`` is the SHA-256 of the workflow's sources; ``artifacts`` are by step path, or by the
    name of what was done beside the run."""

    run: RunStatus
    digest: str
    variables: Mapping[str, Any]
    versions: Mapping[str, str]
    timeline: tuple[Entry, ...]
    answers: tuple[Mapping[str, Any], ...]
    steps: Mapping[str, StepDetail]
    artifacts: tuple[tuple[str, Artifact], ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "run": self.run.as_dict(),
            "workflow_sha256": self.digest,
            "variables": dict(self.variables),
            "versions": dict(self.versions),
            "timeline": [entry.as_dict() for entry in self.timeline],
            "answers": [dict(answer) for answer in self.answers],
            "steps": {path: step.as_dict() for path, step in self.steps.items()},
            "artifacts": [{"step": path, **artifact.as_dict()} for path, artifact in self.artifacts],
        }


def collect(workflow: Workflow, events: Iterable[Event]) -> Evidence:
    """The evidence after ``events``; their first must be ``RunStarted``."""
    history = tuple(events)
    first = history[0]
    if not isinstance(first, RunStarted):
        raise ValueError("the history does not begin with RunStarted")
    steps = details(history)
    answers = tuple(
        (said_by_break_glass(event) if isinstance(event, BreakGlass) else asdict(event))
        | {"counted": not isinstance(event, AnswerRefused)}
        for event in history
        if isinstance(event, (Answered, AnswerRefused, BreakGlass))
    )
    artifacts: dict[tuple[str, str], tuple[str, Artifact]] = {}
    for path, step in steps.items():
        for attempt in step.attempts:
            for artifact in attempt.artifacts:
                # A file that is handed on from step to step is evidence once.
                artifacts.setdefault((artifact.path, artifact.sha256), (path, artifact))
    for event in history:
        if isinstance(event, EvidenceAdded):
            for artifact in _added(event):
                artifacts.setdefault((artifact.path, artifact.sha256), (event.name, artifact))
    return Evidence(
        run=status(workflow, history),
        digest=first.digest,
        variables=first.variables,
        versions=first.versions,
        timeline=timeline(history),
        answers=answers,
        steps=steps,
        artifacts=tuple(artifacts.values()),
    )


def _added(event: EvidenceAdded) -> Iterator[Artifact]:
    return (Artifact(name, file["path"], file["sha256"], file["size"]) for name, file in event.files.items())


def markdown(evidence: Evidence) -> str:
    """The evidence as a page for people. Times are UTC."""
    return (
        "\n".join([*_head(evidence), *_approvals(evidence), *_steps(evidence), *_timeline(evidence), *_files(evidence)])
        + "\n"
    )


def write(evidence: Evidence, folder: Path) -> tuple[Artifact, ...]:
    """Lay the evidence into ``folder`` as ``evidence.md`` and ``evidence.json``; returns these and the run's artifacts that are still what they were.

    Raises StorageError.
    """
    private_folder(folder)
    document = json.dumps(evidence.as_dict(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    written = [_laid(folder / MARKDOWN, markdown(evidence)), _laid(folder / DOCUMENT, document)]
    kept = [(path, artifact) for path, artifact in evidence.artifacts if fault(artifact) == ""]
    return (*written, *_named_apart(kept))


def _named_apart(artifacts: Sequence[tuple[str, Artifact]]) -> Iterator[Artifact]:
    """The artifacts, each under a name of its own: where several have the same, the step's path says which is which."""
    times = Counter(artifact.name for _path, artifact in artifacts)
    taken: Counter[str] = Counter()
    for path, artifact in artifacts:
        name = artifact.name if times[artifact.name] == 1 else f"{path.replace('/', '.')}.{artifact.name}"
        taken[name] += 1
        yield replace(artifact, name=name if taken[name] == 1 else f"{name}.{taken[name]}")


def fault(artifact: Artifact) -> str:
    """What is wrong with an artifact's file: "" when it is there with the recorded digest."""
    try:
        found = artifact_of(Path(artifact.path), artifact.name)
    except OSError as error:
        return f"{artifact.path}: {error.strerror}"
    return "" if found.sha256 == artifact.sha256 else f"{artifact.path}: its SHA-256 is not the recorded one"


def _laid(path: Path, text: str) -> Artifact:
    try:
        write_whole(path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise storage_error(path, error) from None
    return artifact_of(path, path.name)


def _head(evidence: Evidence) -> Iterator[str]:
    seen = evidence.run.summary
    yield f"# {_text(seen.name)}"
    yield ""
    yield from _table(
        ("What", "Value"),
        [
            ("Run", f"`{seen.run}`"),
            ("Result", seen.state + (f": {_text(seen.message)}" if seen.message else "")),
            *(("Break-glass", f"**{_text(str(broken))}**") for broken in seen.break_glass),
            ("Requested by", _text(seen.requester)),
            ("Started", f"{_time(seen.began)} UTC"),
            ("Ended", f"{_time(seen.ended)} UTC" if seen.ended is not None else "not over at the time of writing"),
            ("Check mode", "yes, nothing was changed" if seen.check else "no"),
            ("Workflow, SHA-256", f"`{evidence.digest}`"),
            *((f"Version of {_text(name)}", _text(version)) for name, version in sorted(evidence.versions.items())),
            *(
                (f"Variable {_text(name)}", _text(json.dumps(value, ensure_ascii=False)))
                for name, value in sorted(evidence.variables.items())
            ),
        ],
    )


def _approvals(evidence: Evidence) -> Iterator[str]:
    yield "## Answers"
    yield ""
    if not evidence.answers:
        yield "Nobody was asked, or nobody answered."
        yield ""
        return
    yield from _table(
        ("Time (UTC)", "Step", "Who", "Answer", "Identity", "Counted", "Comment"),
        [
            (
                _time(answer["at"]),
                _text(answer["path"]),
                _text(answer["person"]),
                _text(answer["choice"]),
                _text(answer.get("key") or answer["assurance"]),
                "yes" if answer["counted"] else f"no: {_text(answer['reason'])}",
                _text(answer["comment"]),
            )
            for answer in evidence.answers
        ],
    )


def _steps(evidence: Evidence) -> Iterator[str]:
    yield "## Steps"
    yield ""
    yield from _table(
        ("Step", "State", "Attempts", "Duration", "Message"),
        [
            (
                _text(step.path),
                step.state,
                str(step.attempt) if step.attempt else "",
                _lasted(step),
                _text(step.message),
            )
            for step in evidence.run.walk()
            if step.kind == "step"
        ],
    )


def _timeline(evidence: Evidence) -> Iterator[str]:
    yield "## Timeline"
    yield ""
    yield from _table(
        ("Time (UTC)", "Step", "Who", "What"),
        [(_time(entry.at), _text(entry.path), _text(entry.who), _text(entry.text)) for entry in evidence.timeline],
    )


def _files(evidence: Evidence) -> Iterator[str]:
    yield "## Files"
    yield ""
    if not evidence.artifacts:
        yield "The steps left no files."
        return
    yield from _table(
        ("Step", "Name", "Bytes", "SHA-256"),
        [
            (_text(path), _text(artifact.name), str(artifact.size), f"`{_text(artifact.sha256)}`")
            for path, artifact in evidence.artifacts
        ],
    )


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(titles)} |"
    yield f"|{'---|' * len(titles)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _text(text: str) -> str:
    """Somebody's text as one line that means nothing to Markdown but itself."""
    flat = harmless(" ".join(text.split()))
    return "".join(f"\\{character}" if character in "\\`*_[]<>|#" else character for character in flat)


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"


def _lasted(step: StepStatus) -> str:
    return duration(step.ended - step.began) if step.began is not None and step.ended is not None else ""
