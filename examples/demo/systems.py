"""The demo's ServiceNow and GitLab: stand-ins on loopback that keep state and obey the rules of the real ones; GitLab's jobs really run.

``python -m examples.demo.systems URL approve`` (or ``reject``) lets whoever ServiceNow asks next about a change decide; ``PEOPLE=me`` uses it.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from ansible_collections.netops.changerail.tests.twins.gitlab.access import TOKEN
from ansible_collections.netops.changerail.tests.twins.kit.start import Running, running
from ansible_collections.netops.changerail.tests.twins.servicenow.people import CLIENT, INTEGRATION, PASSWORD
from examples.common.changerail import CHANGE
from examples.common.stage import Stage

PROJECT = "net/intent"
TEAM, BOARD = "network", "cab"
APPROVERS = ("network.lead", "cab.member")
"""Who decides in ServiceNow: for the assigned team, then for the board."""
PATIENCE = 30.0
_TIMEOUT = 10


@dataclass(frozen=True)
class Systems:
    """Both are up. ``variables`` and ``project`` are what the run must know of them."""

    servicenow: Running
    gitlab: Running

    @property
    def variables(self) -> Mapping[str, Any]:
        return {"team": TEAM, "pipeline_project": PROJECT}

    @property
    def project(self) -> Mapping[str, Any]:
        """What the project file says: the connections, and that records and pipelines are there."""
        return {
            "connections": {
                "servicenow": {"url": self.servicenow.url, "interval": 0.5},
                "gitlab": {"url": self.gitlab.url, "marker": "input", "interval": 0.5},
            },
            "defaults": {"records": "servicenow", "pipelines": "gitlab"},
        }

    def approve(self) -> None:
        """What the team and then the board do in ServiceNow."""
        for approver in APPROVERS:
            deadline = time.monotonic() + PATIENCE
            while not decide(self.servicenow.url, approver, "approved", "Read it, and agree"):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"ServiceNow did not ask {approver} within {PATIENCE:.0f} s")
                time.sleep(0.2)

    def record(self) -> dict[str, Any]:
        """The newest change with what hangs on it: attachments, approvals, work notes."""
        (change, *_older) = _rows(self.servicenow.url, "change_request", "ORDERBYDESCnumber")
        related = {
            "attachments": ("sys_attachment", f"table_sys_id={change['sys_id']}"),
            "approvals": ("sysapproval_approver", f"sysapproval={change['sys_id']}"),
            "notes": ("sys_journal_field", f"element_id={change['sys_id']}^ORDERBYsys_created_on"),
        }
        return {**change, **{name: _rows(self.servicenow.url, *where) for name, where in related.items()}}

    def save_page(self, number: str, folder: Path) -> Path:
        """Keep the page of a change for later, when its server is gone."""
        page = requests.get(f"{self.servicenow.url}/change/{number}", timeout=_TIMEOUT)
        page.raise_for_status()
        file = folder / f"{number}.html"
        file.write_text(page.text, encoding="utf-8")
        return file


LOGIN: Mapping[str, str] = {
    "SN_CLIENT_ID": CLIENT.id,
    "SN_CLIENT_SECRET": CLIENT.secret,
    "SN_USERNAME": INTEGRATION,
    "SN_PASSWORD": PASSWORD,
    "GITLAB_TOKEN": TOKEN,
}
"""What the run's environment says to log in; the project file holds no secret."""


@contextlib.contextmanager
def systems(stage: Stage, inventory: Path, jobs: Mapping[str, str]) -> Iterator[Systems]:
    """Start both; ``jobs`` is the environment of GitLab's jobs. The intent repository is GitLab's project."""
    environment = {
        **{name: value for name, value in jobs.items() if name.startswith("ANSIBLE_") or name == "PATH"},
        "EDGE_INVENTORY": str(inventory),
        "EDGE_PIPELINE": str(CHANGE / "playbooks" / "pipeline.yml"),
        "EDGE_VARIABLES": str(stage.variables),
    }
    with (
        running("servicenow", stage.home / "servicenow", settings={"flow_delay": 0.3}) as servicenow,
        running(
            "gitlab", stage.home / "gitlab", "--project", f"{PROJECT}={stage.intent}",
            settings={"job_environment": environment},
        ) as gitlab,
    ):  # fmt: skip
        yield Systems(servicenow, gitlab)


def serve_again(stage: Stage) -> list[str]:
    """The command that shows the records once more."""
    module = "ansible_collections.netops.changerail.tests.twins.servicenow"
    return [sys.executable, "-m", module, "--state", str(stage.home / "servicenow")]


def decide(url: str, approver: str, state: str, comments: str) -> bool:
    """Let somebody decide what ServiceNow asks them about the newest change; False when it asks them nothing."""
    changes = _rows(url, "change_request", "ORDERBYDESCnumber")
    if not changes:
        return False
    answered = requests.patch(
        f"{url}/api/sn_chg_rest/v1/change/{changes[0]['sys_id']}/approvals",
        json={"state": state, "comments": comments}, auth=(approver, PASSWORD), timeout=_TIMEOUT,
    )  # fmt: skip
    return answered.status_code == 200


def _rows(url: str, table: str, query: str) -> list[dict[str, Any]]:
    answered = requests.get(
        f"{url}/api/now/table/{table}",
        params={"sysparm_query": query, "sysparm_display_value": "true", "sysparm_exclude_reference_link": "true"},
        auth=("admin", PASSWORD), headers={"Accept": "application/json"}, timeout=_TIMEOUT,
    )  # fmt: skip
    answered.raise_for_status()
    rows: list[dict[str, Any]] = answered.json()["result"]
    return rows


def main(url: str, word: str) -> int:
    state = {"approve": "approved", "reject": "rejected"}.get(word)
    if state is None:
        print(f"{word!r}: expected approve or reject", file=sys.stderr)
        return 2
    for approver in APPROVERS:
        if decide(url, approver, state, f"{word} by hand"):
            print(f"{approver}: {state}")
            return 0
    print("ServiceNow asks nobody right now")
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
