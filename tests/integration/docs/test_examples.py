# Every example of the documentation is done as it stands there: each page in an empty folder, its blocks in order.
from __future__ import annotations

import ast
import json
import os
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from support.pages import ROOT, Block, blocks, pages, spoken_commands
from support.transcript import difference, exchanges, in_a_job, on_a_terminal

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.main import group
from ansible_collections.netops.changerail.plugins.plugin_utils.people import project_file

PROGRAMS = Path(sys.executable).parent
SECTIONS = set(project_file.SECTIONS)
PLAYBOOK = "- name: Stands for the reader's own\n  hosts: localhost\n  gather_facts: false\n"
STAND_INS = {
    "import_playbook": PLAYBOOK,
    "import_workflow": "name: Stands for the reader's own\nsteps:\n  - ansible.builtin.debug: {msg: done}\n",
    "inventory": "all: {hosts: {r1: {ansible_connection: local}}}\n",
}
SHELLS = ("shell", "bash", "sh")


class Reader:
    """Somebody who follows one page in an empty folder."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.files = 0

    def does(self, block: Block) -> str:
        """Do what the block says; gives "" or what went wrong."""
        if block.kind == "file":
            # What it is worth is seen when the page uses it.
            self._put(block.argument, block.text)
            return ""
        if block.kind == "foreign":
            list(yaml.compose_all(block.text))
            return ""
        if block.language == "console":
            typed = in_a_job if block.kind == "job" else on_a_terminal
            done = ((shown, typed(shown.command, self.folder, self.environment)) for shown in exchanges(block.text))
            return next((wrong for shown, ended in done if (wrong := difference(shown, *ended))), "")
        if block.kind == "commands" or block.language in SHELLS:
            return next((wrong for line in block.text.splitlines() if (wrong := misspelt(line))), "")
        if block.kind == "tasks":
            return self._play(f"{PLAYBOOK}  tasks:\n{textwrap.indent(block.text, '    ')}")
        if block.kind == "steps":
            given = "".join(f"  {name}: {{}}\n" for name in block.argument.split())
            return self._check(f"name: Example\nvars:\n{given}steps:\n{textwrap.indent(block.text, '  ')}")
        if block.language in ("yaml", "yml"):
            return self._yaml(block.text)
        if block.language == "json":
            json.loads(block.text)
            return ""
        if block.language == "python":
            ast.parse(block.text)
            return ""
        if block.language in ("text", "mermaid", "{toctree}"):
            return ""
        return f"what is a block of {block.language!r}? See tests/support/pages.py"

    def _yaml(self, text: str) -> str:
        """Known by what is in it: a project file, a workflow, a playbook, or the steps or tasks of one."""
        document = yaml.load(text, Loader)
        if isinstance(document, dict) and "steps" in document:
            return self._check(text)
        if isinstance(document, dict) and document and set(document) <= SECTIONS:
            path = self._write(text)
            path.chmod(0o600)
            project_file.load(path)
            return ""
        if isinstance(document, list) and all(isinstance(item, dict) for item in document):
            if any("hosts" in item for item in document):
                return self._play(text)
            return self._check(f"name: Example\nsteps:\n{textwrap.indent(text, '  ')}")
        return "no workflow, steps, playbook or project file: say what it is, see tests/support/pages.py"

    def _play(self, text: str) -> str:
        wrong = "; ".join(undocumented(yaml.load(text, Loader)))
        return wrong or self._run("ansible-playbook", "--syntax-check", "-i", "localhost,", str(self._write(text)))

    def _check(self, text: str) -> str:
        self._stand_ins(yaml.load(text, Loader))
        return self._run("changerail", "check", str(self._write(text)))

    def _stand_ins(self, document: Any) -> None:
        """Playbooks, workflows and inventories that an example names and its page does not show."""
        for item in document if isinstance(document, list) else ():
            self._stand_ins(item)
        for key, value in document.items() if isinstance(document, dict) else ():
            text = STAND_INS.get(key.rpartition(".")[2])
            if text is None or not isinstance(value, str):
                self._stand_ins(value)
            elif Path(value).suffix and "{{" not in value and not (self.folder / value).exists():
                self._put(value, text)

    def _put(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def _write(self, text: str) -> Path:
        self.files += 1
        path = self.folder / f"example-{self.files}.yml"
        path.write_text(text, encoding="utf-8")
        return path

    def _run(self, *command: str) -> str:
        ended = subprocess.run(
            command,
            cwd=self.folder,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        return f"{shlex.join(command)}: {ended.stdout}{ended.stderr}" if ended.returncode else ""


class Loader(yaml.SafeLoader):
    """YAML with Ansible's tags as plain text."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: "" if suffix is None else str(node.value))


