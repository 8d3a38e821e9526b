# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs: create one, drive it until it is over or only waits, collect what people sent while nobody drove it. What the doors call.

``create`` writes the first record; ``drive`` takes a run up, whoever put it down and however; both go by the journal alone.
"""

from __future__ import annotations

import getpass
import importlib.metadata
import os
import platform
import re
import secrets
import socket
import threading
import time
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, cast

from ansible_collections.netops.changerail.plugins.module_utils.errors import ChangerailError, RunError
from ansible_collections.netops.changerail.plugins.module_utils.operation import Artifact
from ansible_collections.netops.changerail.plugins.plugin_utils.core import decide
from ansible_collections.netops.changerail.plugins.plugin_utils.core.commands import Command
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    EngineStarted,
    EngineStopped,
    Event,
    RunStarted,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.core.state import State
from ansible_collections.netops.changerail.plugins.plugin_utils.engine import recorded_vars
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.engine import Ending, Engine
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.escalation import Teller
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.loop import Loop, listening
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.mask import (
    Masker,
    secrets_by_name,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.meter import NOTHING, Meter
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.observe import observe_step
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.prepare import Preparer, Surroundings
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.questions import Questions
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.templating import Templating
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.timers import Clock
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.variables import needed
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import Record
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import FileJournal
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import (
    RunFolder,
    StateFolder,
    storage_error,
    taken,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.people.inbox import wake_server
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project, Resolver
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Workflow
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load_sources

WORKERS = 32
"""Steps of one run that may be busy at once."""


@dataclass(frozen=True)
class Surround:
    """What a door gives ``drive`` beside the run: the world around it.

    ``observer`` is called with every new record, in the engine's thread. ``evidence`` collects the run's evidence as files.
    ``environment`` stands for ``os.environ``; ``meter`` is told how long things take.
    ``link`` gives the address of a run's step for people, "" without a server.
    """

    project: Project = field(default_factory=Project)
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    observer: Callable[[Record], None] = lambda record: None
    evidence: Callable[[RunFolder], Sequence[Artifact]] = lambda folder: ()
    clock: Clock = field(default_factory=Clock)
    meter: Meter = NOTHING
    link: Callable[[str, str], str] = lambda run, path: ""


def create(
    workflow: Workflow,
    *,
    state: StateFolder,
    variables: Mapping[str, Any],
    options: Mapping[str, Any],
    requester: Mapping[str, str],
    project: Project | None = None,
    run: str | None = None,
    clock: Clock | None = None,
    happened: Sequence[Event] = (),
) -> RunFolder:
    """Make a run of ``workflow`` and write its first record; nothing is started yet.

    ``variables`` are the extra vars, ``options`` what ``RunStarted.options`` says, ``requester`` has "name", "assurance" and "os_user".
    ``happened`` is what has happened already, for a run that is recorded afterwards.
    Raises AuthorError when the id is taken or impossible, StorageError.
    """
    now = (clock or Clock()).now()
    name = name_of(workflow, variables, Templating(workflow.folder))
    folder = state.create(run or new_run_id(name, now))
    started = RunStarted(
        at=now,
        run=folder.run,
        name=name,
        main=workflow.main,
        folder=workflow.folder,
        sources=dict(workflow.sources),
        digest=workflow.digest,
        variables=recorded_vars.recorded(variables, folder),
        requester=dict(requester),
        options=dict(options),
        versions=versions(),
        project=str(project.path) if project is not None and project.path is not None else "",
        rules=decide.RULES,
    )
    with FileJournal(folder) as journal:
        # Looked at again under the lock: two may have found that nobody had begun.
        if folder.has_begun():
            raise taken(folder)
        journal.append([started, *happened])
    return folder


def drive(
    folder: RunFolder, around: Surround, *, until_waiting: bool = False, stop: threading.Event | None = None
) -> Ending:
    """Take the run up and drive it until it is over, ``stop`` is set, or (``until_waiting``) only people and long waits are left.

    Raises RunIsHeld, JournalDamaged, StorageError; the journal then holds all that was acknowledged and the run can be resumed.
    """
    try:
        return _driven(folder, around, until_waiting, stop or threading.Event())
    finally:
        # It is put down, and a server may go on.
        wake_server(folder)


def _driven(folder: RunFolder, around: Surround, until_waiting: bool, stop: threading.Event) -> Ending:
    with FileJournal(folder) as journal:
        state, workflow = folded(journal.read(), folder)
        if state.status != "running":
            recorded_vars.forget(folder)
            return Ending(state.status, "the run is over")
        workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="changerail")
        loop = Loop(state, journal, around.clock, around.observer, workers, around.meter)
        try:
            engine = engine_of(loop, folder, workflow, around)
            with listening(_wake(folder), engine.inbox_changed):
                loop.record(engine_started(around.clock.now(), journal.healed))
                loop.commit()
                ending = engine.run(decide.pending(state), until_waiting, stop)
                over = state.status != "running"
                loop.record(EngineStopped(around.clock.now(), "finished" if over else ending.status))
                loop.commit()
                if over:
                    recorded_vars.forget(folder)
                return ending
        finally:
            # Those busy end by their own time limits.
            workers.shutdown(wait=False, cancel_futures=True)


def engine_started(now: float, healed: int) -> EngineStarted:
    """The event that this process takes a run up; ``healed`` as there."""
    return EngineStarted(now, socket.gethostname(), os.getpid(), _login(), versions()["changerail"], healed)


def collect(folder: RunFolder, around: Surround) -> list[Event]:
    """Record what lies in the inbox of a run that nobody drives, and return the new events; an engine that drives it does this itself.

    Raises RunIsHeld when one does. What follows from the answers is done when the run is resumed.
    """
    new: list[Event] = []
    with FileJournal(folder) as journal:
        state, _workflow = folded(journal.read(), folder)
        loop = Loop(state, journal, around.clock, lambda record: new.append(record.event), _NOBODY)
        loop.dispatch = _leave_it
        Questions(loop, folder, around.project, lambda path, verdict: None, lambda leaf, notice: None).read_inbox()
    return new


def new_run_id(name: str, now: float) -> str:
    """A run id for people: the workflow's name, the day, four hex digits of chance."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-") or "run"
    return f"{slug}-{time.strftime('%Y%m%d', time.localtime(now))}-{secrets.token_hex(2)}"


