# The table of errors in docs/servicenow.md against the sources: each error is documented, and none that nobody raises. Run by pytest.
from __future__ import annotations

import re
from pathlib import Path

from support.messages import fits, messages, returned

ROOT = Path(__file__).resolve().parents[3]
MODULE_UTILS = ROOT / "plugins" / "module_utils"
OPERATIONS = [MODULE_UTILS / "operations" / f"{name}.py" for name in ("change_record", "change_task")]
SOURCES = [*sorted((MODULE_UTILS / "servicenow").glob("*.py")), *OPERATIONS, MODULE_UTILS / "record_options.py"]
ERRORS = {"OperationError": 0, "NoAnswer": 0, "NoSuchApi": 0, "_doubtful": 1, "Failed": 1, "_failed": 0}
"""What is called with a message, and which of its arguments that is."""
FOLLOWS = ("_follow", "_reference", "cancel")
"""The functions of the operation approval that follow a record."""
REASONS = ("_meaning", "_why", "_missing_approval")
"""Functions that give a part of a message."""


def rows() -> list[str]:
    """The first column of the table."""
    text = (ROOT / "docs" / "servicenow.md").read_text(encoding="utf-8")
    table = text.partition("| Message |")[2]
    return re.findall(r"^\| `(.+?)` \|", table, re.MULTILINE)


def raised() -> list[tuple[str, str]]:
    """Every message by its place: of the client, of the operations on records, of the HTTP client below, and of the approval that follows a record."""
    found = [(path.name, line, text) for path in SOURCES for line, text in messages(path, ERRORS)]
    found += [(path.name, line, text) for path in SOURCES for line, text in returned(path, REASONS)]
    approval = MODULE_UTILS / "operations" / "approval.py"
    found += [("approval.py", line, text) for line, text in messages(approval, ERRORS, FOLLOWS)]
    http = MODULE_UTILS / "http.py"
    found += [("http.py", line, text) for line, text in messages(http, ERRORS) if not text.startswith("connection ")]
    return [(f"{name}:{line}", text) for name, line, text in found]


def test_each_error_is_documented() -> None:
    documented = rows()
    assert not [f"{place}: {text}" for place, text in raised() if not any(fits(row, text) for row in documented)]


def test_each_documented_error_is_raised() -> None:
    texts = [text for _place, text in raised()]
    assert not [row for row in rows() if not any(fits(row, text) for text in texts)]
