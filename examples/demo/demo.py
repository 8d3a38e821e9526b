"""The demo: one change from request to closed record, without root and without anything outside; `make demo` runs it.

Its routers are folders; ServiceNow, GitLab and other teams' systems are stand-ins on loopback, of which the first two obey the rules of the real
ones. All the rest is what a user runs: the command `changerail`, the workflow and playbooks of examples/change, people who answer with signatures, mail.
`PEOPLE=me` leaves the answers to whoever runs it, on the command line; with `PEOPLE=web` they are given in a browser, and a server drives the run.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from examples.common import mail, report
from examples.common.baseline import render_baseline
from examples.common.changerail import CHECKOUT, PROGRAMS, Changerail, environment
from examples.common.intent import show_change
from examples.common.people import PEOPLE, Crew, Person, by_name, identity
from examples.common.stage import Stage
from examples.demo import web
from examples.demo.neighbours import ADDRESS, NAME, RULE, Firewall, NameServer
from examples.demo.systems import LOGIN, Systems, serve_again, systems

RUN = "demo"
WAITING = 3
"""The exit code of a command that leaves the run waiting for people."""
BOARD = "change/approvals/change-advisory-board"
INVENTORY = Path(__file__).with_name("inventory.yml")
QUESTIONS = (
    ("security-review", "security-engineer"),
    ("review-the-diff", "peer"),
)
"""The steps that ask, in order, and who may answer. The board decides in ServiceNow."""


def main() -> int:
    stage = Stage.fresh(CHECKOUT / ".work" / "demo")
    with tempfile.TemporaryDirectory(prefix="changerail-") as scratch:
        changerail = Changerail({**environment(stage.home, stage.project, Path(scratch)), **LOGIN})
        with systems(stage, INVENTORY, changerail.environment) as others, _neighbours(stage, others) as work:
            report.heading(
                "Setting up: a repository of intent, two routers, people with keys, ServiceNow, GitLab, other teams' systems"
            )
            report.text(f"ServiceNow  {others.servicenow.url}\nGitLab      {others.gitlab.url}")
            _make_routers(changerail, stage)
            report.heading("The change, as it was committed")
            report.text(show_change(stage.intent))
            report.heading("The run")
            match os.environ.get("PEOPLE"):
                case "web":
                    code = _in_a_browser(changerail, stage, work)
                case "me":
                    _explain_answers(stage, others)
                    own = {path: done for path, done in work.items() if path != BOARD}
                    code = _on_the_command_line(changerail, stage, own, ())
                case _:
                    code = _on_the_command_line(changerail, stage, work, PEOPLE)
            _report(changerail, stage, others)
    return code


def _on_the_command_line(
    changerail: Changerail, stage: Stage, work: Mapping[str, Callable[[], None]], people: Sequence[Person]
) -> int:
    """The run with ``people`` who answer by themselves; its exit code."""
    with Crew(changerail, RUN, stage.keys, work, people):
        return changerail.run(*_run(stage))


def _in_a_browser(changerail: Changerail, stage: Stage, work: Mapping[str, Callable[[], None]]) -> int:
    """The run driven by a server on whose pages people answer, begun here; its exit code."""
    passwords = web.make_users(changerail)
    begun = changerail.ask(*_run(stage), "--until-waiting")
    if begun.returncode != WAITING:
        raise RuntimeError(f"the run did not come to its first question: {begun.stderr or begun.stdout}")
    with web.serving(changerail, stage.home / "serve.log") as url, Crew(changerail, RUN, stage.keys, work, ()):
        web.explain(url, passwords)
        return changerail.run("status", RUN, "--watch")


def _run(stage: Stage) -> list[str]:
    """What begins the run."""
    return ["run", "change.yml", "-i", str(INVENTORY), "-e", f"@{stage.variables}", "--run-id", RUN]


def _report(changerail: Changerail, stage: Stage, others: Systems) -> None:
    record = others.record()
    report.heading("The change record, as ServiceNow has it")
    report.text(_record_lines(record))
    page = others.save_page(record["number"], stage.home)
    report.run(changerail, stage, RUN, {"the record's page": page})
    report.text(f"the records once more: {shlex.join(serve_again(stage))}")


def _record_lines(record: Mapping[str, Any]) -> str:
    shown = (
        "short_description",
        "state",
        "type",
        "risk",
        "approval",
        "assignment_group",
        "close_code",
        "work_start",
        "work_end",
        "correlation_id",
    )
    lines = [record["number"], *(f"  {name:<18}{record[name]}" for name in shown if record.get(name))]
    lines += [
        "  Approvals",
        *(f"    {row['approver']}: {row['state']} {row.get('comments', '')}".rstrip() for row in record["approvals"]),
    ]
    lines += [
        "  Notes",
        *(f"    {row['sys_created_on']}  {line}" for row in record["notes"] for line in row["value"].splitlines()[:1]),
    ]
    lines += ["  Attachments", *(f"    {row['file_name']}  {row['size_bytes']} bytes" for row in record["attachments"])]
    return "\n".join(lines)


@contextlib.contextmanager
def _neighbours(stage: Stage, others: Systems) -> Iterator[Mapping[str, Callable[[], None]]]:
    """Start the other teams' systems and tell the run where they are. Gives what each team does, by the step that waits for it."""
    with mail.Server("127.0.0.1", 0, stage.mail) as mailbox, Firewall() as firewall, NameServer() as names:
        project = others.project
        if os.environ.get("PEOPLE") == "web":
            # Who has signed in there has no key at hand.
            project = {**project, "defaults": {**project["defaults"], "assurance": "authenticated"}}
        stage.write_project(f"127.0.0.1:{mailbox.port}", INVENTORY, project)
        stage.write_variables(
            {
                "routers_folder": str(stage.home / "routers"),
                "firewall": firewall.url,
                "dns_server": "127.0.0.1",
                "dns_port": names.port,
                **others.variables,
            }
        )
        try:
            yield {
                BOARD: others.approve,
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


def _explain_answers(stage: Stage, others: Systems) -> None:
    """How to answer from another terminal. Without a choice in the command, what is asked about is shown first."""
    lines = [
        "You are the people. In another terminal, once the run waits for them:",
        "",
        f"cd {shlex.quote(str(stage.home))}",
        f'export CHANGERAIL_HOME=$PWD/state CHANGERAIL_CONFIG=$PWD/changerail.yml PATH={shlex.quote(str(PROGRAMS))}:"$PATH"',
    ]
    for step, name in QUESTIONS:
        lines.append(shlex.join(["changerail", "answer", RUN, step, *identity(by_name(name), stage.keys, stage.home)]))
    board = [sys.executable, "-m", "examples.demo.systems", others.servicenow.url, "approve"]
    lines += [
        "",
        "The assigned team and the board decide in ServiceNow, one after the other:",
        f"(cd {shlex.quote(str(CHECKOUT))} && {shlex.join(board)})",
    ]
    report.text("\n".join([*lines, ""]))


if __name__ == "__main__":
    # Ended from outside, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(main())
