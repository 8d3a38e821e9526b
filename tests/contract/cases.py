"""The operations that the contract is held against, ours and strangers', each with a world of its own.

A new operation or provider gets its case here, at the end of ``CASES``, and with it every test of the contract.
"""

from __future__ import annotations

import contextlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from support.calls import call, eventually, finished
from support.servers import Answer, Web, web

from ansible_collections.netops.changerail.plugins.module_utils.operation import (
    Call,
    Operation,
    Outcome,
    Verdict,
    Waiting,
    find,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.operations import MODULE, PLAYBOOK

SECRET = "s3cret-c0ntract"
"""Stands in every case for passwords, tokens and inputs that must not be shown."""


class Case(ABC):
    """One operation and the world it acts on; ``folder`` holds that world and the run's files.

    ``effects`` counts what happened in the world because of the step; ``wanted`` is how often it should happen. ``at_least_once`` says that
    a crash at the wrong moment may make it happen twice. ``bad`` are options that are wrong, with what the error must name.
    """

    name = ""
    wanted = 1
    at_least_once = False
    bad: Sequence[tuple[Mapping[str, Any], str]] = ()
    can_lose_answers = False
    crashes = 20
    """How many places of a start the process is killed at."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def operation(self) -> Operation:
        found: Operation = find("operations", self.name)
        return found

    def call(self, args: Mapping[str, Any] | None = None, *, check: bool = False, attempt: int = 1) -> Call:
        """A call of the step, as an engine makes it anew in every process."""
        given = self.args() if args is None else args
        return call(self.operation, self.folder, given, check=check, attempt=attempt, **self.context())

    @abstractmethod
    def args(self) -> dict[str, Any]:
        """The options of the step."""

    def context(self) -> dict[str, Any]:
        """What the context has beside the usual."""
        return {}

    @abstractmethod
    def effects(self) -> int:
        """How often the world was changed."""

    def let_finish(self) -> None:  # noqa: B027 - most worlds hold nothing up
        """From now on the world lets the step come to its end."""

    def finish(self, made: Call, outcome: Outcome) -> Outcome:
        """The end of the step, from an outcome on."""
        self.let_finish()
        return finished(self.operation, made, outcome)

    def lose_next_answer(self) -> None:
        """The next write takes effect in the world, and nobody is told."""
        raise NotImplementedError


class LocalRecordCase(Case):
    name = "change_record"
    bad = (
        ({"short_description": "x", "state": "done"}, "state"),
        ({"short_description": "x", "end_date": "soon"}, "end_date"),
    )

    def args(self) -> dict[str, Any]:
        return {
            "short_description": "Advertise a prefix",
            "type": "standard",
            "state": "implement",
            "work_notes": "Started.",
            "evidence": "run",
        }

    def effects(self) -> int:
        return len(list((self.folder / "records").glob("CHG*.json")))


class LocalPipelineCase(Case):
    name = "pipeline"
    bad = (({"command": "true", "chdir": "nowhere"}, "nowhere"), ({"command": "true", "artifacts": ["../x"]}, "../x"))

    def args(self) -> dict[str, Any]:
        # Bounded: a test that is killed must not leave it behind for ever.
        script = "echo run >> effects; n=0; while [ ! -e go ] && [ $n -lt 1500 ]; do n=$((n + 1)); sleep 0.02; done"
        return {"command": ["sh", "-c", script], "inputs": {"password": SECRET}}

    def context(self) -> dict[str, Any]:
        return {"environment": dict(os.environ)}

    def effects(self) -> int:
        log = self.folder / "effects"
        return len(log.read_text().splitlines()) if log.exists() else 0

    def let_finish(self) -> None:
        (self.folder / "go").touch()

    def finish(self, made: Call, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Waiting):
            eventually(self.effects)
        return super().finish(made, outcome)


class DeskCase(Case):
    """Our operations with a stranger's provider."""

    can_lose_answers = True

    def context(self) -> dict[str, Any]:
        return {"connections": {"example.desk.desk": {"world": str(self.folder), "password": SECRET}}}

    def world(self) -> dict[str, Any]:
        path = self.folder / "desk.json"
        return dict(json.loads(path.read_text())) if path.exists() else {"records": [], "pipelines": []}

    def lose_next_answer(self) -> None:
        (self.folder / "fault").write_text("after")


class DeskRecordCase(DeskCase):
    name = "change_record"
    bad = (({"short_description": "x", "provider": "example.desk.des"}, "example.desk.des"),)

    def args(self) -> dict[str, Any]:
        return {
            "provider": "example.desk.desk",
            "short_description": "x",
            "state": "closed",
            "close_code": "successful",
            "close_notes": "y",
        }

    def effects(self) -> int:
        return len(self.world()["records"])


class DeskPipelineCase(DeskCase):
    name = "pipeline"
    bad = (({"project": "p", "provider": "example.desk.desk", "command": "true"}, "command"),)

    def args(self) -> dict[str, Any]:
        return {"provider": "example.desk.desk", "project": "edge", "inputs": {"password": SECRET}}

    def effects(self) -> int:
        return len(self.world()["pipelines"])

    def let_finish(self) -> None:
        world = self.world()
        for row in world["pipelines"]:
            row["status"] = "success"
        (self.folder / "desk.json").write_text(json.dumps(world))


class WebCase(Case):
    """Operations whose world is a web server."""

    def __init__(self, folder: Path, server: Web) -> None:
        super().__init__(folder)
        self.server = server


class NotifyCase(WebCase):
    name = "notify"
    at_least_once = True
    bad = (({"to": ["nobody"], "message": "x"}, "nobody"), ({"to": ["terminal"]}, "message"))

    def args(self) -> dict[str, Any]:
        self.server.answers["/hook"] = Answer()
        return {"to": ["chat"], "message": "Deployed."}

    def context(self) -> dict[str, Any]:
        return {"settings": {"channels": {"chat": [f"json://u:{SECRET}@127.0.0.1:{self.server.port}/hook"]}}}

    def effects(self) -> int:
        return len(self.server.asked)


class DependencyCase(WebCase):
    name = "dependency"
    wanted = 0
    bad = (
        ({"http": {"url": "nowhere"}}, "nowhere"),
        ({"tcp": {"host": "h", "port": 1}, "until": "a ="}, "column 3"),
        ({"until": "a"}, "http"),
    )

    def args(self) -> dict[str, Any]:
        return {"http": {"url": f"/rules/1?token={SECRET}", "connection": "api"}, "until": "state == 'active'"}

    def context(self) -> dict[str, Any]:
        self.server.answers.setdefault("/rules/1", Answer(body={"state": "pending", "echo": SECRET}))
        return {
            "connections": {"api": {"url": self.server.url, "username": "u", "password": SECRET}},
            "clock": lambda: 1000.0,
        }

    def effects(self) -> int:
        return len([request for request in self.server.asked if request.method != "GET"])

    def let_finish(self) -> None:
        self.server.answers["/rules/1"] = Answer(body={"state": "active", "echo": SECRET})


class WindowCase(Case):
    name = "window"
    wanted = 0
    bad = (({"windows": [{"from": "26:00", "to": "01:00"}]}, "26:00"), ({"timezone": "Nowhere"}, "Nowhere"))

    def args(self) -> dict[str, Any]:
        return {"windows": [{"from": "01:00", "to": "02:00"}]}

    def context(self) -> dict[str, Any]:
        open_now = (self.folder / "open").exists()
        return {"clock": lambda: 5400.0 if open_now else 0.0}

    def effects(self) -> int:
        return 0

    def let_finish(self) -> None:
        (self.folder / "open").touch()

    def finish(self, made: Call, outcome: Outcome) -> Outcome:
        self.let_finish()
        return finished(self.operation, self.call(), outcome)


class QuestionCase(Case):
    """Operations that ask people."""

    wanted = 0

    def effects(self) -> int:
        return 0

    def finish(self, made: Call, outcome: Outcome) -> Outcome:
        if not isinstance(outcome, Waiting):
            return outcome
        answer = {"person": "ann", "choice": "approve", "comment": ""}
        return self.operation.conclude(made, outcome.handle, Verdict("approve", True, [answer]))


class ApprovalCase(QuestionCase):
    name = "approval"
    bad = (({"groups": ["netops"], "quorum": 0}, "quorum"), ({"group": ["netops"]}, "groups"))

    def args(self) -> dict[str, Any]:
        return {"groups": ["netops"]}


class ReviewCase(QuestionCase):
    name = "review"
    bad = (({}, "artifact"), ({"artifact": "nowhere.diff"}, "nowhere.diff"))

    def args(self) -> dict[str, Any]:
        (self.folder / "edge.diff").write_text("+ route\n")
        return {"artifact": str(self.folder / "edge.diff"), "groups": ["netops"]}


class StrangerCase(Case):
    """A stranger's operation."""

    name = "example.world.act"
    bad = (({}, "world"),)

    def args(self) -> dict[str, Any]:
        return {"world": str(self.folder), "until": "go", "password": SECRET}

    def effects(self) -> int:
        return len(list(self.folder.glob("start|*")))

    def let_finish(self) -> None:
        (self.folder / "go").touch()


class AnsibleCase(Case):
    """What Ansible itself runs, under its supervisor."""

    crashes = 4

    def effects(self) -> int:
        log = self.folder / "effects"
        return len(log.read_text().splitlines()) if log.exists() else 0

    def context(self) -> dict[str, Any]:
        return {"environment": dict(os.environ)}

    def finish(self, made: Call, outcome: Outcome) -> Outcome:
        return finished(self.operation, made, outcome, within=60.0)


class PlaybookCase(AnsibleCase):
    name = "playbook"
    bad = (({"playbook": "missing.yml"}, "missing.yml"),)

    @property
    def operation(self) -> Operation:
        return PLAYBOOK

    def args(self) -> dict[str, Any]:
        task = {"ansible.builtin.shell": f"echo run >> {self.folder}/effects", "no_log": True}
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}
        (self.folder / "play.yml").write_text(json.dumps([play]))
        return {"playbook": "play.yml", "inventory": ["localhost,"], "extra_vars": {"password": SECRET}}


