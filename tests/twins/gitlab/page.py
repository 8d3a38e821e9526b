# A small page to look at the pipelines with a browser. Everything shown is escaped. Registered by the GitLab twin's server.
from __future__ import annotations

from html import escape

from werkzeug.wrappers import Response

from ansible_collections.netops.changerail.tests.twins.gitlab.entities import Job, Pipeline
from ansible_collections.netops.changerail.tests.twins.gitlab.pipelines import Pipelines
from ansible_collections.netops.changerail.tests.twins.kit.page import html_page, html_table
from ansible_collections.netops.changerail.tests.twins.kit.web import Exchange, Router


class Page:
    """Read-only: all pipelines, one with its jobs, a job's log. The addresses are those the API's ``web_url`` gives."""

    def __init__(self, pipelines: Pipelines) -> None:
        self._pipelines = pipelines

    def register(self, router: Router) -> None:
        router.add("GET", "/", self.pipelines)
        router.add("GET", "/{project*}/-/pipelines/{pipeline}", self.pipeline)
        router.add("GET", "/{project*}/-/jobs/{job}", self.job)

    def pipelines(self, exchange: Exchange) -> Response:
        found = [p for project in self._pipelines.projects.values() for p in project.pipelines]
        rows = [
            [_to_pipeline(p), escape(p.name or ""), escape(p.ref), escape(p.source), escape(p.status)]
            for p in reversed(found)
        ]
        return html_page("Pipelines", html_table(("Pipeline", "Name", "Ref", "Source", "Status"), rows))

    def pipeline(self, exchange: Exchange) -> Response:
        found = [
            p
            for project in self._pipelines.projects.values()
            for p in project.pipelines
            if str(p.id) == exchange.path["pipeline"]
        ]
        if not found:
            return Response("no such pipeline", 404)
        rows = [
            [_to_job(job), escape(job.stage), escape(job.status), escape(", ".join(job.files))] for job in found[0].jobs
        ]
        return html_page(
            f"Pipeline {found[0].id} {found[0].name or ''}: {found[0].status}",
            html_table(("Job", "Stage", "Status", "Artifacts"), rows),
        )

    def job(self, exchange: Exchange) -> Response:
        number = exchange.path["job"]
        job = self._pipelines.job(int(number)) if number.isdigit() else None
        if job is None:
            return Response("no such job", 404)
        log = job.trace.read_text(errors="replace") if job.trace.exists() else ""
        return html_page(f"Job {job.id} {job.name}: {job.status}", f"<pre>{escape(log)}</pre>")


def _to_pipeline(pipeline: Pipeline) -> str:
    return f'<a href="/{escape(pipeline.project.path)}/-/pipelines/{pipeline.id}">{escape(pipeline.project.path)} {pipeline.id}</a>'


def _to_job(job: Job) -> str:
    return f'<a href="/{escape(job.pipeline.project.path)}/-/jobs/{job.id}">{escape(job.name)}</a>'
