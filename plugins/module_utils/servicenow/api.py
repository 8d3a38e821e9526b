# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ServiceNow's REST APIs on the wire: requests, pages, and what an answer means; only servicenow/records.py uses it.

A status of 200 is believed only when the body is JSON with a ``result`` and no ``error``: a sleeping instance, a single sign-on page and
a cancelled transaction all answer 200.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.failures import FAILED, TRANSIENT
from ansible_collections.netops.changerail.plugins.module_utils.http import Client, Reply
from ansible_collections.netops.changerail.plugins.module_utils.operation import JSON
from ansible_collections.netops.changerail.plugins.module_utils.provider import NoAnswer
from ansible_collections.netops.changerail.plugins.module_utils.servicenow.login import Login, Tokens

TABLE = "api/now/table"
CHANGE = "api/sn_chg_rest/v1/change"
ATTACHMENT = "api/now/attachment"
PAGE = 100
MOST_PAGES = 50
ATTACHMENT_LIMIT = 256 * 1024 * 1024
"""Bytes of an attachment that is read back where the instance tells no digest."""
_JSON = {"Accept": "application/json", "Content-Type": "application/json"}
_RULE = re.compile(r"aborted by Business Rule '([^'^]+)")
_MANDATORY = re.compile(r"mandatory:\s*(.+)", re.DOTALL)
_ACL = re.compile(r"ACL Exception (\w+) Failed")

Row = Mapping[str, JSON]


class NoSuchApi(OperationError):
    """The instance does not have this API: the change management plug-in is not there."""


class Api:
    """Requests to one instance. Every method raises OperationError: transient, failed, or NoAnswer for a write that may have happened."""

    def __init__(self, way_in: Login) -> None:
        self._client = Client(way_in.peer, ATTACHMENT_LIMIT)
        self._tokens = Tokens(self._client, way_in.grant) if way_in.grant else None

    def get(self, path: str, params: Mapping[str, str] | None = None) -> JSON:
        """The ``result`` of a GET."""
        return _result(self._send("GET", path, params))

    def rows(self, table: str, query: str, fits: Callable[[Row], bool], fields: Sequence[str] = ()) -> list[Row]:
        """All rows of a table that the encoded query selects, in its order, each value as ``{"display_value", "value"}``.

        ``fits`` sees every row again, because the platform drops a part of a query it does not understand and answers with more.
        """
        params = {
            "sysparm_query": query,
            "sysparm_display_value": "all",
            "sysparm_exclude_reference_link": "true",
            **({"sysparm_fields": ",".join(fields)} if fields else {}),
        }
        return self._pages(f"{TABLE}/{table}", params, fits)

    def attachments(self, query: str, fits: Callable[[Row], bool]) -> list[Row]:
        """The metadata of attachments, as the attachment API gives it: plain values."""
        return self._pages(ATTACHMENT, {"sysparm_query": query}, fits)

    def _pages(self, path: str, params: Mapping[str, str], fits: Callable[[Row], bool]) -> list[Row]:
        """All rows of a list. A short page is no end: the limit is applied before hidden rows are taken out."""
        found: list[Row] = []
        for number in range(MOST_PAGES):
            reply = self._send(
                "GET", path, {**params, "sysparm_limit": str(PAGE), "sysparm_offset": str(number * PAGE)}
            )
            page = _result(reply)
            found += [row for row in page if fits(row)]
            total = reply.headers.get("x-total-count", "")
            if (number + 1) * PAGE >= int(total) if total.isdigit() else not page:
                return found
        raise OperationError(
            f"GET {reply.url}: the list goes on after {MOST_PAGES * PAGE} rows; ServiceNow may have dropped a part of the query it did not understand"
        )

    def write(self, method: str, path: str, document: Mapping[str, JSON]) -> JSON:
        """The ``result`` of a POST or PATCH."""
        return _result(self._send(method, path, None, json.dumps(document).encode(), _JSON))

    def upload(self, params: Mapping[str, str], content: bytes, kind: str) -> None:
        """Attach a file to the record that ``params`` name."""
        headers = {"Accept": "application/json", "Content-Type": kind}
        reply = self._send("POST", f"{ATTACHMENT}/file", params, content, headers)
        kept = str(_result(reply).get("size_bytes", len(content)))
        if kept != str(len(content)):
            raise OperationError(
                f"POST {reply.url}: ServiceNow kept {kept} bytes of {params['file_name']}, expected {len(content)}"
            )

    def download(self, sys_id: str) -> bytes:
        """The content of an attachment."""
        reply = self._send("GET", f"{ATTACHMENT}/{sys_id}/file", None)
        if "x-attachment-metadata" not in reply.headers:
            reply.raise_for_status()
            raise OperationError(f"GET {reply.url}: something else than the attachment came", TRANSIENT)
        return reply.body

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request; with a token that turned out to be void, once more with a new one."""
        plain = headers or {"Accept": "application/json"}
        if self._tokens is None:
            return self._client.send(method, path, params=params, headers=plain, content=content)
        reply = self._client.send(
            method, path, params=params, headers={**plain, **self._tokens.header()}, content=content
        )
        if reply.status != 401:
            return reply
        self._tokens.renew()
        return self._client.send(
            method, path, params=params, headers={**plain, **self._tokens.header()}, content=content
        )


def _result(reply: Reply) -> JSON:
    """What the answer carries; an OperationError that says what ServiceNow's refusal means otherwise."""
    what = f"{reply.method} {reply.url}"
    try:
        document = json.loads(reply.body)
    except ValueError:
        reply.raise_for_status()
        kind = reply.headers.get("content-type", "nothing") if reply.body else "an empty answer"
        raise _doubtful(
            reply,
            f"{what}: status {reply.status} with {kind} instead of JSON; the instance may be asleep or want a log-in",
        ) from None
    if isinstance(document, dict) and "error" in document:
        raise _complaint(reply, what, document["error"])
    reply.raise_for_status()
    if not isinstance(document, dict) or "result" not in document:
        raise _doubtful(reply, f"{what}: status {reply.status} without a result")
    return document["result"]


