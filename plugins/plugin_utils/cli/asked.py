# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions of plain playbooks: each is a small run of its own that people answer as any other. Only the actions review and approval call it."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any

from ansible_collections.netops.changerail.plugins.module_utils.durations import seconds
from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, RunError
from ansible_collections.netops.changerail.plugins.module_utils.files import write_json
from ansible_collections.netops.changerail.plugins.plugin_utils import api
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.from_playbook import command, existing, launched_by
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.run import new_run_id
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import storage_error
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import History, state_folder
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.remote import Remote

_STEP = "question"
_LONGEST_KEY = 60
_ENDED = (0, 1, 3, 4, 130)
"""Exit codes with which the command line leaves a run that can be looked at."""


@dataclass(frozen=True)
class Asking:
    """What is asked: ``options`` are those of the ``operation``, ``bound`` what an answer holds for: a digest of each thing, by name.

    ``bound_by`` gives the same of a run that is over, from its variables and the step's result.
    """

    operation: str
    options: Mapping[str, Any]
    bound: Mapping[str, str]
    bound_by: Callable[[Mapping[str, Any], Mapping[str, Any]], Mapping[str, str]]


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
    def of(cls, args: Mapping[str, Any], variables: Mapping[str, Any]) -> Terms:
        """The terms in a task's options; who launched an AWX job is in its ``variables``. Raises AuthorError."""
        try:
            timeout = seconds(args["timeout"])
        except AuthorError as error:
            raise AuthorError(f"timeout: {error}") from None
        return cls(args["key"] or "", args["handle"], args["wait"], timeout, args["config"], launched_by(variables))


def ask(asking: Asking, terms: Terms, say: Callable[[str], None]) -> dict[str, Any]:
    """Ask, or look at what was asked before, and give the task's result. Raises ChangerailError, before anything is written."""
    server = Remote.of_environment()
    if server is not None:
        raise AuthorError(
            f"CHANGERAIL_SERVER is {server.url}, and {asking.operation} in a playbook asks on this machine only. Start a workflow with such a step at "
            "the server, with netops.changerail.workflow, or unset the variable where ansible-playbook is started"
        )
    run, past = _of_handle(asking, terms.handle) if terms.handle else _place(asking, terms.key)
    timed_out = False
    if past is None or not api.status(run).finished:
        flags = [] if terms.wait else ["--until-waiting"]
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as variables:
            arguments = ["resume", run] if past is not None else _starting(run, asking, terms, variables)
            done = command([*arguments, *flags], terms.timeout, say)
        if done.code not in _ENDED or existing(run) is None:
            raise RunError(done.complaint or done.output.strip() or "the engine ended without a word")
        timed_out = done.timed_out
    return _result(asking, run, timed_out, terms)


def digest(content: bytes) -> str:
    """The SHA-256 of ``content``, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _of_handle(asking: Asking, handle: Mapping[str, Any]) -> tuple[str, History]:
    at = handle.get("at")
    run = at.get("run") if isinstance(at, Mapping) else None
    past = existing(run) if isinstance(run, str) and handle.get("operation") == asking.operation else None
    if past is None:
        raise AuthorError(
            f"handle: expected what {'an' if asking.operation == 'approval' else 'a'} {asking.operation} task with wait=false returned as 'handle' "
            f"with the same CHANGERAIL_HOME, got {str(handle)[:100]}; register that task and pass its handle unchanged"
        )
    return past.folder.run, past


def _place(asking: Asking, key: str) -> tuple[str, History | None]:
    """The run in which this is asked, and its history when it is there: without a key a new one, else the last that was not about something else."""
    if not key:
        return new_run_id(asking.operation, time.time()), None
    name = f"{asking.operation}-{_as_id(key)}"
    run, number = name, 1
    while (past := existing(run)) is not None and _is_settled(asking, past):
        number += 1
        run = f"{name}-{number}"
    return run, past


def _as_id(key: str) -> str:
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", key)
    return slug if slug == key and len(key) <= _LONGEST_KEY else f"{slug[:_LONGEST_KEY]}-{digest(key.encode())[:8]}"


def _is_settled(asking: Asking, past: History) -> bool:
    """Whether the run is over and does not answer this: it was denied, or approved for something that has changed since."""
    seen = api.status(past.folder.run)
    if not seen.finished:
        return False
    attempt = api.evidence(seen.run).steps[_STEP].attempts[-1] if seen.state == "succeeded" else None
    return attempt is None or asking.bound_by(past.started.variables, attempt.result) != asking.bound


def _starting(run: str, asking: Asking, terms: Terms, variables: IO[str]) -> list[str]:
    """The command line that starts the run. What is asked goes in by the file of variables: it is data, whatever it holds."""
    folder = state_folder().create(run)
    options = {name: value for name, value in asking.options.items() if value is not None}
    step = {
        "id": _STEP,
        "name": "{{ subject_line }}",
        f"netops.changerail.{asking.operation}": {name: f"{{{{ options['{name}'] }}}}" for name in options},
    }
    workflow = folder.path / f"{asking.operation}.yml"
    try:
        write_json(workflow, {"name": "{{ subject_line }}", "steps": [step]})
    except OSError as error:
        raise storage_error(workflow, error) from None
    line = str(options.get("title") or f"{asking.operation.capitalize()} {terms.key}".strip())
    json.dump({"options": options, "subject_line": line}, variables, default=str)
    variables.flush()
    arguments = ["run", str(workflow), "--run-id", run, "--extra-vars", f"@{variables.name}"]
    arguments += ["--config", terms.config] if terms.config else []
    return [*arguments, "--as", terms.person] if terms.person else arguments


def _result(asking: Asking, run: str, timed_out: bool, terms: Terms) -> dict[str, Any]:
    """The run's state as the result of a task of Ansible."""
    seen = api.status(run)
    common = {"changed": False, "run": run, "finished": seen.finished}
    if seen.finished:
        step = api.evidence(run).steps.get(_STEP)
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
