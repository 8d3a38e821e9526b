# A small page to look at the records with a browser. Everything shown is escaped. Registered by the ServiceNow twin's instance.
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape

from werkzeug.wrappers import Response

from ansible_collections.netops.changerail.tests.twins.kit.page import html_page, html_table
from ansible_collections.netops.changerail.tests.twins.kit.web import Exchange, Router
from ansible_collections.netops.changerail.tests.twins.servicenow.access import Account
from ansible_collections.netops.changerail.tests.twins.servicenow.schema import TABLES
from ansible_collections.netops.changerail.tests.twins.servicenow.settings import Settings
from ansible_collections.netops.changerail.tests.twins.servicenow.shapes import Look
from ansible_collections.netops.changerail.tests.twins.servicenow.store import Row, Store

VIEWER = Account("viewer", "", "", ("admin",))
"""Whoever opens the page: the twin listens on loopback only."""
_RELATED = (
    ("Approvals", "sysapproval_approver", "sysapproval", ("approver", "group", "state", "comments", "sys_updated_on")),
    ("Tasks", "change_task", "change_request", ("number", "short_description", "state", "close_code")),
    ("Attachments", "sys_attachment", "table_sys_id", ("file_name", "size_bytes", "hash", "sys_created_by")),
    ("Notes", "sys_journal_field", "element_id", ("sys_created_on", "sys_created_by", "element", "value")),
)
_LISTED = ("number", "short_description", "type", "state", "approval", "close_code", "sys_updated_on")


class Page:
    """Read-only: all changes, and one with all that hangs on it."""

    def __init__(self, store: Store, settings: Callable[[], Settings]) -> None:
        self._store, self._settings = store, settings

    def register(self, router: Router) -> None:
        router.add("GET", "/", self.changes)
        router.add("GET", "/change/{number}", self.by_number)
        router.add("GET", "/nav_to.do", self.by_link)

    def changes(self, exchange: Exchange) -> Response:
        look = self._look(exchange)
        rows = reversed(self._store.find("change_request"))
        cells = [
            [_link(row["number"]), *(escape(look.display("change_request", row, name)) for name in _LISTED[1:])]
            for row in rows
        ]
        return html_page("Change requests", html_table(_labels("change_request", _LISTED), cells))

    def by_number(self, exchange: Exchange) -> Response:
        return self._change(exchange, number=exchange.path["number"])

    def by_link(self, exchange: Exchange) -> Response:
        """The address under which the platform's own page shows a record: ``?uri=change_request.do?sys_id=…``."""
        return self._change(exchange, sys_id=exchange.query.get("uri", "").rpartition("sys_id=")[2])

    def _change(self, exchange: Exchange, **wanted: str) -> Response:
        row = self._store.one("change_request", **wanted)
        if row is None:
            return Response("no such change", 404)
        look = self._look(exchange)
        names = [
            name
            for name, column in TABLES["change_request"].columns.items()
            if row.get(name) and column.kind != "journal"
        ]
        cells = [
            [escape(TABLES["change_request"].columns[name].label), escape(look.display("change_request", row, name))]
            for name in names
        ]
        parts = [html_table((), cells)]
        for title, table, column, shown in _RELATED:
            related = self._store.find(table, **{column: row["sys_id"]})
            parts.append(
                f"<h2>{title}</h2>" + html_table(_labels(table, shown), self._cells(look, table, related, shown))
            )
        return html_page(f"{row['number']} {row['short_description']}", "".join(parts))

    @staticmethod
    def _cells(look: Look, table: str, rows: Iterable[Row], names: Sequence[str]) -> list[list[str]]:
        return [[f"<pre>{escape(look.display(table, row, name))}</pre>" for name in names] for row in rows]

    def _look(self, exchange: Exchange) -> Look:
        return Look(self._store, self._settings(), VIEWER, exchange.base)


def _link(number: str) -> str:
    return f'<a href="/change/{escape(number)}">{escape(number)}</a>'


def _labels(table: str, names: Iterable[str]) -> list[str]:
    return [TABLES[table].columns[name].label for name in names]
