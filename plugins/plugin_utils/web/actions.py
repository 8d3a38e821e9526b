# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people and programs do to runs through the server, and whether they may: every action of API and pages passes here, and nowhere else.

Roles say who may try (``people.access``); whether an answer counts is decided by the engine. What is refused here goes into the run's journal.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import UnknownRun
from ansible_collections.netops.changerail.plugins.module_utils.question import INTERVENTION
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import (
    Answered,
    AnswerRefused,
    BreakGlass,
    CancelRequested,
    Event,
    RunFinished,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import Record
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.file import holder, read
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.people import access, answering, inbox
from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import Concerned, may
from ansible_collections.netops.changerail.plugins.plugin_utils.people.accounts import LoggedIn
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import Who, login
from ansible_collections.netops.changerail.plugins.plugin_utils.people.policy import Emergency, break_glass_refusal
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.driving import begin
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import History, history
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.sending import Sent
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.row import Row, RowWait
from ansible_collections.netops.changerail.plugins.plugin_utils.views.foreseen import Foreseen, without_secrets
from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import not_cancellable, summary
from ansible_collections.netops.changerail.plugins.plugin_utils.views.waiting import OpenQuestion, question_at
from ansible_collections.netops.changerail.plugins.plugin_utils.web.answers import Conflict, Refused
from ansible_collections.netops.changerail.plugins.plugin_utils.web.asking import Asking, asked
from ansible_collections.netops.changerail.plugins.plugin_utils.web.rehearsing import Rehearsals
from ansible_collections.netops.changerail.plugins.plugin_utils.web.server import Server
from ansible_collections.netops.changerail.plugins.plugin_utils.web.workflows import Startable
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Workflow
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.scenario import APPROVE, Scenario
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.slug import workflow_name

_LOG = logging.getLogger("changerail.serve")
_PATIENCE = 5.0
"""Seconds to wait for what becomes of an answer or a cancel."""


@dataclass(frozen=True)
class StartWish:
    """A run somebody wants: ``workflow`` by its name at the server; the rest as on the command line."""

    workflow: str
    variables: Mapping[str, Any]
    limit: str | None = None
    check: bool = False
    run_id: str | None = None


class Actions:
    """The actions on the runs of ``server``. ``by`` is always who asks."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._startable = Startable(server.settings.workflows)
        self._rehearsals = Rehearsals()

    def rows(self, by: LoggedIn) -> Iterator[Row]:
        """Every run that ``by`` may see. Raises Refused for a token that is not for reading."""
        self._token_reads(by)
        for row in self._server.scheduler.rows():
            if may(by.caller, access.READ, Concerned(workflow_name(row.workflow), row.requester)) is None:
                yield row

    def mine(self, by: LoggedIn) -> list[tuple[Row, RowWait]]:
        """What waits for an answer of ``by``, the longest open first. Raises Refused."""
        found = []
        for row in self.rows(by):
            workflow = workflow_name(row.workflow)
            groups = by.who.groups | by.user.groups(workflow)
            for wait in row.waits:
                if not wait.waits_for(by.who.person, groups):
                    continue
                action = access.INTERVENE if wait.kind == INTERVENTION else access.ANSWER
                about = Concerned(workflow, row.requester, wait.groups, wait.people)
                if may(by.caller, action, about) is None:
                    found.append((row, wait))
        return sorted(found, key=lambda pair: (pair[1].since, pair[0].run, pair[1].path))

    def past(self, by: LoggedIn, run: str) -> History:
        """The run's history. Raises UnknownRun for one that ``by`` may not see, as for one that is not there; Refused, JournalDamaged."""
        past = history(self._server.state.open(run))
        self._check_seen(by, past)
        if (refused := may(by.caller, access.READ, _concerned(past))) is not None:
            raise Refused(refused.reason)
        return past

    def may(self, by: LoggedIn, past: History, action: str) -> bool:
        """Whether the roles of ``by`` allow the action, for a page that offers it; whoever does it is asked again."""
        return may(by.caller, action, _concerned(past)) is None

    def may_break_glass(self, by: LoggedIn, past: History, asked: OpenQuestion) -> bool:
        """Whether a word of break-glass by ``by`` would count at this question now, whatever the reason."""
        about, question = _concerned(past, asked), asked.question
        who = replace(by.who, groups=by.who.groups | by.user.groups(about.workflow))
        said = Emergency(question.id, who, "an emergency", access.on_call(by.caller, about))
        accepted = [
            event
            for event in past.events
            if isinstance(event, (Answered, BreakGlass)) and (event.path, event.question) == (asked.path, question.id)
        ]
        return (
            may(by.caller, access.BREAK_GLASS, about) is None
            and break_glass_refusal(question, said, accepted, time.time()) is None
        )

    def may_answer(self, by: LoggedIn, past: History, asked: OpenQuestion) -> bool:
        """Whether the roles of ``by`` allow an answer to this question."""
        action = access.INTERVENE if asked.question.kind == INTERVENTION else access.ANSWER
        return may(by.caller, action, _concerned(past, asked)) is None

    def answer(self, by: LoggedIn, run: str, path: str, question: str, choice: str, comment: str) -> Sent:
        """Answer question id ``question`` at step ``path``; what the engine made of it. Raises Refused, Conflict, UnknownRun."""
        past, asked = self._asked(by, run, path)
        action = access.INTERVENE if asked.question.kind == INTERVENTION else access.ANSWER
        self._check(by, past, action, path, asked)
        item = answering.answer_item(run, path, question, choice, comment, by.who.person, time.time())
        return self._send_answer(by, past, item)

    def break_glass(self, by: LoggedIn, run: str, path: str, question: str, reason: str) -> Sent:
        """Say break-glass at question id ``question`` of step ``path``: the first of two, or the second, which opens it. Raises as ``answer``."""
        past, asked = self._asked(by, run, path)
        self._check(by, past, access.BREAK_GLASS, path, asked)
        on_call = access.on_call(by.caller, _concerned(past, asked))
        item = answering.break_glass_item(run, path, question, reason, by.who.person, on_call, time.time())
        return self._send_answer(by, past, item)

    def cancel(self, by: LoggedIn, run: str, reason: str, force: bool) -> Sent:
        """Cancel the run. Raises Refused, Conflict, UnknownRun."""
        past = history(self._server.state.open(run))
        self._check(by, past, access.CANCEL)
        if problem := not_cancellable(summary(past.events)):
            raise Conflict(problem)
        item = answering.cancel_item(run, by.who.person, reason, time.time(), force)
        return self._send(by, past, item, lambda event: isinstance(event, CancelRequested) and event.item == item["id"])

    def resume(self, by: LoggedIn, run: str) -> None:
        """Take up a run that was left alone. Raises Refused, Conflict, UnknownRun."""
        past = history(self._server.state.open(run))
        self._check(by, past, access.RESUME)
        seen = summary(past.events)
        if seen.over:
            raise Conflict(f"run {run} is over: {seen.state}; there is nothing to go on with")
        self._server.scheduler.take_up(run)

    def startable(self, by: LoggedIn) -> list[str]:
        """The names of the workflows that ``by`` may start."""
        names = self._startable.names()
        return [name for name in names if may(by.caller, access.START, Concerned(name)) is None]

    def freezes(self, by: LoggedIn) -> frozenset[str]:
        """Names of the calendars that the workflows which ``by`` may start take for freezes."""
        return frozenset().union(*map(self._startable.freezes, self.startable(by)))

    def workflow(self, by: LoggedIn, name: str) -> Workflow:
        """A workflow that ``by`` may start, for its form. Raises Refused, NotFound, CheckError."""
        self._check_start(by, name)
        return load(self._startable.file(name))

    def start(self, by: LoggedIn, wish: StartWish) -> RunFolder:
        """Start a run, requested by ``by``. Raises Refused, NotFound, and AuthorError for wrong variables or an id that is taken."""
        self._check_start(by, wish.workflow)
        return self._begin(wish, by.who)

    def ask(self, by: LoggedIn, wish: Asking) -> RunFolder:
        """Ask what a playbook wants asked, in a run that ``by`` requests; the same once only. Raises Refused, Conflict, and AuthorError for what is wrong."""
        self._check_start(by, wish.operation)
        folder = asked(wish, by.who, self._server.state, self._server.around.project)
        self._server.scheduler.take_up(folder.run)
        return folder

    def rehearse(self, by: LoggedIn, wish: StartWish) -> Foreseen:
        """What such a run would do; nothing is started or contacted. Raises Refused, NotFound, CheckError, Conflict."""
        self._check_start(by, wish.workflow)
        flow = load(self._startable.file(wish.workflow), wish.variables.keys())
        variables = without_secrets(flow, wish.variables)
        scenario = Scenario(wish.workflow, flow, variables, time.time(), by.who.person, default_answer=APPROVE)
        return self._rehearsals.of(scenario, self._server.around.project)

    def start_for_hook(self, source: str, wish: StartWish) -> RunFolder:
        """Start a run for a source of webhooks, which the project file lets start this workflow; it is the requester. Raises as ``start``."""
        return self._begin(wish, Who(f"hook {source}", "authenticated", login(os.getuid())))

    def _begin(self, wish: StartWish, requester: Who) -> RunFolder:
        folder = begin(
            str(self._startable.file(wish.workflow)),
            state=self._server.state,
            project=self._server.around.project,
            variables=wish.variables,
            limit=wish.limit,
            check=wish.check,
            requester=requester,
            run_id=wish.run_id,
        )
        self._server.scheduler.take_up(folder.run)
        return folder

    def _asked(self, by: LoggedIn, run: str, path: str) -> tuple[History, OpenQuestion]:
        """The run and what its step asks. Raises Conflict when nothing is, UnknownRun."""
        past = history(self._server.state.open(run))
        asked = question_at(past.events, path)
        if asked is None:
            self._check_seen(by, past)
            raise Conflict(f"nothing is asked at step {path!r} of run {run}: it is answered already, or not asked yet")
        return past, asked

    @staticmethod
    def _check_start(by: LoggedIn, workflow: str) -> None:
        refused = may(by.caller, access.START, Concerned(workflow))
        if refused is not None:
            _LOG.warning("refused: %s", refused.reason, extra={"person": by.who.person})
            raise Refused(refused.reason)

    def _send_answer(self, by: LoggedIn, past: History, item: Mapping[str, Any]) -> Sent:
        """Send what is said at a question. Raises Conflict when nobody reads it any more."""

        def became(event: Event) -> bool:
            return isinstance(event, (Answered, AnswerRefused, BreakGlass)) and event.answer == item["id"]

        sent = self._send(by, past, item, became)
        if sent.event is None:
            now = question_at(history(past.folder).events, item["path"])
            if now is None or now.question.id != item["question"]:
                raise Conflict(
                    f"it came too late and does not count: what was asked at step {item['path']!r} of run {past.folder.run} was decided before it was read"
                )
        return sent

    def _send(self, by: LoggedIn, past: History, item: Mapping[str, Any], became: Callable[[Event], bool]) -> Sent:
        """Put ``item`` into the run's inbox, have the run looked at, and wait a moment for the event that ``became`` recognises."""
        folder = past.folder
        found: list[Event] = []
        there = threading.Event()

        def heard(run: str, record: Record) -> None:
            if run == folder.run and became(record.event):
                found.append(record.event)
                there.set()
            elif run == folder.run and isinstance(record.event, RunFinished):
                # Nobody reads the inbox after that.
                there.set()

        leave = self._server.observers.listen(heard)
        try:
            inbox.put(folder, answering.logged_in(item, by.user.groups(workflow_name(past.started.main))))
            self._server.scheduler.wake(folder.run)
            there.wait(_PATIENCE)
        finally:
            leave()
        if not found:
            # Another process may drive the run.
            new = (record.event for record in read(folder.journal) if record.seq > len(past.records))
            found.extend(filter(became, new))
        return Sent(found[0] if found else None, holder(folder) or "")

    def _check(
        self, by: LoggedIn, past: History, action: str, path: str = "", asked: OpenQuestion | None = None
    ) -> None:
        refused = may(by.caller, action, _concerned(past, asked))
        if refused is None:
            return
        run = past.folder.run
        _LOG.warning("refused: %s", refused.reason, extra={"run": run, "person": by.who.person})
        if not summary(past.events).over:
            item = answering.refused_item(run, by.who.person, action, path, refused.reason, time.time())
            inbox.put(past.folder, answering.logged_in(item, ()))
        self._check_seen(by, past)
        raise Refused(refused.reason)

    @staticmethod
    def _check_seen(by: LoggedIn, past: History) -> None:
        # Whoever may not see a run is not told that there is one.
        if may(replace(by.caller, scopes=None), access.READ, _concerned(past)) is not None:
            raise UnknownRun(f"run {past.folder.run!r}: there is none, or none that {by.who.person} may see")

    @staticmethod
    def _token_reads(by: LoggedIn) -> None:
        if by.caller.scopes is not None and access.READ not in by.caller.scopes:
            refused = may(by.caller, access.READ, Concerned())
            raise Refused(refused.reason if refused is not None else "")


def _concerned(past: History, asked: OpenQuestion | None = None) -> Concerned:
    groups, people = (asked.question.groups, asked.question.people) if asked is not None else ((), ())
    requester = str(past.started.requester.get("name", ""))
    return Concerned(workflow_name(past.started.main), requester, groups, people)
