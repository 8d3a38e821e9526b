# The checkout's own consistency: one version, one list of dependencies, one license line per plugin file.
from __future__ import annotations

import re
import tomllib
from importlib.metadata import distributions, entry_points, version
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
HEADER = (
    "# Copyright: (c) changerail contributors",
    "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)",
    "# SPDX-License-Identifier: GPL-3.0-or-later",
)


installed = pytest.mark.skipif(
    not any(distributions(name="changerail")),
    reason="the wheel is not installed: the collection is tested where it lies",
)


def plugin_files() -> list[Path]:
    return sorted(path for path in (ROOT / "plugins").rglob("*.py") if path.stat().st_size)


def requirement_lines(path: Path) -> set[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return {line for line in lines if line and not line.startswith("#")}


@installed
def test_the_version_is_galaxys_everywhere() -> None:
    assert version("changerail") == GALAXY["version"]


@installed
def test_the_command_is_one_function_of_the_collection() -> None:
    (script,) = entry_points(group="console_scripts", name="changerail")
    assert script.value == "ansible_collections.netops.changerail.plugins.plugin_utils.cli.main:main"
    assert callable(script.load())


def test_an_execution_environment_gets_the_wheels_dependencies() -> None:
    brought_by_the_image = {"ansible-core>=2.16", "ansible-runner>=2.4"}
    wheel = set(PROJECT["dependencies"])
    assert brought_by_the_image < wheel
    assert requirement_lines(ROOT / "meta" / "ee-requirements.txt") == wheel - brought_by_the_image


def test_ansible_test_brings_what_the_unit_tests_need() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    extras = PROJECT["optional-dependencies"]
    needed = {line for line in PROJECT["dependencies"] if not line.startswith("ansible-core")}
    needed |= {*groups["test"], *extras["serve"], *extras["otel"]}
    assert requirement_lines(ROOT / "tests" / "unit" / "requirements.txt") == needed | {
        "-c ../../requirements/constraints.txt"
    }


def test_the_supported_ansible_core_is_the_same_for_the_wheel_and_the_collection() -> None:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    assert runtime["requires_ansible"] == ">=2.16.0"
    assert "ansible-core>=2.16" in PROJECT["dependencies"]


@pytest.mark.parametrize("path", plugin_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_plugin_file_names_its_license(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in HEADER if line not in lines] == []


def test_the_makefiles_help_names_every_word_a_person_calls() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    documented = set(re.findall(r"^([a-z-]+):.*  ## ", makefile, flags=re.MULTILINE))
    assert {
        "venv",
        "demo",
        "test",
        "check",
        "lab",
        "bench",
        "lint",
        "types",
        "imports",
        "sanity",
        "build",
    } <= documented
