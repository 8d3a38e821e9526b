# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Callback plugin that writes what a playbook does into one file; Ansible loads it, the playbooks room reads the file."""

from __future__ import annotations

DOCUMENTATION = r"""
name: events
type: aggregate
short_description: Write the events of a playbook as JSON lines
version_added: 0.1.0
author: changerail contributors (!UNKNOWN)
description:
  - Writes one JSON object a line into one file while the playbook runs, C(play), C(no_hosts), C(task), C(begin), C(result), C(diff) and at the end C(stats).
  - A task is written once with its number under C(task); C(begin), C(result) and C(diff) carry that number and the host.
  - C(begin) without a C(result) of the same host and task means that the task was running when the file ends.
  - C(stats) holds the counts of each host and what M(ansible.builtin.set_stats) collected, under C(_run) and by host.
  - C(no_log) is honoured for tasks, loop items, diffs and statistics.
  - While the playbook or one of its workers lives, the file carries a shared lock (see flock(2)).
    Who gets an exclusive one knows that nothing more will be written.
  - changerail enables this plugin by itself for the playbooks that it runs.
requirements:
  - enable in configuration, C(callbacks_enabled = netops.changerail.events)
options:
  events_file:
    description:
      - The file to write, created readable by its owner only. An existing file is appended to.
      - Without it the plugin does nothing.
    type: path
    env:
      - name: CHANGERAIL_EVENTS_FILE
    ini:
      - section: callback_changerail_events
        key: events_file
  max_result:
    description: Results longer than this many bytes of JSON are shortened.
    type: int
    default: 65536
    env:
      - name: CHANGERAIL_EVENTS_MAX_RESULT
    ini:
      - section: callback_changerail_events
        key: max_result
  remove_file:
    description: A file with extra variables that is removed once Ansible has read it.
    type: path
    env:
      - name: CHANGERAIL_EVENTS_REMOVE_FILE
"""

EXAMPLES = r"""
ansible.cfg: |
  [defaults]
  callbacks_enabled = netops.changerail.events

  [callback_changerail_events]
  events_file = events.jsonl
"""

import contextlib
import fcntl
import json
import os
import re
import time
from collections.abc import Mapping
from typing import Any

from ansible.plugins.callback import CallbackBase

