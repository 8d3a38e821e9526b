# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action ``workflow``: run, resume, answer or rehearse a workflow from a playbook, on the controller; Ansible runs it.

Its documentation is that of the module of the same name.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible.utils.vars import load_extra_vars

from ansible_collections.netops.changerail.plugins.module_utils.durations import seconds
from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.in_actions import arguments, spoken

_DISPLAY = Display()
SPEC: Mapping[str, Mapping[str, Any]] = {
    "workflow": {"type": "path"},
    "run_id": {"type": "str"},
    "variables": {"type": "dict", "default": {}},
    "extra_vars": {"type": "bool", "default": False},
    "inventory": {"type": "list", "elements": "str"},
    "fallback_inventory": {"type": "list", "elements": "str"},
    "limit": {"type": "str"},
    "config": {"type": "path"},
    "project": {"type": "path"},
    "scenario": {"type": "path"},
    "answer": {
        "type": "dict",
        "options": {
            "step": {"type": "str"},
            "choice": {"type": "str", "required": True},
            "comment": {"type": "str", "default": ""},
        },
    },
    "person": {"type": "str"},
    "wait": {"type": "bool"},
    "timeout": {"type": "str"},
}
CONSTRAINTS: Mapping[str, Any] = {
    "required_one_of": [["workflow", "run_id", "scenario"]],
    "mutually_exclusive": [["scenario", "answer"], ["workflow", "answer"]],
    "required_by": {"answer": ["run_id"]},
}
_OF_THE_PLAYBOOKS = frozenset(
    {*SPEC, "check", "choice", "comment", "fail_when_waiting", "go_on", "keep_project", "step"}
)
_OF_ANSIBLE = ("ansible_", "awx_", "tower_")
"""How names begin that are no variables of a workflow."""


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible does not say what its types are
    """See the module of this name."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        args = arguments(self, SPEC, CONSTRAINTS)
        with spoken("workflow"):
            if args["scenario"]:
                return self._rehearsed(args)
            if (server := _server()) is not None:
                return self._at_server(server, args, task_vars or {})
            if args["answer"]:
                return self._answered(args, task_vars or {})
            return self._driven(args, task_vars or {})

    # Start or go on

    def _driven(self, args: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        from ansible_collections.netops.changerail.plugins.plugin_utils import api
        from ansible_collections.netops.changerail.plugins.plugin_utils.cli import from_playbook
        from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import find, history

        timeout = _timeout(args["timeout"])
        past = from_playbook.existing(args["run_id"]) if args["run_id"] else None
        if past is None and not args["workflow"]:
            # A beginning of an id, or "last".
            past = history(find(args["run_id"]))
        run = past.folder.run if past is not None else args["run_id"] or _new_id(args["workflow"])
        if past is not None and args["workflow"] and Path(past.started.main).name != Path(args["workflow"]).name:
            raise AuthorError(
                f"run id {run!r} is taken by a run of {Path(past.started.main).name}, which is another workflow than {args['workflow']}; "
                "choose another run_id"
            )
        holds = args["wait"] if args["wait"] is not None else "awx_job_id" not in variables
        flags = [] if holds else ["--until-waiting"]
        before = len(past.records) if past is not None else 0
        if past is not None:
            done = self._command(["resume", run, *flags], timeout)
        else:
            with self._starting(run, args, variables) as arguments:
                done = self._command([*arguments, *flags], timeout)
        now = from_playbook.existing(run)
        if done.code not in (0, 1, 3, 4, 130) or now is None:
            raise AnsibleActionFail(f"workflow: {done.complaint or done.output or 'the engine ended without a word'}")
        if done.code in (1, 130) and done.complaint and not done.timed_out:
            _DISPLAY.warning(done.complaint)
        found = api.status(run).as_dict()
        return _result({**found, "changed": len(now.records) > before, "started": past is None}, done)

    @contextlib.contextmanager
    def _starting(self, run: str, args: Mapping[str, Any], variables: Mapping[str, Any]) -> Iterator[list[str]]:
        """The command line that starts the run; its variables are in a file that is gone afterwards."""
        from ansible_collections.netops.changerail.plugins.plugin_utils.cli import from_playbook
        from ansible_collections.netops.changerail.plugins.plugin_utils.cli.kept_project import keep, keep_inventory
        from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import state_folder

        workflow = os.path.abspath(args["workflow"])
        values, own_inventory = self._values(workflow, args, variables)
        inventory = list(args["inventory"] or (() if own_inventory else _usable(args["fallback_inventory"])))
        if args["project"]:
            folder = state_folder().create(run)
            kept = keep(folder, Path(args["project"]))
            workflow, inventory = kept.place(workflow), keep_inventory(folder, kept, inventory)
        arguments = ["run", workflow, "--run-id", run]
        for source in inventory:
            arguments += ["--inventory", source]
        arguments += ["--limit", args["limit"]] if args["limit"] else []
        arguments += ["--config", args["config"]] if args["config"] else []
        arguments += ["--check"] if self._task.check_mode else []
        who = args["person"] or from_playbook.launched_by(variables)
        arguments += ["--as", who] if who else []
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            json.dump(values, file, default=str)
            file.flush()
            yield [*arguments, "--extra-vars", f"@{file.name}"]

    def _values(
        self, workflow: str, args: Mapping[str, Any], variables: Mapping[str, Any]
    ) -> tuple[dict[str, Any], bool]:
        """The variables of the run, and whether the workflow names an inventory of its own."""
        from ansible_collections.netops.changerail.plugins.plugin_utils.workflow import survey
        from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load

        given = self._extra_vars(variables) if args["extra_vars"] else {}
        found = load(workflow, {*given, *args["variables"]})
        return {**survey.variables(found.vars, given), **args["variables"]}, bool(found.inventory)

    def _extra_vars(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The extra vars of this ansible-playbook that may be a workflow's, evaluated as Ansible evaluates them."""
        names = (
            name
            for name in load_extra_vars(self._loader)
            if name not in _OF_THE_PLAYBOOKS and not name.startswith(_OF_ANSIBLE)
        )
        return {name: self._templar.template(variables[name]) for name in names if name in variables}

    def _command(self, arguments: list[str], timeout: float | None = None) -> Any:
        from ansible_collections.netops.changerail.plugins.plugin_utils.cli import from_playbook

        return from_playbook.command(arguments, timeout, _DISPLAY.v)

    # Answer

    def _answered(self, args: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        from ansible_collections.netops.changerail.plugins.plugin_utils import api
        from ansible_collections.netops.changerail.plugins.plugin_utils.cli import from_playbook

        given, job = args["answer"], variables.get("awx_job_id")
        if job is not None and not args["person"] and not variables.get("awx_user_name"):
            raise AuthorError(
                f"AWX job {job} was started by no person; an answer is a person's: launch the job yourself"
            )
        person = args["person"] or from_playbook.launched_by(variables)
        comment = f"{given['comment']} (AWX job {job})".strip() if job is not None else given["comment"]
        if self._task.check_mode:
            return {**api.status(args["run_id"]).as_dict(), "changed": False}
        sent = api.answer(args["run_id"], given["choice"], step=given["step"] or "", comment=comment, person=person)
        became = {"step": sent.step, "counted": sent.counted, "refused": sent.refused}
        result = {**api.status(args["run_id"]).as_dict(), "changed": True, **became}
        if sent.refused:
            result.update(failed=True, changed=False, msg=f"workflow: the answer does not count: {sent.refused}")
        return result

    # At a server

    def _at_server(self, server: Any, args: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        from ansible_collections.netops.changerail.plugins.plugin_utils.cli import playbook_at_server

        local = [name for name in ("inventory", "config", "project", "person") if args[name]]
        if local:
            raise AuthorError(
                f"{', '.join(local)}: of a run on this machine; {server.url} has an inventory and a project file of its own, knows you by your "
                "token"
            )
        answer, job = args["answer"], variables.get("awx_job_id")
        if answer and self._task.check_mode:
            return playbook_at_server.looked_at(server, args["run_id"])
        if answer:
            comment = f"{answer['comment']} (AWX job {job})".strip() if job is not None else answer["comment"]
            return playbook_at_server.answered(server, args["run_id"], answer["step"] or "", answer["choice"], comment)
        holds = args["wait"] if args["wait"] is not None else job is None
        given = self._extra_vars(variables) if args["extra_vars"] else {}
        found, done = playbook_at_server.driven(
            server, args, given, self._task.check_mode, holds, _timeout(args["timeout"])
        )
        return _result(found, done)

    # Rehearse

    def _rehearsed(self, args: Mapping[str, Any]) -> dict[str, Any]:
        workflow = [os.path.abspath(args["workflow"])] if args["workflow"] else []
        config = ["--config", args["config"]] if args["config"] else []
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            json.dump(args["variables"], file, default=str)
            file.flush()
            arguments = ["rehearse", *workflow, "--scenario", args["scenario"], "--json", *config]
            done = self._command([*arguments, "--extra-vars", f"@{file.name}"], _timeout(args["timeout"]))
        try:
            found = json.loads(done.output)
        except ValueError:
            raise AnsibleActionFail(f"workflow: {done.complaint or done.output}") from None
        result = {"changed": False, "rehearsal": found}
        if done.code != 0:
            missed = [check["what"] for check in found.get("checks", ()) if not check["passed"]]
            result.update(failed=True, msg=f"workflow: the rehearsal is not as expected: {'; '.join(missed)}")
        return result


def _result(result: dict[str, Any], done: Any) -> dict[str, Any]:
    """``result`` as Ansible's, failed where the run is not where it was to go."""
    if done.timed_out and not result["finished"]:
        result.update(
            failed=True, msg=f"workflow: run {result['run']} is not over after the timeout; go on with it by its run_id"
        )
    elif result["state"] in ("failed", "cancelled"):
        result.update(failed=True, msg=f"workflow: run {result['run']} {result['state']}: {result['message']}")
    elif result["state"] in ("interrupted", "running"):
        result.update(
            failed=True,
            msg=f"workflow: run {result['run']} was put down before it was over: {done.complaint or result['message'] or 'interrupted'}; "
            "go on with it by its run_id",
        )
    return result


def _server() -> Any:
    from ansible_collections.netops.changerail.plugins.plugin_utils.runs.remote import Remote

    return Remote.of_environment()


def _usable(sources: Any) -> list[str]:
    """Inventory sources that are there: Ansible names its default one whether it is there or not."""
    return [source for source in sources or () if "," in source or os.path.exists(source)]


def _new_id(workflow: str) -> str:
    from ansible_collections.netops.changerail.plugins.plugin_utils.engine.run import new_run_id

    return new_run_id(Path(workflow).stem, time.time())


def _timeout(given: str | None) -> float | None:
    try:
        return seconds(given) if given else None
    except AuthorError as error:
        raise AuthorError(f"timeout: {error}") from None
