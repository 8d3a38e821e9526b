# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs at a ``changerail serve``, through its REST API; ``places.of_environment`` gives it where ``$CHANGERAIL_SERVER`` names one.

A run is fetched as its journal and folded here with the views that local runs are shown with; the chain of its lines is verified on the way.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from gzip import compress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from ansible_collections.netops.changerail.plugins.module_utils.errors import (
    AuthorError,
    ChangerailError,
    RunError,
    UnknownRun,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.core.events import RunStarted
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.codec import Record, records
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import NEWEST, History
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.sending import Became
from ansible_collections.netops.changerail.plugins.plugin_utils.views.detail import StepDetail
from ansible_collections.netops.changerail.plugins.plugin_utils.views.status import RunStatus, status
from ansible_collections.netops.changerail.plugins.plugin_utils.views.summary import RunSummary, from_dict, summary
from ansible_collections.netops.changerail.plugins.plugin_utils.views.waiting import OpenQuestion

if TYPE_CHECKING:
    import requests

SERVER, TOKEN = "CHANGERAIL_SERVER", "CHANGERAIL_TOKEN"
_CONFLICT = 409
"""The status of what cannot be done as the run stands now, such as an answer that does not count."""
_AWAY = (502, 503, 504)
"""What a server says that starts, or the proxy in front of one that is away."""
_YOURSELF = "a name or a key of your own is for runs on this machine: at a server you are whose token it is"
_PATIENCE = (10, 60)
"""Seconds to connect, and between two pieces of an answer."""
_LOOK_AGAIN = 1.0
"""Seconds between two looks at a run that is followed."""
_TRIES, _PAUSE, _LONGEST_PAUSE = 10, 0.25, 10.0
"""How often a server that was there is asked again while it restarts, and the seconds between, which double: a minute in all."""
_PAGE, _PAGES = 500, 200
MOST_SENT = 900_000
"""Bytes of packed files in one request; a server takes a million in all."""
_NOTHING = 2**53
"""A ``seq`` that no journal comes to."""


class AnsweredBy(ChangerailError):
    """The server refused: ``status`` is that of HTTP."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Remote:
    """The runs of the server at ``url``, as the owner of ``token`` may see them. Raises AuthorError for an address a token must not be sent to."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise AuthorError(f"{SERVER}={url}: expected an address such as https://changes.example.net")
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise AuthorError(f"{SERVER}={url}: a token is not sent without TLS to another machine; use https")
        if not token:
            raise AuthorError(f"{SERVER} is set and {TOKEN} is not: 'changerail token add' at the server makes one")
        self.url = url.rstrip("/")
        self._token = token
        self._reached = False

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] | None = None) -> Remote | None:
        """The server that ``environment`` (default: this process's) names, None when it names none. Raises AuthorError."""
        environment = os.environ if environment is None else environment
        url = environment.get(SERVER, "")
        return cls(url, environment.get(TOKEN, "")) if url else None

    def find(self, name: str) -> str:
        """The id of the run called ``name``, as ``runs.history.find`` takes it. Raises UnknownRun."""
        if name == NEWEST:
            newest = self._call("GET", "/runs", limit=1)["runs"]
            if not newest:
                raise UnknownRun(f"there are no runs at {self.url} yet, or none that you may see")
            return str(newest[0]["run"])
        # A run that has just been started is in no list yet.
        with suppress(UnknownRun):
            self._journal(name, _NOTHING)
            return name
        listed = [str(run["run"]) for run in self._call("GET", "/runs", text=name[:200], limit=_PAGE)["runs"]]
        found = [run for run in listed if run == name] or [
            run for run in listed if run.startswith(name) or run.endswith(name)
        ]
        if len(found) == 1:
            return found[0]
        if found:
            raise UnknownRun(f"run {name!r}: could be: {', '.join(found[:10])}")
        raise UnknownRun(f"run {name!r}: none of that name at {self.url} that you may see")

    def summaries(self, mine: bool, config: str | None = None) -> Iterator[tuple[str, RunSummary | ChangerailError]]:
        """Every run, the newest first, or only those that wait for the token's owner; for a run that cannot be read the error."""
        if config:
            raise AuthorError("--config is for runs on this machine: the server has a project file of its own")
        after = ""
        for _page in range(_PAGES):
            page = self._call("GET", "/runs", limit=_PAGE, after=after, mine="true" if mine else "false")
            for document in page["runs"]:
                problem = document.pop("problem", "")
                unreadable = document["state"] == "unreadable"
                yield document["run"], RunError(problem) if unreadable else from_dict(document)
            after = page["next"]
            if not after:
                return

    def history(self, name: str) -> History:
        """The run's workflow and events. Its ``folder`` has the run's id and nothing else that is true here. Raises UnknownRun, JournalDamaged."""
        return self._history(self.find(name))

    def existing(self, run: str) -> History | None:
        """The history of the run of exactly this id, None when there is none that the token's owner may see. Raises JournalDamaged."""
        try:
            return self._history(run)
        except UnknownRun:
            return None

    def grown(self, past: History) -> History:
        """The same run with what was written since. Raises UnknownRun, JournalDamaged."""
        last = past.records[-1]
        return replace(past, records=(*past.records, *records(self._journal(past.folder.run, last.seq), last)))

    def _history(self, run: str) -> History:
        from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load_sources

        found = tuple(records(self._journal(run, 0)))
        first = found[0].event if found else None
        if not isinstance(first, RunStarted):
            raise UnknownRun(f"run {run}: its journal at {self.url} holds no run yet")
        workflow = load_sources(first.main, first.sources, first.folder)
        return History(RunFolder(Path(run)), first, workflow, found)

    def follow(self, past: History) -> Iterator[Record]:
        """The records after ``past`` as they are written, without an end."""
        while True:
            before, past = len(past.records), self.grown(past)
            yield from past.records[before:]
            if len(past.records) == before:
                time.sleep(_LOOK_AGAIN)

    def start(
        self, workflow: str, variables: Mapping[str, Any], limit: str | None, check: bool, run: str | None
    ) -> str:
        """Start the workflow of this name at the server; the run's id."""
        body = {"workflow": workflow, "variables": dict(variables), "limit": limit, "check": check, "run_id": run}
        given = {name: value for name, value in body.items() if value is not None}
        return str(self._call("POST", "/runs", given)["run"])

    def declared(self, workflow: str) -> dict[str, Any]:
        """The variables of the workflow of this name with their defaults, None for one that is secret."""
        return dict(self._call("GET", f"/workflows/{_quoted(workflow)}")["variables"])

    def ask(self, operation: str, options: Mapping[str, Any], run: str, files: Mapping[str, bytes]) -> None:
        """Have people asked in the run of this id, with ``files`` to review by name. Asked again it is the same run, so it is sent again when need be.

        Raises AuthorError for more than a request can carry.
        """
        body = {"operation": operation, "options": dict(options), "run_id": run, "files": _packed(files)}
        self._call("POST", "/questions", body, again=True)

    @property
    def driver(self) -> str:
        return self.url

    def __str__(self) -> str:
        return f"at {self.url}"

    def status(self, past: History) -> RunStatus:
        """The history alone tells it: the server drives every run."""
        return status(past.workflow, past.events)

    def is_over(self, past: History) -> bool:
        return summary(self.history(past.folder.run).events).over

    def shown(self, past: History, asked: OpenQuestion, name: str) -> bytes:
        return self._file(past, "shown", asked.path, name)

    def artifact(self, past: History, step: StepDetail, name: str) -> bytes:
        return self._file(past, "artifact", step.path, name)

    def output(self, past: History, step: StepDetail) -> bytes | None:
        """Only once it is an artifact."""
        found = next((attempt.output for attempt in reversed(step.attempts) if attempt.output is not None), None)
        return None if found is None else self.artifact(past, step, found.name)

    def output_place(self, past: History, step: StepDetail) -> None:
        """Nothing of a run lies on this machine."""

    def journal_place(self, past: History) -> None:
        """Nothing of a run lies on this machine."""

    def answer(
        self, past: History, asked: OpenQuestion, choice: str, comment: str, person: str = "", key: Path | None = None
    ) -> Became:
        if person or key is not None:
            raise AuthorError(_YOURSELF)
        body = {"path": asked.path, "question": asked.question.id, "choice": choice, "comment": comment}
        return self._say(past, "answers", body)

    def break_glass(self, past: History, asked: OpenQuestion, reason: str) -> Became:
        body = {"path": asked.path, "question": asked.question.id, "reason": reason}
        return self._say(past, "break-glass", body)

    def resume(self, past: History) -> None:
        """Have the server take the run up, where it left it alone."""
        self._call("POST", f"/runs/{_quoted(past.folder.run)}/resume")

    def cancel(self, past: History, reason: str, person: str, force: bool) -> Became:
        if person:
            raise AuthorError(_YOURSELF)
        body = {"reason": reason, "force": force}
        said = self._call("POST", f"/runs/{_quoted(past.folder.run)}/cancel", body)
        return Became(bool(said["recorded"]), self.url)

    def _say(self, past: History, kind: str, body: Mapping[str, Any]) -> Became:
        try:
            said = self._call("POST", f"/runs/{_quoted(past.folder.run)}/{kind}", body)
        except AnsweredBy as error:
            if error.status != _CONFLICT:
                raise
            return Became(True, self.url, str(error))
        return Became(bool(said["recorded"]), self.url, opened=bool(said.get("opened")))

    def _file(self, past: History, kind: str, path: str, name: str) -> bytes:
        return self._sent("GET", f"/runs/{_quoted(past.folder.run)}/{kind}", None, {"path": path, "name": name}).content

    def _journal(self, run: str, after: int) -> list[bytes]:
        content = self._sent("GET", f"/runs/{_quoted(run)}/journal", None, {"after": after}).content
        return content.splitlines(keepends=True)

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, again: bool = False, **query: Any
    ) -> dict[str, Any]:
        response = self._sent(method, path, body, query, again)
        try:
            document: dict[str, Any] = response.json()
        except ValueError:
            raise RunError(
                f"{self.url}: answered {path} with something else than JSON; is it a changerail server?"
            ) from None
        return document

    def _sent(
        self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, Any], again: bool = False
    ) -> requests.Response:
        """Send it; with ``again`` also what does something may be sent twice."""
        import requests
        from requests.adapters import HTTPAdapter
        from urllib3.util import Retry

        headers = {"Accept": "*/*"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        # A look is repeated while the server restarts, a deed is not: whoever gave the order sees that it may not have come through.
        retry = Retry(
            total=_TRIES if self._reached and (method == "GET" or again) else 0,
            allowed_methods=None,
            # One that takes a question and says nothing is not asked for ten minutes.
            read=2,
            backoff_factor=_PAUSE,
            backoff_max=_LONGEST_PAUSE,
            status_forcelist=_AWAY,
            raise_on_status=False,
        )
        try:
            with requests.Session() as session:
                session.mount(self.url, HTTPAdapter(max_retries=retry))
                response = session.request(
                    method,
                    f"{self.url}/api/v1{path}",
                    params=query,
                    data=None if body is None else json.dumps(body, default=str).encode(),
                    headers=headers,
                    auth=self._signed,
                    timeout=_PATIENCE,
                    allow_redirects=False,
                )
        except requests.RequestException as error:
            raise RunError(
                f"{self.url}: cannot be reached ({type(error).__name__}); is it running, and is {SERVER} right?"
            ) from None
        self._reached = self._reached or response.status_code not in _AWAY
        if response.status_code >= 300:
            raise self._error(response)
        return response

    def _signed(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # As an ``auth`` it comes before what a .netrc says of the host.
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _error(self, response: requests.Response) -> ChangerailError:
        status = response.status_code
        try:
            message = str(response.json()["error"]["message"])
        except (ValueError, KeyError, TypeError):
            message = f"answered with status {status}"
        said = f"{self.url}: {message}"
        if status == 404:
            return UnknownRun(said)
        return AuthorError(said) if status in (400, 401, 403, 422) else AnsweredBy(said, status)


def _packed(files: Mapping[str, bytes]) -> list[dict[str, str]]:
    packed = [
        {"name": name, "sha256": hashlib.sha256(content).hexdigest(), "gzip": b64encode(compress(content)).decode()}
        for name, content in files.items()
    ]
    if sum(len(file["gzip"]) for file in packed) > MOST_SENT:
        raise AuthorError(
            f"{', '.join(files)}: too large to be reviewed at a server: expected at most {MOST_SENT} bytes, compressed and in base64; "
            "show a part of it, such as the differences alone"
        )
    return packed


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _quoted(run: str) -> str:
    return quote(run, safe="")
