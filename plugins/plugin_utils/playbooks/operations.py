# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations that run Ansible itself: ``PLAYBOOK`` a whole playbook, ``MODULE`` one task. The engine starts, polls and cancels them.

The playbook runs under a supervisor of its own (supervisor.py) that outlives the engine; an attempt's folder tells everything
about it, so every method may be called from any process, at any time.
"""

from __future__ import annotations

import os
import re
import signal
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.failures import CANCELLED, TRANSIENT, UNKNOWN
from ansible_collections.netops.changerail.plugins.module_utils.files import write_json, write_whole
from ansible_collections.netops.changerail.plugins.module_utils.operation import (
    JSON,
    Call,
    Failed,
    Operation,
    Outcome,
    Waiting,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import private_folder
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks import processes, supervisor
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.attempt import Attempt, Stage
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.launch import Work, launch
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.results import (
    in_words,
    module_result,
    outcome_of,
    playbook_result,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.story import Story, read_story
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.variables import author_as_json
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.actions import PLAYBOOK_OPTIONS

# Seconds. No ansible-playbook ends sooner than the first look; later ones come after a part of the time that it has run
# already, so that the end is noticed late by little.
_FIRST_LOOK = 0.3
_LATENESS = 0.03
_SHORTEST_WAIT, _LONGEST_WAIT = 0.03, 1.0
_STOP_LIMIT = processes.GRACE + 15.0
_PLAYBOOK_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*){2,}\Z")
_MODULE_MAX_RESULT = 8_000_000

_HOW_TO_RUN = {name: PLAYBOOK_OPTIONS.spec[name] for name in ("inventory", "verbosity", "vault_password_files")}


class _Supervised(Operation):
    """Start, poll and cancel of whatever runs under a supervisor."""

    @abstractmethod
    def _work(self, call: Call, attempt: Attempt) -> Work:
        """What to run. Raises OperationError when that cannot work; then nothing was run."""

    @abstractmethod
    def _result(self, story: Story, rc: int | None) -> Mapping[str, JSON]:
        """What ``register`` gives."""

    def start(self, call: Call) -> Outcome:
        attempt = _attempt(call)
        with attempt.locked() as lock:
            if lock is not None and not attempt.started():
                launch(attempt, self._work(call, attempt), call.context, lock)
        return self.poll(call, _handle(call, attempt))

    def poll(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        attempt = Attempt(call.context.folder.absolute())
        stage = attempt.stage()
        if stage is Stage.RUNNING:
            return _waiting(call, handle, "is running")
        if stage is Stage.ORPHANED:
            return _waiting(call, handle, "is running on although its supervisor was killed")
        attempt.forget_variables()
        return _nothing_ran(attempt) if stage is Stage.FRESH else outcome_of(attempt, self._result)

    def cancel(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        """Takes up to 35 s: the playbook is given time to end by itself before what is left of it is killed."""
        attempt = Attempt(call.context.folder.absolute())
        stage = attempt.stage()
        if stage is Stage.FRESH:
            attempt.forget_variables()
            return Failed(CANCELLED, "nothing was run")
        if stage is Stage.RUNNING:
            _stop_through_supervisor(attempt)
        if attempt.stage() is Stage.ORPHANED:
            _stop_orphan(attempt)
        outcome = self.poll(call, _handle(call, attempt))
        if isinstance(outcome, Waiting):
            return Failed(
                CANCELLED,
                f"{outcome.message}: it did not stop within {_STOP_LIMIT:.0f} s; {in_words(read_story(attempt.events))}",
            )
        return outcome


class _Playbook(_Supervised):
    """Runs a playbook."""

    name = "playbook"
    options = {**PLAYBOOK_OPTIONS.spec, "extra_vars": {"type": "dict", "default": {}}}

    def _work(self, call: Call, attempt: Attempt) -> Work:
        playbook = _playbook(call)
        return replace(
            _common_work(call, os.path.basename(playbook), playbook),
            limit=call.args.get("limit"),
            tags=tuple(call.args.get("tags") or ()),
            skip_tags=tuple(call.args.get("skip_tags") or ()),
            forks=call.args.get("forks"),
        )

    def _result(self, story: Story, rc: int | None) -> Mapping[str, JSON]:
        return playbook_result(story, rc)


class _Module(_Supervised):
    """Runs one task on localhost. ``args`` and ``keywords`` are the author's own text: Ansible evaluates them, with ``extra_vars`` as variables."""

    name = "module"
    options = {
        **_HOW_TO_RUN,
        "module": {"type": "str", "required": True},
        "args": {"type": "raw"},
        "keywords": {"type": "dict", "default": {}},
        "extra_vars": {"type": "dict", "default": {}},
    }
    raw_options = ("args", "keywords")

    def _work(self, call: Call, attempt: Attempt) -> Work:
        module, keywords = call.args["module"], call.args.get("keywords") or {}
        play = {"hosts": "localhost", "gather_facts": False, "tasks": [{**keywords, module: call.args.get("args")}]}
        # A play's connection also holds for the host that a task is delegated to.
        if not {"delegate_to", "connection"} & keywords.keys():
            play["connection"] = "local"
        playbook = private_folder(attempt.folder / "project") / "task.json"
        write_whole(playbook, author_as_json([play]).encode())
        work = _common_work(call, module, str(playbook))
        return replace(work, settings={**work.settings, "CHANGERAIL_EVENTS_MAX_RESULT": str(_MODULE_MAX_RESULT)})

    def _result(self, story: Story, rc: int | None) -> Mapping[str, JSON]:
        return module_result(story)