class ModuleCase(AnsibleCase):
    name = "module"

    @property
    def operation(self) -> Operation:
        return MODULE

    def args(self) -> dict[str, Any]:
        shell = f"echo run >> {self.folder}/effects"
        return {"module": "ansible.builtin.shell", "args": shell, "extra_vars": {"password": SECRET}}


Maker = Callable[[Path], contextlib.AbstractContextManager[Case]]


def plain(kind: type[Case]) -> Maker:
    """Makes cases that need nothing but a folder."""

    @contextlib.contextmanager
    def make(folder: Path) -> Iterator[Case]:
        folder.mkdir(parents=True, exist_ok=True)
        yield kind(folder)

    return make


def _with_web(kind: type[WebCase]) -> Maker:
    @contextlib.contextmanager
    def make(folder: Path) -> Iterator[Case]:
        folder.mkdir(parents=True, exist_ok=True)
        with web() as server:
            yield kind(folder, server)

    return make


CASES: Mapping[str, Maker] = {
    "change_record-local": plain(LocalRecordCase),
    "change_record-stranger": plain(DeskRecordCase),
    "pipeline-local": plain(LocalPipelineCase),
    "pipeline-stranger": plain(DeskPipelineCase),
    "dependency": _with_web(DependencyCase),
    "window": plain(WindowCase),
    "notify": _with_web(NotifyCase),
    "approval": plain(ApprovalCase),
    "review": plain(ReviewCase),
    "stranger": plain(StrangerCase),
    "playbook": plain(PlaybookCase),
    "module": plain(ModuleCase),
}
