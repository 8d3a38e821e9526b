# What every test starts from: this checkout's collection, this Python, and a state folder of its own.
# pytest loads it; nothing imports it.
from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# In `ansible-test units` the collection lies where Ansible looks for it, nothing is installed, and pyproject.toml is not read.
IN_PLACE = ROOT.parts[-3:] == ("ansible_collections", "netops", "changerail")
COLLECTIONS = ROOT.parents[2] if IN_PLACE else ROOT / "build" / "dev"
if IN_PLACE:
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "collections")]
# A worker of xdist gets pytest's paths twice, and Ansible's finder takes no package that lies at two places.
sys.path[:] = dict.fromkeys(sys.path)
COUNTED = ("property cases", "boundaries died at")
"""What tests count (``record_property``) and is summed up at the end."""


@pytest.fixture(scope="session", autouse=True)
def _own_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps a developer's settings, collections and runs out of the tests, and the tests out of them."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("ANSIBLE_", "CHANGERAIL_")):
                patch.delenv(name)
        patch.setenv("ANSIBLE_COLLECTIONS_PATH", str(COLLECTIONS))
        if IN_PLACE:
            # ansible-test's own environment has Ansible there too.
            patch.setenv(
                "PYTHONPATH", os.pathsep.join([str(COLLECTIONS), os.environ.get("PYTHONPATH", "")]).rstrip(":")
            )
        # Discovery would pick a version manager's shim that may not run.
        patch.setenv("ANSIBLE_PYTHON_INTERPRETER", sys.executable)
        patch.setenv("ANSIBLE_HOME", str(home / "ansible"))
        patch.setenv("CHANGERAIL_HOME", str(home / "changerail"))
        yield


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much stands behind tests that try many cases."""
    sums = dict.fromkeys(COUNTED, 0)
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name in sums:
                sums[name] += value
    for name, number in sums.items():
        if number:
            terminalreporter.write_line(f"{name}: {number}")
