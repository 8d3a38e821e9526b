"""Whole runs of trivial steps through the real engine and journal, and five playbooks against a shell loop."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure, children_cpu, paired, wall

CHANGERAIL = str(Path(sys.executable).with_name("changerail"))
PLAYBOOK = str(Path(sys.executable).with_name("ansible-playbook"))
TRIVIAL = "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - ansible.builtin.debug:\n        msg: hello\n"


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(dir=".work") as place:
        folder = Path(place).absolute()
        yield from _trivial_steps(folder)
        yield from _five_playbooks(folder)
        yield from _help(folder)


def _run(folder: Path, *arguments: str) -> None:
    environment = {**os.environ, "CHANGERAIL_HOME": str(folder / "state")}
    done = subprocess.run(
        [CHANGERAIL, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode:
        raise RuntimeError(
            f"changerail {' '.join(arguments)}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )


def _trivial_steps(folder: Path) -> Iterator[Figure]:
    for shape in ("chain", "parallel"):
        smallest = None
        for size in (100, 1000):
            steps = "\n".join(f"- {{name: s{n}, ansible.builtin.debug: {{msg: hello}}}}" for n in range(size))
            if shape == "parallel":
                steps = "- parallel:\n" + "\n".join(f"    {line}" for line in steps.splitlines())
            Path(folder, f"{shape}{size}.yml").write_text(
                f"name: {shape}\nsteps:\n" + "\n".join(f"  {line}" for line in steps.splitlines()) + "\n"
            )
            seconds = min(
                wall(lambda size=size, shape=shape: _run(folder, "run", f"{shape}{size}.yml")) for dummy in range(2)
            )
            each = seconds / size * 1e3
            smallest = smallest or each
            yield Figure(
                "whole run", f"{shape} of {size:,} debug steps", each, "ms/step", "100 steps", each / smallest, "flat"
            )


def _five_playbooks(folder: Path) -> Iterator[Figure]:
    for number in range(5):
        Path(folder, f"p{number}.yml").write_text(TRIVIAL)
    steps = "".join(f"  - import_playbook: p{number}.yml\n" for number in range(5))
    Path(folder, "five.yml").write_text(f"name: five\ninventory: 'localhost,'\nsteps:\n{steps}")
    loop = "for n in 0 1 2 3 4; do " + f'"{PLAYBOOK}" -i localhost, p$n.yml >>log 2>&1 || exit 1; done'

    def shell() -> None:
        subprocess.run(["sh", "-c", loop], cwd=folder, timeout=600, check=True)

    ours, theirs, ratio = paired(lambda: wall(lambda: _run(folder, "run", "five.yml")), lambda: wall(shell), 5)
    yield Figure("playbooks", "one run of five, wall", ours, "s", f"shell loop, {theirs:.2f} s", ratio, "at most 1.1×")
    ours, theirs, ratio = paired(
        lambda: children_cpu(lambda: _run(folder, "run", "five.yml")), lambda: children_cpu(shell), 3
    )
    yield Figure(
        "playbooks",
        "one run of five, CPU of what the engine waits for",
        ours,
        "s",
        f"shell loop, {theirs:.2f} s",
        ratio,
    )


def _help(folder: Path) -> Iterator[Figure]:
    def ours() -> float:
        return children_cpu(lambda: _run(folder, "--help"))

    def theirs() -> float:
        return children_cpu(
            lambda: subprocess.run([PLAYBOOK, "--version"], capture_output=True, timeout=60, check=True)
        )

    mine, other, ratio = paired(ours, theirs, 7)
    yield Figure(
        "command line",
        "changerail --help, CPU",
        mine,
        "s",
        f"ansible-playbook --version, {other:.2f} s",
        ratio,
        "under 0.15 s",
    )
