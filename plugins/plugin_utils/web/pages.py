# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages: runs, what waits for whoever looks, one run, a question with its diffs, a step. They show views and send forms to ``web.actions``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, ChangerailError
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import AnswerRefused
from ansible_collections.netops.changerail.plugins.plugin_utils.exports.svg import svg
from ansible_collections.netops.changerail.plugins.plugin_utils.people import access
from ansible_collections.netops.changerail.plugins.plugin_utils.people.showing import shown
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import History, current_status
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.sending import Sent
from ansible_collections.netops.changerail.plugins.plugin_utils.views.detail import StepDetail, details
from ansible_collections.netops.changerail.plugins.plugin_utils.views.diffs import DeviceDiff, devices, side_by_side
from ansible_collections.netops.changerail.plugins.plugin_utils.views.evidence import collect
from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import StepStatus
from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import (
    INTERRUPTED,
    OVER,
    RUNNING,
    WAITING,
    not_cancellable,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.views.timeline import timeline
from ansible_collections.netops.changerail.plugins.plugin_utils.views.waiting import OpenQuestion, question_at
from ansible_collections.netops.changerail.plugins.plugin_utils.web import links
from ansible_collections.netops.changerail.plugins.plugin_utils.web.actions import Actions
from ansible_collections.netops.changerail.plugins.plugin_utils.web.answers import Conflict, NotFound
from ansible_collections.netops.changerail.plugins.plugin_utils.web.calendar_pages import CalendarPages
from ansible_collections.netops.changerail.plugins.plugin_utils.web.door import (
    BACK,
    SIGN_IN,
    SIGN_IN_OPENID,
    Door,
    Visit,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.web.files import shown_with
from ansible_collections.netops.changerail.plugins.plugin_utils.web.lists import Wanted, page
from ansible_collections.netops.changerail.plugins.plugin_utils.web.live import Live
from ansible_collections.netops.changerail.plugins.plugin_utils.web.rendering import STATIC
from ansible_collections.netops.changerail.plugins.plugin_utils.web.results import (
    artifact_download,
    artifact_link,
    files_of,
    results_page,
    text_of,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.web.server import Server
from ansible_collections.netops.changerail.plugins.plugin_utils.web.starting import start_form, start_sent, startable
from ansible_collections.netops.changerail.plugins.plugin_utils.web.workflows import WINDOW

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.routing import BaseRoute

_STATES = (WAITING, RUNNING, INTERRUPTED, *OVER)
_MOST_LINES = 5000
"""Lines of a question's diffs that are shown; the rest is downloaded."""
_MOST_ENTRIES = 500
_LONGEST = 20_000
"""Characters of a result that are shown."""


@dataclass(frozen=True)
class Shown:
    """One file of a question. ``problem`` is why it cannot be shown; ``left`` is how many lines are not."""

    name: str
    digest: str
    devices: tuple[DeviceDiff, ...]
    left: int
    problem: str


def routes(server: Server, actions: Actions) -> list[BaseRoute]:
    """The routes of the pages."""
    from starlette.responses import RedirectResponse
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

    door = Door(server, actions)
    live, calendar = Live(server.observers), CalendarPages(server)
    run = "/runs/{run}"
    return [
        Route("/", lambda request: RedirectResponse("/waiting", 303)),
        Route(SIGN_IN, door.sign_in(), methods=["GET", "POST"]),
        Route(SIGN_IN_OPENID, door.to_provider()),
        Route(BACK, door.from_provider()),
        Route("/sign-out", door.sign_out(), methods=["POST"]),
        Route("/waiting", door.page(_waiting)),
        Route("/runs", door.page(_runs)),
        Route(run, door.page(_run)),
        Route(f"{run}/graph.svg", door.page(_graph)),
        Route(f"{run}/results", door.page(results_page)),
        Route(f"{run}/artifact", door.page(artifact_download)),
        Route(f"{run}/evidence.json", door.page(_evidence)),
        Route(f"{run}/question", door.page(_question)),
        Route(f"{run}/shown", door.page(_shown)),
        Route(f"{run}/step", door.page(_step)),
        Route(f"{run}/answers", door.page(_answer), methods=["POST"]),
        Route(f"{run}/break-glass", door.page(_break_glass), methods=["POST"]),
        Route(f"{run}/cancel", door.page(_cancel), methods=["POST"]),
        Route(f"{run}/resume", door.page(_resume), methods=["POST"]),
        Route("/live", door.page(partial(_live, live))),
        Route(f"{run}/live", door.page(partial(_live, live))),
        Route("/calendar", door.page(calendar.all)),
        Route(f"{run}/calendar", door.page(calendar.of_run)),
        Route("/start", door.page(startable)),
        Route("/start/{workflow}", door.page(start_form)),
        Route("/start/{workflow}", door.page(start_sent), methods=["POST"]),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]


def _waiting(visit: Visit) -> Response:
    return visit.render("waiting.html", found=visit.actions.mine(visit.by))


def _runs(visit: Visit) -> Response:
    query = visit.query
    state, text = query.get("state", ""), query.get("text", "")[:200]
    wanted = Wanted(frozenset({state} if state in _STATES else ()), "", text, 50, query.get("after", ""))
    try:
        found = page(visit.actions.rows(visit.by), wanted)
    except ValueError as error:
        raise AuthorError(str(error)) from None
    more = urlencode({"state": state, "text": text, "after": found.next})
    return visit.render("runs.html", found=found, states=_STATES, state=state, text=text, more=more)


def _run(visit: Visit) -> Response:
    past = visit.actions.past(visit.by, visit.run)
    row = visit.server.scheduler.row(visit.run)
    entries = timeline(past.events)
    seen = current_status(past)
    return visit.render(
        "run.html",
        run=seen,
        has_windows=any(step.action == WINDOW and step.attempt for step in seen.walk()),
        entries=entries[-_MOST_ENTRIES:][::-1],
        earlier=max(0, len(entries) - _MOST_ENTRIES),
        problem=row.problem if row is not None else "",
        may_resume=visit.actions.may(visit.by, past, access.RESUME),
        may_cancel=visit.actions.may(visit.by, past, access.CANCEL) and not not_cancellable(seen.summary),
        question_link=_question_link,
        step_link=links.step_page,
    )


def _graph(visit: Visit) -> Response:
    from starlette.responses import Response as Plain

    picture = svg(current_status(visit.actions.past(visit.by, visit.run)), time.time())
    return Plain(picture.encode(errors="replace"), media_type="image/svg+xml", headers={"Cache-Control": "no-store"})


def _evidence(visit: Visit) -> Response:
    from starlette.responses import Response as Plain

    past = visit.actions.past(visit.by, visit.run)
    text = json.dumps(collect(past.workflow, past.events).as_dict(), indent=2, ensure_ascii=False, default=str)
    headers = {"Content-Disposition": f'attachment; filename="{past.folder.run}.evidence.json"'}
    return Plain(text.encode(errors="replace"), media_type="application/json", headers=headers)


def _question(visit: Visit) -> Response:
    return _ask(visit, visit.query.get("path", ""), 200, "")


def _ask(visit: Visit, path: str, status: int, refused: str) -> Response:
    """The page of a question as it is now; ``refused`` says why the answer to what was there before did not count."""
    past = visit.actions.past(visit.by, visit.run)
    asked = question_at(past.events, path)
    if asked is None and not refused:
        _step_at(past, path)
    files, detail = ([], None) if asked is None else (_files(asked), details(past.events).get(path))
    return visit.render(
        "question.html",
        status,
        run=past.folder.run,
        name=past.started.name,
        asked_at=asked,
        files=files,
        attempt=detail.attempts[-1] if detail is not None and detail.attempts else None,
        beside=visit.query.get("view") == "side",
        pairs=side_by_side,
        refused=refused,
        may_answer=asked is not None and visit.actions.may_answer(visit.by, past, asked),
        may_break_glass=asked is not None and visit.actions.may_break_glass(visit.by, past, asked),
        question_link=_question_link,
        step_link=links.step_page,
        shown_link=_shown_link,
        text_of=_text_of,
    )


def _files(asked: OpenQuestion) -> list[Shown]:
    """The files of the question, with no more lines than somebody can look at on a page."""
    found, room = [], _MOST_LINES
    for name in asked.question.show or {}:
        digest = (asked.question.subject or {}).get(name, "")
        try:
            lines = shown(asked.question, name).decode(errors="replace").split("\n")
        except ChangerailError as error:
            found.append(Shown(name, digest, (), 0, str(error)))
            continue
        found.append(Shown(name, digest, devices("\n".join(lines[:room])), max(0, len(lines) - room), ""))
        room = max(0, room - len(lines))
    return found


def _shown(visit: Visit) -> Response:
    from starlette.responses import Response as Plain

    past = visit.actions.past(visit.by, visit.run)
    content = shown_with(past, visit.query.get("path", ""), visit.query.get("name", ""))
    headers = {"Content-Disposition": 'attachment; filename="shown"'}
    return Plain(content, media_type="application/octet-stream", headers=headers)


def _step(visit: Visit) -> Response:
    past = visit.actions.past(visit.by, visit.run)
    path = visit.query.get("path", "")
    found = _step_at(past, path)
    detail = details(past.events).get(path, StepDetail(path))
    return visit.render(
        "step.html",
        run=past.folder.run,
        step=found,
        detail=detail,
        found=files_of(visit.server.state, {path: detail}),
        artifact_link=artifact_link,
        step_link=links.step_page,
        text_of=_text_of,
        question_link=_question_link,
    )


def _step_at(past: History, path: str) -> StepStatus:
    """The step of that path as it stands now. Raises NotFound."""
    found = next((step for step in current_status(past).walk() if step.path == path), None)
    if found is None:
        raise NotFound(f"step {path!r}: run {past.folder.run} has none of that path")
    return found


def _answer(visit: Visit) -> Response:
    form = visit.form
    given = form.get("question", ""), form.get("choice", ""), form.get("comment", "")[:10_000]
    return _said(visit, lambda path: visit.actions.answer(visit.by, visit.run, path, *given))


def _break_glass(visit: Visit) -> Response:
    form = visit.form
    given = form.get("question", ""), form.get("reason", "")[:10_000]
    return _said(visit, lambda path: visit.actions.break_glass(visit.by, visit.run, path, *given))


def _said(visit: Visit, say: Callable[[str], Sent]) -> Response:
    """Have ``say`` say something at the step that the form names; back to the question when it does not count."""
    path = visit.form.get("path", "")
    try:
        sent = say(path)
    except Conflict as conflict:
        return _ask(visit, path, 409, str(conflict))
    if isinstance(sent.event, AnswerRefused):
        return _ask(visit, path, 409, sent.event.reason)
    return _to_run(visit)


def _cancel(visit: Visit) -> Response:
    visit.actions.cancel(visit.by, visit.run, visit.form.get("reason", "")[:10_000], False)
    return _to_run(visit)


def _resume(visit: Visit) -> Response:
    visit.actions.resume(visit.by, visit.run)
    return _to_run(visit)


def _live(live: Live, visit: Visit) -> Response:
    from starlette.responses import Response as Plain
    from starlette.responses import StreamingResponse

    if visit.run:
        visit.actions.past(visit.by, visit.run)
    if not live.enter():
        return Plain(status_code=503, headers={"Retry-After": "30"})
    return StreamingResponse(
        live.stream(visit.run), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


def _to_run(visit: Visit) -> Response:
    from starlette.responses import RedirectResponse

    return RedirectResponse(links.of_run(visit.run), 303)


def _text_of(value: Mapping[str, Any]) -> str:
    return text_of(value, _LONGEST)


def _question_link(run: str, path: str) -> str:
    return f"{links.of_run(run)}/question?path={quote(path, safe='')}"


def _shown_link(run: str, path: str, name: str) -> str:
    return f"{links.of_run(run)}/shown?path={quote(path, safe='')}&name={quote(name, safe='')}"