PLAYBOOK = _Playbook()
MODULE = _Module()


def _attempt(call: Call) -> Attempt:
    attempt = Attempt(call.context.folder.absolute())
    key = attempt.job().get("key", call.context.key)
    if key != call.context.key:
        raise OperationError(f"{attempt.folder}: expected the files of {call.context.key}, but they are those of {key}")
    return attempt


def _handle(call: Call, attempt: Attempt) -> dict[str, JSON]:
    return {"name": attempt.job().get("name", "the playbook"), "began": call.context.clock()}


def _waiting(call: Call, handle: Mapping[str, JSON], state: str) -> Waiting:
    age = call.context.clock() - handle["began"]
    after = min(max(_FIRST_LOOK - age, age * _LATENESS, _SHORTEST_WAIT), _LONGEST_WAIT)
    return Waiting(handle, after, f"{handle['name']} {state}")


def _nothing_ran(attempt: Attempt) -> Failed:
    """For an attempt that was started, but whose supervisor died before it had recorded that the playbook begins."""
    if not attempt.job():
        return Failed(UNKNOWN, f"{attempt.folder}: the files of this attempt are gone, so nobody can tell what it did")
    said = attempt.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    return Failed(
        TRANSIENT,
        f"{attempt.job()['name']}: its supervisor died before it began, nothing was run: {''.join(said) or 'it said nothing'}",
    )


def _stop_through_supervisor(attempt: Attempt) -> None:
    (attempt.folder / supervisor.CANCEL).touch(mode=0o600)
    deadline = time.monotonic() + _STOP_LIMIT
    told = False
    while attempt.stage() is Stage.RUNNING and time.monotonic() < deadline:
        pid = attempt.started().get("pid")
        if pid and not told:
            told = processes.send(pid, attempt.job()["marker"], signal.SIGTERM)
        time.sleep(_SHORTEST_WAIT)


def _stop_orphan(attempt: Attempt) -> None:
    """Do what the dead supervisor would have done, and write the outcome in its place."""
    marker = attempt.job()["marker"]
    killed = processes.stop(marker, processes.roots(marker), processes.GRACE)
    if read_story(attempt.events).hosts is None:
        ending = {
            "rc": -signal.SIGINT,
            "error": "",
            "stopped_by": supervisor.BY_CANCEL,
            "killed": killed,
            "time": time.time(),
        }
        write_json(attempt.folder / supervisor.OUTCOME, ending)


def _playbook(call: Call) -> str:
    written = call.args["playbook"]
    path = call.context.base.absolute() / written
    if path.is_file():
        return str(path)
    if _PLAYBOOK_NAME.match(written):
        return str(written)
    raise OperationError(
        f"playbook {written}: no such file in {path.parent}; expected a path or namespace.collection.name"
    )


def _common_work(call: Call, name: str, playbook: str) -> Work:
    """What is the same for a playbook and a module."""
    args, base = call.args, call.context.base.absolute()
    if not base.is_dir():
        raise OperationError(f"{base}: no such folder; expected the one in which the workflow lies")
    flags: list[str] = []
    for path in args.get("vault_password_files") or ():
        flags += ["--vault-password-file", str(base / path)]
    if call.context.check or args.get("check"):
        flags.append("--check")
    if call.context.check or args.get("diff"):
        flags.append("--diff")
    inventory = _inventory(args.get("inventory") or (), base)
    # With an inventory, an unreadable one is an error; without, localhost alone is what is wanted.
    quiet = {"ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false"}
    return Work(
        name,
        playbook,
        base,
        inventory=inventory,
        extra_vars=args.get("extra_vars") or {},
        verbosity=args.get("verbosity") or 0,
        flags=tuple(flags),
        settings={"ANSIBLE_INVENTORY_UNPARSED_FAILED": "true"} if inventory else quiet,
    )


def _inventory(written: Sequence[str], base: Path) -> tuple[str, ...]:
    found = []
    for source in written:
        if "," not in source and not (base / source).exists():
            raise OperationError(
                f"inventory {source}: no such file or folder in {base}; expected one, or a list of hosts such as 'r1,r2'"
            )
        found.append(source if "," in source else str(base / source))
    return tuple(found)
