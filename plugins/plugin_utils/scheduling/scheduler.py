# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives all runs of a state folder in one process: takes up what is unfinished, gives each its turns, puts down what only waits. ``serve`` makes one.

It decides nothing: each run is driven by the engine that ``changerail run`` has. A run that waits holds no thread and no state, only its ``Place``.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ansible_collections.netops.changerail.plugins.module_utils.errors import (
    AuthorError,
    ChangerailError,
    JournalDamaged,
    RunError,
    RunIsHeld,
    StorageError,
    UnknownRun,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.run import Surround
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import Record
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import holder
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import (
    RunFolder,
    StateFolder,
    private_folder,
    storage_error,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling import entry, survey
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.bell import Bell
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.driven import Driven
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.place import Place
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.projects import Projects
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.row import UNREADABLE, Row, row_of
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.timetable import Timetable
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.turns import Turns
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.workers import Workers

_LOG = logging.getLogger("changerail.scheduler")
_TURNS = 4
"""Threads that give runs their turns: these are short, and one that folds a long journal must not hold up the others."""
_KEPT = 2.0
"""Seconds: what will be looked at so soon is not put down."""
_WORTH = 50.0
"""How many times what it costs to take a run up it must be left alone for it to be put down."""
_HELD_WAIT = 5.0
_TROUBLE_WAIT = 10.0
_LONGEST_TROUBLE = 600.0
_SURVEY = 60.0
"""Seconds between two looks for what nobody told us of."""
_GRACE = 10.0
"""Seconds that calls under way have to come back when the server stops, so that what they did is recorded."""


def _unobserved(_run: str, _record: Record) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class Load:
    """How much there is to do: runs by what becomes of them here, turns that are wanted, workers and the jobs that wait for one."""

    held: int
    parked: int
    left_alone: int
    turns_wanted: int
    workers: int
    workers_busy: int
    jobs_waiting: int


class Scheduler:
    """``around`` is what ``drive`` is given; ``observer`` is called for every new record, in any thread, and must not wait.

    ``around.project`` is for runs that name no project file of their own. ``workers`` bounds the steps that are busy at once.
    """

    def __init__(
        self,
        state: StateFolder,
        around: Surround,
        *,
        workers: int = 32,
        observer: Callable[[str, Record], None] = _unobserved,
    ) -> None:
        self._state = state
        self._around = around
        self._observer = observer
        self._most_held = 8 * workers
        self._workers = Workers(workers)
        self._projects = Projects(around.project)
        self._clock = around.clock
        self._lock = threading.Lock()
        self._places: dict[str, Place] = {}
        self._held: set[str] = set()
        self._first = threading.Event()
        self._first_survey_done = threading.Event()
        self._unseen = 0
        self._stopping_until: float | None = None
        self._stop_survey = threading.Event()
        self._survey_now = threading.Event()
        self._server = -1
        self._folder_problem = ""
        self._turns = Turns(self._turn, lambda: len(self._held) < self._most_held, _TURNS)
        self._timetable = Timetable(self._turns.want, self._clock.monotonic)
        self._bell: Bell | None = None
        self._surveyor = threading.Thread(target=self._survey, name="changerail-survey", daemon=True)

    def start(self) -> None:
        """Take up every unfinished run. Returns at once; ``taken_up`` says when all were looked at. Raises RunError when another server has the folder."""
        private_folder(self._state.path)
        self._server = _take(self._state)
        self._bell = Bell(self._state, self.wake, self._survey_now.set)
        self._bell.start()
        self._turns.start()
        self._timetable.start()
        self._surveyor.start()

    def stop(self) -> None:
        """Put down what is held, at most a few seconds after calls under way came back or ten seconds passed. Nothing is lost by it, nor without it."""
        self._stop_survey.set()
        self._survey_now.set()
        if self._bell is not None:
            self._bell.stop(1.0)
        self._timetable.stop(1.0)
        deadline = self._clock.monotonic() + _GRACE
        self._stopping_until = deadline
        while True:
            late = self._clock.monotonic() > deadline
            with self._lock:
                held = [self._places[run] for run in self._held]
            if not held or self._clock.monotonic() > deadline + 2.0:
                break
            for place in held:
                self._turns.want(place, urgent=True)
            threading.Event().wait(0.2 if late else 0.02)
        self._workers.stop()
        self._turns.stop(2.0)
        os.close(self._server)
        self._server = -1

    @property
    def taken_up(self) -> threading.Event:
        """Set once every run that was there at the start was looked at."""
        return self._first

    @property
    def ready(self) -> bool:
        """Whether all runs were taken up and it is not stopping."""
        return self._first.is_set() and self._stopping_until is None

    @property
    def problem(self) -> str:
        """What keeps it from doing its work; "" when nothing does."""
        if self._stopping_until is not None:
            return "the server is stopping"
        threads = [*self._turns.threads, self._timetable.thread, self._surveyor]
        dead = [thread.name for thread in threads if not thread.is_alive()]
        if dead:
            return f"these threads are gone: {', '.join(dead)}; restart the server and report it"
        return self._folder_problem

    def take_up(self, run: str) -> None:
        """Drive a run that was just created, or that somebody put down. Raises UnknownRun."""
        self._state.open(run)
        self._turns.want(self._placed(run), urgent=True)

    def wake(self, run: str, hint: str | None = None) -> None:
        """The run's inbox changed; with ``hint`` a step path ("": any) has moved out there and is looked at now. An unknown run is no error."""
        try:
            self._state.open(run)
        except UnknownRun:
            return
        place = self._placed(run)
        place.inbox = True
        if hint is not None:
            with self._lock:
                place.hints |= {hint}
        self._turns.want(place, urgent=True)

    def rows(self) -> Sequence[Row]:
        """How every known run stands, in no order."""
        with self._lock:
            return [place.row for place in self._places.values() if place.row is not None]

    def row(self, run: str) -> Row | None:
        """How one run stands; None when it is not known (yet)."""
        place = self._places.get(run)
        return None if place is None else place.row

    @property
    def load(self) -> Load:
        """How much there is to do right now."""
        with self._lock:
            places = list(self._places.values())
        held = len(self._held)
        left_alone = sum(place.row is not None and bool(place.row.problem) for place in places)
        parked = sum(place.driven is None and place.row is not None and not place.row.over for place in places)
        return Load(
            held,
            parked - left_alone,
            left_alone,
            self._turns.waiting,
            self._workers.count,
            self._workers.busy,
            self._workers.queued,
        )

    # A run's turn

    def _turn(self, place: Place) -> None:
        try:
            if place.lost:
                self._await_lost(place)
            elif place.driven is not None or self._stopping_until is None:
                self._go_on(place)
        except RunIsHeld:
            self._leave_to_other(place)
        except UnknownRun:
            # A folder without a journal: perhaps it is being made.
            self._note(place)
        except JournalDamaged as error:
            self._leave_alone(place, error)
        except (StorageError, AuthorError) as error:
            _LOG.warning("run %s: %s", place.run, error, extra={"run": place.run})
            self._lose(place, error)
        except RunError as error:
            self._leave_alone(place, error)
        except Exception as error:  # noqa: BLE001 - one bad run never stops the others
            _LOG.exception("run %s: defect", place.run, extra={"run": place.run})
            self._lose(place, ChangerailError(f"defect: {type(error).__name__}: {error}; the log has the whole"))
        if place.new:
            self._seen(place)

    def _go_on(self, place: Place) -> None:
        driven = place.driven
        if driven is None:
            folder = self._state.open(place.run)
            found = survey.finished(folder)
            if found is not None:
                place.row = row_of(found)
                return
            place.inbox, place.hints = False, frozenset()
            driven = self._driven(place, folder)
            place.driven = driven
            with self._lock:
                self._held.add(place.run)
            driven.begin()
        else:
            if place.inbox:
                place.inbox = False
                driven.inbox_changed()
            with self._lock:
                hints, place.hints = place.hints, frozenset()
            for hint in hints:
                driven.look(hint)
        driven.turn()
        place.failures = 0
        place.row = replace(driven.row, engine="")
        self._rest(place, driven)

    def _driven(self, place: Place, folder: RunFolder) -> Driven:
        def observed(record: Record) -> None:
            try:
                self._observer(place.run, record)
            except Exception:  # noqa: BLE001 - who watches must not disturb who is watched
                _LOG.exception("an observer failed at run %s", place.run)

        return Driven(
            folder,
            replace(self._around, observer=observed),
            self._workers.share(),
            self._projects.of,
            lambda: self._turns.want(place),
        )

    def _rest(self, place: Place, driven: Driven) -> None:
        """After a turn: let go of the run when there is nothing to do for long enough, or set its timer."""
        left = driven.left
        stopping = self._stopping_until is not None
        late = stopping and self._clock.monotonic() > (self._stopping_until or 0.0)
        may_go = driven.resting and (stopping or self._idle_enough(driven, left))
        if driven.over or may_go or late:
            driven.put_down()
            self._let_go(place)
            place.row = replace(driven.row, engine="")
            left = None if driven.over else left
            self._note(place)
        if not stopping:
            self._timetable.set(place, left)

    def _idle_enough(self, driven: Driven, left: float | None) -> bool:
        full = len(self._held) >= self._most_held
        return left is None or full or left > max(_KEPT, _WORTH * driven.cost)

    def _let_go(self, place: Place) -> None:
        place.driven = None
        with self._lock:
            self._held.discard(place.run)

    def _note(self, place: Place) -> None:
        place.size, place.inbox_at = survey.marks(self._folder(place.run))

    # Trouble

    def _leave_to_other(self, place: Place) -> None:
        """Another process drives the run: look now and then whether it still does."""
        folder = self._folder(place.run)
        size = survey.marks(folder)[0]
        if place.row is None or place.size != size:
            place.row = survey.read(folder)
            place.size = size
        place.row = replace(place.row, engine=holder(folder) or "", problem="another process drives it")
        self._timetable.set(place, _HELD_WAIT)

    def _leave_alone(self, place: Place, error: ChangerailError) -> None:
        """Nothing here can go on with it: it is shown, and looked at again when its journal changes or somebody asks for it."""
        _LOG.error("run %s is left alone: %s", place.run, error, extra={"run": place.run})
        if place.driven is not None:
            self._lose(place, error)
            return
        unreadable = isinstance(error, JournalDamaged)
        row = place.row or survey.unknown(self._folder(place.run))
        state = UNREADABLE if unreadable else row.state
        place.row = replace(row, state=state, message=str(error), problem=str(error))
        self._note(place)

    def _lose(self, place: Place, error: ChangerailError) -> None:
        """Give the run up for now; it is taken up again when what is under way has ended and some time has passed."""
        place.failures += 1
        row = place.row or survey.unknown(self._folder(place.run))
        place.row = replace(row, engine="", problem=str(error))
        place.lost = True
        self._await_lost(place)

    def _await_lost(self, place: Place) -> None:
        driven = place.driven
        if driven is not None:
            stopping = self._stopping_until is not None
            if driven.abandon() and not stopping:
                # Each job that ends asks for a turn.
                return
            driven.close()
            self._let_go(place)
        place.lost = False
        self._note(place)
        self._timetable.set(place, min(_TROUBLE_WAIT * 2 ** (place.failures - 1), _LONGEST_TROUBLE))

    # Runs that come and go without a word

    def _placed(self, run: str) -> Place:
        with self._lock:
            place = self._places.get(run)
            if place is None:
                place = self._places[run] = Place(run)
                self._unseen += 1
            return place

    def _seen(self, place: Place) -> None:
        place.new = False
        with self._lock:
            self._unseen -= 1
        self._check_first()

    def _check_first(self) -> None:
        if self._unseen == 0 and self._first_survey_done.is_set():
            self._first.set()

    def _survey(self) -> None:
        while not self._stop_survey.is_set():
            try:
                self._look_around()
                self._folder_problem = ""
            except OSError as error:
                self._folder_problem = str(storage_error(self._state.runs, error))
                _LOG.warning("%s", self._folder_problem)
            self._survey_now.wait(_SURVEY)
            self._survey_now.clear()

    def _look_around(self) -> None:
        """Find runs that are new, that somebody else went on with, whose inbox changed, or that are gone."""
        there = survey.runs(self._state)
        for run in there:
            if self._stop_survey.is_set():
                return
            place = self._places.get(run)
            if place is None:
                self._meet(run)
            elif self._is_parked(place) and (place.size, place.inbox_at) != survey.marks(self._folder(run)):
                place.inbox = True
                self._turns.want(place)
        gone = [run for run, place in list(self._places.items()) if run not in there and place.driven is None]
        with self._lock:
            for run in gone:
                place = self._places.pop(run)
                self._unseen -= place.new
        self._first_survey_done.set()
        self._check_first()

    @staticmethod
    def _is_parked(place: Place) -> bool:
        over = place.row is not None and place.row.over
        return place.driven is None and not (over or place.queued or place.turning)

    def _folder(self, run: str) -> RunFolder:
        return RunFolder(self._state.runs / run)

    def _meet(self, run: str) -> None:
        """A run that was not known: what its entry says is believed, everything else is taken up."""
        folder = self._folder(run)
        place = self._placed(run)
        kept = entry.read(folder)
        if kept is None or (not kept.row.over and survey.has_items(folder)):
            self._turns.want(place)
            return
        place.row = kept.row
        self._note(place)
        if not kept.row.over and kept.due is not None:
            self._timetable.set(place, kept.due.left(self._clock.now()))
        self._seen(place)


def _take(state: StateFolder) -> int:
    """Hold the state folder for this server."""
    try:
        descriptor = os.open(state.server, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise storage_error(state.server, error) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 200, 0).decode(errors="replace") or "unknown"
        os.close(descriptor)
        raise RunError(f"{state.path}: another server ({text}) drives the runs of this folder; stop it first") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{socket.gethostname()} pid {os.getpid()}".encode(), 0)
    return descriptor
