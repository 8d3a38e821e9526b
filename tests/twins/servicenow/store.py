# The records of the ServiceNow twin: rows of strings, journal entries, files. Knows no rule but "unknown columns do not exist".
from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.netops.changerail.tests.twins.kit.log import Log
from ansible_collections.netops.changerail.tests.twins.servicenow.clock import Clock
from ansible_collections.netops.changerail.tests.twins.servicenow.schema import TABLES, referred

Row = dict[str, str]


def new_id() -> str:
    """A sys_id: 32 lower-case hex digits."""
    return uuid.uuid4().hex


class Store:
    """Tables of rows by sys_id, in order of creation."""

    def __init__(self, clock: Clock, log: Log) -> None:
        self._clock, self._log = clock, log
        self.tables: dict[str, dict[str, Row]] = {name: {} for name in TABLES}
        self.files: dict[str, bytes] = {}
        self._numbers = 30000

    def insert(self, table: str, values: Mapping[str, str], by: str) -> Row:
        """A new row with defaults, number and system columns; ``by`` is a user_name."""
        definition, now = TABLES[table], self._clock.stamp()
        row = {name: column.default for name, column in definition.columns.items()}
        row |= {
            name: value
            for name, value in values.items()
            if name in definition.columns and definition.columns[name].kind != "journal"
        }
        row |= {
            "sys_id": new_id(),
            "sys_created_on": now,
            "sys_created_by": by,
            "sys_updated_on": now,
            "sys_updated_by": by,
            "sys_class_name": table,
        }
        if definition.prefix:
            self._numbers += 1
            row["number"] = f"{definition.prefix}{self._numbers:07d}"
        self.tables[table][row["sys_id"]] = row
        self._note(table, row, values, by)
        self._log.commit(f"create {table}", row["sys_id"])
        return row

    def update(self, table: str, row: Row, values: Mapping[str, str], by: str) -> None:
        """Writes what differs. A journal entry is always appended."""
        columns = TABLES[table].columns
        new = {n: v for n, v in values.items() if n in columns and columns[n].kind != "journal" and row.get(n) != v}
        noted = self._note(table, row, values, by)
        if not new and not noted:
            return
        row |= new
        row |= {
            "sys_mod_count": str(int(row["sys_mod_count"]) + 1),
            "sys_updated_on": self._clock.stamp(),
            "sys_updated_by": by,
        }
        self._log.commit(f"update {table}", row["sys_id"])

    def delete(self, table: str, sys_id: str) -> None:
        del self.tables[table][sys_id]
        self.files.pop(sys_id, None)
        self._log.commit(f"delete {table}", sys_id)

    def find(self, table: str, **wanted: str) -> list[Row]:
        """The rows whose columns equal ``wanted``, oldest first."""
        return [
            row for row in self.tables[table].values() if all(row.get(name) == value for name, value in wanted.items())
        ]

    def one(self, table: str, **wanted: str) -> Row | None:
        return next(iter(self.find(table, **wanted)), None)

    def journal(self, sys_id: str, element: str) -> Iterator[Row]:
        """The entries of a journal column, newest first."""
        return reversed(self.find("sys_journal_field", element_id=sys_id, element=element))

    def display_of(self, table: str, sys_id: str) -> str:
        """What a reference to that record shows; "" when there is none."""
        row = self.tables.get(table, {}).get(sys_id)
        return row[TABLES[table].display] if row else ""

    def by_display(self, table: str, shown: str) -> str | None:
        """The sys_id of the record that shows itself as ``shown``, or of the user with that user_name."""
        found = self.one(table, **{TABLES[table].display: shown}) or (
            self.one(table, user_name=shown) if table == "sys_user" else None
        )
        return found["sys_id"] if found else None

    def resolve(self, table: str, row: Row, path: str) -> tuple[str, Row, str] | None:
        """Follows a dot-walked column to ``(table, row, column)``; None when no such column exists. An empty reference gives an empty row."""
        *steps, last = path.split(".")
        for step in steps:
            column = TABLES[table].columns.get(step)
            if column is None or column.kind != "reference":
                return None
            table = referred(column)
            row = self.tables[table].get(row.get(step, ""), {})
        return (table, row, last) if last in TABLES[table].columns else None

    def as_dict(self) -> dict[str, Any]:
        return {
            "tables": self.tables,
            "numbers": self._numbers,
            "files": {sys_id: base64.b64encode(content).decode() for sys_id, content in self.files.items()},
        }

    def restore(self, document: Mapping[str, Any]) -> None:
        self.tables = {name: document["tables"].get(name, {}) for name in TABLES}
        self._numbers = document["numbers"]
        self.files = {sys_id: base64.b64decode(content) for sys_id, content in document["files"].items()}

    def _note(self, table: str, row: Row, values: Mapping[str, str], by: str) -> bool:
        """Appends what was written to journal columns; whether there was anything."""
        entries = {
            n: v
            for n, v in values.items()
            if v and n in TABLES[table].columns and TABLES[table].columns[n].kind == "journal"
        }
        for element, value in entries.items():
            self.insert(
                "sys_journal_field",
                {"element": element, "element_id": row["sys_id"], "name": table, "value": value},
                by,
            )
        return bool(entries)