def _doubtful(reply: Reply, message: str) -> OperationError:
    """For an answer that does not say whether the request took effect."""
    return OperationError(message, TRANSIENT) if reply.method == "GET" else NoAnswer(message)


def _complaint(reply: Reply, what: str, error: JSON) -> OperationError:
    """The error for an error envelope, with the kind of refusal in words and what to do."""
    fields = error if isinstance(error, dict) else {"message": str(error)}
    text = " ".join(f"{fields.get('message') or ''} {fields.get('detail') or ''}".split())
    if reply.status == 429:
        return OperationError(f"{what}: {text}", TRANSIENT, reply.retry_after)
    if "maximum execution time exceeded" in text or reply.status >= 500:
        return _doubtful(reply, f"{what}: {text}")
    if "does not represent any resource" in text:
        return NoSuchApi(f"{what}: the instance does not have this API", FAILED)
    return OperationError(f"{what}: {_meaning(reply.status, text)}", FAILED)


def _meaning(status: int, text: str) -> str:
    if status == 401:
        return f"401, {text}: these credentials are unknown, or have no access policy for this API"
    rule, mandatory, acl = _RULE.search(text), _MANDATORY.search(text), _ACL.search(text)
    if rule:
        return f"the business rule {rule[1]!r} of the instance refused it; it does not say why, so look at the rule"
    if "Data Policy Exception" in text and mandatory:
        return f"a data policy of the instance wants these fields filled in: {mandatory[1].strip()}"
    if acl:
        return f"the account has no right to {acl[1].lower()} this record (ACL)"
    if status == 404:
        return f"there is no such record, or an ACL hides it ({text})"
    return f"status {status}: {text}"
