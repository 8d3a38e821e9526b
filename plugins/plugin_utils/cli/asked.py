# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions of plain playbooks: each is a small run of its own, on the controller or at the server that ``$CHANGERAIL_SERVER`` names, and people answer
it as any other. Only the actions review and approval call it."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, Protocol

from ansible_collections.netops.changerail.plugins.module_utils.durations import seconds
from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, ChangerailError, RunError
from ansible_collections.netops.changerail.plugins.plugin_utils import api
from ansible_collections.netops.changerail.plugins.plugin_utils.cli import playbook_at_server
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.from_playbook import command, existing, launched_by
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.run import new_run_id
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.asking import STEP, laid, variables
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import History, state_folder
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.remote import Remote
from ansible_collections.netops.changerail.plugins.plugin_utils.views.detail import details
from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import SUCCEEDED, summary

_LONGEST_KEY = 60
_MOST_RUNS = 1000
"""How often the same key may be asked anew."""
_WHO = ("groups", "people", "quorum", "four_eyes", "assurance")
"""The options that say who is asked."""
_CANCELLED = 4
"""The exit code of a run that was cancelled."""
_ENDED = (0, 1, 3, _CANCELLED, 130)
"""Exit codes with which the command line leaves a run that can be looked at."""
_WITHDRAWN = "asked anew, for something else"


@dataclass(frozen=True)
class File:
    """A file on the controller that is reviewed."""

    path: str
    content: bytes


@dataclass(frozen=True)
class Asking:
    """What is asked: ``options`` are those of the ``operation``, ``bound`` what an answer holds for: a digest of each thing, by name.

    ``bound_by`` gives the same of a run that is over, from its variables and the step's result; ``asks_this`` says of one that is not, by its variables,
    whether it asks about the same. ``files`` are what a review shows, by name.

    Of whom it is asked is part of what is asked: with one key, what the one group has approved is not approved by the other.
    """

    operation: str
    options: Mapping[str, Any]
    bound: Mapping[str, str]
    bound_by: Callable[[Mapping[str, Any], Mapping[str, Any]], Mapping[str, str]]
    asks_this: Callable[[Mapping[str, Any]], bool]
    files: Mapping[str, File] = field(default_factory=dict)