def name_of(workflow: Workflow, variables: Mapping[str, Any], templating: Templating) -> str:
    """The run's name for people: the workflow's, evaluated where it is a template that can be evaluated before anything has run."""
    try:
        picked = needed([workflow.name], [(False, variables), (True, workflow.vars)], templating.names)
        name = str(templating.text(workflow.name, picked))
    except ChangerailError:
        return workflow.name
    return Masker(templating.secrets).text(name)


def os_requester() -> dict[str, str]:
    """The operating-system user as the requester of a run."""
    login = _login()
    return {"name": login, "assurance": "os_user", "os_user": login}


def versions() -> dict[str, str]:
    """The versions a run depends on, without importing what they are of."""
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    # A process that drives many runs asks at each: what it is made of does not change under it.
    found = {"python": platform.python_version()}
    for name in ("changerail", "ansible-core", "ansible-runner"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found


def folded(records: Iterator[Record], folder: RunFolder) -> tuple[State, Workflow]:
    """What a journal's records come to. Raises RunError when they are no run, or one of a later release."""
    first = next(records, None)
    if first is None or not isinstance(first.event, RunStarted):
        raise RunError("the run was never begun: its journal has no first record; start it anew")
    started = first.event
    if started.rules > decide.RULES:
        raise RunError(
            f"the run was started by a later release (rules {started.rules}, this one knows {decide.RULES}): use that release or a newer one"
        )
    workflow = _loaded(started.main, tuple(started.sources.items()), started.folder)
    state = State(workflow)
    decide.apply(state, replace(started, variables=recorded_vars.restored(started.variables, folder)))
    for record in records:
        decide.apply(state, record.event)
    return state, workflow


class _Nobody:
    """No workers: what is to be done is left to whoever resumes the run."""

    def submit(self, job: Callable[[], None], /) -> None:
        raise RuntimeError("nobody works here")


_NOBODY = _Nobody()


@lru_cache(maxsize=64)
def _loaded(main: str, sources: tuple[tuple[str, str], ...], folder: str) -> Workflow:
    """The workflow of these texts: thousands of runs in one process are of a few workflows."""
    return load_sources(main, dict(sources), folder)


def engine_of(loop: Loop, folder: RunFolder, workflow: Workflow, around: Surround) -> Engine:
    """The engine for a run that was folded. Raises RunError."""
    started = loop.state.started
    if started is None:
        raise RunError("the run was never begun")
    templating = Templating(workflow.folder, started.options.get("vault_password_files") or ())
    resolver = Resolver(around.environment, templating.decrypt)
    masker = Masker(
        [
            *around.project.secrets(resolver),
            *secrets_by_name(dict(around.environment)),
            *secrets_by_name(started.variables),
        ]
    )
    state = folder.state
    connections, settings = around.project.context_parts(resolver)

    def all_connections() -> Mapping[str, Mapping[str, Any]]:
        local = {"records": str(state.records), **connections.get("local", {})}
        # Behind the first, a ChainMap only reads; and these are resolved when they are read.
        return ChainMap({"local": local}, cast(MutableMapping[str, Mapping[str, Any]], connections))

    surroundings = Surroundings(
        folder=folder,
        base=Path(workflow.folder),
        requester=str(started.requester.get("name", "")),
        inventory=_inventory(workflow, started),
        options=started.options,
        connections=all_connections,
        settings=settings,
        environment=around.environment,
        clock=around.clock.now,
        steady=around.clock.steady(),
        evidence=lambda: around.evidence(folder),
        observe_step=lambda run, step: observe_step(state, run, step),
        link=lambda path: around.link(folder.run, path),
    )
    preparer = Preparer(templating, surroundings, masker)
    teller = Teller(loop, surroundings)
    return Engine(
        loop, preparer, masker, lambda attempts: Questions(loop, folder, around.project, attempts.decided, teller.tell)
    )


def _inventory(workflow: Workflow, started: RunStarted) -> list[str]:
    """Inventories as the command line named them, else as the workflow does, relative to its folder."""
    given = started.options.get("inventory")
    if given:
        return [str(path) for path in given]
    written = workflow.inventory
    names = [written] if isinstance(written, str) else list(written or ())
    return [name if "," in name else str(Path(workflow.folder, name)) for name in names]


def _wake(folder: RunFolder) -> Path:
    try:
        if not folder.wake.exists():
            os.mkfifo(folder.wake, 0o600)
    except OSError as error:
        raise storage_error(folder.wake, error) from None
    return folder.wake


def _leave_it(command: Command) -> None:
    """It stays pending and is done by whoever resumes the run."""


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"
