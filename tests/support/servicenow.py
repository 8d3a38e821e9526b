"""People who work in the ServiceNow twin itself, untouched by faults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import requests

from ansible_collections.netops.changerail.tests.twins.kit.start import Running
from ansible_collections.netops.changerail.tests.twins.servicenow.people import PASSWORD

TIMEOUT = 10


class Person:
    """Somebody with a log-in."""

    def __init__(self, twin: Running, user_name: str = "admin") -> None:
        self._url, self._name, self._session = twin.url, user_name, requests.Session()
        self._session.auth = (user_name, PASSWORD)
        self._session.headers.update({"Accept": "application/json", "X-Twin-Fault": "none"})

    def rows(self, table: str, query: str) -> list[dict[str, Any]]:
        params = {"sysparm_query": query, "sysparm_exclude_reference_link": "true"}
        reply = self._session.get(f"{self._url}/api/now/table/{table}", params=params, timeout=TIMEOUT)
        return list(reply.json()["result"])

    def set(self, sys_id: str, table: str = "change_request", **values: str) -> int:
        return self._session.patch(
            f"{self._url}/api/now/table/{table}/{sys_id}", json=values, timeout=TIMEOUT
        ).status_code

    def decide(self, sys_id: str, state: str = "approved", comments: str = "") -> bool:
        """Decides this person's own open approval of the change; False when there is none."""
        url = f"{self._url}/api/sn_chg_rest/v1/change/{sys_id}/approvals"
        return self._session.patch(url, json={"state": state, "comments": comments}, timeout=TIMEOUT).status_code == 200

    def decide_row(self, sys_id: str, state: str = "approved", comments: str = "") -> None:
        """The same where there is no Change Management API: in the approver's row."""
        mine = f"sysapproval={sys_id}^state=requested^approver.user_name={self._name}"
        for row in self.rows("sysapproval_approver", mine):
            self.set(row["sys_id"], "sysapproval_approver", state=state, comments=comments)

    def open_change(self) -> str:
        """The number of a new change."""
        values = {"short_description": "Advertise a prefix", "type": "normal"}
        reply = self._session.post(f"{self._url}/api/now/table/change_request", json=values, timeout=TIMEOUT)
        return str(reply.json()["result"]["number"])

    def add_task(self, sys_id: str, title: str) -> str:
        url = f"{self._url}/api/sn_chg_rest/v1/change/{sys_id}/task"
        reply = self._session.post(url, json={"short_description": title}, timeout=TIMEOUT)
        return str(reply.json()["result"]["sys_id"]["value"])


def approve_all(twin: Running, sys_id: str, people: Sequence[str] = ("network.lead", "cab.member")) -> None:
    """Everybody says yes, in this order."""
    for name in people:
        assert Person(twin, name).decide(sys_id), f"{name} is not asked"
