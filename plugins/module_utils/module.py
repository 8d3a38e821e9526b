# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door between Ansible modules and operations; only the modules of this collection call it.

A module is an operation with the options of a connection, of waiting and of the key around it: ``build`` makes the AnsibleModule,
``context`` what the operation may know, and ``perform`` starts it, looks at it until it has ended, and leaves the process.
"""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.netops.changerail.plugins.module_utils.durations import seconds
from ansible_collections.netops.changerail.plugins.module_utils.errors import (
    AuthorError,
    ChangerailError,
    OperationError,
)
from ansible_collections.netops.changerail.plugins.module_utils.failures import FAILED, TIMEOUT, TRANSIENT, UNKNOWN
from ansible_collections.netops.changerail.plugins.module_utils.operation import (
    JSON,
    Artifact,
    Call,
    Context,
    Failed,
    Operation,
    Outcome,
    Waiting,
)
from ansible_collections.netops.changerail.plugins.module_utils.providers import gitlab, local, servicenow

PACKED = (gitlab.PROVIDER, local.PROVIDER, servicenow.PROVIDER)
"""Ansible packs with a module what is imported by name, and operations find their provider at run time."""
Spec = Mapping[str, Mapping[str, Any]]

SERVICENOW: Spec = {
    "servicenow": {
        "type": "dict",
        "options": {
            "url": {"type": "str"},
            "username": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "client_id": {"type": "str"},
            "client_secret": {"type": "str", "no_log": True},
            "grant_type": {"type": "str", "choices": ["password", "refresh_token", "client_credentials"]},
            "refresh_token": {"type": "str", "no_log": True},
            "api_key": {"type": "str", "no_log": True},
            "token": {"type": "str", "no_log": True},
            "client_cert": {"type": "path"},
            "client_key": {"type": "path", "no_log": False},
            "ca_path": {"type": "path"},
            "verify": {"type": "bool", "default": True},
            "headers": {"type": "dict", "no_log": True},
            "interval": {"type": "float", "default": 30.0},
        },
    }
}
GITLAB: Spec = {
    "gitlab": {
        "type": "dict",
        "options": {
            "url": {"type": "str"},
            "token": {"type": "str", "no_log": True},
            "trigger_token": {"type": "str", "no_log": True},
            "marker": {"type": "str", "choices": ["variable", "input"], "default": "variable"},
            "ca_path": {"type": "path"},
            "verify": {"type": "bool", "default": True},
            "headers": {"type": "dict", "no_log": True},
            "interval": {"type": "float", "default": 10.0},
            "lag": {"type": "float", "default": 30.0},
        },
    }
}
LOCAL: Spec = {
    "local": {
        "type": "dict",
        "options": {
            "records": {"type": "path"},
            "approvals": {"type": "dict"},
            "templates": {"type": "dict"},
            "pipelines": {"type": "dict"},
            "grace": {"type": "float", "default": 10.0},
        },
    }
}
CONNECTIONS: Spec = {**SERVICENOW, **GITLAB, **LOCAL}
"""The option of each system's connection: the names and meanings of ``connections`` in changerail.yml."""
KEY: Spec = {"key": {"type": "str", "no_log": False}}
WAITING: Spec = {
    "wait": {"type": "bool", "default": True},
    "timeout": {"type": "str", "default": "1h"},
    "handle": {"type": "dict"},
}
_OFFERED_AS = {"message": "msg"}
"""Names of options that Ansible keeps for itself, with the name in a module, which the operation has as an alias."""
_NEXT_STEP = {
    TRANSIENT: "Run the task again; with the same key nothing is done twice.",
    UNKNOWN: "Look there before running the task again.",
}


