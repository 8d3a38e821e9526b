# A GitLab twin with a project, and calls of the operation pipeline against it; pytest loads it.
from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.calls import call as made_call
from support.repository import SILENT_CI_FILE, make

from ansible_collections.netops.changerail.plugins.module_utils.operation import Call, Operation
from ansible_collections.netops.changerail.plugins.module_utils.operations.pipeline import OPERATION as PIPELINE
from ansible_collections.netops.changerail.tests.twins.gitlab.access import TOKEN
from ansible_collections.netops.changerail.tests.twins.kit.start import Running, running

PROJECT = "net/edge"


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def twin(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    silent = make(tmp_path_factory.mktemp("silent"), SILENT_CI_FILE)
    projects = ("--project", f"{PROJECT}={repository}", "--project", f"net/silent={silent}")
    with running("gitlab", tmp_path_factory.mktemp("gitlab"), *projects) as started:
        yield started


@pytest.fixture(autouse=True)
def _calm(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "twin" in request.fixturenames:
        started = request.getfixturevalue("twin")
        started.no_faults()
        started.administer("DELETE", "log")


@pytest.fixture
def call(tmp_path: Path, twin: Running) -> Callable[..., Call]:
    """A call of an operation against the twin; ``more`` changes the connection, ``mode`` is the input that chooses the pipeline's turn."""

    def make_call(operation: Operation = PIPELINE, *, run: str = tmp_path.name, **args: Any) -> Call:
        context = {name: args.pop(name) for name in ("path", "attempt", "check", "clock") if name in args}
        connection = {"url": twin.url, "token": TOKEN, "interval": 0.01, "lag": 0.05, **args.pop("more", {})}
        mode = args.pop("mode", None)
        if mode:
            args["inputs"] = {**args.get("inputs", {}), "mode": mode}
        if operation is PIPELINE:
            own = {} if "pipeline" in args else {"project": PROJECT, "ref": "main"}
            args = {"provider": "gitlab", **own, **args}
        return made_call(
            operation, tmp_path, args, run=run, connections={"gitlab": connection}, environment={}, **context
        )

    return make_call
