# The Table API, /api/now/table. Registered by the ServiceNow twin's instance.
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from werkzeug.wrappers import Response

from ansible_collections.netops.changerail.tests.twins.kit.web import Exchange, Refused, Router, answer, nothing
from ansible_collections.netops.changerail.tests.twins.servicenow import errors, query
from ansible_collections.netops.changerail.tests.twins.servicenow.access import may_delete, may_read
from ansible_collections.netops.changerail.tests.twins.servicenow.records import Records, Write
from ansible_collections.netops.changerail.tests.twins.servicenow.schema import TABLES
from ansible_collections.netops.changerail.tests.twins.servicenow.settings import Settings
from ansible_collections.netops.changerail.tests.twins.servicenow.shapes import Look
from ansible_collections.netops.changerail.tests.twins.servicenow.store import Row, Store

DEFAULT_LIMIT = 10000
_NOT_COLUMNS = "sysparm_"


class TableApi:
    """Lists, reads and writes rows of any known table."""

    def __init__(self, store: Store, records: Records, settings: Callable[[], Settings]) -> None:
        self._store, self._records, self._settings = store, records, settings

    def register(self, router: Router) -> None:
        for prefix in ("/api/now", "/api/now/v1", "/api/now/v2"):
            router.add("GET", prefix + "/table/{table}", self.list)
            router.add("POST", prefix + "/table/{table}", self.create)
            router.add("GET", prefix + "/table/{table}/{sys_id}", self.read)
            router.add("PATCH", prefix + "/table/{table}/{sys_id}", self.update)
            router.add("PUT", prefix + "/table/{table}/{sys_id}", self.update)
            router.add("DELETE", prefix + "/table/{table}/{sys_id}", self.delete)

    def list(self, exchange: Exchange) -> Response:
        table = self._table(exchange)
        rows = found_rows(self._store, self._settings(), exchange, table)
        page, headers = paged(exchange, rows, self._settings())
        visible = [row for row in page if may_read(exchange.account, table, row, self._settings())]
        if not rows and "/v1/" in exchange.request.path and self._settings().v1_empty_list_is_404:
            raise errors.no_record()
        look, fields = self._look(exchange), _fields(exchange)
        return answer({"result": [look.table_row(table, row, fields) for row in visible]}, headers=headers)

    def read(self, exchange: Exchange) -> Response:
        table = self._table(exchange)
        return answer({"result": self._look(exchange).table_row(table, self._row(exchange, table), _fields(exchange))})

    def create(self, exchange: Exchange) -> Response:
        table = self._table(exchange)
        written = run(lambda: self._records.create(table, body(exchange), self._write(exchange)))
        location = f"{exchange.base}/api/now/table/{table}/{written.row['sys_id']}"
        headers = {"Location": location} if self._settings().location_header else {}
        return self._echo(exchange, table, written.row, 201, headers)

    def update(self, exchange: Exchange) -> Response:
        table = self._table(exchange)
        row = self._row(exchange, table)
        run(lambda: self._records.update(table, row, body(exchange), self._write(exchange)))
        return self._echo(exchange, table, row, 200, {})

    def delete(self, exchange: Exchange) -> Response:
        table = self._table(exchange)
        row = self._row(exchange, table)
        if not may_delete(exchange.account, table):
            raise errors.acl("Delete")
        self._store.delete(table, row["sys_id"])
        return nothing()

    def _echo(self, exchange: Exchange, table: str, row: Row, status: int, headers: Mapping[str, str]) -> Response:
        if exchange.request.headers.get("X-no-response-body", "").lower() == "true":
            return Response(status=204, headers=headers)
        return answer({"result": self._look(exchange).table_row(table, row, _fields(exchange))}, status, headers)

    def _write(self, exchange: Exchange) -> Write:
        display = exchange.query.get("sysparm_input_display_value") == "true"
        return Write(exchange.account, self._settings(), display, exchange.fault)

    def _look(self, exchange: Exchange) -> Look:
        mode = exchange.query.get("sysparm_display_value", "false")
        links = exchange.query.get("sysparm_exclude_reference_link") != "true"
        return Look(
            self._store,
            self._settings(),
            exchange.account,
            exchange.base,
            mode if mode in ("true", "all") else "false",
            links,
        )

    def _table(self, exchange: Exchange) -> str:
        table = exchange.path["table"]
        if table not in TABLES:
            raise errors.refused(400, f"Invalid table {table}", None)
        return table

    def _row(self, exchange: Exchange, table: str) -> Row:
        row = self._store.tables[table].get(exchange.path["sys_id"])
        if row is None or not may_read(exchange.account, table, row, self._settings()):
            raise errors.no_record()
        return row


