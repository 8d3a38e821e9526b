# The execution environment as ansible-builder sees it: what the collection asks for, and the example's build context. Run by pytest.
from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

pytest.importorskip(
    "ansible_builder", reason="ansible-builder is of the group check, which older ansible-cores go without"
)

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "awx" / "execution-environment.yml"
BROUGHT_BY_THE_ENVIRONMENT = {"ansible-core", "ansible-runner"}
LEFT_OUT = {"pyyaml"}
"""ansible-builder never installs it for a collection: ansible-core has brought it."""


def builder(*arguments: str | Path, folder: Path) -> str:
    command = [str(Path(sys.executable).with_name("ansible-builder")), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def named(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower()


@pytest.fixture
def collections(tmp_path: Path) -> Path:
    """A collections path with what ansible-builder reads of a collection."""
    home = tmp_path / "collections" / "ansible_collections" / "netops" / "changerail"
    home.mkdir(parents=True)
    for part in ("meta", "galaxy.yml"):
        (home / part).symlink_to(ROOT / part)
    return tmp_path / "collections"


def test_introspection_finds_what_the_wheel_needs_and_the_system_packages(collections, tmp_path):
    found = yaml.safe_load(builder("introspect", "--sanitize", collections, folder=tmp_path))
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    expected = {named(requirement) for requirement in wheel} - BROUGHT_BY_THE_ENVIRONMENT - LEFT_OUT
    assert {named(requirement) for requirement in found["python"]} == expected
    assert [package.split()[0] for package in found["system"]] == ["openssh-client", "openssh-clients"]


def test_the_example_becomes_a_build_context(tmp_path):
    builder("create", "--file", EXAMPLE, "--context", "context", folder=tmp_path)
    (recipe,) = (path for name in ("Containerfile", "Dockerfile") if (path := tmp_path / "context" / name).exists())
    text = recipe.read_text(encoding="utf-8")
    assert 'PYCMD="/usr/bin/python3.12"' in text and "ansible-runner>=2.4" in text
    collections = yaml.safe_load((tmp_path / "context" / "_build" / "requirements.yml").read_text(encoding="utf-8"))
    assert {"name": "netops.changerail"} in collections["collections"]
