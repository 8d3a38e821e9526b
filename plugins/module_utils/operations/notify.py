# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation ``notify``: tell people and channels, through Apprise.

The engine, the module and any other driver find it with ``operation.find``.

No mail server can be asked whether it already has a message, so what was sent is marked in the step's folder: a retry tells only
those who were not told. After a crash in the middle of sending, that one message is sent again: twice is better than never.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from ansible_collections.netops.changerail.plugins.module_utils import http
from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.failures import FAILED, TRANSIENT
from ansible_collections.netops.changerail.plugins.module_utils.files import artifact_of, write_json
from ansible_collections.netops.changerail.plugins.module_utils.operation import (
    JSON,
    Artifact,
    Call,
    Context,
    Done,
    Failed,
    Operation,
    Outcome,
)

TERMINAL = "terminal"
"""A channel that is always there: the message is in the step's result, for whatever shows the run."""
REQUESTER = "requester"
"""Stands for the person who requested the run."""
_TLS = {"none": ("mailto", ""), "starttls": ("mailtos", "starttls"), "tls": ("mailtos", "ssl")}


@dataclass(frozen=True)
class _Target:
    """Somebody to tell: the name for people, and the Apprise URL, which is a secret."""

    name: str
    url: str

    @property
    def kind(self) -> str:
        """How it is told: the URL's scheme."""
        return self.url.partition("://")[0]


