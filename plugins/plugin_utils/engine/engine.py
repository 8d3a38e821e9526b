# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connects a run's parts: what decide commands goes to whoever does it, and what comes back is recorded. One engine drives one run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ansible_collections.netops.changerail.plugins.module_utils.errors import ChangerailError
from ansible_collections.netops.changerail.plugins.plugin_utils.core import commands as c
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    Evaluated,
    Event,
    Expanded,
    RunFinished,
    TimerFired,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.core.progress import attempt_result
from ansible_collections.netops.changerail.plugins.plugin_utils.core.state import Leaf, Live, Looped
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.attempts import Attempts
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.loop import Loop
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.mask import Masker
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.prepare import Preparer
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.questions import Questions

_LONG = 60.0
"""Seconds: a wait longer than this is no reason to keep a process."""
_GRACE = 10.0
"""Seconds an interrupted engine gives calls under way to come back, so that what they did is recorded."""


@dataclass(frozen=True)
class Ending:
    """How ``drive`` ended: ``status`` is "succeeded", "failed", "cancelled", "waiting" or "interrupted"; ``message`` says why."""

    status: str
    message: str = ""


class Engine:
    """Drives one run. ``questions`` and ``attempts`` do the work, decide says which."""

    def __init__(
        self, loop: Loop, preparer: Preparer, masker: Masker, questions: Callable[[Attempts], Questions]
    ) -> None:
        self._loop = loop
        self._preparer = preparer
        self._masker = masker
        self._attempts = Attempts(loop, preparer, masker, self._asked)
        self._questions = questions(self._attempts)
        loop.dispatch = self.dispatch

    def run(self, outstanding: Iterable[c.Command], until_waiting: bool, stop: threading.Event) -> Ending:
        """Do what is outstanding and all that follows, until the run is over, ``stop`` is set, or (``until_waiting``) only long waits are left."""
        self.begin(outstanding)
        self._questions.watch_inbox()
        while self._loop.state.status == "running":
            if stop.is_set():
                return self._interrupted()
            if until_waiting and self.only_long_waits():
                return Ending("waiting", "only people or long waits are left")
            self._loop.turn()
        return Ending(self._loop.state.status, (self._loop.state.ending or ("", ""))[1])

    def begin(self, outstanding: Iterable[c.Command]) -> None:
        """Have what is outstanding done; what follows is done turn by turn. Raises StorageError."""
        for command in list(outstanding):
            self.dispatch(command)
        # First the inbox: what came in time while no engine ran is there before a deadline is judged.
        self._questions.read_inbox()
        for leaf in list(self._loop.state.questions()):
            self._questions.look(leaf)
        self._loop.commit()

    @property
    def resting(self) -> bool:
        """Whether nothing is under way that this process alone knows of: whoever takes the run up later goes on just as well."""
        return not self._loop.busy and not self._loop.has_inbound and not self._attempts.stopping

    def inbox_changed(self) -> None:
        """Something was put into the inbox; may be called from any thread."""
        self._loop.wake(self._questions.read_inbox)

    def look(self, path: str) -> None:
        """Look at what the step at ``path`` waits for ("": at everything) without waiting until it is due; may be called from any thread."""
        self._loop.wake(lambda: self._attempts.look(path))

    def dispatch(self, command: c.Command) -> None:
        """Have ``command`` done."""
        match command:
            case c.Perform(path, attempt):
                self._attempts.perform(path, attempt)
            case c.Stop(path, attempt, reason):
                self._attempts.stop(path, attempt, reason)
            case c.Evaluate(path, attempt, purpose):
                self._evaluate(path, attempt, purpose)
            case c.Expand(path):
                self._expand(path)
            case c.SetTimer(path, attempt, timer, due):
                self._loop.timers.after(
                    due.left(self._now()),
                    lambda: (
                        self._loop.record(TimerFired(self._now(), path, attempt, timer))
                        if self._waits_for(command)
                        else None
                    ),
                )
            case c.Ask(path, _attempt):
                leaf = self._loop.state.live.get(path)
                if isinstance(leaf, Leaf):
                    self._questions.ask(leaf)
            case c.Finish(status, message):
                self._loop.record(RunFinished(self._now(), status, message))

    def _evaluate(self, path: str, attempt: int, purpose: str) -> None:
        node = self._loop.state.live.get(path)
        if node is None or isinstance(node, Looped):
            return
        if purpose == "enter":
            snapshot = self._preparer.snapshot(self._loop.state, node)
            values = self._preparer.entry
        else:
            if not isinstance(node, Leaf) or node.last is None:
                return
            snapshot = self._preparer.result_snapshot(self._loop.state, node, attempt_result(node))
            values = self._preparer.judged

        def evaluated() -> Event:
            try:
                return Evaluated(self._now(), path, attempt, purpose, values(snapshot))
            except ChangerailError as error:
                return Evaluated(self._now(), path, attempt, purpose, {}, self._located(node, error))

        self._evaluating(evaluated)

    def _expand(self, path: str) -> None:
        loop = self._loop.state.live.get(path)
        if not isinstance(loop, Looped):
            return
        snapshot = self._preparer.loop_snapshot(self._loop.state, loop)

        def expanded() -> Event:
            try:
                return Expanded(self._now(), path, *self._preparer.items(snapshot))
            except ChangerailError as error:
                return Expanded(self._now(), path, [], [], self._located(loop, error))

        self._evaluating(expanded)

    def _evaluating(self, evaluate: Callable[[], Event]) -> None:
        def job() -> Callable[[], None]:
            event = evaluate()
            return lambda: self._loop.record(event)

        self._loop.work(job)

    def _located(self, node: Live, error: ChangerailError) -> str:
        return self._masker.text(f"{node.step.at}: {error}")

    def _asked(self, leaf: Leaf) -> None:
        self._questions.look(leaf)

    def _waits_for(self, timer: c.SetTimer) -> bool:
        node = self._loop.state.live.get(timer.path)
        if isinstance(node, Leaf):
            due = node.retry_due if timer.timer == "retry" else node.timeout_due
            return node.attempt == timer.attempt and due == timer.due
        return node is not None and timer.due == (node.pause_due if isinstance(node, Looped) else node.timeout_due)

    def only_long_waits(self) -> bool:
        """Whether only people are waited for, or what may take hours."""
        if self._loop.busy or not self._attempts.only_long_waits():
            return False
        now = self._now()
        for node in self._loop.state.live.values():
            due = node.retry_due if isinstance(node, Leaf) else node.pause_due if isinstance(node, Looped) else None
            if due is not None and due.left(now) < _LONG:
                return False
        return True

    def _interrupted(self) -> Ending:
        deadline = self._loop.clock.monotonic() + _GRACE
        while self._loop.busy and self._loop.state.status == "running" and self._loop.clock.monotonic() < deadline:
            self._loop.turn()
        if self._loop.state.status != "running":
            return Ending(self._loop.state.status)
        return Ending("interrupted", "the run can be resumed")

    def _now(self) -> float:
        return self._loop.clock.now()
