# Starts the change of a ticket, or goes on with it, and prints what happens: a script for a scheduler, a chat bot, a CI job.
#
#   python change_of_ticket.py NET-4711 change.yml '{"prefix": "203.0.113.0/24"}'
#
# It ends with 0 when the change is done, 1 when it failed, 3 when it waits for people; call it again then, with the same words.
from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import ChangerailError, UnknownRun
from ansible_collections.netops.changerail.plugins.plugin_utils import api
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import StepFinished, StepWaiting


def begun(ticket: str, workflow: str, variables: Mapping[str, Any]) -> api.Run:
    """The run of the ticket. What was done in it is not done again."""
    try:
        return api.status(ticket)
    except UnknownRun:
        return api.start(workflow, run_id=ticket, variables=variables)


def carried_on(run: str) -> api.Run:
    """Drive the run until it is over or waits for people, and print what its steps come to."""
    for event in api.drive(run, until_waiting=True):
        at = f"{datetime.fromtimestamp(event.at):%H:%M:%S}"
        if isinstance(event, StepFinished):
            print(at, event.path, event.failure or "ok", event.message)
        elif isinstance(event, StepWaiting):
            print(at, event.path, "waits:", event.message)
    return api.status(run)


def main() -> int:
    """Returns the exit code."""
    ticket, workflow, *variables = sys.argv[1:]
    try:
        change = begun(ticket, workflow, json.loads(variables[0]) if variables else {})
        if not change.finished:
            change = carried_on(change.run)
    except ChangerailError as error:
        print(error, file=sys.stderr)
        return 2
    for wait in change.waiting_for:
        print(f"{change.run}: {wait.step} waits for {wait.asked}: {wait.message} ({'/'.join(wait.choices)})")
    print(f"{change.run}: {change.state}", change.message)
    return {"succeeded": 0, "waiting": 3}.get(change.state, 1)


if __name__ == "__main__":
    sys.exit(main())
