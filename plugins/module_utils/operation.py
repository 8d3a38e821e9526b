# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract between everything that touches the world and whatever drives it: start, poll, cancel.

The engine, a module in a plain playbook and a Temporal activity call the same operation code through this contract.
An operation knows none of them. Operations and providers of other collections are found exactly as ours are (see ``find``).
"""

from __future__ import annotations

import importlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Union

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.module_utils.failures import REJECTED

JSON = Any
"""Values that JSON can hold: what crosses from an operation into the journal."""


@dataclass(frozen=True)
class Artifact:
    """A file an operation made or fetched. ``path`` is where it lies now, ``name`` what people call it."""

    name: str
    path: str
    sha256: str
    size: int

    def as_dict(self) -> dict[str, JSON]:
        """The form in which results and the journal carry an artifact."""
        return {"name": self.name, "path": self.path, "sha256": self.sha256, "size": self.size}


@dataclass(frozen=True)
class Waiting:
    """Not over yet. Ask again with ``handle`` after ``after`` seconds; ``math.inf`` when only an answer to ``question`` can move it.

    ``handle`` is plain JSON without secrets; it must be enough to find the thing again from another process, days later.
    ``message`` says what is waited for ("pipeline 4711 is running: job deploy").
    ``question``, when people must decide: a mapping as ``people.questions.Question.as_dict`` gives it. Its ``id`` changes
    whenever what is asked about changes, which voids answers given before.
    ``long`` says that hours may pass: ``run --until-waiting`` may exit now.
    """

    handle: Mapping[str, JSON]
    after: float
    message: str
    question: Mapping[str, JSON] | None = None
    long: bool = False


@dataclass(frozen=True)
class Done:
    """It happened. ``result`` is what ``register`` gives to later steps; artifacts go in ``result['artifacts']`` by name.

    ``message`` is one line for people: what came of it ("CHG0000001 is scheduled"); without one they see ``result['msg']``, if it is text.
    """

    result: Mapping[str, JSON] = field(default_factory=dict)
    changed: bool = False
    message: str = ""


@dataclass(frozen=True)
class Failed:
    """It did not happen, or not as wanted. ``failure`` is one of ``FAILURE_CLASSES``; ``retry_after`` is in seconds."""

    failure: str
    message: str
    result: Mapping[str, JSON] = field(default_factory=dict)
    retry_after: float | None = None


# Not `|`: ansible-test judges what is packed with a module by the oldest Python that any module may meet.
Outcome = Union[Waiting, Done, Failed]


@dataclass(frozen=True)
class Verdict:
    """What people decided on a question: ``choice`` is one of its choices, ``approved`` whether that means go on.

    ``break_glass`` says that not those asked approved it: in an emergency two people opened the gate.
    """

    choice: str
    approved: bool
    answers: Sequence[Mapping[str, JSON]] = ()
    reason: str = ""
    break_glass: bool = False

    @property
    def summary(self) -> str:
        """The decision and who made it, for people: ``approve by ann, bob``."""
        if self.break_glass:
            return f"{self.choice} by {self.reason}"
        people = ", ".join(str(answer["person"]) for answer in self.answers)
        return f"{self.choice} by {people}" if people else self.choice


@dataclass(frozen=True)
class Context:
    """What an operation may know and use beside its options.

    ``key`` is ``<run>/<step path>/<attempt>``: put it on the remote thing and look for it before starting anything.
    ``name`` is the name that the step was given, "" for none.
    ``folder`` is a folder of this step's own, readable by its owner only, kept as long as the run.
    ``base`` is where relative paths in options start: the workflow file's folder, or a playbook's.
    ``check`` asks for a dry run: report what would change, start nothing outside.
    ``connections`` are the named connection settings of the project file, by provider name.
    ``settings`` are the other parts of the project file (people, notification channels, calendars).
    ``environment`` stands for ``os.environ``; ``clock`` gives seconds since the epoch.
    ``evidence`` collects the run's evidence as files; ``observe_step`` gives ``{state, result}`` of a step of another run,
    or None when there is no such run or step yet.
    """

    key: str
    run: str
    path: str
    attempt: int
    folder: Path
    base: Path = Path()
    requester: str = ""
    check: bool = False
    connections: Mapping[str, Mapping[str, JSON]] = field(default_factory=dict)
    settings: Mapping[str, JSON] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    clock: Callable[[], float] = time.time
    evidence: Callable[[], Sequence[Artifact]] = tuple
    observe_step: Callable[[str, str], Mapping[str, JSON] | None] = lambda run, step: None
    name: str = ""


@dataclass(frozen=True)
class Call:
    """One attempt at one step: the options, validated against ``Operation.options``, and the context."""

    args: Mapping[str, Any]
    context: Context


class Operation(ABC):
    """One thing a step can do. Instances hold no state: everything is in the call and the handle.

    ``options`` is an Ansible ``argument_spec``; ``constraints`` holds ``mutually_exclusive``, ``required_together``,
    ``required_one_of``, ``required_if`` and ``required_by`` as Ansible's ``ArgumentSpecValidator`` takes them.
    ``raw_options`` names options that carry an expression (JMESPath, …) and are not templated.
    Errors: an ``OperationError`` raised from any method becomes a ``Failed`` outcome; anything else is a defect.
    """

    name: str = ""
    options: Mapping[str, Mapping[str, Any]] = {}
    constraints: Mapping[str, Any] = {}
    raw_options: Sequence[str] = ()

    @abstractmethod
    def start(self, call: Call) -> Outcome:
        """Look for what already carries the key and adopt it; otherwise start it."""

    @abstractmethod
    def poll(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        """Look at what was started; never starts anything. Safe to call any number of times, from any process."""

    @abstractmethod
    def cancel(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        """Stop it in an orderly way. ``Failed(CANCELLED, …)`` says what was left undone; ``Done`` when it had finished already.

        After ``Waiting`` it is called again, so it is safe to call any number of times. ``handle`` is empty when the engine died before it could
        record one: then look for what carries the key.
        """

    def conclude(self, call: Call, handle: Mapping[str, JSON], verdict: Verdict) -> Outcome:
        """People have decided on the question of a ``Waiting`` outcome: make the outcome of it."""
        result = {"decision": verdict.choice, "answers": [dict(answer) for answer in verdict.answers]}
        if verdict.approved:
            return Done(result, message=verdict.summary)
        return Failed(REJECTED, verdict.reason or f"decided: {verdict.choice}", result)


OUR_COLLECTION = "netops.changerail"


def find(kind: str, name: str) -> Any:
    """The operation (``kind`` is "operations"), provider ("providers") or kind of webhook ("hooks") called ``name``, ours or a stranger's.

    ``name`` is short (ours) or ``namespace.collection.name``; the module
    ``ansible_collections.<namespace>.<collection>.plugins.module_utils.<kind>.<name>`` must define ``OPERATION``, ``PROVIDER`` or ``HOOK``.
    Raises AuthorError when there is none.
    """
    namespace, _dot, short = (name if "." in name else f"{OUR_COLLECTION}.{name}").rpartition(".")
    module_name = f"ansible_collections.{namespace}.plugins.module_utils.{kind}.{short}"
    wanted = kind[:-1].upper()
    missing = AuthorError(f"{name}: no such {kind[:-1]}; expected the Python module {module_name} with {wanted} in it")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not module_name.startswith(error.name):
            raise
        raise missing from None
    if not hasattr(module, wanted):
        raise missing
    return getattr(module, wanted)
