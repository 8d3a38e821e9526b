# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a playbook did, read from the events file that our callback plugin wrote; for this room only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FAILED, UNREACHABLE = "failed", "unreachable"


@dataclass(frozen=True)
class Result:
    """One host's result of one task. ``status`` is ok, failed, unreachable or skipped; ``data`` what the module returned."""

    host: str
    task: str
    status: str
    changed: bool
    ignored: bool
    data: Mapping[str, Any]

    @property
    def message(self) -> str:
        """What went wrong, in the module's words."""
        return _message(self.data)


@dataclass(frozen=True)
class Story:
    """What is known of a playbook that ran, or still runs.

    ``trouble`` are the results that failed or were unreachable and not ignored, ``last`` is the last result of all.
    ``finished`` holds by task, in their order, the hosts that were done with it; ``in_flight`` the hosts that were not.
    ``empty_plays`` are plays for which no host matched. ``diffs`` are unified diffs, each under a line that says of what.
    ``hosts`` holds the counts of each host, ``custom`` the data of set_stats; both are None when the playbook did not come to its end.
    """

    trouble: tuple[Result, ...] = ()
    last: Result | None = None
    finished: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    in_flight: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    empty_plays: tuple[str, ...] = ()
    diffs: tuple[str, ...] = ()
    hosts: Mapping[str, Mapping[str, int]] | None = None
    custom: Mapping[str, Mapping[str, Any]] | None = None

    def final_failures(self) -> list[Result]:
        """The failures that a rescue did not take back."""
        failures = [result for result in self.trouble if result.status == FAILED]
        if self.hosts is None:
            return failures
        left = {host: counts["failures"] for host, counts in self.hosts.items()}
        final = []
        # The last ones of a host are those that ended it.
        for result in reversed(failures):
            if left.get(result.host, 0) > 0:
                left[result.host] -= 1
                final.append(result)
        return final[::-1]

    def unreachable(self) -> list[Result]:
        """The results of the hosts that could not be reached."""
        return [result for result in self.trouble if result.status == UNREACHABLE]


def read_story(path: Path) -> Story:
    """The story so far; an empty one when there is no file."""
    teller = _Teller()
    for event in _events(path):
        tell = getattr(teller, f"on_{event['event']}", None)
        if tell is not None:
            tell(event)
    return teller.story()


def _events(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open("rb") as file:
            for line in file:
                # A full disk may have cut a line.
                if line.endswith(b"}\n"):
                    yield json.loads(line)
    except FileNotFoundError:
        return


class _Teller:
    """Collects one story; the methods are named after the events of plugins/callback/events.py."""

    def __init__(self) -> None:
        self._tasks: dict[int, str] = {}
        self._begun: dict[int, dict[str, bool]] = {}
        self._trouble: list[Result] = []
        self._last: Result | None = None
        self._empty: list[str] = []
        self._diffs: list[str] = []
        self._stats: dict[str, Any] = {}

    def on_no_hosts(self, event: Mapping[str, Any]) -> None:
        self._empty.append(event["play"])

    def on_task(self, event: Mapping[str, Any]) -> None:
        self._tasks[event["task"]] = event["name"]

    def on_begin(self, event: Mapping[str, Any]) -> None:
        self._begun.setdefault(event["task"], {})[event["host"]] = False

    def on_result(self, event: Mapping[str, Any]) -> None:
        self._begun.setdefault(event["task"], {})[event["host"]] = True
        ignored = event.get("ignored", False)
        result = Result(event["host"], self._name(event), event["status"], event["changed"], ignored, event["res"])
        if event["status"] in (FAILED, UNREACHABLE) and not ignored:
            self._trouble.append(result)
        self._last = result

    def on_diff(self, event: Mapping[str, Any]) -> None:
        self._diffs.append(f"# {event['host']}: {self._name(event)}\n{event['diff'].rstrip()}\n")

    def on_stats(self, event: Mapping[str, Any]) -> None:
        self._stats = dict(event)

    def story(self) -> Story:
        finished: dict[str, tuple[str, ...]] = {}
        in_flight: dict[str, tuple[str, ...]] = {}
        for task, hosts in self._begun.items():
            name = self._tasks[task]
            for place, state in ((finished, True), (in_flight, False)):
                names = tuple(host for host, done in hosts.items() if done is state)
                if names:
                    # Tasks of one name count as one, at the place of the latest.
                    place[name] = tuple(dict.fromkeys(place.pop(name, ()) + names))
        return Story(
            tuple(self._trouble), self._last, finished, in_flight, tuple(self._empty), tuple(self._diffs),
            self._stats.get("hosts"), self._stats.get("custom"),
        )  # fmt: skip

    def _name(self, event: Mapping[str, Any]) -> str:
        return self._tasks[event["task"]]


def _message(data: Mapping[str, Any]) -> str:
    """The most telling words of a module's result."""
    for item in data.get("results") or ():
        if isinstance(item, Mapping) and (item.get("failed") or item.get("unreachable")):
            return _message(item)
    message = str(data.get("msg") or data.get("reason") or data.get("censored") or "no message").strip()
    details = str(data.get("stderr") or data.get("module_stderr") or data.get("stdout") or "").strip()
    if details and details not in message:
        message = f"{message}: {details.splitlines()[-1]}"
    # ansible-core 2.19 and later say so before every message.
    return message.removeprefix("Task failed: ")
