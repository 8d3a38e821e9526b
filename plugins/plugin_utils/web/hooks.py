# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Webhooks: ``POST /hooks/NAME`` for every source of the project file. What is sent is checked, answered at once, and wakes the step that waits.

A hook carries no truth: the step that is woken asks its system. Where its source may, a hook starts a workflow; what is in it is data, never a template.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.module_utils.conditions import Expression
from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, ChangerailError
from ansible_collections.netops.changerail.plugins.module_utils.hook import Hint, HookKind, HookRefused, Seen
from ansible_collections.netops.changerail.plugins.module_utils.operation import JSON, find
from ansible_collections.netops.changerail.plugins.plugin_utils.people.hooks import HookSource, HookStart
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.row import Row
from ansible_collections.netops.changerail.plugins.plugin_utils.web.actions import Actions, StartWish
from ansible_collections.netops.changerail.plugins.plugin_utils.web.server import Server

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

_LOG = logging.getLogger("changerail.serve")

Step = tuple[str, str]
"""Run and step path."""


@dataclass(frozen=True)
class Asked:
    """What a hook asks for: ``steps`` to look at now, and a run to start."""

    steps: Sequence[Step] = ()
    start: StartWish | None = None


class Starting:
    """What the hooks of a source may start."""

    def __init__(self, rule: HookStart) -> None:
        self._workflow = rule.workflow
        self._when = Expression(rule.when) if rule.when else None
        self._run_id = Expression(rule.run_id)
        self._variables = {name: Expression(text) for name, text in rule.variables.items()}

    def wish(self, document: JSON) -> StartWish | None:
        """The run that the hook asks for, None when it asks for none. Raises HookRefused when it has not what that takes."""
        try:
            if self._when is not None and self._when.of(document) is not True:
                return None
            run_id = self._run_id.of(document)
            variables = {name: value.of(document) for name, value in self._variables.items()}
        except AuthorError as error:
            raise HookRefused(400, f"start: {error}") from None
        if not isinstance(run_id, (str, int)) or isinstance(run_id, bool) or run_id == "":
            raise HookRefused(400, f"run_id: {self._run_id.text} gives no id for the run: {json.dumps(run_id)[:100]}")
        # What is not in the hook is left to the workflow's own default.
        given = {name: value for name, value in variables.items() if value is not None}
        return StartWish(self._workflow, given, run_id=str(run_id))


class Receiver:
    """What one source sends. ``secrets`` are those of its configuration, in clear; ``rows`` gives how all runs stand."""

    def __init__(self, source: HookSource, secrets: Sequence[str], rows: Callable[[], Iterable[Row]]) -> None:
        self._kind: HookKind = find("hooks", source.kind)
        self._secrets = secrets
        self._rows = rows
        self._seen = Seen()
        step = source.step or self._kind.step
        self._step = Expression(step) if step else None
        self._starting = Starting(source.start) if source.start is not None else None

    def receive(self, headers: Mapping[str, str], body: bytes, now: float) -> Asked:
        """What the hook asks for; nothing when it came before. ``headers`` have lower-case names. Raises HookRefused."""
        key = self._kind.prove(headers, body, self._secrets, now)
        document = _json(body)
        hint = self._kind.hint(headers, document)
        steps = dict.fromkeys([*self._named(hint, document), *self._waiting_for(hint)])
        start = self._starting.wish(document) if self._starting is not None else None
        return Asked(tuple(steps), start) if self._seen.add(key) else Asked()

    def _named(self, hint: Hint, document: JSON) -> Iterator[Step]:
        if hint.run:
            yield hint.run, hint.step
        try:
            text = self._step.of(document) if self._step is not None else None
        except AuthorError as error:
            raise HookRefused(400, str(error)) from None
        if isinstance(text, str) and text:
            run, _slash, path = text.partition("/")
            yield run, path

    def _waiting_for(self, hint: Hint) -> Iterator[Step]:
        """By what waiting steps say that they wait for; where the run is known, of that run alone: a step may go on with what another one started."""
        for row in self._rows() if hint.thing else ():
            for wait in row.waits if hint.run in ("", row.run) else ():
                if not wait.asks and hint.thing in wait.title.split():
                    yield row.run, wait.path


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
            asked = receivers[name].receive(dict(request.headers), await request.body(), time.time())
        except HookRefused as refused:
            _LOG.warning("hook %s refused: %s", name, refused)
            return JSONResponse({"error": str(refused)}, refused.status)
        return JSONResponse({"received": True}, 202, background=BackgroundTask(run_in_threadpool, follow, name, asked))

    def follow(name: str, asked: Asked) -> None:
        for run, path in asked.steps:
            server.scheduler.wake(run, path)
        wish = asked.start
        if wish is None or server.scheduler.row(str(wish.run_id)) is not None:
            return
        try:
            actions.start_for_hook(name, wish)
        except ChangerailError as error:
            _LOG.warning("hook %s could not start %s as run %s: %s", name, wish.workflow, wish.run_id, error)

    return [Route("/hooks/{name}", receive, methods=["POST"])]


def _receiver(server: Server, source: HookSource) -> Receiver:
    resolver = server.resolver
    secrets = [str(resolver.value(secret)) for secret in source.secrets]
    if not all(secrets):
        raise AuthorError("a secret of a hook is empty: then everybody could prove themselves with it")
    return Receiver(source, secrets, server.scheduler.rows)


def _json(body: bytes) -> JSON:
    """The body; {} of an empty one. Raises HookRefused."""
    try:
        return json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError):
        raise HookRefused(400, "the hook's body is no JSON; have it sent as application/json") from None
