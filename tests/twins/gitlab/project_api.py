# What belongs to a project beside its pipelines: triggers, hooks, environments, deployments, merge requests, commit statuses.
# Registered by the GitLab twin's server.
from __future__ import annotations

import json
import secrets
import uuid
from typing import Any

from werkzeug.wrappers import Response

from ansible_collections.netops.changerail.tests.twins.gitlab.access import need
from ansible_collections.netops.changerail.tests.twins.gitlab.entities import Deployment, Hook, MergeRequest, Trigger
from ansible_collections.netops.changerail.tests.twins.gitlab.forms import (
    not_found,
    page,
    parameters,
    refused,
    required,
)
from ansible_collections.netops.changerail.tests.twins.gitlab.hooks import Hooks, wants
from ansible_collections.netops.changerail.tests.twins.gitlab.moments import now
from ansible_collections.netops.changerail.tests.twins.gitlab.pipeline_api import FindProject
from ansible_collections.netops.changerail.tests.twins.gitlab.pipelines import Pipelines
from ansible_collections.netops.changerail.tests.twins.gitlab.shapes import Shapes
from ansible_collections.netops.changerail.tests.twins.kit.web import Exchange, Router, answer, nothing


class ProjectApi:
    """``project_of`` finds the project of a request or refuses it."""

    def __init__(self, pipelines: Pipelines, hooks: Hooks, project_of: FindProject) -> None:
        self._pipelines, self._hooks, self._project = pipelines, hooks, project_of

    def register(self, router: Router) -> None:
        router.add("GET", "/api/v4/projects", self.list)
        project = "/api/v4/projects/{project}"
        request = "/merge_requests/{request}"
        for method, path, handler in (
            ("GET", "", self.read),
            ("GET", "/triggers", self.triggers),
            ("POST", "/triggers", self.create_trigger),
            ("GET", "/triggers/{trigger}", self.trigger),
            ("DELETE", "/triggers/{trigger}", self.delete_trigger),
            ("GET", "/hooks", self.hooks),
            ("POST", "/hooks", self.create_hook),
            ("GET", "/hooks/{hook}", self.hook),
            ("DELETE", "/hooks/{hook}", self.delete_hook),
            ("GET", "/hooks/{hook}/events", self.hook_events),
            ("POST", "/hooks/{hook}/events/{event}/resend", self.resend),
            ("GET", "/environments", self.environments),
            ("POST", "/environments", self.create_environment),
            ("GET", "/environments/{environment}", self.environment),
            ("GET", "/protected_environments", self.protected_environments),
            ("POST", "/protected_environments", self.protect_environment),
            ("GET", "/protected_environments/{name}", self.protected_environment),
            ("GET", "/deployments", self.deployments),
            ("GET", "/deployments/{deployment}", self.deployment),
            ("POST", "/deployments/{deployment}/approval", self.approve_deployment),
            ("GET", "/merge_requests", self.merge_requests),
            ("POST", "/merge_requests", self.create_merge_request),
            ("GET", request, self.merge_request),
            ("PUT", request, self.change_merge_request),
            ("PUT", request + "/merge", self.merge),
            ("GET", request + "/approvals", self.approvals),
            ("POST", request + "/approvals", self.set_approvals),
            ("GET", request + "/approval_state", self.approval_state),
            ("POST", request + "/approve", self.approve),
            ("POST", request + "/unapprove", self.unapprove),
            ("GET", request + "/pipelines", self.merge_request_pipelines),
            ("GET", "/repository/commits/{sha}/statuses", self.statuses),
            ("POST", "/statuses/{sha}", self.set_status),
        ):
            router.add(method, project + path, handler)

    def list(self, exchange: Exchange) -> Response:
        visible = list(self._pipelines.projects.values()) if exchange.account.role else []
        return page(exchange, visible, _shapes(exchange).project)

    def read(self, exchange: Exchange) -> Response:
        return answer(_shapes(exchange).project(self._project(exchange)))

    # Triggers and hooks: a maintainer's business.

    def triggers(self, exchange: Exchange) -> Response:
        need(exchange, "maintainer")
        user = exchange.account.user
        return page(exchange, self._project(exchange).triggers, lambda t: _shapes(exchange).trigger(t, t.owner == user))

    def create_trigger(self, exchange: Exchange) -> Response:
        need(exchange, "maintainer")
        project, description = self._project(exchange), required(parameters(exchange), "description")
        trigger = Trigger(
            len(project.triggers) + 1, f"glptt-{secrets.token_hex(16)}", description, exchange.account.user, now()
        )
        project.triggers.append(trigger)
        return answer(_shapes(exchange).trigger(trigger, True), 201)

    def trigger(self, exchange: Exchange) -> Response:
        need(exchange, "maintainer")
        trigger = self._one(exchange, "trigger", self._project(exchange).triggers, "Trigger")
        return answer(_shapes(exchange).trigger(trigger, trigger.owner == exchange.account.user))

    def delete_trigger(self, exchange: Exchange) -> Response:
        need(exchange, "maintainer")
        project = self._project(exchange)
        project.triggers.remove(self._one(exchange, "trigger", project.triggers, "Trigger"))
        return nothing()

    def hooks(self, exchange: Exchange) -> Response:
        need(exchange, "maintainer")
        project = self._project(exchange)
        return page(exchange, project.hooks, lambda hook: _shapes(exchange).hook(hook, project))

    def create_hook(self, exchange: Exchange) -> Response:
        need(exchange, "maintainer")
        project, given = self._project(exchange), parameters(exchange)
        url = required(given, "url")
        if not str(url).startswith(("http://", "https://")):
            raise refused(422, {"url": ["is blocked: Only allowed schemes are http, https"]})
        identity = max((hook.id for hook in project.hooks), default=0) + 1
        hook = Hook(
            identity,
            url,
            str(given.get("token", "")),
            now(),
            wants(given),
            str(uuid.uuid4()),
            str(given.get("signing_token", "")),
        )
        project.hooks.append(hook)
        return answer(_shapes(exchange).hook(hook, project), 201)

    def hook(self, exchange: Exchange) -> Response:
        need(exchange, "maintainer")
        project = self._project(exchange)
        return answer(_shapes(exchange).hook(self._hook(exchange), project))

    def delete_hook(self, exchange: Exchange) -> Response:
        need(exchange, "maintainer")
        self._project(exchange).hooks.remove(self._hook(exchange))
        return nothing()

    def hook_events(self, exchange: Exchange) -> Response:
        need(exchange, "maintainer")
        return page(exchange, self._hook(exchange).deliveries[::-1], lambda delivery: delivery)

    def resend(self, exchange: Exchange) -> Response:
        """The same event again, under the same Idempotency-Key."""
        need(exchange, "maintainer")
        hook = self._hook(exchange)
        sent = next((entry for entry in hook.deliveries if str(entry["id"]) == exchange.path["event"]), None)
        if sent is None:
            raise not_found("")
        headers = sent["request_headers"]
        self._hooks.send(
            hook, headers["X-Gitlab-Event"], json.dumps(sent["request_data"]).encode(), headers["Idempotency-Key"]
        )
        return answer({"response_status": 200}, 201)

    def _hook(self, exchange: Exchange) -> Hook:
        return self._one(exchange, "hook", self._project(exchange).hooks, "")

    # Environments and deployments.

    def environments(self, exchange: Exchange) -> Response:
        name = exchange.query.get("name")
        found = [e for e in self._project(exchange).environments if not name or e.name == name]
        return page(exchange, found, _shapes(exchange).environment)

    def create_environment(self, exchange: Exchange) -> Response:
        need(exchange, "developer")
        project, name = self._project(exchange), required(parameters(exchange), "name")
        if project.environment(name):
            raise refused(400, {"name": ["has already been taken"]})
        return answer(_shapes(exchange).environment(self._pipelines.add_environment(project, name)), 201)

    def environment(self, exchange: Exchange) -> Response:
        return answer(
            _shapes(exchange).environment(self._one(exchange, "environment", self._project(exchange).environments, ""))
        )

    def protected_environments(self, exchange: Exchange) -> Response:
        found = [e for e in self._project(exchange).environments if e.required_approvals]
        return page(exchange, found, _shapes(exchange).protected_environment)

    def protect_environment(self, exchange: Exchange) -> Response:
        """``required_approval_count``, or the sum over ``approval_rules``."""
        need(exchange, "maintainer")
        project, given = self._project(exchange), parameters(exchange)
        environment = project.environment(required(given, "name")) or self._pipelines.add_environment(
            project, given["name"]
        )
        rules = given.get("approval_rules") or []
        count = sum(int(rule.get("required_approvals", 1)) for rule in rules)
        environment.required_approvals = count or int(given.get("required_approval_count", 0))
        environment.approval_rules = [{"id": number, **rule} for number, rule in enumerate(rules, 1)]
        return answer(_shapes(exchange).protected_environment(environment), 201)

    def protected_environment(self, exchange: Exchange) -> Response:
        found = self._project(exchange).environment(exchange.path["name"])
        if found is None or not found.required_approvals:
            raise not_found("")
        return answer(_shapes(exchange).protected_environment(found))

    def deployments(self, exchange: Exchange) -> Response:
        given = parameters(exchange)
        found = [
            d
            for d in self._project(exchange).deployments
            if given.get("environment") in (None, d.environment.name) and given.get("status") in (None, d.status)
        ]
        if given.get("sort", "asc") == "desc":
            found.reverse()
        return page(exchange, found, _shapes(exchange).deployment)

    def deployment(self, exchange: Exchange) -> Response:
        return answer(
            self._deployment_shape(exchange, self._one(exchange, "deployment", self._project(exchange).deployments, ""))
        )

    def approve_deployment(self, exchange: Exchange) -> Response:
        need(exchange, "developer")
        deployment, given = (
            self._one(exchange, "deployment", self._project(exchange).deployments, ""),
            parameters(exchange),
        )
        status = required(given, "status")
        if status not in ("approved", "rejected"):
            raise refused(400, "status does not have a valid value")
        if deployment.status != "blocked":
            raise refused(400, "This deployment is not waiting for approvals.")
        if deployment.job.user == exchange.account.user:
            raise refused(400, "You cannot approve your own deployment.")
        entry = self._pipelines.decide_deployment(deployment, exchange.account.user, status, given.get("comment", ""))
        return answer(_shapes(exchange).deployment_approval(entry), 201)

    def _deployment_shape(self, exchange: Exchange, deployment: Deployment) -> dict[str, Any]:
        missing = self._pipelines.missing_approvals(deployment) if deployment.status == "blocked" else 0
        return _shapes(exchange).deployment_with_approvals(deployment, missing)

    # Merge requests.

    def merge_requests(self, exchange: Exchange) -> Response:
        project, given = self._project(exchange), exchange.query
        found = [r for r in project.merge_requests if given.get("source_branch") in (None, r.source_branch)]
        return page(exchange, found, lambda request: _shapes(exchange).merge_request(request, project))

    def create_merge_request(self, exchange: Exchange) -> Response:
        need(exchange, "developer")
        project, given = self._project(exchange), parameters(exchange)
        source, target, title = (required(given, name) for name in ("source_branch", "target_branch", "title"))
        sha = project.source.commit(source)
        if sha is None:
            raise refused(400, ["source_branch does not exist"])
        iid = len(project.merge_requests) + 1
        request = MergeRequest(iid, 1000 * project.id + iid, title, source, target, sha, exchange.account.user, now())
        project.merge_requests.append(request)
        return answer(_shapes(exchange).merge_request(request, project), 201)

    def merge_request(self, exchange: Exchange) -> Response:
        return answer(_shapes(exchange).merge_request(self._merge_request(exchange), self._project(exchange)))

    def change_merge_request(self, exchange: Exchange) -> Response:
        need(exchange, "developer")
        request, wanted = self._merge_request(exchange), parameters(exchange).get("state_event")
        if request.state == "merged":
            raise refused(422, ["State cannot transition via"])
        request.state = {"close": "closed", "reopen": "opened"}.get(str(wanted), request.state)
        return answer(_shapes(exchange).merge_request(request, self._project(exchange)))

    def merge(self, exchange: Exchange) -> Response:
        """Of the twin's repository nothing is changed: only the request says that it was merged."""
        need(exchange, "maintainer")
        request = self._merge_request(exchange)
        if request.state != "opened":
            raise refused(405, "405 Method Not Allowed")
        request.state = "merged"
        return answer(_shapes(exchange).merge_request(request, self._project(exchange)))

    def approvals(self, exchange: Exchange) -> Response:
        return answer(_shapes(exchange).approvals(self._merge_request(exchange), exchange.account.user))

    def set_approvals(self, exchange: Exchange) -> Response:
        need(exchange, "maintainer")
        request = self._merge_request(exchange)
        request.approvals_required = int(required(parameters(exchange), "approvals_required"))
        return answer(self._with_request(exchange, request), 201)

    def approval_state(self, exchange: Exchange) -> Response:
        return answer(_shapes(exchange).approval_state(self._merge_request(exchange)))

    def approve(self, exchange: Exchange) -> Response:
        request, given = self._merge_request(exchange), parameters(exchange)
        if given.get("sha") not in (None, "", request.sha):
            raise refused(409, f"SHA does not match HEAD of source branch: {request.sha}")
        user = exchange.account.user
        if user in request.approved_by or user == request.author:
            raise refused(401, "401 Unauthorized")
        request.approved_by.append(user)
        return answer(self._with_request(exchange, request), 201)

    def unapprove(self, exchange: Exchange) -> Response:
        request = self._merge_request(exchange)
        if exchange.account.user not in request.approved_by:
            raise not_found("")
        request.approved_by.remove(exchange.account.user)
        return answer({}, 201)

    def merge_request_pipelines(self, exchange: Exchange) -> Response:
        request = self._merge_request(exchange)
        found = [p for p in self._project(exchange).pipelines if p.sha == request.sha]
        return page(exchange, found[::-1], _shapes(exchange).pipeline_basic)

    def _with_request(self, exchange: Exchange, request: MergeRequest) -> dict[str, Any]:
        shapes = _shapes(exchange)
        return {
            **shapes.merge_request(request, self._project(exchange)),
            **shapes.approvals(request, exchange.account.user),
        }

    def _merge_request(self, exchange: Exchange) -> MergeRequest:
        wanted = exchange.path["request"]
        found = next((r for r in self._project(exchange).merge_requests if str(r.iid) == wanted), None)
        if found is None:
            raise not_found("")
        return found

    # Commit statuses.

    def statuses(self, exchange: Exchange) -> Response:
        sha = exchange.path["sha"]
        return page(exchange, [s for s in self._project(exchange).statuses if s["sha"] == sha], lambda status: status)

    def set_status(self, exchange: Exchange) -> Response:
        need(exchange, "developer")
        project, given = self._project(exchange), parameters(exchange)
        status = {
            "id": len(project.statuses) + 1,
            "sha": exchange.path["sha"],
            "ref": given.get("ref", project.source.default_branch),
            "status": required(given, "state"),
            "name": given.get("name") or given.get("context", "default"),
            "target_url": given.get("target_url"),
            "description": given.get("description"),
            "created_at": now(),
            "started_at": None,
            "finished_at": None,
            "allow_failure": False,
            "coverage": None,
            "pipeline_id": given.get("pipeline_id"),
            "author": _shapes(exchange).user(exchange.account.user),
        }
        project.statuses.append(status)
        return answer(status, 201)

    @staticmethod
    def _one(exchange: Exchange, part: str, items: list[Any], what: str) -> Any:
        """The item whose id stands in the path."""
        found = next((item for item in items if str(item.id) == exchange.path[part]), None)
        if found is None:
            raise not_found(what)
        return found


def _shapes(exchange: Exchange) -> Shapes:
    return Shapes(exchange.base)
