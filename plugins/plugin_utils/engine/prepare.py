# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a live step to an operation with its options: what is evaluated, with which variables, and what of it may be recorded.

A *snapshot* is taken in the engine's thread, where the state may be read; evaluating it is impure, may take time and is done by a worker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.arguments import validated
from ansible_collections.netops.changerail.plugins.module_utils.durations import seconds
from ansible_collections.netops.changerail.plugins.module_utils.errors import (
    AuthorError,
    ChangerailError,
    TemplateFailed,
)
from ansible_collections.netops.changerail.plugins.module_utils.operation import (
    Artifact,
    Call,
    Context,
    Operation,
    find,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.core.state import Leaf, Live, Looped, State, layers
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.builtins import builtin
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.mask import (
    CENSORED,
    Masker,
    secrets_by_name,
    without_secret_options,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.templating import Templating
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.variables import Variables, everything, needed
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import ENGINE_MODULES, Action, Step

PLAYBOOK = "ansible.builtin.import_playbook"
_BUILTINS = frozenset(f"ansible.builtin.{name}" for name in ENGINE_MODULES)
_ENTRY_KEYWORDS = ("timeout", "ignore_errors")
_RETRY_KEYWORDS = ("retries", "delay", "backoff", "max_delay")


@dataclass(frozen=True)
class Surroundings:
    """What every operation of a run is given beside its options; the same for all steps.

    ``options`` are those of ``RunStarted``; ``connections`` and ``settings`` as ``Context`` has them; ``evidence`` collects the run's evidence.
    ``link`` gives the address of a step's page, "" without a server.
    ``clock`` is the wall clock, by which points in time are judged; ``steady`` is for lengths of time: it does not jump while this engine runs.
    """

    folder: RunFolder
    base: Path
    requester: str
    inventory: Sequence[str]
    options: Mapping[str, Any]
    connections: Callable[[], Mapping[str, Mapping[str, Any]]]
    settings: Mapping[str, Any]
    environment: Mapping[str, str]
    clock: Callable[[], float]
    steady: Callable[[], float]
    evidence: Callable[[], Sequence[Artifact]]
    observe_step: Callable[[str, str], Mapping[str, Any] | None]
    link: Callable[[str], str] = lambda path: ""

    @property
    def check(self) -> bool:
        return bool(self.options.get("check"))

    def key(self, path: str, attempt: int) -> str:
        """What is put on the remote thing, and looked for before anything is started."""
        return f"{self.folder.run}/{path}/{attempt}"

    def context(self, path: str, attempt: int, folder: Path) -> Context:
        """The context of one attempt whose files lie in ``folder``."""
        return Context(
            key=self.key(path, attempt),
            run=self.folder.run,
            path=path,
            attempt=attempt,
            folder=folder,
            base=self.base,
            requester=self.requester,
            check=self.check,
            connections=self.connections(),
            settings=self.settings,
            environment=self.environment,
            clock=self.clock,
            evidence=self.evidence,
            observe_step=self.observe_step,
        )

    def magic(self, path: str, attempt: int) -> dict[str, Any]:
        """The variable ``changerail`` as a step and its playbook see it."""
        return {
            "run": self.folder.run,
            "path": path,
            "attempt": attempt,
            "requester": self.requester,
            "key": self.key(path, attempt),
            "folder": str(self.folder.path),
            "check": self.check,
        }


@dataclass(frozen=True)
class Snapshot:
    """A step as it stood when it was looked at, with the variables its templates need."""

    step: Step
    path: str
    attempt: int
    variables: Variables
    entry: Mapping[str, Any] = field(default_factory=dict)
    no_log: bool = False


@dataclass(frozen=True)
class Prepared:
    """An operation ready to be started; ``shown`` are the options as they may be recorded, ``name`` the step's name evaluated."""

    operation: Operation
    call: Call
    shown: Mapping[str, Any]
    name: str
    no_log: bool


class Preparer:
    """Evaluates what decide asks for. Raises ChangerailError with a message for the author; every method but ``snapshot*`` may run in any thread."""

    def __init__(self, templating: Templating, surroundings: Surroundings, masker: Masker) -> None:
        self._templating = templating
        self._around = surroundings
        self._masker = masker

    @property
    def check(self) -> bool:
        """Whether this is a dry run."""
        return self._around.check

    # In the engine's thread

    def snapshot(self, state: State, node: Live) -> Snapshot:
        """For the step's own keywords and, of a leaf, its options."""
        step = node.step
        trees: list[Any] = [step.name, _in_braces(step.when), step.timeout, step.ignore_errors, step.no_log]
        if step.retry is not None:
            trees.extend(getattr(step.retry, keyword) for keyword in _RETRY_KEYWORDS)
        if isinstance(node, Leaf) and step.action is not None:
            if not self._is_operation(step.action):
                return self._of(node, everything(layers(state, node)))
            trees.append(step.action.args)
            trees.append(_in_braces(_conditions(step)))
        return self._of(node, needed(trees, layers(state, node), self._templating.names))

    def loop_snapshot(self, state: State, loop: Looped) -> Snapshot:
        """For the items of a loop; their labels are evaluated with the variables of the loop's place."""
        rules = loop.step.loop
        trees = [rules.items, rules.label, _in_braces(loop.step.when)] if rules else []
        return self._of(loop, needed(trees, layers(state, loop), self._templating.names))

    def result_snapshot(self, state: State, leaf: Leaf, result: Mapping[str, Any]) -> Snapshot:
        """For ``until`` and ``failed_when``, which see the attempt's result under the step's ``register``."""
        trees = [_in_braces(leaf.step.until), _in_braces(leaf.step.failed_when)]
        own = {leaf.step.register: result} if leaf.step.register else {}
        seen = [(False, own), *layers(state, leaf)]
        return self._of(leaf, needed(trees, seen, self._templating.names))

    def _of(self, node: Live, variables: Variables) -> Snapshot:
        attempt = node.attempt if isinstance(node, Leaf) else 0
        entry = {} if isinstance(node, Looped) else node.entry
        magic = {"changerail": self._around.magic(node.path, attempt)}
        return Snapshot(node.step, node.path, attempt, Variables(variables.author, {**variables.data, **magic}), entry)

    # In a worker's thread

    def entry(self, snapshot: Snapshot) -> dict[str, Any]:
        """``when`` and the keywords that are templates, as ``Evaluated.values`` has them. A keyword is only looked at when ``when`` holds.

        In check mode a step whose condition needs what an earlier step did not really make is skipped.
        """
        step = snapshot.step
        try:
            if not self._all_hold(step.when, snapshot):
                return {"when": False}
        except TemplateFailed:
            if self.check:
                return {"when": False}
            raise
        values: dict[str, Any] = {"when": True}
        for keyword in _ENTRY_KEYWORDS:
            written = getattr(step, keyword)
            if isinstance(written, str):
                values[keyword] = self._keyword(keyword, written, snapshot)
        for keyword in _RETRY_KEYWORDS if step.retry is not None else ():
            written = getattr(step.retry, keyword)
            if isinstance(written, str):
                values[keyword] = self._keyword(keyword, written, snapshot)
        return values

    def judged(self, snapshot: Snapshot) -> dict[str, Any]:
        """``failed`` and ``until`` of an attempt's result. In check mode nothing is waited for and nothing refused: there is no real result."""
        if self.check:
            return {}
        values: dict[str, Any] = {}
        if snapshot.step.failed_when:
            values["failed"] = self._all_hold(snapshot.step.failed_when, snapshot)
        if snapshot.step.until:
            values["until"] = self._all_hold(snapshot.step.until, snapshot)
        return values

    def items(self, snapshot: Snapshot) -> tuple[list[Any], list[str]]:
        """The loop's items and their labels, unique and short."""
        rules = snapshot.step.loop
        if rules is None:
            raise ChangerailError(f"{snapshot.step.at}: step {snapshot.path} has no loop")
        try:
            found = self._templating.tree(rules.items, snapshot.variables)
        except ChangerailError:
            # As in Ansible: what a false `when` guards need not be there.
            if snapshot.step.when and not self._all_hold(snapshot.step.when, snapshot):
                return [], []
            raise
        if not isinstance(found, (list, tuple)):
            raise ChangerailError(
                f"{snapshot.step.at}: loop: expected a list, got {type(found).__name__}: {str(found)[:80]!r}"
            )
        plain = self._masker.plain(found)
        return plain, unique_labels([self._label(item, index, snapshot) for index, item in enumerate(plain)])

    def prepare(self, snapshot: Snapshot) -> Prepared:
        """The operation of a leaf with its options evaluated and checked."""
        step = snapshot.step
        action = step.action
        if action is None:
            raise ChangerailError(f"{step.at}: step {snapshot.path} does nothing")
        no_log = self._truth("no_log", step.no_log, snapshot)
        if _is_ours(action):
            operation, args = self._builtin(snapshot)
        elif action.name == PLAYBOOK:
            operation, args = self._playbook(snapshot)
        elif self._is_operation(action):
            operation = find("operations", action.name)
            args = self._options(operation, snapshot)
        else:
            operation, args = self._module(snapshot)
        checked = validated(operation, args) if operation.options else dict(args)
        self._masker.add([*self._templating.secrets, *secrets_by_name(checked)])
        shown = CENSORED if no_log else self._shown(operation, checked, snapshot)
        name = (
            self._masker.text(str(self._templating.text(step.name, snapshot.variables)))
            if "{{" in step.name
            else step.name
        )
        # Without a name of its own a step is called after what it does.
        own = name if step.name != action.name.rpartition(".")[2] else ""
        context = replace(self._context(snapshot, action), name=own)
        return Prepared(operation, Call(checked, context), shown, name, no_log)

    def _builtin(self, snapshot: Snapshot) -> tuple[Operation, Mapping[str, Any]]:
        assert_or_debug = builtin(
            snapshot.step.action.name if snapshot.step.action else "",
            lambda condition: self._condition(condition, snapshot),
            lambda expression: self._templating.text("{{ " + expression + " }}", snapshot.variables),
        )
        args = self._options(assert_or_debug, snapshot)
        if isinstance(args.get("that"), str):
            args["that"] = [args["that"]]
        return assert_or_debug, args

    def _options(self, operation: Operation, snapshot: Snapshot) -> dict[str, Any]:
        written = snapshot.step.action.args if snapshot.step.action else {}
        if isinstance(written, str):
            raise ChangerailError(
                f"{snapshot.step.at}: {operation.name}: expected a mapping of options, got {written!r}"
            )
        raw = {name: value for name, value in written.items() if name in operation.raw_options}
        rest = {name: value for name, value in written.items() if name not in operation.raw_options}
        return {**self._templating.tree(rest, snapshot.variables), **raw}

    def _playbook(self, snapshot: Snapshot) -> tuple[Operation, Mapping[str, Any]]:
        from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.operations import (
            PLAYBOOK as operation,
        )

        action = snapshot.step.action
        written = action.args if action else ""
        args = {"playbook": written} if isinstance(written, str) else dict(written)
        args = self._templating.tree(args, snapshot.variables)
        limit = {"limit": self._around.options["limit"]} if self._around.options.get("limit") else {}
        return operation, {**self._how_to_run(), **limit, **args, "extra_vars": self._all_values(snapshot)}

    def _module(self, snapshot: Snapshot) -> tuple[Operation, Mapping[str, Any]]:
        from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.operations import MODULE as operation

        action = snapshot.step.action
        if action is None:
            raise ChangerailError(f"{snapshot.step.at}: step {snapshot.path} does nothing")
        return operation, {
            **self._how_to_run(),
            "module": action.name,
            "args": action.args,
            "keywords": dict(action.task_keywords),
            "extra_vars": self._all_values(snapshot),
        }

    def _how_to_run(self) -> dict[str, Any]:
        options = self._around.options
        chosen = {name: options[name] for name in ("verbosity", "vault_password_files") if options.get(name)}
        return {"inventory": [str(path) for path in self._around.inventory], **chosen}

    def _all_values(self, snapshot: Snapshot) -> dict[str, Any]:
        """Every variable the step sees, evaluated. One that cannot be evaluated here is left out: nobody may have asked for it."""
        values = dict(snapshot.variables.data)
        for name, written in snapshot.variables.author.items():
            try:
                values[name] = self._templating.tree(written, snapshot.variables)
            except ChangerailError:
                continue
        return values

    def _shown(self, operation: Operation, args: Mapping[str, Any], snapshot: Snapshot) -> dict[str, Any]:
        shown = without_secret_options(args, operation.options)
        if "extra_vars" in shown:
            own = [name for name in snapshot.step.vars if name in shown["extra_vars"]]
            shown["extra_vars"] = {name: shown["extra_vars"][name] for name in own}
        plain: dict[str, Any] = self._masker.plain(shown)
        return plain

    def _context(self, snapshot: Snapshot, action: Action) -> Context:
        around = self._around
        if _is_ours(action):
            # What the engine does itself leaves no files and knows no points in time.
            folder = around.folder.step_place(snapshot.path, snapshot.attempt)
            return replace(around.context(snapshot.path, snapshot.attempt, folder), clock=around.steady)
        return around.context(snapshot.path, snapshot.attempt, around.folder.step(snapshot.path, snapshot.attempt))

    def _is_operation(self, action: Action) -> bool:
        if action.name == PLAYBOOK:
            return False
        if action.name in _BUILTINS:
            return _is_ours(action)
        try:
            find("operations", action.name)
        except ChangerailError:
            return False
        return True

    def _condition(self, condition: str, snapshot: Snapshot) -> bool:
        return self._templating.condition(condition, snapshot.variables)

    def _all_hold(self, conditions: Sequence[str], snapshot: Snapshot) -> bool:
        return all(self._condition(condition, snapshot) for condition in conditions)

    def _truth(self, keyword: str, written: bool | str, snapshot: Snapshot) -> bool:
        return written if isinstance(written, bool) else bool(self._keyword(keyword, written, snapshot))

    def _keyword(self, keyword: str, written: str, snapshot: Snapshot) -> Any:
        value = self._templating.text(written, snapshot.variables)
        read, kind = _KINDS.get(keyword, (float, "a number"))
        try:
            return read(value)
        except (TypeError, ValueError, AuthorError):
            raise ChangerailError(
                f"{snapshot.step.at}: {keyword}: expected {kind}, got {self._masker.plain(value)!r}"
            ) from None

    def _label(self, item: Any, index: int, snapshot: Snapshot) -> str:
        rules = snapshot.step.loop
        if rules is not None and rules.label:
            own = {rules.loop_var: item, **({rules.index_var: index} if rules.index_var else {})}
            return str(
                self._templating.text(
                    rules.label, Variables(snapshot.variables.author, {**snapshot.variables.data, **own})
                )
            )
        if isinstance(item, Mapping):
            item = item.get("name", index)
        return str(item) if isinstance(item, (str, int, float)) else str(index)


def unique_labels(labels: Sequence[str]) -> list[str]:
    """Labels fit for a path: no ``/``, ``[`` or ``]``, at most 60 characters, each but once; a repeated or empty one gets its index."""
    taken: set[str] = set()
    unique = []
    for index, label in enumerate(labels):
        clean = "".join("-" if char in "/[]" or not char.isprintable() else char for char in label)[:60].strip()
        while not clean or clean in taken:
            clean = f"{clean}#{index}"
        taken.add(clean)
        unique.append(clean)
    return unique


def _is_ours(action: Action) -> bool:
    """Whether the engine does it itself. With another of Ansible's task keywords (``changed_when``, ``delegate_to``, …) Ansible has to."""
    return action.name in _BUILTINS and not action.task_keywords


def _in_braces(expressions: Sequence[str]) -> list[str]:
    return ["{{ " + expression + " }}" for expression in expressions]


def _conditions(step: Step) -> Sequence[str]:
    """The expressions that assert and debug carry in their options without braces."""
    action = step.action
    if (
        action is None
        or action.name not in ("ansible.builtin.assert", "ansible.builtin.debug")
        or isinstance(action.args, str)
    ):
        return ()
    that = action.args.get("that") or []
    found = [that] if isinstance(that, str) else list(that)
    return [str(text) for text in (*found, action.args.get("var")) if text]


def _as_truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "yes", "on", "1"):
        return True
    if str(value).lower() in ("false", "no", "off", "0"):
        return False
    raise ValueError(value)


_TRUTH = (_as_truth, "true or false")
_DURATION = (seconds, "seconds or a duration such as 15m or 2h30m")
_KINDS: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "ignore_errors": _TRUTH,
    "no_log": _TRUTH,
    "timeout": _DURATION,
    "delay": _DURATION,
    "max_delay": _DURATION,
}
"""How the value of a keyword that is a template is read, and what it must be; the others are numbers."""
