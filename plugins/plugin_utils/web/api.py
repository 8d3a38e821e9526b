# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The REST API under ``/api/v1``: one table of endpoints, of which the routes and the OpenAPI description are made. Decides nothing; see ``web.actions``."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, ChangerailError, RunError
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import AnswerRefused, BreakGlass
from ansible_collections.netops.changerail.plugins.plugin_utils.people.accounts import LoggedIn
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.asking import OPERATIONS
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import current, current_status
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.sending import Sent
from ansible_collections.netops.changerail.plugins.plugin_utils.scheduling.row import UNREADABLE, Row
from ansible_collections.netops.changerail.plugins.plugin_utils.views.detail import details
from ansible_collections.netops.changerail.plugins.plugin_utils.views.evidence import collect
from ansible_collections.netops.changerail.plugins.plugin_utils.views.form import declared
from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import INTERRUPTED, OVER, RUNNING, WAITING
from ansible_collections.netops.changerail.plugins.plugin_utils.views.timeline import timeline
from ansible_collections.netops.changerail.plugins.plugin_utils.web import answers, callers
from ansible_collections.netops.changerail.plugins.plugin_utils.web.actions import Actions, StartWish
from ansible_collections.netops.changerail.plugins.plugin_utils.web.answers import Conflict, NotFound
from ansible_collections.netops.changerail.plugins.plugin_utils.web.asking import Asking, files_of
from ansible_collections.netops.changerail.plugins.plugin_utils.web.endpoints import (
    Endpoint,
    Field,
    body_of,
    description,
    query_of,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.web.files import artifact_at, shown_with
from ansible_collections.netops.changerail.plugins.plugin_utils.web.lists import Wanted, page
from ansible_collections.netops.changerail.plugins.plugin_utils.web.server import Server
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.extra_vars import named

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

_LOG = logging.getLogger("changerail.serve")
BASE = "/api/v1"
_STATES = [RUNNING, WAITING, INTERRUPTED, *OVER, UNREADABLE]
_DOWNLOAD = "application/octet-stream"


@dataclass(frozen=True)
class Call:
    """One request: who asks, the run or the workflow in its path ("" without one), and what it says."""

    server: Server
    actions: Actions
    by: LoggedIn
    run: str
    workflow: str
    query: Mapping[str, Any]
    body: Mapping[str, Any]


def routes(server: Server, actions: Actions, version: str) -> list[Route]:
    """The API's routes."""
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    written = description([*ENDPOINTS, _OPENAPI], version, _SCHEMAS)

    async def openapi(request: Request) -> Response:
        return JSONResponse(written)

    made = [
        Route(endpoint.path, _route(server, actions, endpoint), methods=[endpoint.method]) for endpoint in ENDPOINTS
    ]
    return [*made, Route(_OPENAPI.path, openapi)]


def _route(server: Server, actions: Actions, endpoint: Endpoint) -> Any:
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse
    from starlette.responses import Response as Plain

    def answered(request: Request, body: bytes) -> Response:
        by = callers.of_bearer(server, request.headers.get("authorization", ""))
        if endpoint.body is None and body:
            raise AuthorError("body: expected none")
        call = Call(
            server,
            actions,
            by,
            request.path_params.get("run", ""),
            request.path_params.get("workflow", ""),
            query_of(request.query_params.multi_items(), endpoint.query),
            body_of(body, endpoint.body or ()),
        )
        given = endpoint.handler(call)
        if isinstance(given, Plain):
            return given
        # Text that no encoding takes came from outside: it is shown with what stands for it.
        content = json.dumps(given, ensure_ascii=False, allow_nan=False, default=str).encode(errors="replace")
        return Plain(content, endpoint.status, media_type="application/json")

    async def handle(request: Request) -> Response:
        body = await request.body()
        try:
            return await run_in_threadpool(answered, request, body)
        except ChangerailError as error:
            status = answers.status_of(error)
            if status >= 500:
                _LOG.error("%s %s: %s", request.method, request.url.path, error)
            headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
            return JSONResponse(answers.document(status, str(error)), status, headers)

    return handle


# What the endpoints do


def _runs(call: Call) -> Any:
    query = call.query
    states = frozenset({query["state"]} if query["state"] else ())
    wanted = Wanted(states, query["workflow"], query["text"], query["limit"], query["after"])
    mine = {row.run: row for row, dummy in call.actions.mine(call.by)} if query["mine"] else None
    try:
        found = page(call.actions.rows(call.by) if mine is None else mine.values(), wanted)
    except ValueError as error:
        raise AuthorError(str(error)) from None
    return {"runs": [_listed(call.server, row) for row in found.rows], "next": found.next, "total": found.total}


def _listed(server: Server, row: Row) -> dict[str, Any]:
    """A run of a list, as ``changerail list --json`` has it."""
    try:
        return {**current(server.state.open(row.run)).as_dict(), "problem": row.problem}
    except ChangerailError as error:
        return {**_unreadable(row), "problem": row.problem or str(error)}


def _unreadable(row: Row) -> dict[str, Any]:
    document = {name: value for name, value in asdict(row).items() if name != "waits"}
    return {**document, "state": UNREADABLE, "questions": [], "waits": []}


def _start(call: Call) -> Any:
    body = call.body
    variables = named(body["variables"] or {}, "variables")
    wish = StartWish(body["workflow"], variables, body["limit"], body["check"], body["run_id"])
    folder = call.actions.start(call.by, wish)
    return {"run": folder.run}


def _run(call: Call) -> Any:
    seen = current_status(call.actions.past(call.by, call.run)).as_dict()
    row = call.server.scheduler.row(call.run)
    return {**seen, "problem": row.problem if row is not None else ""}


def _timeline(call: Call) -> Any:
    return {"entries": [entry.as_dict() for entry in timeline(call.actions.past(call.by, call.run).events)]}


def _step(call: Call) -> Any:
    past = call.actions.past(call.by, call.run)
    found = details(past.events).get(call.query["path"])
    if found is None:
        raise NotFound(f"step {call.query['path']!r}: nothing has happened there in run {call.run}")
    return found.as_dict()


def _journal(call: Call) -> Any:
    from starlette.responses import Response as Plain

    past = call.actions.past(call.by, call.run)
    try:
        content = past.folder.journal.read_bytes()
    except OSError as error:
        raise RunError(f"run {call.run}: its journal cannot be read: {error.strerror}") from None
    # A line that is being written has not happened yet.
    lines = content[: content.rfind(b"\n") + 1].splitlines(keepends=True)
    return Plain(b"".join(lines[call.query["after"] :]), media_type="application/jsonl")


def _evidence(call: Call) -> Any:
    past = call.actions.past(call.by, call.run)
    return collect(past.workflow, past.events).as_dict()


def _shown(call: Call) -> Any:
    from starlette.responses import Response as Plain

    past = call.actions.past(call.by, call.run)
    return Plain(shown_with(past, call.query["path"], call.query["name"]), media_type=_DOWNLOAD)


def _artifact(call: Call) -> Any:
    from starlette.responses import FileResponse

    past = call.actions.past(call.by, call.run)
    place = artifact_at(call.server.state, past, call.query["path"], call.query["name"])
    return FileResponse(place, media_type=_DOWNLOAD, filename="artifact")


def _questions(call: Call) -> Any:
    return {
        "questions": [
            {
                "run": row.run,
                "name": row.name,
                "requester": row.requester,
                **{key: list(value) if isinstance(value, tuple) else value for key, value in asdict(wait).items()},
            }
            for row, wait in call.actions.mine(call.by)
        ]
    }


def _ask(call: Call) -> Any:
    body = call.body
    files = files_of(body["files"] or ())
    return {"run": call.actions.ask(call.by, Asking(body["operation"], body["options"], body["run_id"], files)).run}


def _answer(call: Call) -> Any:
    body = call.body
    return _sent(
        call.actions.answer(call.by, call.run, body["path"], body["question"], body["choice"], body["comment"])
    )


def _break_glass(call: Call) -> Any:
    body = call.body
    sent = call.actions.break_glass(call.by, call.run, body["path"], body["question"], body["reason"])
    return {**_sent(sent), "opened": isinstance(sent.event, BreakGlass) and sent.event.opens}


def _cancel(call: Call) -> Any:
    return _sent(call.actions.cancel(call.by, call.run, call.body["reason"], call.body["force"]))


def _resume(call: Call) -> Any:
    call.actions.resume(call.by, call.run)
    return {"run": call.run}


def _workflows(call: Call) -> Any:
    return {"workflows": call.actions.startable(call.by)}


def _workflow(call: Call) -> Any:
    flow = call.actions.workflow(call.by, call.workflow)
    return {"workflow": call.workflow, "name": flow.name, "variables": declared(flow)}


def _sent(sent: Sent) -> dict[str, Any]:
    """What became of something sent to a run. Raises Conflict for an answer that does not count."""
    if isinstance(sent.event, AnswerRefused):
        raise Conflict(sent.event.reason)
    return {"recorded": sent.event is not None, "driver": sent.driver}


# The table


def _texts(most: int, **more: Any) -> dict[str, Any]:
    return {"type": "string", "maxLength": most, **more}


def _object(*names: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": [*names, *properties], "properties": properties}


_TEXT, _FLAG, _TIME = {"type": "string"}, {"type": "boolean"}, {"type": ["number", "null"]}
_SCHEMAS: Mapping[str, Any] = {
    "Run": _object(
        "questions",
        "waits",
        run=_TEXT,
        name=_TEXT,
        state={"enum": _STATES},
        requester=_TEXT,
        began=_TIME,
        last=_TIME,
        ended=_TIME,
        message=_TEXT,
        engine=_TEXT,
        cancelling=_TEXT,
        check=_FLAG,
        workflow=_TEXT,
        problem=_TEXT,
    ),
    "Entry": _object("due", at=_TIME, kind=_TEXT, path=_TEXT, who=_TEXT, text=_TEXT),
    "Waiting": _object(
        "groups",
        "people",
        run=_TEXT,
        name=_TEXT,
        path=_TEXT,
        kind=_TEXT,
        title=_TEXT,
        question=_TEXT,
        since=_TIME,
        deadline=_TIME,
    ),
    "Sent": _object(recorded=_FLAG, driver=_TEXT),
    "Started": _object(run=_TEXT),
}


def _list_of(name: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}


def _of(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


_RUN = f"{BASE}/runs/{{run}}"
_STEP = Field("path", _texts(1000), "The step's path.", required=True)
_NAME = Field("name", _texts(1000), "The file's name.", required=True)
_GONE = (404, 409)
_BYTES = {"type": "string", "format": "binary"}
ENDPOINTS = (
    Endpoint(
        "GET",
        f"{BASE}/runs",
        "listRuns",
        "Runs, the newest first.",
        _runs,
        query=(
            Field("state", {"type": "string", "enum": _STATES}, "Only runs in this state."),
            Field("workflow", _texts(200), "Only runs of the workflow file of this name, without its end.", default=""),
            Field("text", _texts(200), "Only runs with this in id, name or requester.", default=""),
            Field("mine", {"type": "boolean"}, "Only runs that wait for your answer.", default=False),
            Field("limit", {"type": "integer", "minimum": 1, "maximum": 500}, "Runs on a page.", default=50),
            Field("after", _texts(200), "What 'next' of the page before said.", default=""),
        ),
        answer=_object(runs=_list_of("Run"), next=_TEXT, total={"type": "integer"}),
    ),
    Endpoint(
        "POST",
        f"{BASE}/runs",
        "startRun",
        "Start a workflow; whoever owns the token requests the change.",
        _start,
        body=(
            Field("workflow", _texts(100, minLength=1), "The workflow's name, as /workflows lists it.", required=True),
            Field("variables", {"type": "object"}, "Variables, stronger than the workflow's own; never evaluated."),
            Field("limit", _texts(1000, minLength=1), "Limit playbooks to these hosts."),
            Field("check", {"type": "boolean"}, "Check and diff mode; nothing outside is started.", default=False),
            Field(
                "run_id", _texts(100, minLength=1), "The run's id; default: made of the workflow's name and the day."
            ),
        ),
        answer=_of("Started"),
        status=201,
        fails=(404, 422),
    ),
    Endpoint(
        "GET",
        f"{BASE}/workflows",
        "listWorkflows",
        "The workflows you may start.",
        _workflows,
        answer=_object(workflows={"type": "array", "items": _TEXT}),
    ),
    Endpoint(
        "GET",
        f"{BASE}/workflows/{{workflow}}",
        "getWorkflow",
        "A workflow that you may start: its variables with their defaults, null for one that is secret.",
        _workflow,
        answer=_object(workflow=_TEXT, name=_TEXT, variables={"type": "object"}),
        fails=(404, 422),
    ),
    Endpoint(
        "GET",
        f"{BASE}/questions",
        "listQuestions",
        "What waits for your answer, the longest open first.",
        _questions,
        answer=_object(questions=_list_of("Waiting")),
    ),
    Endpoint(
        "POST",
        f"{BASE}/questions",
        "askQuestion",
        "Ask people from a playbook, in a run of its own; the same again with the same 'run_id' asks nobody twice.",
        _ask,
        body=(
            Field("operation", {"type": "string", "enum": list(OPERATIONS)}, "What is asked.", required=True),
            Field(
                "options", {"type": "object", "maxProperties": 20}, "As in a workflow; never evaluated.", required=True
            ),
            Field("run_id", _texts(100, minLength=1), "The run's id, which the playbook finds it by.", required=True),
            Field(
                "files",
                {
                    "type": "array",
                    "maxItems": 100,
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["name", "sha256", "gzip"],
                        "properties": {
                            "name": _texts(200, minLength=1),
                            "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                            "gzip": {"type": "string"},
                        },
                    },
                },
                "What a review shows: each file's content compressed with gzip, in base64, and the SHA-256 of what it holds.",
            ),
        ),
        answer=_of("Started"),
        status=201,
        fails=(409,),
    ),
    Endpoint("GET", _RUN, "getRun", "How a run and its steps stand.", _run, answer=_of("Run"), fails=_GONE),
    Endpoint(
        "GET",
        f"{_RUN}/timeline",
        "getTimeline",
        "Who did what, and when.",
        _timeline,
        answer=_object(entries=_list_of("Entry")),
        fails=_GONE,
    ),
    Endpoint(
        "GET",
        f"{_RUN}/step",
        "getStep",
        "A step with its attempts, results and answers.",
        _step,
        query=(_STEP,),
        answer=_object("attempts", path=_TEXT),
        fails=_GONE,
    ),
    Endpoint(
        "GET",
        f"{_RUN}/shown",
        "getShown",
        "A file that is shown with an open question, such as a diff; only with the digest that the answer is bound to.",
        _shown,
        query=(_STEP, _NAME),
        answer=_BYTES,
        media=_DOWNLOAD,
        fails=_GONE,
    ),
    Endpoint(
        "GET",
        f"{_RUN}/artifact",
        "getArtifact",
        "A file that a step made or fetched, the newest of that name.",
        _artifact,
        query=(_STEP, _NAME),
        answer=_BYTES,
        media=_DOWNLOAD,
        fails=_GONE,
    ),
    Endpoint(
        "GET",
        f"{_RUN}/evidence",
        "getEvidence",
        "The run as it is put before an auditor.",
        _evidence,
        answer=_object("run", "timeline", "answers", "steps", "artifacts"),
        fails=_GONE,
    ),
    Endpoint(
        "GET",
        f"{_RUN}/journal",
        "getJournal",
        "The journal: a JSON object a line, each with the SHA-256 of itself and of the line before.",
        _journal,
        query=(
            Field(
                "after", {"type": "integer", "minimum": 0, "maximum": 2**53}, "Only what follows this 'seq'.", default=0
            ),
        ),
        answer=_BYTES,
        media="application/jsonl",
        fails=_GONE,
    ),
    Endpoint(
        "POST",
        f"{_RUN}/answers",
        "answerQuestion",
        "Answer an open question of an approval, a review or a failed step.",
        _answer,
        body=(
            Field("path", _texts(1000), "The step that asks.", required=True),
            Field(
                "question",
                _texts(100),
                "The id of what you saw asked; an answer to anything else is void.",
                required=True,
            ),
            Field("choice", _texts(100), "One of the question's choices.", required=True),
            Field("comment", _texts(10_000), "Goes into the journal and the change record.", default=""),
        ),
        answer=_of("Sent"),
        fails=_GONE,
    ),
    Endpoint(
        "POST",
        f"{_RUN}/break-glass",
        "breakGlass",
        "Go on at an approval or a review in an emergency, without those asked: it takes two people, and they are reviewed afterwards.",
        _break_glass,
        body=(
            Field("path", _texts(1000), "The step that asks.", required=True),
            Field("question", _texts(100), "The id of what you saw asked.", required=True),
            Field("reason", _texts(10_000, minLength=1), "What the emergency is.", required=True),
        ),
        answer=_object(recorded=_FLAG, driver=_TEXT, opened=_FLAG),
        fails=_GONE,
    ),
    Endpoint(
        "POST",
        f"{_RUN}/cancel",
        "cancelRun",
        "Cancel a run in an orderly way.",
        _cancel,
        body=(
            Field("reason", _texts(10_000), "Why; it goes into the journal.", default=""),
            Field("force", {"type": "boolean"}, "Stop what runs under always as well.", default=False),
        ),
        answer=_of("Sent"),
        fails=_GONE,
    ),
    Endpoint(
        "POST",
        f"{_RUN}/resume",
        "resumeRun",
        "Take up a run that was left alone.",
        _resume,
        answer=_of("Started"),
        fails=_GONE,
    ),
)
_OPENAPI = Endpoint("GET", f"{BASE}/openapi.json", "getDescription", "This description.", _workflows, public=True)
