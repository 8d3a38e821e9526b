# What the tests of the command line share: a state folder of their own and a command line to run in this process.
# pytest loads it; nothing imports it.
from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.main import run
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import StateFolder


@dataclass(frozen=True)
class Said:
    """What a command line came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StateFolder:
    """An empty state folder; the working directory is empty too, and there is no project file anywhere."""
    monkeypatch.setenv("CHANGERAIL_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    # pytest's workers inherit a width.
    monkeypatch.delenv("COLUMNS", raising=False)
    (tmp_path / "work").mkdir(mode=0o700)
    monkeypatch.chdir(tmp_path / "work")
    return StateFolder(tmp_path / "state")


@pytest.fixture
def changerail(state: StateFolder, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """``changerail(*words)`` runs a command line in this process."""

    def run_it(*words: str) -> Said:
        capsys.readouterr()
        code = run(list(words))
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return run_it
