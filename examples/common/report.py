"""What the demo and the lab print around a run: headings, the change, the record, the timeline, the mail."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.message import EmailMessage
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ansible_collections.netops.changerail.plugins.module_utils.local.record_page import render
from examples.common import mail
from examples.common.changerail import Changerail
from examples.common.stage import Stage

_CONSOLE = Console(highlight=False, soft_wrap=True)


def heading(title: str) -> None:
    _CONSOLE.print(f"\n[bold]── {title}[/bold]")


def text(content: str) -> None:
    _CONSOLE.print(Text(content.rstrip("\n")))


def run(changerail: Changerail, stage: Stage, name: str, records: Mapping[str, Path] | None = None) -> None:
    """What became of a run: the diff, the record, the timeline, the mail, and where everything lies; ``records`` is where, when not in local files."""
    if any((stage.home / "state" / "runs" / name / "steps").rglob("*edge.diff")):
        heading("The diff under review")
        changerail.run("show", name, "validate", "--artifact", "edge.diff")
    if records is None:
        heading("The change record")
        for file in sorted(stage.records.glob("CHG*.json")):
            text(render(json.loads(file.read_text(encoding="utf-8"))))
        records = {"record, evidence": stage.records}
    heading("The timeline")
    changerail.run("show", name, "--timeline")
    heading("The mail")
    for message in mail.messages(stage.mail):
        text(_letter(message))
    heading("Where it all lies")
    for what, path in {**_places(stage, name), **records}.items():
        text(f"{what:<22}{path}")


def _letter(message: EmailMessage) -> str:
    body = message.get_body(preferencelist=("plain", "html"))
    lines = str(body.get_content()).splitlines() if body else []
    return "\n".join(
        [f"to {message['X-Envelope-To']}: {message['Subject']}", *(f"    {line}" for line in lines if line.strip())]
    )


def _places(stage: Stage, run: str) -> dict[str, Path]:
    folder = stage.home / "state" / "runs" / run
    return {
        "journal": folder / "journal.jsonl",
        "files of the steps": folder / "steps",
        "mail": stage.mail,
        "project file": stage.project,
    }