@cache
def documented() -> dict[str, set[str]]:
    """Every module of ours by its full name, with its options as ansible-doc tells them."""
    command = [PROGRAMS / "ansible-doc", "--type", "module", "--json"]
    names = sorted(f"netops.changerail.{path.stem}" for path in (ROOT / "plugins" / "modules").glob("[!_]*.py"))
    said = subprocess.run([*command, *names], capture_output=True, text=True, timeout=100, check=True).stdout
    return {name: set(module["doc"]["options"]) for name, module in json.loads(said).items()}


def undocumented(document: Any) -> Iterator[str]:
    """Options of tasks, and modules, of ours that there are not; Ansible itself finds the former only when the task runs."""
    for item in document if isinstance(document, list) else ():
        yield from undocumented(item)
    for key, value in document.items() if isinstance(document, dict) else ():
        if key.startswith("netops.changerail.") and key in documented() and isinstance(value, dict):
            yield from (f"{key} has no option {option!r}" for option in sorted(value.keys() - documented()[key]))
        else:
            yield from undocumented(value)


def misspelt(line: str) -> str:
    """What is wrong with a command that is not run: a verb or option changerail does not have, a word the Makefile lacks."""
    words = shlex.split(line, comments=True)
    while words and ("=" in words[0] or words[0] in ("sudo", "$")):
        words = words[1:]
    if not words:
        return ""
    if words[0] == "make":
        unknown = [
            word for word in words[1:] if "=" not in word and not word.startswith("-") and f"\n{word}:" not in MAKEFILE
        ]
        return f"the Makefile has no {', '.join(unknown)}" if unknown else ""
    if Path(words[0]).name == "changerail":
        return unreadable(words[1:])
    return ""


MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def unreadable(words: list[str]) -> str:
    """Why changerail does not understand these arguments; what is a placeholder or a missing file is not looked at."""
    if not words or words[0].startswith("-"):
        return ""
    verbs = group()
    context = click.Context(verbs, resilient_parsing=True)
    command = verbs.get_command(context, words[0])
    if command is None:
        return f"changerail has no verb {words[0]!r}"
    known = {name for parameter in command.get_params(context) for name in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [word for word in words[1:] if word.startswith("-") and word.partition("=")[0] not in known]
    if isinstance(command, click.Group) or not unknown:
        return ""
    return f"changerail {words[0]} has no {', '.join(unknown)}"


def environment_of(home: Path) -> dict[str, str]:
    """What a reader has after the installation: changerail and Ansible on the PATH, and a home of their own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CHANGERAIL_", "XDG_"))}
    return {
        **kept,
        "HOME": str(home),
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "COLUMNS": "100",
        "ANSIBLE_HOME": str(home / ".ansible"),
        "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
    }


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page(page: Path, tmp_path: Path) -> None:
    folder, home = tmp_path / "work", tmp_path / "home"
    folder.mkdir(mode=0o700)
    home.mkdir(mode=0o700)
    reader = Reader(folder, environment_of(home))
    wrong = [f"{page.name}:{line}: {error}" for line, said in spoken_commands(page) if (error := misspelt(said))]
    for block in blocks(page):
        try:
            error = reader.does(block)
        except Exception as unexpected:  # noqa: BLE001 - whatever it is, the reader wants the place
            error = f"{type(unexpected).__name__}: {unexpected}"
        if error:
            wrong.append(f"{block.place}: {error}")
    assert not wrong, "\n\n".join(wrong)