def build(operation: Operation, *specs: Spec, required_one_of: Sequence[Sequence[str]] = ()) -> AnsibleModule:
    """The AnsibleModule with the operation's options and those of ``specs``; ``required_one_of`` is added to the operation's own."""
    constraints = dict(operation.constraints)
    constraints["required_one_of"] = [*constraints.get("required_one_of", ()), *required_one_of]
    spec = {name: dict(option) for part in (offered(operation.options), *specs) for name, option in part.items()}
    return AnsibleModule(argument_spec=spec, supports_check_mode=True, **constraints)


def offered(options: Spec) -> dict[str, Mapping[str, Any]]:
    """An operation's options under the names that a module may have."""
    return {
        _OFFERED_AS.get(name, name): {**option, "aliases": []} if name in _OFFERED_AS else option
        for name, option in options.items()
    }


def operation_args(operation: Operation, params: Mapping[str, Any]) -> dict[str, JSON]:
    """The operation's options under its own names, of what a task was given."""
    return {name: params[_OFFERED_AS.get(name, name)] for name in operation.options}


def key_of(module: AnsibleModule, otherwise: str = "") -> str:
    """What marks the work: the key in ``handle``, the option ``key``, else ``otherwise``; when that is empty, a key nobody had before."""
    handle = module.params.get("handle") or {}
    return str(handle.get("key") or module.params.get("key") or otherwise or f"playbook-{uuid.uuid4().hex}")


def kept_folder(operation: str, key: str) -> Path:
    """A private folder that is the same for the same key: ``modules`` in ``$CHANGERAIL_HOME``, which is found as the command line finds it."""
    home = os.environ.get("CHANGERAIL_HOME")
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    base = Path(home) if home else Path(state).expanduser() / "changerail"
    return base.expanduser() / "modules" / hashlib.sha256(f"{operation}/{key}".encode()).hexdigest()[:32]


def context(
    module: AnsibleModule,
    key: str,
    folder: Path | None = None,
    settings: Mapping[str, JSON] | None = None,
    evidence: Sequence[Artifact] = (),
) -> Context:
    """What the operation may know. Without ``folder`` it gets one that is gone when the module ends; so it does in check mode."""
    own = Path(module.tmpdir) if folder is None or module.check_mode else folder
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Context(
        key=f"{key}/1",
        run=key,
        path=key,
        attempt=1,
        folder=own,
        base=Path.cwd(),
        check=module.check_mode,
        connections=connections(module.params),
        settings=settings or {},
        environment=dict(os.environ),
        evidence=lambda: evidence,
    )


def connections(params: Mapping[str, Any]) -> dict[str, dict[str, JSON]]:
    """The settings of each connection that the module's options give; what is not given is left to the environment."""
    given = {name: params.get(name) or {} for name in CONNECTIONS}
    return {
        name: {option: value for option, value in values.items() if value is not None} for name, values in given.items()
    }


def perform(module: AnsibleModule, operation: Operation, surroundings: Context) -> None:
    """Start the operation, or look at what ``handle`` names, wait as the options say, and end the module with what came of it."""
    call = Call(operation_args(operation, module.params), surroundings)
    progress: list[str] = []
    try:
        outcome = _outcome(module, operation, call, progress)
    except (ChangerailError, ModuleNotFoundError) as error:
        outcome = _as_failed(error)
    _leave(module, operation, surroundings, outcome, progress)


def ask(module: AnsibleModule, question: Callable[[], Any]) -> Any:
    """What ``question`` reads from a system; its failure ends the module."""
    try:
        return question()
    except (ChangerailError, ModuleNotFoundError) as error:
        failed = _as_failed(error)
        return module.fail_json(msg=_with_next_step(failed), failure=failed.failure)


def _outcome(module: AnsibleModule, operation: Operation, call: Call, progress: list[str]) -> Outcome:
    # Read before anything is started: a slip in it must not cost a pipeline.
    timeout = _timeout(module.params.get("timeout"))
    handle = module.params.get("handle")
    outcome = operation.poll(call, _handle_of(operation, handle)) if handle else operation.start(call)
    return _followed(operation, call, outcome, timeout, progress) if module.params.get("wait") else outcome


