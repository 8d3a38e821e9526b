# Encoded queries: parsed as the platform parses them, invalid fragments silently dropped. Pure but for the store it looks things up in.
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.netops.changerail.tests.twins.servicenow.schema import TABLES, referred
from ansible_collections.netops.changerail.tests.twins.servicenow.store import Row, Store

_OPERATORS = (
    "DOESNOTCONTAIN", "ISNOTEMPTY", "ISEMPTY", "STARTSWITH", "ENDSWITH", "CONTAINS", "NOT LIKE", "NOT IN", "LIKE", "IN", "!=", ">=", "<=", "=", ">", "<",
)  # fmt: skip
_CONDITION = re.compile(rf"(?P<column>[a-z0-9_.]+?)(?P<operator>{'|'.join(_OPERATORS)})(?P<value>.*)", re.DOTALL)


@dataclass(frozen=True)
class Condition:
    column: str
    operator: str
    value: str


@dataclass(frozen=True)
class Query:
    """``sets`` are alternatives (``^NQ``) of conditions that must all hold, each a list of alternatives (``^OR``).

    ``order`` holds (column, descending); ``dropped`` the fragments that were ignored.
    """

    sets: Sequence[Sequence[Sequence[Condition]]]
    order: Sequence[tuple[str, bool]] = ()
    dropped: Sequence[str] = ()


def parse(text: str, table: str, store: Store, user_id: str) -> Query:
    """Reads ``sysparm_query``. ``user_id`` answers ``javascript:gs.getUserID()``."""
    sets: list[list[list[Condition]]] = [[]]
    order: list[tuple[str, bool]] = []
    dropped: list[str] = []
    for fragment in re.split(r"(?<!\^)\^(?!\^)", text.replace("javascript:gs.getUserID()", user_id)):
        fragment = fragment.replace("^^", "^")
        descending = fragment.startswith("ORDERBYDESC")
        if fragment.startswith("ORDERBY"):
            column = fragment.removeprefix("ORDERBYDESC" if descending else "ORDERBY")
            if store.resolve(table, {}, column):
                order.append((column, descending))
            continue
        alternative = fragment.startswith("OR")
        if fragment.startswith("NQ"):
            sets.append([])
        condition = _condition(fragment.removeprefix("NQ").removeprefix("OR"))
        if condition is None or not store.resolve(table, {}, condition.column):
            dropped += [fragment] if fragment and fragment != "EQ" else []
        elif alternative and sets[-1]:
            sets[-1][-1].append(condition)
        else:
            sets[-1].append([condition])
    return Query(sets, order, dropped)


def _condition(fragment: str) -> Condition | None:
    found = _CONDITION.fullmatch(fragment)
    return Condition(found["column"], found["operator"], found["value"]) if found else None


def run(query: Query, table: str, store: Store) -> list[Row]:
    """The matching rows in the wanted order; unordered ones in order of creation."""
    rows = [
        row
        for row in store.tables[table].values()
        if any(all(any(_holds(store, table, row, c) for c in either) for either in every) for every in query.sets)
    ]
    for column, descending in reversed(query.order):
        rows.sort(key=lambda row: _sort_key(_value(store, table, row, column)), reverse=descending)
    return rows


def _value(store: Store, table: str, row: Row, column: str) -> str:
    found = store.resolve(table, row, column)
    return found[1].get(found[2], "") if found else ""


def _sort_key(value: str) -> tuple[int, float, str]:
    return (0, float(value), "") if re.fullmatch(r"-?\d+", value) else (1, 0, value)


def _holds(store: Store, table: str, row: Row, condition: Condition) -> bool:
    value, wanted = _value(store, table, row, condition.column), condition.value
    match condition.operator:
        case "=":
            return value == wanted or _shows(store, table, row, condition)
        case "!=":
            return value != wanted and not _shows(store, table, row, condition)
        case "IN":
            return value in wanted.split(",")
        case "NOT IN":
            return value not in wanted.split(",")
        case "LIKE" | "CONTAINS":
            return wanted in value
        case "NOT LIKE" | "DOESNOTCONTAIN":
            return wanted not in value
        case "STARTSWITH":
            return value.startswith(wanted)
        case "ENDSWITH":
            return value.endswith(wanted)
        case "ISEMPTY":
            return not value
        case "ISNOTEMPTY":
            return bool(value)
    left, right = _sort_key(value), _sort_key(wanted)
    return {">": left > right, "<": left < right, ">=": left >= right, "<=": left <= right}[condition.operator]


def _shows(store: Store, table: str, row: Row, condition: Condition) -> bool:
    """Whether a reference's display value is what is wanted."""
    found = store.resolve(table, row, condition.column)
    if not found:
        return False
    column = TABLES[found[0]].columns[found[2]]
    shown = column.kind == "reference" and store.display_of(referred(column), found[1].get(found[2], ""))
    return bool(shown) and shown == condition.value
