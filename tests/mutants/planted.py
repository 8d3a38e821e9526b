"""A pytest plugin for mutants.py: reports each test's outcome, looks for failures only, and makes sure that the copy is what is tested."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import Phase, settings

COPY = Path(os.environ["MUTANTS_COPY"])
REPORT = Path(os.environ["MUTANTS_REPORT"])
OURS = "ansible_collections.netops.changerail."

# A smaller example of a planted fault is of no interest, and the same cases come each time.
settings.register_profile("mutants", phases=(Phase.explicit, Phase.generate), database=None, derandomize=True)
settings.load_profile("mutants")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note the outcome at once: the process may not come to its end."""
    if report.when == "call" or report.failed:
        with open(REPORT, "a", encoding="utf-8") as file:
            file.write(json.dumps([report.nodeid, report.outcome]) + "\n")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the session when a module of ours came from elsewhere."""
    for name, module in list(sys.modules.items()):
        source = getattr(module, "__file__", None)
        if name.startswith(OURS) and source is not None and not Path(source).resolve().is_relative_to(COPY):
            pytest.exit(f"{name} was imported from {source}, not from the copy {COPY}", returncode=9)
