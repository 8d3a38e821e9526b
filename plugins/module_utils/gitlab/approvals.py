# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Approvals that people give in GitLab: of merge requests and of deployments to protected environments; providers/gitlab.py offers it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.gitlab.api import Api, project_path, settings
from ansible_collections.netops.changerail.plugins.module_utils.operation import JSON, Context
from ansible_collections.netops.changerail.plugins.module_utils.provider import Approval, ApprovalProvider, Standing

_OVER = ("success", "failed", "canceled", "skipped")
_DEPLOYED = ("created", "running", "success")


class GitLabApprovals(ApprovalProvider):
    """A reference is ``{project, merge_request[, sha]}`` or ``{project, environment, pipeline}``; ``pipeline`` is a pipeline step's ``id``."""

    def __init__(self, context: Context) -> None:
        own = settings(context)
        self._api = Api(own)
        self.interval = own.interval

    def standing(self, reference: Mapping[str, JSON]) -> Standing:
        path = project_path(str(_given(reference, "project")))
        if "merge_request" in reference:
            return self._merge_request(path, reference)
        if "environment" in reference:
            return self._deployment(path, reference)
        raise OperationError(
            "from: an approval in GitLab is that of a 'merge_request' or of an 'environment'; neither is named"
        )

    def _merge_request(self, path: str, reference: Mapping[str, JSON]) -> Standing:
        place = f"{path}/merge_requests/{reference['merge_request']}"
        request, approvals = self._api.get(place), self._api.get(f"{place}/approvals")
        what = f"merge request {reference['project']}!{request['iid']}"
        rows = tuple(_approver(entry, "merge request") for entry in approvals.get("approved_by") or ())
        wanted = str(reference.get("sha") or "")
        if wanted and request.get("sha") != wanted:
            why = f"its head is {request.get('sha')} and no longer {wanted}, which was to be approved"
            return Standing(what, "gone", request["web_url"], rows, why)
        # Where no rule asks for anybody GitLab calls a request approved; nobody's word is not enough here.
        if approvals.get("approved") and rows and request.get("state") != "closed":
            return Standing(what, "approved", request["web_url"], rows)
        if request.get("state") in ("closed", "merged"):
            return Standing(what, "gone", request["web_url"], rows, f"it was {request['state']}")
        left = approvals.get("approvals_left")
        return Standing(
            what, "open", request["web_url"], rows, f"{left or 'an'} approval{'s' if (left or 1) > 1 else ''}"
        )

    def _deployment(self, path: str, reference: Mapping[str, JSON]) -> Standing:
        environment, pipeline = str(reference["environment"]), str(_given(reference, "pipeline")).rpartition("/")[2]
        what = f"deployment of pipeline {pipeline} to {environment}"
        run = self._api.get(f"{path}/pipelines/{pipeline}")
        ours = self._newest(path, environment, pipeline, str(run["created_at"]))
        if ours is None and run["status"] in _OVER:
            return Standing(
                what, "gone", str(run["web_url"]), (), f"the pipeline is {run['status']} and deployed nothing there"
            )
        if ours is None:
            return Standing(what, "open", "", (), "the pipeline to get there")
        seen = self._api.get(f"{path}/deployments/{ours}")
        rows = tuple(_decision(entry, environment) for entry in seen.get("approvals") or ())
        url = str((seen.get("deployable") or {}).get("web_url") or "")
        if any(row.state == "rejected" for row in rows):
            return Standing(what, "rejected", url, rows)
        if seen["status"] == "blocked":
            return Standing(
                what, "open", url, rows, f"{seen.get('pending_approval_count')} approvals for {environment}"
            )
        if seen["status"] == "created" and not rows:
            # So it is called, too, before its job's turn has come and anybody is asked.
            return Standing(what, "open", url, rows, "the pipeline to get there")
        if seen["status"] in _DEPLOYED:
            return Standing(what, "approved", url, rows)
        return Standing(what, "gone", url, rows, f"it is {seen['status']}")

    def _newest(self, path: str, environment: str, pipeline: str, started: str) -> JSON:
        """The id of the pipeline's latest deployment to the environment; those older than the pipeline need no look."""
        order = {"environment": environment, "order_by": "id", "sort": "desc"}
        for entry in self._api.items(f"{path}/deployments", order):
            if str(((entry.get("deployable") or {}).get("pipeline") or {}).get("id")) == pipeline:
                return entry["id"]
            if (_seconds(entry.get("created_at")) or 0.0) < (_seconds(started) or 0.0):
                break
        return None


def _given(reference: Mapping[str, JSON], name: str) -> JSON:
    if not reference.get(name):
        raise OperationError(f"from: an approval in GitLab needs {name!r} to be found by")
    return reference[name]


def _approver(entry: Mapping[str, Any], gate: str) -> Approval:
    name = str(entry["user"]["username"])
    return Approval(name, gate, "approved", person=name, by=name, at=_seconds(entry.get("approved_at")))


def _decision(entry: Mapping[str, Any], gate: str) -> Approval:
    name = str(entry["user"]["username"])
    at, comment = _seconds(entry.get("created_at")), str(entry.get("comment") or "")
    return Approval(name, gate, str(entry["status"]), person=name, by=name, at=at, comment=comment)


def _seconds(text: JSON) -> float | None:
    return datetime.fromisoformat(str(text)).timestamp() if text else None