def _timeout(given: str | None) -> float:
    try:
        return seconds(given or 0)
    except AuthorError as error:
        raise AuthorError(f"timeout: {error}") from None


def _handle_of(operation: Operation, handle: Mapping[str, JSON]) -> Mapping[str, JSON]:
    """The operation's own part of a handle that this module gave."""
    if handle.get("operation") != operation.name or not isinstance(handle.get("at"), dict):
        raise AuthorError(
            f"handle: expected what a {operation.name} task with wait=false returned as 'handle', "
            f"got one of {handle.get('operation') or 'something else'}; register that task and pass its handle unchanged"
        )
    at: Mapping[str, JSON] = handle["at"]
    return at


def _followed(operation: Operation, call: Call, outcome: Outcome, timeout: float, progress: list[str]) -> Outcome:
    """Look until it has ended or the time is over; ``progress`` gets each new thing that is waited for."""
    end = time.monotonic() + timeout
    while isinstance(outcome, Waiting) and outcome.question is None:
        if not progress or progress[-1] != outcome.message:
            progress.append(outcome.message)
        left = end - time.monotonic()
        if left <= 0:
            break
        time.sleep(min(outcome.after, left))
        outcome = _looked(operation, call, outcome)
    return outcome


def _looked(operation: Operation, call: Call, waiting: Waiting) -> Outcome:
    """One look. What cannot be reached for a moment is looked at again: it goes on there."""
    try:
        return operation.poll(call, waiting.handle)
    except OperationError as error:
        if error.failure != TRANSIENT:
            raise
        return Waiting(waiting.handle, error.retry_after or waiting.after, f"trying again: {error}", long=waiting.long)


def _as_failed(error: ChangerailError | ModuleNotFoundError) -> Failed:
    if isinstance(error, ModuleNotFoundError):
        return Failed(FAILED, missing_required_lib((error.name or str(error)).partition(".")[0]))
    return Failed(error.failure if isinstance(error, OperationError) else FAILED, str(error))


def _with_next_step(failed: Failed) -> str:
    return " ".join(part for part in (failed.message, _NEXT_STEP.get(failed.failure, "")) if part)


def _leave(
    module: AnsibleModule, operation: Operation, surroundings: Context, outcome: Outcome, progress: Sequence[str]
) -> None:
    """End the module with the outcome in Ansible's words."""
    common = {"key": surroundings.run, **({"progress": list(progress)} if "wait" in module.params else {})}
    if isinstance(outcome, Waiting):
        _leave_waiting(module, operation, outcome, common)
        return
    result = {**outcome.result, **common}
    if isinstance(outcome, Failed):
        message = f"{operation.name}: {_with_next_step(outcome)}"
        module.fail_json(msg=message, failure=outcome.failure, finished=True, **result)
    else:
        module.exit_json(**{**result, "changed": outcome.changed, "finished": True})


def _leave_waiting(module: AnsibleModule, operation: Operation, outcome: Waiting, common: Mapping[str, JSON]) -> None:
    handle = {"operation": operation.name, "key": common["key"], "at": dict(outcome.handle)}
    if outcome.question is not None:
        module.fail_json(
            msg=f"{operation.name}: {outcome.message}. A playbook cannot ask people for a record that is decided here; that needs a run: "
            "put this task into a workflow and start it with 'changerail run', or ask with 'groups' or 'people' in place of 'from'.",
            failure=FAILED,
            finished=False,
            **common,
        )
    if module.params["wait"]:
        module.fail_json(
            msg=f"{operation.name}: not over after {module.params['timeout']}: {outcome.message}. It was not stopped; "
            "look again with the same options and 'handle', or raise 'timeout'.",
            failure=TIMEOUT,
            finished=False,
            handle=handle,
            **common,
        )
    module.exit_json(changed=False, finished=False, handle=handle, waiting_for=outcome.message, **common)
