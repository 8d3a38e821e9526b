# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Webhooks: ``POST /hooks/NAME`` for every source of the project file. What is sent is checked, answered at once, and wakes the step that waits.

A hook carries no truth: the step that is woken asks its system. Where its source may, a hook starts a workflow; what is in it is data, never a template.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, ChangerailError
from ansible_collections.netops.changerail.plugins.module_utils.gitlab import hooks as gitlab
from ansible_collections.netops.changerail.plugins.module_utils.gitlab.hooks import HookRefused, Seen
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.templating import Templating
from ansible_collections.netops.changerail.plugins.plugin_utils.people.hooks import Expression, HookSource, HookStart
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Resolver
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.row import WAIT, Row
from ansible_collections.netops.changerail.plugins.plugin_utils.web import proofs
from ansible_collections.netops.changerail.plugins.plugin_utils.web.actions import Actions, StartWish
from ansible_collections.netops.changerail.plugins.plugin_utils.web.server import Server

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

_LOG = logging.getLogger("changerail.serve")
_DEPTH = 100
"""How deep JSON may nest: far beyond any hook's, far below what the interpreter bears."""

Step = tuple[str, str]
"""Run and step path."""


@dataclass(frozen=True)
class Wanted:
    """What a hook asks for: ``steps`` to look at now, and a run to start."""

    steps: Sequence[Step] = ()
    start: StartWish | None = None


class Receiver:
    """What one source sends. ``secrets`` are those of its configuration, in clear; ``rows`` gives how all runs stand."""

    def __init__(self, source: HookSource, secrets: Sequence[str], rows: Callable[[], Iterable[Row]]) -> None:
        self._source = source
        self._secrets = secrets
        self._rows = rows
        self._seen = Seen()
        self._step = Expression(source.step) if source.step else None

    def receive(self, headers: Mapping[str, str], body: bytes, now: float) -> Wanted:
        """What the hook asks for; nothing when it came before. ``headers`` have lower-case names. Raises HookRefused."""
        if self._source.kind == "gitlab":
            signing = [secret for secret in self._secrets if secret.startswith("whsec_")]
            token = next((secret for secret in self._secrets if secret not in signing), "")
            hint = gitlab.receive(headers, body, gitlab.HookSecrets(token, signing), self._seen, now)
            if hint is None:
                return Wanted()
            return Wanted(tuple(self._concerned(hint)), self._started(_json(body)))
        key = proofs.CHECKS[self._source.kind](headers, body, self._secrets, now)
        document = _json(body)
        if not self._seen.add(key):
            return Wanted()
        return Wanted(tuple(self._named(document)), self._started(document))

    def _named(self, document: Any) -> Iterator[Step]:
        text = self._step.of(document) if self._step is not None else None
        if isinstance(text, str) and text:
            run, _slash, path = text.partition("/")
            yield run, path

    def _concerned(self, hint: gitlab.Hint) -> Iterator[Step]:
        """By the pipeline's key where the hook shows it, and by what waiting steps, then of that run alone, say that they wait for: a step may go on
        with a pipeline that another one started.
        """
        if hint.run:
            yield hint.run, hint.step
        for row in self._rows() if hint.pipeline else ():
            for wait in row.waits if hint.run in ("", row.run) else ():
                if wait.kind == WAIT and wait.path != hint.step and hint.pipeline in wait.title.split():
                    yield row.run, wait.path

    def _started(self, document: Any) -> StartWish | None:
        rule = self._source.start
        if rule is None or (rule.when and Expression(rule.when).of(document) is not True):
            return None
        run_id = Expression(rule.run_id).of(document)
        if not isinstance(run_id, (str, int)) or isinstance(run_id, bool) or run_id == "":
            raise HookRefused(400, f"run_id: {rule.run_id} gives no id for the run: {json.dumps(run_id)[:100]}")
        return StartWish(rule.workflow, _variables(rule, document), run_id=str(run_id))


def routes(server: Server, actions: Actions) -> list[Route]:
    """The routes; a source that is not configured is not there. Raises ChangerailError when a source's secret cannot be had."""
    from starlette.background import BackgroundTask
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    receivers = {name: _receiver(server, source) for name, source in server.around.project.hooks.items()}

    async def receive(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in receivers:
            return JSONResponse({"error": "no such source of hooks"}, 404)
        try:
            # Headers as Starlette has them: lower-case names.
            wanted = receivers[name].receive(dict(request.headers), await request.body(), time.time())
        except HookRefused as refused:
            _LOG.warning("hook %s refused: %s", name, refused)
            return JSONResponse({"error": str(refused)}, refused.status)
        return JSONResponse({"received": True}, 202, background=BackgroundTask(run_in_threadpool, follow, name, wanted))

    def follow(name: str, wanted: Wanted) -> None:
        for run, path in wanted.steps:
            server.scheduler.wake(run, path)
        wish = wanted.start
        if wish is None or server.scheduler.row(str(wish.run_id)) is not None:
            return
        try:
            actions.start_for_hook(name, wish)
        except ChangerailError as error:
            _LOG.warning("hook %s could not start %s as run %s: %s", name, wish.workflow, wish.run_id, error)

    return [Route("/hooks/{name}", receive, methods=["POST"])]


def _receiver(server: Server, source: HookSource) -> Receiver:
    project = server.around.project
    resolver = Resolver(os.environ, Templating(str(project.path.parent if project.path else "."), ()).decrypt)
    secrets = [str(resolver.value(secret)) for secret in source.secrets]
    if not all(secrets):
        raise AuthorError("a secret of a hook is empty: then everybody could prove themselves with it")
    return Receiver(source, secrets, server.scheduler.rows)


def _variables(rule: HookStart, document: Any) -> dict[str, Any]:
    """What is not in the hook is left to the workflow's own default."""
    values = {name: Expression(text).of(document) for name, text in rule.variables.items()}
    return {name: value for name, value in values.items() if value is not None}


def _json(body: bytes) -> Any:
    """The body; {} of an empty one. Raises HookRefused."""
    if not body.strip():
        return {}
    if max(body.count(b"["), body.count(b"{")) > _DEPTH and _depth(body) > _DEPTH:
        raise HookRefused(400, f"the hook's body nests deeper than {_DEPTH}")
    try:
        return json.loads(body)
    except ValueError:
        raise HookRefused(400, "the hook's body is no JSON; have it sent as application/json") from None


def _depth(body: bytes) -> int:
    """The greatest nesting; brackets in strings count too, which only makes it stricter."""
    deepest = depth = 0
    for byte in body:
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest
