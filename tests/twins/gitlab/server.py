# One GitLab put together: projects, pipelines, API, hooks, page. For the twin's __main__.
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from werkzeug.wrappers import Response

from ansible_collections.netops.changerail.tests.twins.gitlab import access
from ansible_collections.netops.changerail.tests.twins.gitlab.access import Access
from ansible_collections.netops.changerail.tests.twins.gitlab.entities import Project, Trigger
from ansible_collections.netops.changerail.tests.twins.gitlab.forms import not_found
from ansible_collections.netops.changerail.tests.twins.gitlab.hooks import Hooks
from ansible_collections.netops.changerail.tests.twins.gitlab.moments import now
from ansible_collections.netops.changerail.tests.twins.gitlab.objects import Objects
from ansible_collections.netops.changerail.tests.twins.gitlab.page import Page
from ansible_collections.netops.changerail.tests.twins.gitlab.pipeline_api import PipelineApi
from ansible_collections.netops.changerail.tests.twins.gitlab.pipelines import Pipelines
from ansible_collections.netops.changerail.tests.twins.gitlab.project_api import ProjectApi
from ansible_collections.netops.changerail.tests.twins.gitlab.settings import Settings
from ansible_collections.netops.changerail.tests.twins.gitlab.shapes import Shapes
from ansible_collections.netops.changerail.tests.twins.gitlab.source import Source
from ansible_collections.netops.changerail.tests.twins.kit.app import Twin, Voice
from ansible_collections.netops.changerail.tests.twins.kit.log import Log
from ansible_collections.netops.changerail.tests.twins.kit.web import Exchange, Router, answer

VOICE = Voice(
    not_found=lambda: answer({"error": "404 Not Found"}, 404),
    unauthorized=access.expired,
    rate_limited=access.too_many,
    error_body=lambda: answer({"message": "500 Internal Server Error"}, 200),
)


class Server:
    """The twin as an application (``app``); ``projects`` maps a path ("net/edge") to a Git repository."""

    def __init__(self, settings: Settings, folder: Path, projects: Mapping[str, Path]) -> None:
        log, router = Log(), Router()
        self.app = Twin(router, VOICE, settings, log)
        self.pipelines = Pipelines(folder, self.app.lock, log, self._settings)
        for number, (path, repository) in enumerate(projects.items(), 1):
            project = Project(number, path, Source(repository), now())
            project.triggers.append(Trigger(1, access.TRIGGER_TOKEN, "changerail", access.SELF, now()))
            self.pipelines.projects[number] = project
        hooks = Hooks(lambda: Shapes(self.pipelines.base), self._settings)
        self.pipelines.tell = hooks.tell
        self._access = Access()
        objects = Objects(self._settings)
        PipelineApi(self.pipelines, self._project, objects, self._settings).register(router)
        ProjectApi(self.pipelines, hooks, self._project).register(router)
        objects.register(router)
        router.add("GET", "/api/v4/version", self._version)
        router.add("GET", "/api/v4/metadata", self._version)
        router.add("GET", "/api/v4/user", self._user)
        Page(self.pipelines).register(router)
        self.app.before = self._before

    def _settings(self) -> Settings:
        return self.app.settings

    def _before(self, exchange: Exchange) -> None:
        self.pipelines.base = self.pipelines.base or exchange.base
        path = exchange.request.path
        if path.startswith("/api/") and not path.endswith("/trigger/pipeline"):
            exchange.account = self._access.identify(exchange, self._settings())

    def _project(self, exchange: Exchange) -> Project:
        """By id or path. A trigger token opens no project by itself, but its endpoint needs none of ours."""
        wanted = exchange.path["project"]
        found = next((p for p in self.pipelines.projects.values() if wanted in (str(p.id), p.path)), None)
        if found is None or (exchange.account is not None and not exchange.account.role):
            raise not_found("Project")
        return found

    def _version(self, exchange: Exchange) -> Response:
        version = self._settings().version
        kas = {"enabled": False, "externalUrl": None, "externalK8sProxyUrl": None, "version": None}
        return answer({"version": version, "revision": "0" * 11, "kas": kas, "enterprise": "ee" in version})

    def _user(self, exchange: Exchange) -> Response:
        return answer(
            {
                **Shapes(exchange.base).user(exchange.account.user),
                "email": f"{exchange.account.user.username}@example.net",
            }
        )
