"""Registered results and artifacts of a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netops.changerail.plugins.plugin_utils.views.detail import Attempt, StepDetail
from ansible_collections.netops.changerail.plugins.plugin_utils.views.results import (
    download_name,
    kept,
    registered,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load

FLOW = """
name: Registers
steps:
  - {id: one, ansible.builtin.pause: {seconds: 1}, register: first}
  - id: many
    loop: [a, b]
    register: each
    ansible.builtin.pause: {seconds: 1}
  - {id: silent, ansible.builtin.pause: {seconds: 1}}
"""


def attempt(number: int, failure: str | None = "", **result: object) -> Attempt:
    return Attempt(number, failure=failure, result=result)


def file(sha256: str, name: str = "log") -> dict[str, object]:
    return {"name": name, "path": f"/{name}", "sha256": sha256, "size": 1}


def test_the_newest_result_of_each_step_that_registers(tmp_path: Path) -> None:
    (tmp_path / "flow.yml").write_text(FLOW)
    steps = {
        "one": StepDetail("one", (attempt(1, "failed", x=1), attempt(2, "", x=2), attempt(3, None))),
        "many[a]": StepDetail("many[a]", (attempt(1, "", x=3),)),
        "silent": StepDetail("silent", (attempt(1, "", x=4),)),
        "many[b]": StepDetail("many[b]", (attempt(1, None),)),
    }
    found = registered(load(tmp_path / "flow.yml"), steps)
    assert [(one.name, one.path, one.result) for one in found] == [
        ("first", "one", {"x": 2}),
        ("each", "many[a]", {"x": 3}),
    ]


def test_a_file_that_stays_the_same_is_there_once_and_another_of_its_name_too() -> None:
    attempts = tuple(attempt(number, artifacts={"log": file(sha)}) for number, sha in enumerate("aab", 1))
    found = kept({"one": StepDetail("one", attempts), "two": StepDetail("two", attempts[:1])})
    assert [(one.path, one.attempt, one.artifact.sha256) for one in found] == [
        ("one", 1, "a"),
        ("one", 3, "b"),
        ("two", 1, "a"),
    ]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("edge1.diff", "edge1.diff"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        (".bashrc", "bashrc"),
        ("..", "artifact"),
        ("", "artifact"),
        ('a"; filename="b.exe', "a_filename_b.exe"),
        ("Zürich\r\nX: 1.log", "Z_rich_X_1.log"),
    ],
)
def test_names_of_downloads(name: str, safe: str) -> None:
    assert download_name(name) == safe


@given(st.text())
def test_a_name_of_a_download_names_a_file_and_no_place(name: str) -> None:
    safe = download_name(name)
    assert 0 < len(safe) <= 100 and safe.isascii() and safe[0] not in ".-"
    assert not set(safe) & set('/\\"\r\n;')