def found_rows(store: Store, settings: Settings, exchange: Exchange, table: str) -> list[Row]:
    """The rows a request's query or plain ``column=value`` parameters select, in its order."""
    text = exchange.query.get("sysparm_query", "")
    if not text:
        plain = [(name, value) for name, value in exchange.query.items() if not name.startswith(_NOT_COLUMNS)]
        text = "^".join(f"{name}={value}" for name, value in plain if name in TABLES[table].columns)
    parsed = query.parse(text, table, store, exchange.account.sys_id)
    if parsed.dropped and settings.invalid_query_returns_nothing:
        return []
    return query.run(parsed, table, store)


def paged(exchange: Exchange, rows: Sequence[Row], settings: Settings) -> tuple[Sequence[Row], dict[str, str]]:
    """One page, cut before any ACL is looked at, and the headers that say where the others are."""
    limit, offset = _number(exchange, "sysparm_limit", DEFAULT_LIMIT), _number(exchange, "sysparm_offset", 0)
    headers = {}
    if exchange.query.get("sysparm_no_count") != "true" or settings.total_count_with_no_count:
        headers["X-Total-Count"] = str(len(rows))
    if exchange.query.get("sysparm_suppress_pagination_header") != "true":
        headers["Link"] = _links(exchange, limit, offset, len(rows))
    return rows[offset : offset + limit], headers


def _links(exchange: Exchange, limit: int, offset: int, total: int) -> str:
    last = max(0, (total - 1) // limit * limit) if limit else 0
    places = {"next": offset + limit, "prev": offset - limit, "first": 0, "last": last}
    if offset + limit >= total:
        del places["next"]
    if offset <= 0:
        del places["prev"]
    links = []
    for relation, place in places.items():
        parameters = {**exchange.query, "sysparm_limit": limit, "sysparm_offset": max(0, place)}
        links.append(f'<{exchange.base}{exchange.request.path}?{urlencode(parameters)}>;rel="{relation}"')
    return ",".join(links)


def _number(exchange: Exchange, name: str, default: int) -> int:
    text = exchange.query.get(name, str(default))
    if not text.isdigit():
        raise errors.refused(400, f"Invalid value for {name}: {text}", None)
    return int(text)


def _fields(exchange: Exchange) -> list[str]:
    return [name.strip() for name in exchange.query.get("sysparm_fields", "").split(",") if name.strip()]


def body(exchange: Exchange) -> dict[str, str]:
    """The record in the body, every value as the string the platform stores."""
    kind = exchange.request.mimetype
    if not kind:
        raise errors.refused(400, "Content-Type header is missing", None)
    if kind != "application/json":
        raise errors.refused(415, "Unsupported media type", f"{kind} is not supported")
    document = exchange.request.get_json(silent=True)
    if not isinstance(document, dict):
        raise errors.refused(400, "Exception while reading request", "The payload is not valid JSON")
    return {name: as_text(value) for name, value in document.items()}


def as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return str(value.get("value", ""))
    return str(value)


def run(write: Callable[[], Any]) -> Any:
    """Does a write; a business rule's abort becomes the Table API's answer to it."""
    try:
        return write()
    except errors.Aborted as abort:
        raise Refused(errors.envelope(403, "Operation Failed", abort.text)) from None
