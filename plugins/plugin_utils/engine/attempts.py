# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of an attempt: prepared, recorded, started or adopted, looked at again, decided by people, stopped. For the engine's thread.

Each attempt has at most one call into its operation under way at a time.
"""

from __future__ import annotations

import errno
import math
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import (
    ChangerailError,
    OperationError,
    StorageError,
    TemplateFailed,
)
from ansible_collections.netops.changerail.plugins.module_utils.failures import CANCELLED, FAILED, TRANSIENT
from ansible_collections.netops.changerail.plugins.module_utils.operation import (
    Call,
    Done,
    Failed,
    Operation,
    Outcome,
    Verdict,
    Waiting,
)
from ansible_collections.netops.changerail.plugins.module_utils.provider import chosen
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    StepFinished,
    StepStarted,
    StepWaiting,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.core.state import Leaf
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.loop import Loop
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.mask import CENSORED, Masker
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.meter import Called
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.prepare import Prepared, Preparer
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import storage_error

_SHORTEST_WAIT = 0.02
_LONGEST_WAIT = 3600.0
_MESSAGE_EVERY = 60.0
"""Seconds between two records of a waiting step when only its message changed."""
_STOPPING_LIMIT = 600.0
"""Seconds a thing may take to stop before the step ends with what is left undone."""
_CANCEL_AGAIN = 5.0
_NO_WRITES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
"""A disk that takes no more: no failure of the step, which goes on where it was when there is space again."""


@dataclass(eq=False)
class Attempt:
    """One attempt under way. ``stop`` is why it is to be stopped, ``stopping_since`` (monotonic) when that was begun."""

    path: str
    number: int
    prepared: Prepared | None = None
    busy: bool = False
    stop: str = ""
    stopping_since: float | None = None
    verdict: Verdict | None = None
    last: Waiting | None = None
    recorded_at: float = 0.0
    looks: int = field(default=0)


class Attempts:
    """All attempts of a run under way in this process, by step path. ``asked`` is told when a step waits with a question."""

    def __init__(self, loop: Loop, preparer: Preparer, masker: Masker, asked: Callable[[Leaf], None]) -> None:
        self._loop = loop
        self._preparer = preparer
        self._masker = masker
        self._asked = asked
        self._now: dict[str, Attempt] = {}

    def perform(self, path: str, number: int) -> None:
        """Start the attempt, or adopt what an earlier engine started."""
        attempt = self._now[path] = Attempt(path, number)
        self._prepare(attempt)

    def stop(self, path: str, number: int, reason: str) -> None:
        """Stop the attempt: a thing not yet started is not started, a thing under way is cancelled."""
        attempt = self._now.get(path)
        if attempt is None or attempt.number != number:
            attempt = self._now[path] = Attempt(path, number, stop=reason)
            self._prepare(attempt)
            return
        attempt.stop = reason
        if not attempt.busy:
            self._cancel(attempt)

    def decided(self, path: str, verdict: Verdict) -> None:
        """People have decided on the step's question."""
        attempt = self._now.get(path)
        if attempt is None or attempt.verdict is not None:
            return
        attempt.verdict = verdict
        if not attempt.busy and attempt.last is not None:
            self._conclude(attempt)

    @property
    def stopping(self) -> bool:
        """Whether something is asked to stop and has not yet."""
        return any(a.stopping_since is not None for a in self._now.values())

    def look(self, path: str) -> None:
        """Look again at the step at ``path`` ("": at all) now; something out there says that it has moved."""
        for attempt in list(self._now.values()):
            if (
                path in ("", attempt.path)
                and attempt.last is not None
                and not attempt.busy
                and not attempt.stop
                and self._leaf(attempt) is not None
            ):
                self._poll(attempt)

    def only_long_waits(self) -> bool:
        """Whether everything under way waits for people, or for something that may take hours."""
        return all(
            not a.busy and a.last is not None and (a.last.long or a.last.question is not None)
            for a in self._now.values()
        )

    # Preparing and starting

    def _prepare(self, attempt: Attempt) -> None:
        leaf = self._leaf(attempt)
        if leaf is None:
            return
        snapshot = self._preparer.snapshot(self._loop.state, leaf)

        def job() -> Callable[[], None]:
            try:
                prepared = self._preparer.prepare(snapshot)
            except StorageError:
                raise
            except ChangerailError as error:
                outcome = self._unprepared(f"{snapshot.step.at}: {error}", isinstance(error, TemplateFailed))
                return lambda: self._settled(attempt, outcome)
            return lambda: self._prepared(attempt, prepared)

        self._work(attempt, job)

    def _unprepared(self, message: str, template: bool) -> Done | Failed:
        """In check mode an option may need what an earlier step did not really make; that is no failure of the step."""
        if template and self._preparer.check:
            return Done({"would_run": True}, message=f"would run; not looked at closer: {message}")
        return Failed(FAILED, message)

    def _prepared(self, attempt: Attempt, prepared: Prepared) -> None:
        self._free(attempt)
        leaf = self._leaf(attempt)
        if leaf is None:
            return
        attempt.prepared = prepared
        if leaf.started:
            self._take_up(attempt, leaf)
        elif attempt.stop:
            self._finish(attempt, Failed(CANCELLED, "not started"))
        else:
            event = StepStarted(
                self._loop.clock.now(),
                attempt.path,
                attempt.number,
                prepared.call.context.key,
                prepared.shown,
                prepared.name,
                prepared.operation.name,
            )
            self._loop.record(event, lambda: self._start(attempt))

    def _take_up(self, attempt: Attempt, leaf: Leaf) -> None:
        """The attempt was started by an earlier engine: ask after it, by its handle where one was recorded."""
        if leaf.handle is not None:
            attempt.last = Waiting(leaf.handle, 0.0, leaf.message, leaf.question, leaf.long)
            clock = self._loop.clock
            attempt.recorded_at = clock.monotonic() - max(0.0, clock.now() - leaf.noted_at)
            if attempt.stop:
                self._cancel(attempt)
            else:
                self._poll(attempt)
        elif attempt.stop:
            self._cancel(attempt)
        else:
            self._start(attempt)

    def _start(self, attempt: Attempt) -> None:
        if attempt.stop:
            self._finish(attempt, Failed(CANCELLED, "not started"))
            return
        self._call(attempt, "start", lambda prepared: prepared.operation.start(prepared.call))

    # Looking again

    def _poll(self, attempt: Attempt) -> None:
        handle = attempt.last.handle if attempt.last else {}
        self._call(attempt, "poll", lambda prepared: prepared.operation.poll(prepared.call, handle))

    def _cancel(self, attempt: Attempt) -> None:
        handle = attempt.last.handle if attempt.last else {}
        if attempt.stopping_since is None:
            attempt.stopping_since = self._loop.clock.monotonic()
        self._call(attempt, "cancel", lambda prepared: _cancelled(prepared, handle))

    def _conclude(self, attempt: Attempt) -> None:
        verdict = attempt.verdict
        handle = attempt.last.handle if attempt.last else {}
        if verdict is not None:
            self._call(
                attempt, "conclude", lambda prepared: prepared.operation.conclude(prepared.call, handle, verdict)
            )

    def _call(self, attempt: Attempt, verb: str, ask: Callable[[Prepared], Outcome]) -> None:
        prepared = attempt.prepared
        if prepared is None:
            return

        def job() -> Callable[[], None]:
            began = self._loop.clock.monotonic()
            outcome = _outcome_of(ask, prepared)
            self._measure(prepared, verb, outcome, self._loop.clock.monotonic() - began)
            return lambda: self._settled(attempt, outcome)

        self._work(attempt, job)

    def _measure(self, prepared: Prepared, verb: str, outcome: Outcome, seconds: float) -> None:
        context, operation = prepared.call.context, prepared.operation
        came = "waiting" if isinstance(outcome, Waiting) else outcome.failure if isinstance(outcome, Failed) else "done"
        self._loop.meter.called(
            Called(
                context.run,
                context.path,
                context.attempt,
                operation.name,
                provider_of(operation, prepared.call),
                verb,
                came,
                seconds,
                self._loop.clock.now(),
            )
        )

    def _settled(self, attempt: Attempt, outcome: Outcome) -> None:
        self._free(attempt)
        if self._leaf(attempt) is None:
            return
        if isinstance(outcome, Waiting):
            self._waits(attempt, outcome)
        else:
            self._finish(attempt, outcome)

    def _waits(self, attempt: Attempt, outcome: Waiting) -> None:
        before, attempt.last = attempt.last, outcome
        changed_question = _question_id(outcome) != _question_id(before)
        if changed_question:
            attempt.verdict = None
        then = None if outcome.question is None else (lambda: self._ask(attempt))
        if (
            before is None
            or changed_question
            or outcome.handle != before.handle
            or outcome.long != before.long
            or self._message_is_due(attempt, before)
        ):
            attempt.recorded_at = self._loop.clock.monotonic()
            self._loop.record(self._waiting_event(attempt, outcome), then)
        if attempt.stop:
            self._keep_stopping(attempt)
        elif attempt.verdict is not None:
            self._conclude(attempt)
        self._look_again(attempt, outcome.after)

    def _keep_stopping(self, attempt: Attempt) -> None:
        if attempt.stopping_since is None:
            self._cancel(attempt)
        elif self._loop.clock.monotonic() - attempt.stopping_since > _STOPPING_LIMIT:
            message = attempt.last.message if attempt.last else ""
            self._finish(
                attempt,
                Failed(CANCELLED, f"asked to stop, but after {_STOPPING_LIMIT:.0f} s it still goes on: {message}"),
            )

    def _look_again(self, attempt: Attempt, after: float) -> None:
        attempt.looks += 1
        look = attempt.looks

        def action() -> None:
            if attempt.looks == look and not attempt.busy and self._leaf(attempt) is not None:
                # What has not stopped may never have heard of it.
                (self._cancel if attempt.stop else self._poll)(attempt)

        if after < math.inf:
            self._loop.timers.after(min(max(after, _SHORTEST_WAIT), _LONGEST_WAIT), action)

    def _message_is_due(self, attempt: Attempt, before: Waiting) -> bool:
        waited = self._loop.clock.monotonic() - attempt.recorded_at
        return attempt.last is not None and attempt.last.message != before.message and waited >= _MESSAGE_EVERY

    def _ask(self, attempt: Attempt) -> None:
        leaf = self._leaf(attempt)
        if leaf is not None:
            self._asked(leaf)

    # Ending

    def _finish(self, attempt: Attempt, outcome: Done | Failed) -> None:
        self._now.pop(attempt.path, None)
        self._loop.record(self._finished_event(attempt, outcome))

    def _finished_event(self, attempt: Attempt, outcome: Done | Failed) -> StepFinished:
        hidden = attempt.prepared is not None and attempt.prepared.no_log
        result: Mapping[str, Any] = CENSORED if hidden else self._masker.plain(outcome.result)
        now = self._loop.clock.now()
        if isinstance(outcome, Done):
            said = result.get("msg", "")
            message = self._masker.text(outcome.message) or (said if isinstance(said, str) else "")
            message = "" if hidden else message
            return StepFinished(now, attempt.path, attempt.number, "", message, outcome.changed, result)
        message = "failed; the message is hidden by no_log" if hidden else self._masker.text(outcome.message)
        changed = bool(outcome.result.get("changed", False))
        return StepFinished(
            now, attempt.path, attempt.number, outcome.failure, message, changed, result, outcome.retry_after
        )

    def _waiting_event(self, attempt: Attempt, outcome: Waiting) -> StepWaiting:
        plain = self._masker.plain
        question = plain(outcome.question) if outcome.question is not None else None
        message = self._masker.text(outcome.message)
        return StepWaiting(
            self._loop.clock.now(), attempt.path, attempt.number, plain(outcome.handle), message, question, outcome.long
        )

    # Bookkeeping

    def _leaf(self, attempt: Attempt) -> Leaf | None:
        """The live leaf this attempt belongs to; None when the run has gone on without it."""
        leaf = self._loop.state.live.get(attempt.path)
        if (
            isinstance(leaf, Leaf)
            and leaf.attempt == attempt.number
            and leaf.phase == "running"
            and self._now.get(attempt.path) is attempt
        ):
            return leaf
        return None

    def _work(self, attempt: Attempt, job: Callable[[], Callable[[], None]]) -> None:
        attempt.busy = True
        self._loop.work(job)

    def _free(self, attempt: Attempt) -> None:
        attempt.busy = False


