"""The demo with its pages open, `make demo PEOPLE=web`: a server for its run, and users with passwords that hold for this demo alone."""

from __future__ import annotations

import contextlib
import re
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from examples.common import report
from examples.common.changerail import Changerail

PATIENCE = 60.0
"""Seconds the server may take to listen, or to end."""


@dataclass(frozen=True)
class Account:
    """A user of the demo's server: the person's name, the roles, and what they do there."""

    name: str
    roles: tuple[str, ...]
    does: str


ACCOUNTS = (
    Account("security-engineer", ("approver:netsec",), "approves for security, at once"),
    Account("peer", ("approver:netops",), "reads the diff and approves it, after the validation"),
    Account("oncall-engineer", ("operator",), "decides when a step fails, may cancel"),
    Account("requester", ("requester",), "asked for the change, so may only look"),
)


def make_users(changerail: Changerail) -> Mapping[str, str]:
    """Make the users; their passwords by name."""
    passwords = {account.name: secrets.token_urlsafe(9) for account in ACCOUNTS}
    for account in ACCOUNTS:
        roles = [word for role in account.roles for word in ("--role", role)]
        said = changerail.ask(
            *("user", "add", account.name, *roles, "--password-stdin"), given=f"{passwords[account.name]}\n"
        )
        if said.returncode != 0:
            raise RuntimeError(f"user {account.name} could not be made: {said.stderr or said.stdout}")
    return passwords


@contextlib.contextmanager
def serving(changerail: Changerail, log: Path) -> Iterator[str]:
    """A server for the demo's runs on a free port of this machine; its address. It is ended when the block is left."""
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [str(changerail.program), "serve", "--listen", "127.0.0.1:0"],
            env=changerail.environment,
            cwd=changerail.folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            # An interrupt is for who watches the run; the server is ended after that.
            start_new_session=True,
        )
    try:
        yield _address(process, log)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < until:
        found = re.search(r"serving .* on (http://\S+)", log.read_text(encoding="utf-8", errors="replace"))
        if found:
            return found[1]
        # Only its log says when it listens, and where.
        time.sleep(0.1)
    raise RuntimeError(f"the server does not listen; see {log}")


def explain(url: str, passwords: Mapping[str, str]) -> None:
    """Where to go, and as whom."""
    wide = max(len(account.name) for account in ACCOUNTS)
    rows = [f"  {account.name:<{wide}}  {passwords[account.name]:<12}  {account.does}" for account in ACCOUNTS]
    report.text(
        "\n".join(
            [
                f"Open {url} and sign in. The page 'Waiting for me' has what is asked.",
                "",
                f"  {'name':<{wide}}  password",
                *rows,
                "",
                "The board decides in ServiceNow, and other teams do their work, by themselves. Here the run is shown as it goes on:",
                "",
            ]
        )
    )