@dataclass(frozen=True)
class Terms:
    """How it is asked: the key that finds it again, or the handle of an earlier task; whether to wait and how many seconds at most."""

    key: str
    handle: Mapping[str, Any] | None
    wait: bool
    timeout: float
    config: str | None
    person: str

    @classmethod
    def of(cls, args: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Terms:
        """The terms in a task's options; who launched an AWX job is in its variables. Raises AuthorError."""
        try:
            timeout = seconds(args["timeout"])
        except AuthorError as error:
            raise AuthorError(f"timeout: {error}") from None
        return cls(args["key"] or "", args["handle"], args["wait"], timeout, args["config"], launched_by(task_vars))


class _Place(Protocol):
    """Where it is asked."""

    def existing(self, run: str) -> History | None:
        """The run of exactly this id, None when there is none."""

    def withdraw(self, past: History) -> None:
        """Ask that no more."""

    def watch(
        self, run: str, past: History | None, asking: Asking, terms: Terms, say: Callable[[str], None]
    ) -> tuple[History, bool]:
        """Ask it, or go on with it, until it is over, or waits and need not be waited for, or the time is up; and whether that was so."""

    @property
    def home(self) -> str:
        """What a handle needs to be found again."""


class _Here:
    """On the controller: the command line drives the run in a process of its own."""

    home = "with the same CHANGERAIL_HOME"

    def existing(self, run: str) -> History | None:
        return existing(run)

    def withdraw(self, past: History) -> None:
        run = past.folder.run
        done = command(["cancel", run, "--reason", _WITHDRAWN])
        if done.code == 0 and not api.status(run).driver:
            # Nobody drives it, so nothing would come of the cancel.
            done = command(["resume", run])
        if done.code not in (0, _CANCELLED):
            raise RunError(done.complaint or done.output.strip() or f"run {run} could not be withdrawn")

    def watch(
        self, run: str, past: History | None, asking: Asking, terms: Terms, say: Callable[[str], None]
    ) -> tuple[History, bool]:
        flags = [] if terms.wait else ["--until-waiting"]
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            arguments = ["resume", run] if past is not None else _starting(run, asking, terms, file)
            done = command([*arguments, *flags], terms.timeout, say)
        found = existing(run)
        if done.code not in _ENDED or found is None:
            raise RunError(done.complaint or done.output.strip() or "the engine ended without a word")
        return found, done.timed_out


class _There:
    """At a server, which drives the run: a playbook asks and watches, so nothing is lost with the machine it runs on."""

    def __init__(self, server: Remote) -> None:
        self._server = server

    @property
    def home(self) -> str:
        return f"at {self._server.url}"

    def existing(self, run: str) -> History | None:
        return self._server.existing(run)

    def withdraw(self, past: History) -> None:
        became = self._server.cancel(past, _WITHDRAWN, "", False)
        if became.refused:
            raise RunError(became.refused)

    def watch(
        self, run: str, past: History | None, asking: Asking, terms: Terms, say: Callable[[str], None]
    ) -> tuple[History, bool]:
        if past is None:
            files = {name: file.content for name, file in asking.files.items()}
            self._server.ask(asking.operation, _offered(asking, terms), run, files)
        try:
            watched = playbook_at_server.watched(
                self._server, past or self._server.history(run), terms.wait, terms.timeout, say
            )
        except ChangerailError as error:
            raise RunError(
                f"{error}. The question stays open as run {run} at {self._server.url}: a task with the same 'key', or its handle, goes on with it"
            ) from None
        return watched.past, watched.late


def ask(asking: Asking, terms: Terms, say: Callable[[str], None]) -> dict[str, Any]:
    """Ask, or look at what was asked before, and give the task's result. Raises ChangerailError, before anything is written."""
    server = Remote.of_environment()
    if server is not None and terms.config:
        raise AuthorError(f"config: of questions on this machine; {server.url} has a project file of its own")
    place: _Place = _There(server) if server is not None else _Here()
    run, past = _of_handle(place, asking, terms.handle) if terms.handle else _placed(place, asking, terms.key)
    timed_out = False
    if past is None or not summary(past.events).over:
        past, timed_out = place.watch(run, past, asking, terms, say)
    result = _result(asking, past, timed_out, terms)
    if server is not None and "artifacts" in result:
        # Those at the server are no files here.
        named = result["artifacts"].items()
        result["artifacts"] = {name: {**artifact, "path": asking.files[name].path} for name, artifact in named}
    return result


def digest(content: bytes) -> str:
    """The SHA-256 of ``content``, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _of_handle(place: _Place, asking: Asking, handle: Mapping[str, Any]) -> tuple[str, History]:
    at = handle.get("at")
    run = at.get("run") if isinstance(at, Mapping) else None
    past = place.existing(run) if isinstance(run, str) and handle.get("operation") == asking.operation else None
    if past is None:
        raise AuthorError(
            f"handle: expected what {'an' if asking.operation == 'approval' else 'a'} {asking.operation} task with wait=false returned as 'handle' "
            f"{place.home}, got {str(handle)[:100]}; register that task and pass its handle unchanged"
        )
    if _asks_others(asking, past) or not _is_about_this(asking, past):
        raise AuthorError(
            f"handle: run {past.folder.run} asks about something else than this task, or somebody else; leave the handle out, and it is asked anew"
        )
    return past.folder.run, past


def _placed(place: _Place, asking: Asking, key: str) -> tuple[str, History | None]:
    """The run in which this is asked, and its history when it is there: without a key a new one, else the last that is not about something else."""
    if not key:
        return new_run_id(asking.operation, time.time()), None
    name = f"{asking.operation}-{_as_id(key)}"
    for number in range(1, _MOST_RUNS):
        run = name if number == 1 else f"{name}-{number}"
        past = place.existing(run)
        if past is None:
            return run, None
        if _asks_others(asking, past):
            continue
        seen = summary(past.events)
        if _is_about_this(asking, past) and (not seen.over or seen.state == SUCCEEDED):
            return run, past
        if not seen.over:
            # An answer to what was asked before must not decide this.
            place.withdraw(past)
    raise AuthorError(f"key {key!r}: asked {_MOST_RUNS} times already; choose another one")


def _as_id(key: str) -> str:
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", key)
    return slug if slug == key and len(key) <= _LONGEST_KEY else f"{slug[:_LONGEST_KEY]}-{digest(key.encode())[:8]}"


def _asks_others(asking: Asking, past: History) -> bool:
    """Whether the run asks other people, or asks them to agree in another way."""
    before = past.started.variables["options"]
    return any((asking.options.get(name) or None) != (before.get(name) or None) for name in _WHO)


def _is_about_this(asking: Asking, past: History) -> bool:
    """Whether an answer to the run holds for this: whether it asks about the same, or was given for the same as it is now."""
    started = past.started.variables
    if summary(past.events).state != SUCCEEDED:
        return asking.asks_this(started)
    return asking.bound_by(started, details(past.events)[STEP].attempts[-1].result) == asking.bound


def _given(asking: Asking) -> dict[str, Any]:
    return {name: value for name, value in asking.options.items() if value is not None}


def _offered(asking: Asking, terms: Terms) -> dict[str, Any]:
    """The options as a server takes them: its files go beside them, and who launched the job is said and not believed."""
    options = {name: value for name, value in _given(asking).items() if name not in ("artifact", "artifacts")}
    if terms.person:
        said = f"Asked by a job that {terms.person} launched, as AWX says."
        options["message"] = "\n".join(filter(None, (str(options.get("message") or ""), said)))
    return options


def _starting(run: str, asking: Asking, terms: Terms, file: IO[str]) -> list[str]:
    """The command line that starts the run. What is asked goes in by the file of variables: it is data, whatever it holds."""
    options = _given(asking)
    workflow = laid(state_folder().create(run), asking.operation, options)
    line = str(options.get("title") or f"{asking.operation.capitalize()} {terms.key}".strip())
    json.dump(variables(options, line), file, default=str)
    file.flush()
    arguments = ["run", str(workflow), "--run-id", run, "--extra-vars", f"@{file.name}"]
    arguments += ["--config", terms.config] if terms.config else []
    return [*arguments, "--as", terms.person] if terms.person else arguments


def _result(asking: Asking, past: History, timed_out: bool, terms: Terms) -> dict[str, Any]:
    """The run's state as the result of a task of Ansible."""
    seen = api.outlined(past.folder, summary(past.events))
    run = seen.run
    common = {"changed": False, "run": run, "finished": seen.finished}
    if seen.finished:
        step = details(past.events).get(STEP)
        attempt = step.attempts[-1] if step is not None and step.attempts else None
        common = {**(attempt.result if attempt is not None else {}), **common}
        if seen.state == "succeeded":
            return common
        failure = (attempt.failure if attempt is not None else "") or "failed"
        return {**common, "failed": True, "failure": failure, "msg": f"{asking.operation}: {seen.message}"}
    common["handle"] = {"operation": asking.operation, "key": run, "at": {"run": run}}
    common["waiting_for"] = "; ".join(wait.message for wait in seen.waiting_for) or seen.message
    if not terms.wait and not timed_out:
        return common
    message = (
        f"{asking.operation}: nobody has decided after {terms.timeout:.0f} s: {common['waiting_for']}. The question stays open as run {run}; "
        f"'changerail answer {run}' answers it, and a task with the same options and 'handle', or the same 'key', goes on."
    )
    return {**common, "failed": True, "failure": "timeout", "msg": message}
