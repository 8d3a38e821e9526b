# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``changerail audit``: verify journals, signatures and files; export the evidence of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.options import json_option, needed_run_argument
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import (
    line,
    out,
    stamp,
    styled,
    symbols,
    write_json,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.verification import Verified, export, verify
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import find, history

if TYPE_CHECKING:
    import click


def command() -> click.Command:
    """The verb for click, with its two verbs."""
    import click

    verification = click.Command(
        "verify",
        callback=verify_runs,
        params=[
            click.Argument(["runs"], nargs=-1, required=True, metavar="RUN..."),
            click.Option(
                ["--allowed-signers"],
                type=click.Path(exists=True, dir_okay=False),
                metavar="FILE",
                help="Whose SSH key is whose, in OpenSSH's form; default: what the run's project file says.",
            ),
            json_option(),
        ],
        help="Verify the journals of RUNs (ids, or journal files): every line, every signature, every file that is named in them. "
        "Exit code 5 when a journal is damaged, 1 when a signature or a file is not right.",
    )
    exporting = click.Command(
        "export",
        callback=export_run,
        params=[
            needed_run_argument(),
            click.Option(["-o", "--output"], required=True, metavar="FOLDER", help="A folder that does not exist yet."),
        ],
        help="Write the evidence of RUN into a folder: timeline, answers, results, files, the journal itself, and the SHA-256 of each.",
    )
    return click.Group(
        "audit", commands=[verification, exporting], help="Verify journals and signatures, export evidence."
    )


def verify_runs(runs: Sequence[str], allowed_signers: str | None, as_json: bool) -> int:
    """Verify each run; returns the worst exit code."""
    found = [verify(_journal(run), Path(allowed_signers) if allowed_signers else None) for run in runs]
    if as_json:
        write_json([verified.as_dict() for verified in found])
    else:
        for verified in found:
            _say(verified)
    return max(verified.exit_code for verified in found)


def export_run(run: str, output: str) -> int:
    """Export the evidence of one run."""
    folder = export(history(find(run)), Path(output))
    out().print(styled(f"evidence written to {folder}"), soft_wrap=True)
    return 0


def _journal(run: str) -> Path:
    """A journal by its file or by its run."""
    path = Path(run)
    return path.absolute() if path.is_file() else find(run).journal


def _say(verified: Verified) -> None:
    console = out()
    good, bad = symbols().states["ok"], symbols().states["failed"]
    if verified.damage:
        console.print(styled((f"{bad} {line(verified.damage)}", "bold red")), soft_wrap=True)
        return
    head = f" ({verified.events} events, {stamp(verified.first)} to {stamp(verified.last)}, SHA-256 of the last line {verified.digest})"
    console.print(
        styled((f"{good} {verified.journal}: every line is what was written", "green"), (head, "dim")), soft_wrap=True
    )
    if verified.torn:
        console.print(
            styled(
                (
                    f"  {verified.torn} bytes of a torn last line; they were never acknowledged, a resume cuts them off",
                    "yellow",
                )
            ),
            soft_wrap=True,
        )
    for checked in verified.signatures:
        whose = f"answer of {line(checked.person)} at {line(checked.path)} (line {checked.seq})"
        text = (
            (f"  {bad} {whose}: {line(checked.error)}", "bold red")
            if checked.error
            else (f"  {good} {whose}: the signature is good", "green")
        )
        console.print(styled(text), soft_wrap=True)
    for problem in verified.files:
        console.print(styled((f"  {bad} {line(problem)}", "bold red")), soft_wrap=True)
