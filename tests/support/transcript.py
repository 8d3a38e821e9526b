"""Terminal sessions as the documentation shows them, ``$ command`` and its output: run, and compared.

``…`` in a line of output stands for any text, on a line of its own for any lines. ``# exit code N`` behind a command says that it fails.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from support.terminal import PATIENCE, Terminal

_EXIT = re.compile(r"\s+# exit code (?P<code>\d+)$")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Exchange:
    command: str
    code: int
    output: tuple[str, ...]


def exchanges(text: str) -> Iterator[Exchange]:
    """The commands of a session, each with what it shall print. A line that ends with a backslash goes on; so does a here-document."""
    command, output = "", list[str]()
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("$ "):
            if command:
                yield _exchange(command, output)
            command, output = line[2:], []
            while command.endswith("\\"):
                command += "\n" + next(lines, "")
        elif command:
            output.append(line)
        else:
            raise ValueError(f"a session begins with '$ command', not with {line!r}")
    if command:
        yield _exchange(command, output)


def _exchange(command: str, output: list[str]) -> Exchange:
    code = _EXIT.search(command)
    return Exchange(_EXIT.sub("", command), int(code["code"]) if code else 0, tuple(output))


def on_a_terminal(command: str, folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """The exit code and what the screen shows at the end."""
    with Terminal(command, folder, {"TERM": "xterm-256color", "LINES": "50", **environment}) as terminal:
        return terminal.at_the_end()


def in_a_job(command: str, folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """The exit code and everything that was printed, where there is no terminal."""
    ended = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return ended.returncode, ended.stdout


def difference(exchange: Exchange, code: int, printed: str) -> str:
    """What is different from what is shown, "" when nothing is."""
    said = _ANSI.sub("", printed)
    if code != exchange.code:
        return f"$ {exchange.command}\nexit code {code}, shown is {exchange.code}; it printed:\n{said}"
    if exchange.output and not same(exchange.output, said.splitlines()):
        return f"$ {exchange.command}\nit printed:\n{said}"
    return ""


def same(shown: tuple[str, ...], printed: list[str]) -> bool:
    """Whether the lines printed are those shown, spaces at the end and empty lines aside."""
    pattern = ""
    for line in shown:
        if line.strip() == "…":
            pattern += r"(?:[^\n]*\n)*?"
        elif line.strip():
            pattern += ".*".join(re.escape(part) for part in line.rstrip().split("…")) + r"\n"
    text = "".join(f"{line.rstrip()}\n" for line in printed if line.strip())
    return re.fullmatch(pattern, text) is not None
