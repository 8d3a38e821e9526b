# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workflow as values: what the reader makes of a file and everything else works on. Pure data, no imports of ours.

Strings are the author's own text and may be templates; nothing here is evaluated. ``Vaulted`` and ``Unsafe`` stand for
values written with ``!vault`` and ``!unsafe``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ENGINE_MODULES = ("assert", "fail", "debug", "set_fact", "pause")
"""Modules of ``ansible.builtin`` that the engine does itself, without starting Ansible."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Vaulted:
    """The ciphertext of a ``!vault`` scalar; decrypted only where it is used."""

    ciphertext: str


@dataclass(frozen=True, slots=True)
class Unsafe:
    """A ``!unsafe`` scalar: text that is never templated."""

    text: str


@dataclass(frozen=True, slots=True)
class Retry:
    """How a failed attempt is repeated. Seconds; each value may be a template and is then evaluated when the step is entered.

    ``retries`` counts the attempts after the first. ``retry_on`` holds failure classes.
    The wait before retry n is ``min(max(max_delay, delay), delay * backoff ** (n - 1))``, spread by jitter when backoff is over 1.
    """

    retries: int | str = 0
    delay: float | str = 5.0
    backoff: float | str = 1.0
    max_delay: float | str = 300.0
    retry_on: tuple[str, ...] = ("transient",)


@dataclass(frozen=True, slots=True)
class Loop:
    """A ``loop`` with its ``loop_control``.

    ``items`` is a template or a list. ``at_once`` is how many items run at the same time: 1 is one after the other, 0 is no limit.
    A loop fails when more than ``max_failures`` items failed; in order it then stops, at once it lets the others finish
    unless ``fail_fast``. ``label`` is a template for the item's name in paths and views. ``pause`` is in seconds, between items in order.
    """

    items: Any
    loop_var: str = "item"
    index_var: str | None = None
    label: str | None = None
    pause: float = 0.0
    at_once: int = 1
    max_failures: int = 0
    fail_fast: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """What a leaf does. ``name`` is fully qualified: ``netops.changerail.approval``, ``ansible.builtin.import_playbook``, ``cisco.ios.ios_config``.

    ``args`` are its options as written (a mapping, or for a module its free form text); ``task_keywords`` are Ansible's
    other task keywords (become, environment, delegate_to, changed_when, …) which go to the generated task as they are.
    """

    name: str
    args: Mapping[str, Any] | str
    at: Position
    task_keywords: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: a leaf (``action``), or a container (``steps`` with ``rescue`` and ``always``; ``parallel`` runs ``steps`` at once).

    An imported workflow is a container whose ``defaults`` are that workflow's own vars (lowest precedence).
    ``id`` is unique among its siblings, rescue and always included. ``when``, ``until`` and ``failed_when`` are expressions that must all hold, as in Ansible.
    ``name`` may be a template. ``timeout`` is in seconds or a template. ``retry`` None means the action's default.
    """

    id: str
    name: str
    at: Position
    action: Action | None = None
    steps: tuple[Step, ...] = ()
    rescue: tuple[Step, ...] = ()
    always: tuple[Step, ...] = ()
    parallel: bool = False
    fail_fast: bool = False
    throttle: int = 0
    when: tuple[str, ...] = ()
    vars: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    register: str | None = None
    loop: Loop | None = None
    retry: Retry | None = None
    until: tuple[str, ...] = ()
    failed_when: tuple[str, ...] = ()
    timeout: float | str | None = None
    ignore_errors: bool | str = False
    no_log: bool | str = False
    escalate: tuple[Mapping[str, Any], ...] = ()
    on_interrupt: str = "ask"

    def children(self) -> Iterator[Step]:
        """The steps directly inside, in the order written."""
        yield from self.steps
        yield from self.rescue
        yield from self.always


@dataclass(frozen=True, slots=True)
class Workflow:
    """A whole workflow file with everything it imports.

    ``sources`` are the texts of all files by path relative to the main file's folder; the journal's first record carries them, so a run
    never depends on a file changed later. ``main`` is the key of the main file in ``sources``; ``folder`` is where playbooks and inventories
    are looked up. ``digest`` is the SHA-256 (hex) over all sources.
    """

    name: str
    steps: tuple[Step, ...]
    vars: Mapping[str, Any]
    inventory: str | Sequence[str] | None
    folder: str
    main: str
    sources: Mapping[str, str]
    digest: str

    def walk(self) -> Iterator[tuple[str, Step]]:
        """Every step with its static path (loops without brackets), in the order written."""
        stack = [("", step) for step in reversed(self.steps)]
        while stack:
            prefix, step = stack.pop()
            path = f"{prefix}/{step.id}" if prefix else step.id
            yield path, step
            stack.extend((path, child) for child in reversed(list(step.children())))
