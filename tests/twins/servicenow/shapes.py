# How a row looks from outside: the Table API's three modes and the Change API's pairs. For the ServiceNow twin's APIs and page.
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.netops.changerail.tests.twins.servicenow.access import Account
from ansible_collections.netops.changerail.tests.twins.servicenow.clock import shifted
from ansible_collections.netops.changerail.tests.twins.servicenow.schema import TABLES, referred
from ansible_collections.netops.changerail.tests.twins.servicenow.settings import Settings
from ansible_collections.netops.changerail.tests.twins.servicenow.store import Row, Store


@dataclass(frozen=True)
class Look:
    """Who looks and how: ``mode`` is "false" (raw), "true" (display) or "all"; ``links`` whether references carry a link below ``base``."""

    store: Store
    settings: Settings
    account: Account
    base: str
    mode: str = "false"
    links: bool = True

    def table_row(self, table: str, row: Row, fields: Sequence[str]) -> dict[str, Any]:
        """The Table API's record; ``fields`` may dot-walk, empty means all. Unknown and hidden ones are absent."""
        shown = {}
        for name in fields or TABLES[table].columns:
            found = self.store.resolve(table, row, name)
            if found and self._may_read(found[0], found[2]):
                shown[name] = self._table_value(*found)
        return shown

    def change_row(self, table: str, row: Row) -> dict[str, dict[str, Any]]:
        """The Change API's record: every column as ``{value, display_value}``."""
        return {
            name: {"value": self._typed(table, name, row), "display_value": self.display(table, row, name)}
            for name, column in TABLES[table].columns.items()
            if self._may_read(table, name) and column.kind != "journal"
        }

    def display(self, table: str, row: Row, name: str) -> str:
        """What a person sees."""
        column, value = TABLES[table].columns[name], row.get(name, "")
        match column.kind:
            case "reference":
                return self.store.display_of(referred(column), value) or value
            case "choice":
                return column.choices.get(value, value)
            case "datetime":
                return shifted(value, self.settings.time_zone_hours)
            case "journal":
                return self._history(row, name, column.label)
        return value

    def _history(self, row: Row, element: str, label: str) -> str:
        entries = self.store.journal(row["sys_id"], element) if row else ()
        return "".join(
            f"{entry['sys_created_on']} - {entry['sys_created_by']} ({label})\n{entry['value']}\n\n"
            for entry in entries
        )

    def _may_read(self, table: str, name: str) -> bool:
        role = self.settings.field_read_roles.get(f"{table}.{name}")
        return not role or self.account.has(role)

    def _table_value(self, table: str, row: Row, name: str) -> Any:
        column, value = TABLES[table].columns[name], row.get(name, "")
        raw = "" if column.kind == "journal" else value
        shown = self.display(table, row, name)
        if column.kind != "reference":
            return {"false": raw, "true": shown, "all": {"display_value": shown, "value": raw}}[self.mode]
        link = {"link": f"{self.base}/api/now/table/{referred(column)}/{value}"} if self.links and value else {}
        if self.mode == "all":
            return {"display_value": shown, "value": value, **link}
        plain = value if self.mode == "false" else shown
        key = "value" if self.mode == "false" else "display_value"
        return {key: plain, **link} if link else plain

    def _typed(self, table: str, name: str, row: Row) -> Any:
        """A value in the Change API: numbers and booleans as such, where the instance does that."""
        column, value = TABLES[table].columns[name], row.get(name, "")
        if not self.settings.change_api_native_types:
            return value
        if column.kind == "boolean":
            return value == "true"
        if column.kind in ("integer", "choice") and value.lstrip("-").isdigit():
            return int(value)
        return value