@dataclass(frozen=True)
class _Message:
    title: str
    text: str
    files: Sequence[Artifact]

    def digest(self, target: _Target) -> str:
        """What makes this message to this target the same one in another attempt."""
        parts = [target.url, self.title, self.text, *(file.sha256 for file in self.files)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


class Notify(Operation):
    """Send a message to channels, groups and people of the project file, to the requester, or to Apprise URLs."""

    name = "notify"
    options: Mapping[str, Mapping[str, Any]] = {
        "to": {"type": "list", "elements": "str", "required": True},
        "message": {"type": "str", "required": True, "aliases": ["msg"]},
        "title": {"type": "str", "default": ""},
        "attach": {"type": "list", "elements": "raw", "default": []},
    }

    def start(self, call: Call) -> Outcome:
        """Tell everybody who was not told yet."""
        targets = _targets(call)
        message = _Message(
            call.args["title"], call.args["message"], [_file(given, call.context) for given in call.args["attach"]]
        )
        result: dict[str, JSON] = {"delivered": [], "undelivered": [], "message": message.text, "title": message.title}
        result["terminal"] = TERMINAL in call.args["to"]
        if call.context.check:
            return Done({**result, "would_tell": [target.name for target in targets]})
        failures = set()
        for target in targets:
            problem = _deliver(target, message, call.context)
            row = {"to": target.name, "by": target.kind}
            if problem is None:
                result["delivered"].append(row)
            else:
                result["undelivered"].append({**row, "problem": str(problem)})
                failures.add(problem.failure)
        if failures:
            told = ", ".join(row["to"] for row in result["delivered"]) or "nobody"
            problems = "; ".join(f"{row['to']} by {row['by']}: {row['problem']}" for row in result["undelivered"])
            return Failed(TRANSIENT if TRANSIENT in failures else FAILED, f"told {told}; not told: {problems}", result)
        told = ", ".join(row["to"] for row in result["delivered"])
        shown = ": ".join(filter(None, (message.title, message.text))) if result["terminal"] else ""
        return Done(result, changed=bool(targets), message=shown or f"told {told}")

    def poll(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        """Sending does not wait for anything, so there is nothing to look at."""
        raise OperationError("notify never waits")

    def cancel(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        """What was sent cannot be taken back."""
        return Done()


OPERATION = Notify()


def _targets(call: Call) -> list[_Target]:
    """Whom ``to`` means, each address once. Raises OperationError for unknown names and people who cannot be reached."""
    found: dict[str, _Target] = {}
    for name in call.args["to"]:
        for target in _named(name, call.context):
            found.setdefault(target.url, target)
    return list(found.values())


def _named(name: str, context: Context) -> list[_Target]:
    settings = context.settings
    channels, groups, people = (settings.get(part) or {} for part in ("channels", "groups", "people"))
    if name == TERMINAL:
        return []
    if name in channels:
        return [_Target(name, url) for url in channels[name]]
    if name in groups:
        return [target for person in groups[name] for target in _person(person, people, context)]
    if name == REQUESTER or name in people:
        return _person(context.requester if name == REQUESTER else name, people, context)
    if "://" in name:
        return [_Target(f"{name.partition('://')[0]}://…", name)]
    known = ", ".join(sorted({TERMINAL, REQUESTER, *channels, *groups, *people}))
    raise OperationError(
        f"to: {name!r} is no channel, group or person of changerail.yml and no address; known are {known}"
    )


def _person(name: str, people: Mapping[str, Mapping[str, JSON]], context: Context) -> list[_Target]:
    """How to reach a person: the addresses they want to be told at, else their mail."""
    person = people.get(name) or {}
    if person.get("notify"):
        return [_Target(name, url) for url in person["notify"]]
    if not person.get("mail"):
        raise OperationError(
            f"to: {name!r} cannot be reached: changerail.yml has neither notify nor mail for this person"
        )
    if "mail" not in context.connections:
        raise OperationError(
            f"to: {name!r} is told by mail, but changerail.yml has no connections.mail with the mail server"
        )
    return [_Target(name, _mail_url(context.connections["mail"], str(person["mail"])))]


def _mail_url(server: Mapping[str, JSON], to: str) -> str:
    """The Apprise URL for a mail: ``connections.mail`` has host, port, from, username, password and tls (none, starttls or tls)."""
    scheme, mode = _TLS.get(str(server.get("tls") or "none"), ("", ""))
    if not scheme or not server.get("host") or not server.get("from"):
        raise OperationError("connections.mail: expected host, from, and tls as one of none, starttls and tls")
    login = (
        f"{quote(str(server['username']), safe='')}:{quote(str(server.get('password') or ''), safe='')}@"
        if server.get("username")
        else ""
    )
    port = f":{server['port']}" if server.get("port") else ""
    query = {"from": str(server["from"]), "to": to, **({"mode": mode} if mode else {})}
    return f"{scheme}://{login}{server['host']}{port}?{urlencode(query)}"


def _file(given: Any, context: Context) -> Artifact:
    """A file to attach: a path, or an artifact of a result, which must still be what it was."""
    artifact = given if isinstance(given, Mapping) else {"path": str(given)}
    path = context.base / str(artifact.get("path") or "")
    try:
        found = artifact_of(path, str(artifact.get("name") or path.name))
    except OSError as error:
        raise OperationError(f"attach: {path}: {error.strerror}") from None
    if artifact.get("sha256") not in (None, found.sha256):
        raise OperationError(f"attach: {path} is not the artifact {found.name!r} any more: its SHA-256 changed")
    return found


def _deliver(target: _Target, message: _Message, context: Context) -> OperationError | None:
    """Send unless it was sent; what went wrong, or None."""
    mark = _marks(context) / f"{message.digest(target)}.json"
    if mark.exists() and json.loads(mark.read_bytes())["state"] == "sent":
        return None
    write_json(mark, {"to": target.name, "by": target.kind, "state": "sending", "at": context.clock()})
    try:
        _send(target, message)
    except OperationError as error:
        return error
    write_json(mark, {"to": target.name, "by": target.kind, "state": "sent", "at": context.clock()})
    return None


def _marks(context: Context) -> Path:
    """The folder of the marks, which all attempts of the step share."""
    is_attempts = context.folder.name == f"attempt-{context.attempt}"
    folder = (context.folder.parent if is_attempts else context.folder) / "sent"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _send(target: _Target, message: _Message) -> None:
    """Send one message. Raises OperationError: failed when the address cannot be understood, transient when it could not be delivered."""
    import apprise

    with _complaints() as complaints:
        plugin = apprise.Apprise.instantiate(
            target.url, asset=apprise.AppriseAsset(app_id="changerail", async_mode=False)
        )
        if plugin is None:
            raise OperationError("its address is none that Apprise understands", FAILED)
        files = apprise.AppriseAttachment(
            [f"{Path(file.path).absolute().as_uri()}?{urlencode({'name': file.name})}" for file in message.files]
        )
        delivered = plugin.notify(body=message.text, title=message.title, body_format="text", attach=files or None)
    if not delivered:
        reasons = "; ".join(complaints) or "it was not accepted"
        raise OperationError(http.masked(reasons, _secrets(target.url)), TRANSIENT)


def _secrets(url: str) -> tuple[str, ...]:
    """Every part of an address but its host: in a chat's or pager's address all of them are secret."""
    rest = url.partition("://")[2]
    parts = [part for separator in "/?&=:@#" for part in rest.split(separator)]
    host = rest.rpartition("@")[2].partition("/")[0].partition("?")[0]
    return (
        *http.secrets_in(url),
        *(part for part in parts if part not in (host, host.partition(":")[0]) and len(part) > 3),
    )


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What Apprise logs in this thread in the meantime: it says no other way why a delivery failed."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == threading.get_ident() and record.levelno >= logging.WARNING:
                heard.append(record.getMessage())

    heard: list[str] = []
    handler, logger = Handler(), logging.getLogger("apprise")
    logger.addHandler(handler)
    try:
        yield heard
    finally:
        logger.removeHandler(handler)