CENSORED = "the output has been hidden due to the fact that 'no_log: true' was specified for this result"
COUNTS = ("ok", "changed", "failures", "unreachable", "skipped", "rescued", "ignored")
# Longer diffs are cut, and say so.
MAX_DIFF = 1_000_000
# What of a result that is too long is kept of each text and list.
SHORT_TEXT = 2000
SHORT_LIST = 100
COLOUR = re.compile("\x1b\\[[0-9;]*m")


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible does not say what its types are
    """Writes each event with one ``write`` to a file opened for appending, so that a kill leaves whole lines only."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "netops.changerail.events"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._file = -1
        self._numbers: dict[str, int] = {}
        self._play = ""
        # Keys that set_stats got from a task with no_log; None stands for all.
        self._hidden_stats: set[str] | None = set()

    def set_options(self, task_keys: Any = None, var_options: Any = None, direct: Any = None) -> None:
        """Called by Ansible once the options are known: open the file."""
        super().set_options(task_keys=task_keys, var_options=var_options, direct=direct)
        path = self.get_option("events_file")
        if not path:
            self.disabled = True
            return
        self._open(path)

    # What Ansible calls.

    def v2_playbook_on_start(self, playbook: Any) -> None:
        if self.get_option("remove_file"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.get_option("remove_file"))
        self._write("playbook", playbook=playbook._file_name)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._play = play.get_name()
        self._write("play", play=self._play)

    def v2_playbook_on_no_hosts_matched(self) -> None:
        self._write("no_hosts", play=self._play)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._number(task)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self._number(task)

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self._write("begin", task=self._number(task), host=host.get_name())

    def v2_runner_on_ok(self, result: Any) -> None:
        self._note_hidden_stats(result)
        self._result("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._result("failed", result, ignored=bool(ignore_errors))

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._result("unreachable", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._result("skipped", result)

    def v2_on_file_diff(self, result: Any) -> None:
        # Ansible calls this for a loop's items one by one, for a loop as a whole, or both by its version; the whole repeats the items.
        one = result._result
        if "results" in one or not one.get("diff") or not one.get("changed") or one.get("_ansible_no_log"):
            return
        text = COLOUR.sub("", self._get_diff(one["diff"]))
        if len(text) > MAX_DIFF:
            text = f"{text[:MAX_DIFF]}\n... (cut here: {len(text)} characters in all)\n"
        if text:
            self._write("diff", task=self._number(result._task), host=result._host.get_name(), diff=text)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        hosts = {}
        for host in sorted(stats.processed):
            counts = stats.summarize(host)
            hosts[host] = {name: counts[name] for name in COUNTS}
        self._write("stats", hosts=hosts, custom={host: self._shown_stats(data) for host, data in stats.custom.items()})

    # How an event is written.

    def _open(self, path: str | os.PathLike[str]) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def _number(self, task: Any) -> int:
        """The task's number; its line is written when it is first met."""
        number = self._numbers.get(task._uuid)
        if number is None:
            number = self._numbers[task._uuid] = len(self._numbers) + 1
            self._write("task", task=number, name=task.get_name(), action=task.action, path=task.get_path() or "")
        return number

    def _result(self, status: str, result: Any, **more: Any) -> None:
        document = public(result._result)
        text = encode(document)
        limit = self.get_option("max_result")
        if len(text) > limit:
            document = shorten(document)
            if len(encode(document)) > limit:
                document = {"msg": shorten(str(document.get("msg", "")))}
            document["shortened"] = f"the result had {len(text)} bytes"
        changed = bool(result._result.get("changed"))
        self._write(
            "result",
            task=self._number(result._task),
            host=result._host.get_name(),
            status=status,
            changed=changed,
            res=document,
            **more,
        )

    def _write(self, event: str, **fields: Any) -> None:
        line = encode({"event": event, "time": round(time.time(), 3), **fields})
        os.write(self._file, f"{line}\n".encode())

    def _note_hidden_stats(self, result: Any) -> None:
        if result._task.action.rpartition(".")[2] != "set_stats" or "censored" not in public(result._result):
            return
        data = result._task.args.get("data")
        if self._hidden_stats is None or not isinstance(data, Mapping) or any("{{" in str(key) for key in data):
            self._hidden_stats = None
        else:
            self._hidden_stats.update(str(key) for key in data)

    def _shown_stats(self, data: Mapping[str, Any]) -> dict[str, Any]:
        hidden = set(data) if self._hidden_stats is None else self._hidden_stats
        return {key: CENSORED if key in hidden else value for key, value in data.items()}


def public(result: Mapping[str, Any]) -> dict[str, Any]:
    """The result without what Ansible keeps for itself, and without what ``no_log`` hides, item by item."""
    if result.get("_ansible_no_log"):
        return {"censored": CENSORED}
    shown = {
        key: value for key, value in result.items() if not str(key).startswith("_ansible_") and key != "invocation"
    }
    if isinstance(shown.get("results"), list):
        shown["results"] = [public(item) if isinstance(item, Mapping) else item for item in shown["results"]]
    return shown


def shorten(value: Any) -> Any:
    """The value with long texts and lists cut; each says how long it was."""
    if isinstance(value, str) and len(value) > SHORT_TEXT:
        return f"{value[:SHORT_TEXT]}... (cut here: {len(value)} characters in all)"
    if isinstance(value, Mapping):
        return {key: shorten(item) for key, item in value.items()}
    if isinstance(value, list):
        short = [shorten(item) for item in value[:SHORT_LIST]]
        return short if len(value) <= SHORT_LIST else [*short, f"... (cut here: {len(value)} items in all)"]
    return value


def encode(document: Mapping[str, Any]) -> str:
    """One line of JSON. Keys that JSON has no form for are left out."""
    return json.dumps(document, default=_plain, skipkeys=True)


def _plain(value: Any) -> Any:
    # A vaulted value decrypts itself when it is made a text.
    if hasattr(value, "_ciphertext"):
        return "(vaulted)"
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    return str(value)
