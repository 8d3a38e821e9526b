"""A team at a real server: a user with a token for each role, workflows to start, and runs that ask or failed, of whomever a test likes."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.engine.run import create
from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import ROLES, Grant
from ansible_collections.netops.changerail.plugins.plugin_utils.people.accounts import AccountsFile, User, hashed
from ansible_collections.netops.changerail.plugins.plugin_utils.people.inbox import wake_server
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load
from support.calls import eventually
from support.runs import Bench
from support.serving import PATIENCE, Serving

PASSWORD = "correct horse battery"
ASKS = """
name: Widen the prefix list
vars: {world: "", prefix: 203.0.113.0/24}
steps:
  - {id: ask, name: Security review, approval: {groups: [neteng]}}
  - {id: act, example.world.act: {world: "{{ world }}"}}
"""
FAILS = """
name: Push to the routers
vars: {world: ""}
steps:
  - {id: push, example.world.act: {world: "{{ world }}", failure: failed, times: 1}, escalate: [{after: 1h, to: [oncall]}]}
"""


class Team:
    """``tokens`` are by user; each of ROLES is a user of that name and role, the approver one of the group neteng."""

    def __init__(self, folder: Path) -> None:
        self.bench = Bench(folder)
        self.workflows = folder / "workflows"
        self.workflows.mkdir()
        (self.workflows / "asks.yml").write_text(ASKS)
        (self.workflows / "fails.yml").write_text(FAILS)
        self.accounts = AccountsFile(self.bench.state)
        self.tokens: dict[str, str] = {}
        for role in ROLES:
            groups = frozenset({"neteng"}) if role == "approver" else frozenset()
            self.add(role, Grant(role, groups=groups))
        self.server = Serving(self.bench.state.path, ["--workflows", str(self.workflows)])

    def add(self, name: str, *grants: Grant, password: str = "", scopes: Sequence[str] | None = None) -> str:
        """A user with a token, which is given."""
        kept = hashed(password) if password else ""
        self.accounts.change(lambda accounts: accounts.with_user(User(name, kept, grants)))
        return self.token(name, scopes)

    def token(self, name: str, scopes: Sequence[str] | None = None) -> str:
        made: list[str] = []

        def with_token(accounts: Any) -> Any:
            limited = None if scopes is None else frozenset(scopes)
            changed, text = accounts.with_token(name, limited, time.time(), 3600.0)
            made.append(text)
            return changed

        self.accounts.change(with_token)
        self.tokens[name] = made[0]
        return made[0]

    def create(self, workflow: str, run: str, requester: str, more: Mapping[str, Any] | None = None) -> str:
        """A run that ``requester`` asked for, with ``more`` variables."""
        variables = {"world": str(self.bench.world), **(more or {})}
        flow = load(self.workflows / f"{workflow}.yml", variables)
        who = {"name": requester, "assurance": "authenticated", "os_user": ""}
        folder = create(flow, state=self.bench.state, variables=variables, options={}, requester=who, run=run)
        wake_server(folder)
        return run

    def call(self, user: str, method: str, path: str, body: Any = None, token: str | None = None) -> tuple[int, Any]:
        """Status and JSON of a call of the API by ``user``."""
        headers = {"Authorization": f"Bearer {token or self.tokens.get(user, '')}"}
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.server.url}/api/v1{path}", content, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status, json.loads(reply.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def until(self, run: str, state: str = "waiting") -> dict[str, Any]:
        """The run once it is in that state and known to the scheduler."""

        def there() -> dict[str, Any] | None:
            listed = self.call("admin", "GET", f"/runs?text={run}&state={state}")[1]["runs"]
            return next((found for found in listed if found["run"] == run and found["state"] == state), None)

        return eventually(there, PATIENCE)

    def asked(self, run: str) -> dict[str, Any]:
        """What the run asks, as the body of an answer without its choice."""
        question = self.until(run)["questions"][0]
        return {"path": question["path"], "question": question["question"]["id"]}


def with_project(folder: Path, project: str, *options: str, **environment: str) -> Team:
    """A team whose server has this project file, further options and environment variables; it does not run yet."""
    made = Team(folder)
    path = folder / "changerail.yml"
    path.write_text(project)
    path.chmod(0o600)
    given = ["--workflows", str(made.workflows), *options]
    made.server = Serving(made.bench.state.path, given, {"CHANGERAIL_CONFIG": str(path), **environment})
    return made


@contextmanager
def team(folder: Path) -> Iterator[Team]:
    """A team whose server runs."""
    made = Team(folder)
    with made.server:
        made.server.wait_until_ready()
        yield made
