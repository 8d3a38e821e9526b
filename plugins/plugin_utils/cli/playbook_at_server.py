# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of a server as the actions ``workflow`` and ``workflow_info`` see them: the server drives, a playbook starts, answers and watches."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import ChangerailError, UnknownRun
from ansible_collections.netops.changerail.plugins.plugin_utils.api import described, outlined
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.from_playbook import Driven
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.answering import chosen
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import History
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.remote import Remote
from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import WAITING, RunSummary, summary
from ansible_collections.netops.changerail.plugins.plugin_utils.views.waiting import open_questions
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow import survey
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.slug import workflow_name

_LOOK_AGAIN = 1.0
"""Seconds between two looks at a run."""


def driven(
    server: Remote,
    args: Mapping[str, Any],
    extra_vars: Mapping[str, Any],
    check: bool,
    holds: bool,
    timeout: float | None,
) -> tuple[dict[str, Any], Driven]:
    """Start the workflow of the action's ``args`` or find their run, and watch it until it is over, waits (unless ``holds``) or the time is up.

    ``extra_vars`` are those of the playbook, which set variables as answers of a survey do. Gives what the action returns.
    Raises AuthorError, UnknownRun, RunError.
    """
    run_id, workflow = args["run_id"], args["workflow"]
    found = None
    with suppress(UnknownRun):
        found = server.find(run_id) if run_id else None
    if workflow and found != run_id:
        # Only without a workflow to start may an id be a part of one.
        found = None
    if found is None and not workflow:
        raise UnknownRun(f"run {run_id!r}: none of that name at {server.url} that you may see")
    before = len(server.history(found).records) if found is not None else 0
    run = found or _started(server, args, extra_vars, check)
    done = watched(server, server.history(run), holds, timeout)
    past = done.past
    changed = {"changed": len(past.records) > before, "started": found is None}
    return {**_told(past, done.seen), **changed}, Driven(0, "", "", done.late)


@dataclass(frozen=True)
class Watched:
    """A run at the end of a watch over it, and whether the time was up (``late``)."""

    past: History
    seen: RunSummary
    late: bool


def watched(
    server: Remote, past: History, holds: bool, timeout: float | None, say: Callable[[str], None] = lambda line: None
) -> Watched:
    """Watch the run until it is over, waits (unless ``holds``) or the time is up. ``say`` is told whenever something else is waited for."""
    end = math.inf if timeout is None else time.monotonic() + timeout
    said = ""
    while True:
        seen = summary(past.events)
        waits = "; ".join(f"{asked.path}: {asked.question.title}" for asked in seen.questions) or seen.message
        if waits != said:
            say(f"run {seen.run} at {server.url}: {seen.state}: {waits}")
            said = waits
        done = seen.over or (not holds and seen.state == WAITING)
        late = not done and time.monotonic() > end
        if done or late:
            return Watched(past, seen, late)
        time.sleep(_LOOK_AGAIN)
        past = server.grown(past)


def _started(server: Remote, args: Mapping[str, Any], extra_vars: Mapping[str, Any], check: bool) -> str:
    name = workflow_name(args["workflow"])
    answers = survey.variables(server.declared(name), extra_vars) if extra_vars else {}
    return server.start(name, {**answers, **args["variables"]}, args["limit"], check, args["run_id"])


def looked_at(server: Remote, run: str) -> dict[str, Any]:
    """How the run stands, and nothing done to it."""
    past = server.history(run)
    return {**_told(past, summary(past.events)), "changed": False}


def listed(server: Remote) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Every run that the owner of the token may see, without results, and those that cannot be read, each with why."""
    runs: list[dict[str, Any]] = []
    unreadable: list[dict[str, str]] = []
    for run, seen in server.summaries(False):
        if isinstance(seen, ChangerailError):
            unreadable.append({"run": run, "message": str(seen)})
        else:
            runs.append(outlined(RunFolder(Path(run)), seen).brief())
    return runs, unreadable


def answered(server: Remote, run: str, step: str, choice: str, comment: str) -> dict[str, Any]:
    """Answer a question of the run. Gives what the action returns. Raises like ``driven``."""
    past = server.history(run)
    asking = open_questions(past.events)
    at = step or chosen(asking, (), past.folder.run)[0].path
    question, dummy = chosen(asking, (at, choice), past.folder.run)
    said = server.answer(past, question, choice, comment)
    result = {
        **looked_at(server, past.folder.run),
        "step": question.path,
        "counted": said.recorded and not said.refused,
        "refused": said.refused,
        "changed": not said.refused,
    }
    if said.refused:
        result.update(failed=True, msg=f"workflow: the answer does not count: {said.refused}")
    return result


def _told(past: History, seen: RunSummary) -> dict[str, Any]:
    # Its files are not on this machine.
    return {**described(past, seen).as_dict(), "journal": "", "folder": ""}
