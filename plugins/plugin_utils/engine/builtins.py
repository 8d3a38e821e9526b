# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine does itself, without starting Ansible: assert, fail, debug, set_fact and pause, with the options of their modules."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.failures import FAILED
from ansible_collections.netops.changerail.plugins.module_utils.operation import (
    Call,
    Done,
    Failed,
    Operation,
    Outcome,
    Waiting,
)
from ansible_collections.netops.changerail.plugins.module_utils.question import Question
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.actions import ENGINE_OPTIONS

_PAUSE_UNITS = {"seconds": 1.0, "minutes": 60.0}


class _AtOnce(Operation):
    """An operation that is over when it starts."""

    def poll(self, call: Call, handle: Mapping[str, Any]) -> Outcome:
        return self.start(call)

    def cancel(self, call: Call, handle: Mapping[str, Any]) -> Outcome:
        return Done()


class Assert(_AtOnce):
    """``holds`` evaluates one condition of the step; conditions are expressions and are not templated beforehand."""

    name = "ansible.builtin.assert"
    options = ENGINE_OPTIONS["assert"].spec
    raw_options = ENGINE_OPTIONS["assert"].raw

    def __init__(self, holds: Callable[[str], bool]) -> None:
        self._holds = holds

    def start(self, call: Call) -> Outcome:
        for condition in call.args["that"]:
            if not self._holds(str(condition)):
                message = call.args["fail_msg"] or f"assertion failed: {condition}"
                return Failed(FAILED, message, {"assertion": str(condition), "evaluated_to": False})
        return Done({"msg": call.args["success_msg"] or "All assertions passed"})


class Fail(_AtOnce):
    name = "ansible.builtin.fail"
    options = ENGINE_OPTIONS["fail"].spec

    def start(self, call: Call) -> Outcome:
        return Failed(FAILED, call.args["msg"] or "Failed as requested from task")


class Debug(_AtOnce):
    """``var`` is an expression; ``value_of`` evaluates it."""

    name = "ansible.builtin.debug"
    options = ENGINE_OPTIONS["debug"].spec
    constraints = ENGINE_OPTIONS["debug"].constraints
    raw_options = ENGINE_OPTIONS["debug"].raw

    def __init__(self, value_of: Callable[[str], Any]) -> None:
        self._value_of = value_of

    def start(self, call: Call) -> Outcome:
        expression = call.args["var"]
        if expression:
            return Done({expression: self._value_of(expression)})
        return Done({"msg": call.args["msg"] if call.args["msg"] is not None else "Hello world!"})


class SetFact(_AtOnce):
    """Any option is a fact."""

    name = "ansible.builtin.set_fact"

    def start(self, call: Call) -> Outcome:
        return Done({"ansible_facts": {name: value for name, value in call.args.items() if name != "cacheable"}})


class Pause(Operation):
    """Waits for a time; without a time, asks a person to go on (as the module's prompt does, but for as long as it takes).

    When the clock was set back behind the pause's beginning, the pause begins anew: it never waits longer than was written from then on.
    """

    name = "ansible.builtin.pause"
    options = ENGINE_OPTIONS["pause"].spec
    constraints = ENGINE_OPTIONS["pause"].constraints

    def start(self, call: Call) -> Outcome:
        for unit, length in _PAUSE_UNITS.items():
            if call.args[unit] is not None:
                return self.poll(call, {"began": call.context.clock(), "seconds": call.args[unit] * length})
        prompt = call.args["prompt"] or "Go on?"
        question = Question(
            "approval", prompt, ("continue", "abort"), ("continue",), four_eyes=False, requester=call.context.requester
        )
        return Waiting({}, math.inf, prompt, question.as_dict(), long=True)

    def poll(self, call: Call, handle: Mapping[str, Any]) -> Outcome:
        if "began" not in handle:
            return self.start(call)
        now = call.context.clock()
        if now < handle["began"]:
            handle = {**handle, "began": now}
        left = handle["began"] + handle["seconds"] - now
        if left <= 0:
            return Done({"msg": call.args["prompt"] or ""})
        return Waiting(handle, left, call.args["prompt"] or "pausing", long=left > 60)

    def cancel(self, call: Call, handle: Mapping[str, Any]) -> Outcome:
        return Failed("cancelled", "stopped waiting")


def builtin(name: str, holds: Callable[[str], bool], value_of: Callable[[str], Any]) -> Operation:
    """The engine's own operation for an ``ansible.builtin`` module of ``workflow.model.ENGINE_MODULES``."""
    short = name.rpartition(".")[2]
    if short == "assert":
        return Assert(holds)
    if short == "debug":
        return Debug(value_of)
    others: Mapping[str, Callable[[], Operation]] = {"fail": Fail, "set_fact": SetFact, "pause": Pause}
    return others[short]()
