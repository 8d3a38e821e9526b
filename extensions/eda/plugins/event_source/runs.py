# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source ``netops.changerail.runs``: what happens in runs, and what people are asked. ansible-rulebook runs it."""

from __future__ import annotations

import asyncio
import importlib
import logging
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

DOCUMENTATION = r"""
---
short_description: What happens in the runs of changerail, and what people are asked.
description:
  - Yields every event that the journals of one run or of all runs record, and every question that people are asked, as soon as it is written.
  - It reads files only. It needs no server, drives no run and takes no lock, and whoever drives the runs does not notice it.
  - Secrets are masked as they are in the journals.
  - C(type) of an event is its name in the journal, such as V(run_started), V(step_started), V(step_waiting), V(step_finished), V(answered) or
    V(run_finished), and the event has the fields of that journal line.
  - C(type) is V(question) where people are asked something, right after the event that asks it. Then C(asked) says in words who may answer, and
    C(question) has C(kind), C(title), C(text), C(choices), C(groups), C(people), C(deadline) and the rest of it.
  - C(type) is V(unreadable) where a journal is damaged or cannot be read, once for each reason. C(message) has it. The other runs go on.
  - Each of them but V(unreadable) also has C(run), C(workflow) (the name), C(began) (when the run was started), C(seq) (the line of the journal), C(at)
    (seconds since the epoch) and C(step) (the path of the step, empty for the run as a whole).
  - C(id) is the same when something is told again.
  - The events of a run come in their order. Runs that are made or removed meanwhile are noticed. The source never ends by itself.
options:
  home:
    description:
      - The state folder, which has the folder C(runs). By default E(CHANGERAIL_HOME), else C($XDG_STATE_HOME/changerail), else C(~/.local/state/changerail).
    type: path
  run:
    description:
      - The id of the one run to follow, which need not be there yet. By default all runs.
    type: str
  since:
    description:
      - Where to begin when there is no O(position) to go on from.
      - V(now) tells the questions that are open, and then what happens from now on.
      - V(beginning) tells everything that the journals hold.
    type: str
    choices: [now, beginning]
    default: now
  position:
    description:
      - A file in which the source keeps how far it has come, so that it goes on there after a restart. Each source needs a file of its own.
      - An event counts as told once the next one was taken from the queue, or after O(interval). So none is lost, and after a kill the last one may
        come again.
    type: path
  interval:
    description:
      - Seconds between two looks at the journals, from 0.1 to 3600.
    type: float
    default: 1
  feedback:
    description:
      - With the persistence of ansible-rulebook, whether an event counts as told only when the rules have it.
    type: bool
    default: false
"""

EXAMPLES = r"""
- netops.changerail.runs:

- name: One change, from its beginning
  netops.changerail.runs:
    home: /var/lib/changerail
    run: CHG0042
    since: beginning

- name: Whoever is asked something hears of it once
  netops.changerail.runs:
    home: /var/lib/changerail
    position: /var/lib/changerail-eda/questions.json
"""

_OPTIONS = frozenset({"home", "run", "since", "position", "interval", "feedback", "eda_feedback_queue"})
_LOG = logging.getLogger(__name__)


async def main(queue: asyncio.Queue[Any], args: dict[str, Any]) -> None:
    """Put what happens into ``queue`` until cancelled. Raises ValueError for a wrong option."""
    _make_importable()
    from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import StateFolder
    from ansible_collections.netops.changerail.plugins.plugin_utils.runs.following import Follower, Position
    from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import state_folder

    interval, since, file = _checked(args)
    state = StateFolder(Path(args["home"]).expanduser().absolute()) if args.get("home") else state_folder()
    feedback: asyncio.Queue[Any] | None = args.get("eda_feedback_queue")
    # One thread reads, so that a slow disk does not hold up the event loop; leaving the block ends it after the look it is at.
    with ThreadPoolExecutor(1, thread_name_prefix="changerail-runs") as thread:

        async def read(work: Callable[..., Any], *given: Any) -> Any:
            return await asyncio.get_running_loop().run_in_executor(thread, work, *given)

        position = await read(Position, file, state)
        follower = Follower(state, str(args.get("run") or ""), position.runs)
        if position.kept or since == "beginning":
            new, more = await read(follower.look)
        else:
            new, more = await _passed_over(follower, position, read), False
            await read(position.keep)
        _LOG.info("following %s under %s", args.get("run") or "all runs", state.runs)
        while True:
            for told in new:
                if told["type"] == "unreadable":
                    _LOG.warning("%s", told["message"])
                await queue.put(told)
                position.handed_over(told)
                if feedback is not None:
                    await feedback.get()
                    position.settle()
                await read(position.keep)
            if not more:
                await asyncio.sleep(interval)
                position.settle()
                await read(position.keep)
            new, more = await read(follower.look)


async def _passed_over(follower: Any, position: Any, read: Callable[..., Any]) -> list[dict[str, Any]]:
    """Take everything that has happened as told; gives what cannot be read and the questions that are open."""
    unreadable = []
    more = True
    while more:
        new, more = await read(follower.look)
        unreadable += [told for told in new if told["type"] == "unreadable"]
        for told in new:
            position.handed_over(told)
    position.settle()
    return [*unreadable, *await read(follower.open_questions)]


def _checked(args: dict[str, Any]) -> tuple[float, str, Path | None]:
    """Interval, since and position. Raises ValueError."""
    unknown = sorted(set(args) - _OPTIONS)
    if unknown:
        raise ValueError(
            f"netops.changerail.runs has no option {', '.join(unknown)}; it has home, run, since, position, interval and feedback"
        )
    since = args.get("since", "now")
    if since not in ("now", "beginning"):
        raise ValueError(f"since: expected now or beginning, not {since!r}")
    try:
        interval = float(args.get("interval", 1))
    except (TypeError, ValueError):
        interval = 0.0
    if not 0.1 <= interval <= 3600:
        raise ValueError(f"interval: expected seconds from 0.1 to 3600, not {args['interval']!r}")
    file = args.get("position")
    return interval, since, Path(file).expanduser().absolute() if file else None


def _make_importable() -> None:
    """ansible-rulebook runs this file by its path, and its Python does not know where Ansible's collections lie."""
    try:
        importlib.import_module("ansible_collections.netops.changerail.plugins")
    except ModuleNotFoundError:
        sys.path.append(str(Path(__file__).absolute().parents[7]))
