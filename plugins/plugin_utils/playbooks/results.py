# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a playbook left behind to the outcome of its step; for this room, and for playbooks that are recorded from outside.

The exit code alone does not tell: 4 is an unreachable host or a file that cannot be parsed, 2 a failed task or a wrong option, and 0 also
a play that matched no host. The counts that the callback plugin wrote at the end of the playbook decide; the exit code where there are none.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.failures import CANCELLED, FAILED, TRANSIENT, UNKNOWN
from ansible_collections.netops.changerail.plugins.module_utils.files import artifact_of, write_whole
from ansible_collections.netops.changerail.plugins.module_utils.operation import Done, Failed
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks import supervisor
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.attempt import Attempt
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.story import Result, Story, read_story

_LOOK = "look at the devices before you decide"
_SHOWN_HOSTS = 5
_TAIL_BYTES = 20_000
_TAIL_CHARACTERS = 500
_COLOUR = re.compile("\x1b\\[[0-9;]*m")
_COMPLAINT = re.compile(r"(\[?ERROR\]?[:!]|.*: error: )")
_PLACE = ("Origin:", "The error appears to be in")

Shape = Callable[[Story, int | None], Mapping[str, Any]]
"""Makes the result that ``register`` gives of what a playbook did and its exit code."""


def outcome_of(attempt: Attempt, shape: Shape) -> Done | Failed:
    """The outcome of an attempt that is over or lost."""
    story = read_story(attempt.events)
    ending = attempt.outcome() or _recovered(story)
    result = {**shape(story, ending.get("rc")), "artifacts": _artifacts(attempt, story)}
    if story.hosts is None:
        result.update(finished_tasks=story.finished, in_flight=story.in_flight)
    failure, message = _classified(attempt, ending, story)
    result = _without_surrogates(result)
    return Failed(failure, message, result) if failure else Done(result, bool(result["changed"]))


def recorded_outcome(name: str, events: Path, diff: Path) -> Done | Failed:
    """The outcome of a playbook that somebody ran beside us, as ``outcome_of`` gives it; our callback wrote ``events``, ``diff`` is written here."""
    story = read_story(events)
    rc = _recovered(story).get("rc")
    result = {**playbook_result(story, rc), "artifacts": _kept({"events": events, "diff": diff}, story)}
    if story.hosts is None:
        failure, message = UNKNOWN, f"did not come to its end: {in_words(story)}; {_LOOK}"
    else:
        failure, message = _by_counts(name, rc or 0, events.with_name("stdout"), story)
    result = _without_surrogates(result)
    return Failed(failure, _named(name, message), result) if failure else Done(result, bool(result["changed"]))


def playbook_result(story: Story, rc: int | None) -> dict[str, Any]:
    """What ``register`` gives of a playbook, beside ``artifacts``.

    ``rc`` is the exit code, ``changed`` whether any host changed, ``stats`` what set_stats collected for the run (``result.stats.NAME``),
    ``host_stats`` what it collected by host. ``hosts`` holds each host's ok, changed, failures, unreachable, skipped, rescued and ignored,
    ``failed_tasks`` a mapping of ``host``, ``task`` and ``msg`` for each failure that was neither ignored nor rescued.
    """
    custom = dict(story.custom or {})
    hosts = story.hosts or {}
    failures = story.final_failures()
    return {
        "rc": rc,
        "changed": any(counts["changed"] for counts in hosts.values()),
        "stats": custom.pop("_run", {}),
        "host_stats": custom,
        "hosts": hosts,
        "failed_tasks": [{"host": failure.host, "task": failure.task, "msg": failure.message} for failure in failures],
    }


def module_result(story: Story) -> dict[str, Any]:
    """What the module returned, as ``register`` in a playbook has it."""
    if story.last is None:
        return {"changed": False}
    data = {name: value for name, value in story.last.data.items() if value != "(traceback unavailable)"}
    if story.last.status == "skipped":
        data["skipped"] = True
    return {**data, "changed": story.last.changed}


def in_words(story: Story) -> str:
    """How far a playbook came that did not come to its end."""
    if not story.finished and not story.in_flight:
        return "no task had begun"
    parts = [f"task {task!r} was running on {_listed(sorted(hosts))}" for task, hosts in story.in_flight.items()] or [
        "no task was running"
    ]
    if story.finished:
        task, hosts = list(story.finished.items())[-1]
        parts.append(f"the last to finish was {task!r} on {_listed(sorted(hosts))}")
    return "; ".join(parts)


def _recovered(story: Story) -> dict[str, Any]:
    """The ending that a dead supervisor could not write, as ansible-playbook would have ended; empty when the playbook did not come to its end."""
    if story.hosts is None:
        return {}
    counts = story.hosts.values()
    if any(count["unreachable"] for count in counts):
        return {"rc": 4}
    return {"rc": 2 if any(count["failures"] for count in counts) else 0}


