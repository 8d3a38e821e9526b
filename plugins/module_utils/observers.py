# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``dependency`` looks at: an HTTP API, DNS, a TCP port, a file, a step of another run, a change record. Only that operation calls it.

An observer looks once and never waits longer than a network timeout. "Not there yet" (refused, timed out, 404, NXDOMAIN) is an
observation; what cannot become right by waiting (a wrong certificate, 403) is an OperationError.
"""

from __future__ import annotations

import json
import socket
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ansible_collections.netops.changerail.plugins.module_utils import http
from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.failures import FAILED, TRANSIENT, UNKNOWN
from ansible_collections.netops.changerail.plugins.module_utils.operation import JSON, Context
from ansible_collections.netops.changerail.plugins.module_utils.provider import chosen, records

if TYPE_CHECKING:
    import dns.message

TIMEOUT = 5.0
"""Seconds for one DNS query or TCP connection."""
REPLY_LIMIT = 1024 * 1024
FILE_LIMIT = 1024 * 1024


@dataclass(frozen=True)
class Observation:
    """What was seen at ``target`` (for people, without secrets).

    ``value`` is what ``until`` is evaluated over; None with a ``problem`` when there was nothing to evaluate.
    ``there`` is the answer when the step has no ``until``. ``after`` is when the other side wants to be asked again, in seconds.
    """

    target: str
    value: JSON = None
    there: bool = False
    problem: str = ""
    after: float | None = None


Observer = Callable[[Mapping[str, Any], Context], Observation]


def observe_http(options: Mapping[str, Any], context: Context) -> Observation:
    """A request. The value of an expected status (``status``, else any 2xx) is the JSON body itself; of a body that is no JSON
    ``{"status", "text"}``; of no body ``{"status"}``.
    """
    peer, url = _peer(options, context)
    secrets = (*peer.secrets, *http.secrets_in(url), *http.secrets_in(peer.url))
    client = http.Client(peer, REPLY_LIMIT)
    headers, content = _body(options)
    try:
        reply = client.send(
            options["method"], url, headers=headers, content=content, redirects=options["follow_redirects"]
        )
    except OperationError as error:
        if error.failure not in (TRANSIENT, UNKNOWN):
            raise
        return Observation(
            http.masked(http.redacted(url), secrets), problem=http.masked(str(error), secrets), after=error.retry_after
        )
    expected = reply.status in options["status"] if options["status"] else 200 <= reply.status < 300
    seen = Observation(
        http.masked(reply.url, secrets), http.masked(_content(reply), secrets), expected, after=reply.retry_after
    )
    if expected:
        return seen
    if reply.status in options["not_yet"] or reply.status >= 500:
        return replace(seen, value=None, problem=f"status {reply.status}")
    wanted = ", ".join(map(str, options["status"])) or "2xx"
    shown = " ".join(http.masked(reply.text, secrets).split())[:200]
    raise OperationError(f"{reply.method} {seen.target}: status {reply.status}, expected {wanted}: {shown}", FAILED)


def _peer(options: Mapping[str, Any], context: Context) -> tuple[http.Peer, str]:
    """Whom to ask and at which address; a connection's credentials go to that connection's own host only."""
    name, url, own = (
        options["connection"],
        options["url"],
        {str(key): str(value) for key, value in options["headers"].items()},
    )
    if name is None:
        return http.Peer(url, own, http.credentials_in(url), options["verify"]), url
    peer = http.peer_of(http.connection(context.connections, name))
    if "://" in url and not http.same_place(peer.url, url):
        raise OperationError(
            f"url: {http.redacted(url)} is not at connection {name} ({http.redacted(peer.url) or 'it has no url'})"
        )
    if "://" not in url and not peer.url:
        raise OperationError(f"url: {url} is relative, and connection {name} has no url")
    return replace(peer, headers={**peer.headers, **own}, verify=peer.verify if options["verify"] else False), url


def _body(options: Mapping[str, Any]) -> tuple[dict[str, str], bytes | None]:
    body = options["body"]
    if body is None:
        return {"Accept": "application/json, */*;q=0.5"}, None
    if isinstance(body, str):
        return {"Accept": "application/json, */*;q=0.5"}, body.encode()
    return {"Accept": "application/json", "Content-Type": "application/json"}, json.dumps(body).encode()


def _content(reply: http.Reply) -> JSON:
    if not reply.body:
        return {"status": reply.status}
    try:
        return reply.json()
    except OperationError:
        return {"status": reply.status, "text": reply.text}


def observe_dns(options: Mapping[str, Any], context: Context) -> Observation:
    """A query. The value is ``{"answers": [text], "ttl": seconds or null, "rcode": "NOERROR" | "NXDOMAIN" | …}``; answers are written as
    ``dig +short`` does, but TXT without quotes. They are there when there is an answer of the wanted type.
    """
    import dns.exception
    import dns.message
    import dns.name
    import dns.query
    import dns.rdatatype

    name, kind = options["name"], options["type"].upper()
    target = f"{kind} {name}" + (f" at {options['server']}" if options["server"] else "")
    try:
        query = dns.message.make_query(dns.name.from_text(name), dns.rdatatype.from_text(kind))
    except (dns.exception.DNSException, UnicodeError) as error:
        raise OperationError(f"dns: {target} cannot be asked: {error}") from None
    problem = "no name server is configured on this machine"
    for server in _name_servers(options["server"]):
        try:
            reply, _tcp = dns.query.udp_with_fallback(query, server, TIMEOUT, options["port"])
        except (dns.exception.DNSException, OSError) as error:
            problem = f"{server}: {error or type(error).__name__}"
            continue
        value = _answers(reply, kind)
        return Observation(target, value, bool(value["answers"]))
    return Observation(target, problem=problem)


def _name_servers(server: str | None) -> Sequence[str]:
    """Addresses to ask: the named server's, else those of this machine's resolver."""
    import dns.resolver

    if server is None:
        try:
            return [str(address) for address in dns.resolver.Resolver().nameservers]
        except dns.resolver.NoResolverConfiguration:
            return []
    try:
        return list(dict.fromkeys(str(info[4][0]) for info in socket.getaddrinfo(server, None, type=socket.SOCK_DGRAM)))
    except OSError as error:
        raise OperationError(f"dns: name server {server}: {error.strerror or error}", TRANSIENT) from None


def _answers(reply: dns.message.Message, kind: str) -> dict[str, JSON]:
    import dns.rcode
    import dns.rdatatype

    sets = [found for found in reply.answer if found.rdtype == dns.rdatatype.from_text(kind)]
    texts = [
        b"".join(row.strings).decode("utf-8", errors="replace") if kind == "TXT" else row.to_text()
        for found in sets
        for row in found
    ]
    return {"answers": sorted(texts), "ttl": sets[0].ttl if sets else None, "rcode": dns.rcode.to_text(reply.rcode())}


def observe_tcp(options: Mapping[str, Any], context: Context) -> Observation:
    """A connection, closed at once. The value is ``{"open": true or false}``."""
    target = f"{options['host']} port {options['port']}"
    try:
        socket.create_connection((options["host"], options["port"]), TIMEOUT).close()
    except (OSError, UnicodeError, OverflowError) as error:
        return Observation(target, {"open": False}, problem=str(getattr(error, "strerror", None) or error))
    return Observation(target, {"open": True}, there=True)


def observe_file(options: Mapping[str, Any], context: Context) -> Observation:
    """A file of this machine. The value is ``{"exists": false}`` or ``{"exists": true, "kind": "file" | "folder" | "other", "size": bytes,
    "modified": seconds since the epoch}``, and for a file up to 1 MiB ``content``: its JSON, or its text when it is no JSON.
    """
    path = context.base / options["path"]
    absent = options["state"] == "absent"
    try:
        found = path.stat()
        value: dict[str, JSON] = {
            "exists": True,
            "kind": _kind(found.st_mode),
            "size": found.st_size,
            "modified": found.st_mtime,
        }
        if value["kind"] == "file" and found.st_size <= FILE_LIMIT:
            value["content"] = _parsed(path.read_text(encoding="utf-8", errors="replace"))
    except (FileNotFoundError, NotADirectoryError):
        return Observation(str(path), {"exists": False}, there=absent)
    except (OSError, ValueError) as error:
        raise OperationError(f"file: {path}: {error}") from None
    return Observation(str(path), value, there=not absent)


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "file"
    return "folder" if stat.S_ISDIR(mode) else "other"


def _parsed(text: str) -> JSON:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def observe_step(options: Mapping[str, Any], context: Context) -> Observation:
    """A step of another run on this machine. The value is ``{"state": "running" | "waiting" | "ok" | "failed", "result", "run"}``, ``run``
    being "running" or how that run ended; it is there when the step is ok.
    """
    target = f"step {options['step']} of run {options['run']}"
    seen = context.observe_step(options["run"], options["step"])
    if seen is None:
        return Observation(target, problem="there is no such run here, or it has not come to that step")
    if seen["state"] == "failed" and seen.get("run") != "running":
        raise OperationError(f"{target} failed, and that run is over ({seen.get('run')})")
    return Observation(target, dict(seen), there=seen["state"] == "ok")


def observe_record(options: Any, context: Context) -> Observation:
    """A change record. The value is ``{"number", "state", "type", "approval", "fields"}``; there is nothing to wait for without ``until``."""
    given = options if isinstance(options, Mapping) else {"number": options}
    reference = str(given.get("sys_id") or given.get("number") or "")
    provider = records(chosen(given.get("provider"), "records", context), context)
    target = f"change record {given.get('number') or reference}"
    try:
        record = provider.read(reference)
    except OperationError as error:
        if error.failure != TRANSIENT:
            raise
        return Observation(target, problem=str(error), after=error.retry_after)
    value = {
        "number": record.number,
        "state": record.state,
        "type": record.type,
        "approval": record.approval,
        "fields": dict(record.fields),
    }
    return Observation(target, value)


OBSERVERS: Mapping[str, Observer] = {
    "http": observe_http,
    "dns": observe_dns,
    "tcp": observe_tcp,
    "file": observe_file,
    "step": observe_step,
    "record": observe_record,
}
