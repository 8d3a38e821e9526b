"""The command itself: help, unknown words, errors and exit codes."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.netops.changerail.plugins.module_utils import errors
from ansible_collections.netops.changerail.plugins.plugin_utils.cli import main

Changerail = Callable[..., Any]


def test_help_lists_every_verb_and_the_exit_codes(changerail: Changerail) -> None:
    said = changerail("--help")
    assert said.code == 0
    for verb, line in main.VERBS.items():
        assert verb in said.out
        assert line in said.out
    assert "5 the journal is damaged" in said.out


@pytest.mark.parametrize("verb", main.VERBS)
def test_every_verb_explains_itself(changerail: Changerail, verb: str) -> None:
    said = changerail(verb, "--help")
    assert said.code == 0
    assert f"changerail {verb}" in said.out


def test_help_imports_nothing_that_takes_time() -> None:
    code = (
        "import sys\n"
        "from ansible_collections.netops.changerail.plugins.plugin_utils.cli.main import run\n"
        "run(['--help'])\n"
        "heavy = {'rich', 'ansible', 'yaml', 'jinja2', 'requests', 'ansible_runner', 'importlib.metadata'} & set(sys.modules)\n"
        "print(sorted(heavy))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_version(changerail: Changerail) -> None:
    assert changerail("--version").out.startswith("changerail ")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["stats"], "did you mean status?"),
        (["run"], "Missing argument"),
        (["run", "--no-such-option", "x.yml"], "No such option"),
        (["graph", "x.yml", "--format", "png"], "mermaid"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(changerail: Changerail, words: list[str], hint: str) -> None:
    said = changerail(*words)
    assert said.code == 2
    assert hint in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.AuthorError("x"), 2),
        (errors.UnknownRun("x"), 2),
        (errors.RunIsHeld("x"), 1),
        (errors.StorageError("x"), 1),
        (errors.JournalDamaged("x", 3), 5),
    ],
)
def test_errors_on_purpose_become_their_exit_code(
    changerail: Changerail, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    fail_with(monkeypatch, error)
    said = changerail("list")
    assert (said.code, said.err) == (code, "changerail: x\n")


def test_a_defect_is_one_line_and_a_traceback_only_when_asked_for(
    changerail: Changerail, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(monkeypatch, ZeroDivisionError("by zero \x1b[2J"))
    said = changerail("list")
    assert said.code == 1
    assert said.err.count("\n") == 1
    assert "ZeroDivisionError" in said.err
    assert "\x1b" not in said.err
    monkeypatch.setenv("CHANGERAIL_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        changerail("list")


def fail_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Have the verb ``list`` raise ``error``: the one thing about it that no real input brings about."""

    def fail(**_options: object) -> None:
        raise error

    from ansible_collections.netops.changerail.plugins.plugin_utils.cli.verbs import list as verb

    monkeypatch.setattr(verb, "list_runs", fail)


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    script = f"{shlex.quote(sys.executable)} -c 'from {main.__name__} import main; main()' --help | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "0"