def _classified(attempt: Attempt, ending: Mapping[str, Any], story: Story) -> tuple[str, str]:
    """The failure class, "" when there was none, and the message."""
    name = attempt.job()["name"]
    failure, message = (
        _without_end(attempt, ending, story)
        if story.hosts is None
        else _by_counts(name, ending["rc"], attempt.output, story)
    )
    if failure and ending.get("stopped_by") == supervisor.BY_CANCEL:
        killed = f"; {ending['killed']} processes did not obey and were killed" if ending["killed"] else ""
        message = (
            f"cancelled: {in_words(story)}{killed}; what a device had been told before may still be carried out there"
        )
        failure = CANCELLED
    return failure, _named(name, message)


def _named(name: str, message: str) -> str:
    return f"{name}{message}" if message.startswith(" failed") else f"{name}: {message}"


def _by_counts(name: str, rc: int, output: Path, story: Story) -> tuple[str, str]:
    hosts = story.hosts or {}
    failures = story.final_failures()
    unreachable = [host for host, counts in hosts.items() if counts["unreachable"]]
    if failures:
        return FAILED, _failed(name, failures)
    if unreachable:
        said = next((f": {result.message}" for result in story.unreachable() if result.host in unreachable), "")
        return TRANSIENT, f"{_listed(unreachable)} unreachable{said}"
    if not hosts:
        plays = (
            f"no host matched in {_listed([f'play {play!r}' for play in story.empty_plays])}"
            if story.empty_plays
            else "no task was run on any host"
        )
        return FAILED, f"{plays}; check inventory, limit, tags and the plays' hosts"
    if rc != 0:
        return FAILED, f"ansible-playbook ended with {rc}: {_complaint(output)}"
    return "", ""


def _without_end(attempt: Attempt, ending: Mapping[str, Any], story: Story) -> tuple[str, str]:
    if not ending:
        return (
            UNKNOWN,
            f"was killed together with its supervisor: {in_words(story)}; look at the devices before you decide",
        )
    if ending["error"]:
        return FAILED, f"ansible-playbook could not be started: {ending['error']}"
    if ending["stopped_by"] == supervisor.BY_SIGNAL:
        return _stopped("was stopped by SIGTERM, as when the machine shuts down", story)
    if ending["rc"] == 0:
        return UNKNOWN, f"ended well, but its events are missing, so nobody knows on which hosts; see {attempt.output}"
    if ending["rc"] > 0:
        return FAILED, f"ansible-playbook ended with {ending['rc']}: {_complaint(attempt.output)}"
    return _stopped(f"ansible-playbook was killed by {_signal_name(-ending['rc'])}", story)


def _stopped(how: str, story: Story) -> tuple[str, str]:
    """For a playbook that was stopped, but not by a cancel. One that had not begun may as well be tried again."""
    begun = bool(story.finished or story.in_flight)
    return UNKNOWN if begun else TRANSIENT, f"{how}: {in_words(story)}{f'; {_LOOK}' if begun else ''}"


def _failed(name: str, failures: Sequence[Result]) -> str:
    first = failures[0]
    hosts = [failure.host for failure in failures if failure.task == first.task]
    others = len(failures) - len(hosts)
    task = "" if first.task == name else f"task {first.task!r}"
    more = f" (and {others} more failures)" if others else ""
    return f"{task} failed on {_listed(sorted(hosts))}: {first.message}{more}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _listed(names: Sequence[str]) -> str:
    names = list(dict.fromkeys(names))
    rest = len(names) - _SHOWN_HOSTS
    return ", ".join(names[:_SHOWN_HOSTS]) + (f" and {rest} more" if rest > 0 else "")


def _complaint(output: Path) -> str:
    """What ansible-playbook said last when it gave up, on one line."""
    try:
        with output.open("rb") as file:
            file.seek(max(0, output.stat().st_size - _TAIL_BYTES))
            lines = _COLOUR.sub("", file.read().decode(errors="replace")).splitlines()
    except FileNotFoundError:
        lines = []
    begins = [number for number, line in enumerate(lines) if _COMPLAINT.match(line)]
    if not begins:
        return " ".join(line.strip() for line in lines[-3:] if line.strip())[-_TAIL_CHARACTERS:] or "it said nothing"
    said = lines[begins[-1] :]
    until = said.index("") if "" in said else len(said)
    places = [line for line in said[until:] if line.startswith(_PLACE)]
    return " ".join(line.strip() for line in [*said[:until], *places[:1]])[:_TAIL_CHARACTERS]


def _artifacts(attempt: Attempt, story: Story) -> dict[str, Any]:
    return _kept({"output": attempt.output, "events": attempt.events, "diff": attempt.diff}, story)


def _kept(files: Mapping[str, Path], story: Story) -> dict[str, Any]:
    """The files as artifacts, those that are there; the diff is written first."""
    if story.diffs:
        write_whole(files["diff"], "\n".join(story.diffs).encode(errors="replace"))
    return {name: artifact_of(path, name).as_dict() for name, path in files.items() if path.exists()}


def _without_surrogates(result: Mapping[str, Any]) -> dict[str, Any]:
    """The result as a journal can hold it: bytes that were no UTF-8 arrive from Ansible as lone surrogates."""
    text = json.dumps(result, ensure_ascii=False).encode(errors="replace")
    document: dict[str, Any] = json.loads(text)
    return document
