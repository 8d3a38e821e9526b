# Makes the pictures of the documentation: PYTHONPATH=tests tools/docs/pictures.py FOLDER; `make pictures` and a test run it.
"""A real run of the first workflow of README.md, with the tutorial's playbooks, in a terminal of its own; what it shows becomes SVG.

Ben asks for the change. Anna approves it from a second terminal, with a key made for the occasion. The home directory is a temporary one; the pictures
call it /home/ben.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text
from support.pages import ROOT, blocks
from support.terminal import Terminal

MISTAKES = {
    "deadline": "deadlin",
    "apply.yml": "aply.yml",
    "vars: {banner: Welcome}": "when: ok and",
}
NARROW, WIDE = 64, 100
"""Columns; the narrow one stands beside something."""
_WEB_FONT = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)


class Desk:
    """Ben's folder and home directory, and the terminals on it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder / "work", folder / "home"
        for made in (self.folder, self.home):
            made.mkdir(mode=0o700)
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.home),
            "CHANGERAIL_HOME": str(self.home / "changes"),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "TZ": "UTC",
        }

    def put(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def terminal(self, command: str, columns: int) -> Terminal:
        return Terminal(command, self.folder, {**self.environment, "COLUMNS": str(columns), "LINES": "40"})

    def shown(self, command: str, columns: int) -> str:
        """What the command leaves on the screen."""
        with self.terminal(command, columns) as terminal:
            return self.anonymous(terminal.at_the_end()[1])

    def anonymous(self, screen: str) -> str:
        return screen.replace(str(self.home), "/home/ben")


def draw(picture: Path, command: str, screen: str, columns: int) -> None:
    """Write one picture: the prompt with the command, and the screen below it."""
    console = Console(record=True, width=columns, file=io.StringIO(), highlight=False, emoji=False)
    console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
    for line in screen.rstrip().split("\n"):
        text = Text.from_ansi(line)
        # A terminal goes on in the next line wherever the word is.
        for part in text.divide(range(columns, len(text), columns)):
            console.print(part)
    drawn = console.export_svg(
        title="", theme=DIMMED_MONOKAI, unique_id=picture.stem, code_format=_WEB_FONT.sub("", CONSOLE_SVG_FORMAT)
    )
    picture.write_text(drawn.rstrip() + "\n", encoding="utf-8")


def files() -> dict[str, str]:
    """The tutorial's files, with README's workflow as change.yml."""
    known = {block.argument: block.text for block in blocks(ROOT / "docs" / "tutorial.md") if block.kind == "file"}
    known["change.yml"] = next(block.text for block in blocks(ROOT / "README.md") if block.language == "yaml")
    return known


def people(desk: Desk) -> str:
    """The project file: Ben is whoever makes the pictures, Anna has a key."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "anna", "-f", str(desk.home / "anna")], check=True
    )
    login = subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()
    key = (desk.home / "anna.pub").read_text(encoding="utf-8").strip()
    return yaml.safe_dump(
        {"people": {"ben": {"os_user": login}, "anna": {"groups": ["netops"], "os_user": [], "keys": [key]}}}
    )


def main(pictures: Path) -> None:
    pictures.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder))
        for name, text in files().items():
            desk.put(name, text)
        desk.put("changerail.yml", people(desk))
        a_run(desk, pictures)
        what_contacts_nothing(desk, pictures)


def a_run(desk: Desk, pictures: Path) -> None:
    """The run, live while it waits and as it ended; its status meanwhile; its graph."""
    command, status = "changerail run change.yml --run-id banner", "changerail status banner"
    with desk.terminal(command, NARROW) as terminal:
        waiting = terminal.when(is_asked)
        draw(pictures / "waiting.svg", command, desk.anonymous(waiting), NARROW)
        draw(pictures / "status.svg", status, desk.shown(status, WIDE), WIDE)
        desk.shown("changerail answer banner approve --as anna --key ~/anna -m 'as agreed with legal'", WIDE)
        draw(pictures / "run.svg", command, desk.anonymous(terminal.at_the_end()[1]), NARROW)
    graph = desk.shown("changerail graph banner --format svg", WIDE)
    (pictures / "graph.svg").write_text(graph, encoding="utf-8")


def is_asked(screen: str) -> bool:
    """Whether somebody is asked and the whole tree is painted, down to the last step of README's workflow."""
    text = Text.from_ansi(screen).plain.rstrip()
    return "changerail answer" in text and text.endswith("rescue: fail")


def what_contacts_nothing(desk: Desk, pictures: Path) -> None:
    text = files()["change.yml"]
    for right, wrong in MISTAKES.items():
        text = text.replace(right, wrong, 1)
    desk.put("draft.yml", text)
    for name, command in (
        ("check.svg", "changerail check draft.yml"),
        ("rehearse.svg", "changerail rehearse --scenario failed.yml careful.yml"),
    ):
        draw(pictures / name, command, desk.shown(command, WIDE), WIDE)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
