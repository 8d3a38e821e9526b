"""The command line at a team's server."""

from __future__ import annotations

import os
import subprocess

from support.serving import CHANGERAIL
from support.team import Team


def changerail(people: Team, user: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command line of ``user``, whose own state folder is empty."""
    own = {"CHANGERAIL_HOME": str(people.bench.folder / "elsewhere"), "COLUMNS": "160"}
    named = {"CHANGERAIL_SERVER": people.server.url, "CHANGERAIL_TOKEN": people.tokens.get(user, "")}
    return subprocess.run(
        [CHANGERAIL, *words],
        env={**os.environ, **own, **named, **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        stdin=subprocess.DEVNULL,
    )
