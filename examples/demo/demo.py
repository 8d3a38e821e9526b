"""The demo: one change from request to closed record, without root and without anything outside; `make demo` runs it.

Its routers are folders, and other teams' systems are stand-ins on loopback. All the rest is what a user runs: the command
`changerail`, the workflow and playbooks of examples/change, people who answer with signatures, mail.
`PEOPLE=me` leaves the answers to whoever runs it.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from examples.common import mail, report
from examples.common.baseline import render_baseline
from examples.common.changerail import CHECKOUT, PROGRAMS, Changerail, environment
from examples.common.intent import show_change
from examples.common.people import PEOPLE, Crew, by_name, identity
from examples.common.stage import Stage
from examples.demo.neighbours import ADDRESS, NAME, RULE, Firewall, NameServer

RUN = "demo"
INVENTORY = Path(__file__).with_name("inventory.yml")
QUESTIONS = (
    ("security-review", "security-engineer"),
    ("change-advisory-board", "peer"),
    ("change-advisory-board", "change-manager"),
    ("review-the-diff", "peer"),
)
"""The steps that ask, in order, and who may answer. The board's step first asks the team that is assigned."""


def main() -> int:
    stage = Stage.fresh(CHECKOUT / ".work" / "demo")
    with tempfile.TemporaryDirectory(prefix="changerail-") as scratch, _neighbours(stage) as work:
        changerail = Changerail(environment(stage.home, stage.project, Path(scratch)))
        report.heading("Setting up: a repository of intent, two routers, people with keys, other teams' systems")
        _make_routers(changerail, stage)
        report.heading("The change, as it was committed")
        report.text(show_change(stage.intent))
        report.heading("The run")
        people = () if os.environ.get("PEOPLE") == "me" else PEOPLE
        if not people:
            _explain_answers(stage)
        with Crew(changerail, RUN, stage.keys, work, people):
            code = changerail.run(
                *("run", "change.yml", "-i", str(INVENTORY), "-e", f"@{stage.variables}", "--run-id", RUN)
            )
        report.run(changerail, stage, RUN)
    return code


@contextlib.contextmanager
def _neighbours(stage: Stage) -> Iterator[Mapping[str, Callable[[], None]]]:
    """Start the other teams' systems and tell the run where they are. Gives what each team does, by the step that waits for it."""
    with mail.Server("127.0.0.1", 0, stage.mail) as mailbox, Firewall() as firewall, NameServer() as names:
        stage.write_project(f"127.0.0.1:{mailbox.port}", INVENTORY)
        stage.write_variables(
            {
                "routers_folder": str(stage.home / "routers"),
                "firewall": firewall.url,
                "dns_server": "127.0.0.1",
                "dns_port": names.port,
            }
        )
        try:
            yield {
                "change/neighbours-are-ready/firewall-rule": lambda: firewall.add(RULE),
                "change/neighbours-are-ready/dns-record": lambda: names.add(NAME, ADDRESS),
            }
        finally:
            firewall.shutdown()
            names.shutdown()


def _make_routers(changerail: Changerail, stage: Stage) -> None:
    """A folder for each router, with what it runs before the change."""
    render_baseline(changerail, stage, INVENTORY)
    for configuration in stage.baseline.glob("*.conf"):
        folder = stage.home / "routers" / configuration.stem
        folder.mkdir(parents=True)
        shutil.copy(configuration, folder / "frr.conf")


def _explain_answers(stage: Stage) -> None:
    """How to answer from another terminal. Without a choice in the command, what is asked about is shown first."""
    lines = [
        "You are the people. In another terminal, once the run waits for them:",
        "",
        f"cd {shlex.quote(str(stage.home))}",
        f'export CHANGERAIL_HOME=$PWD/state CHANGERAIL_CONFIG=$PWD/changerail.yml PATH={shlex.quote(str(PROGRAMS))}:"$PATH"',
    ]
    for step, name in QUESTIONS:
        lines.append(shlex.join(["changerail", "answer", RUN, step, *identity(by_name(name), stage.keys, stage.home)]))
    report.text("\n".join([*lines, ""]))


if __name__ == "__main__":
    sys.exit(main())