def _outcome_of(ask: Callable[[Prepared], Outcome], prepared: Prepared) -> Outcome:
    """What the operation says. Raises StorageError when it could not write its files."""
    try:
        return ask(prepared)
    except StorageError:
        raise
    except OperationError as error:
        return Failed(error.failure, str(error), retry_after=error.retry_after)
    except ChangerailError as error:
        return Failed(FAILED, str(error))
    except Exception as error:  # noqa: BLE001 - a stranger's operation must not take the engine down; its traceback goes into the result
        if isinstance(error, OSError) and error.errno in _NO_WRITES:
            raise storage_error(Path(error.filename or prepared.call.context.folder), error) from None
        message = f"defect in operation {prepared.operation.name}: {type(error).__name__}: {error}"
        return Failed(FAILED, message, {"traceback": traceback.format_exc()})


def provider_of(operation: Operation, call: Call) -> str:
    """The provider behind a call, as its options or what it refers to name it; "" when it has none or leaves it to the project's defaults."""
    given = call.args.get("provider")
    for name in () if given else ("record", "from", "task"):
        reference = call.args.get(name)
        if isinstance(reference, Mapping):
            given = given or reference.get("provider")
    if given:
        return str(given)
    kinds = {"change_record": "records", "change_task": "records", "pipeline": "pipelines"}
    return chosen(None, kinds[operation.name], call.context) if operation.name in kinds else ""


def _cancelled(prepared: Prepared, handle: Mapping[str, Any]) -> Outcome:
    """What the operation says to being cancelled; one that cannot be reached is asked again."""
    try:
        return prepared.operation.cancel(prepared.call, handle)
    except OperationError as error:
        if error.failure != TRANSIENT:
            raise
        return Waiting(handle, error.retry_after or _CANCEL_AGAIN, f"cannot be stopped yet: {error}")


def _question_id(outcome: Waiting | None) -> str | None:
    return outcome.question["id"] if outcome is not None and outcome.question is not None else None
