# The tables of errors in docs/gitlab.md against the sources: each error is documented, and none that nobody raises. Run by pytest.
from __future__ import annotations

import re
from pathlib import Path

from support.messages import GAP, messages

ROOT = Path(__file__).resolve().parents[3]
MODULE_UTILS = ROOT / "plugins" / "module_utils"
SOURCES = [*sorted((MODULE_UTILS / "gitlab").glob("*.py")), MODULE_UTILS / "operations" / "pipeline.py"]
ERRORS = {
    "OperationError": 0,
    "Refused": 0,
    "Missing": 0,
    "NoAnswer": 0,
    "_doubtful": 1,
    "HookRefused": 1,
    "Failed": 1,
}
"""What is called with a message, and which of its arguments that is."""


def rows(heading: str) -> list[str]:
    """The first column of the table below this heading row."""
    text = (ROOT / "docs" / "gitlab.md").read_text()
    table = text.partition(f"| {heading} |")[2].partition("\n\n")[0]
    return re.findall(r"^\| `(.+?)` \|", table, re.MULTILINE)


def raised() -> list[tuple[str, str]]:
    return [(f"{path.name}:{line}", text) for path in SOURCES for line, text in messages(path, ERRORS)]


def fits(row: str, text: str) -> bool:
    """Whether the message has the row's words, in order, with gaps where it names something; a row of few words must be all of it."""
    if len(re.findall(r"\w", row)) < 12:
        return row == re.sub(f"{GAP}+", GAP, text)
    return re.search(".*".join(re.escape(part) for part in row.split(GAP)), text) is not None


def test_each_error_is_documented() -> None:
    documented = rows("Message")
    lacking = [f"{place}: {text}" for place, text in raised() if not any(fits(row, text) for row in documented)]
    assert not lacking


def test_each_documented_error_is_raised() -> None:
    texts = [text for _place, text in raised()]
    assert not [row for row in rows("Message") if not any(fits(row, text) for text in texts)]


def test_what_gitlab_says_is_what_the_twin_says() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "tests" / "twins" / "gitlab").glob("*.py"))
    assert not [row for row in rows("GitLab says") if row not in sources]
    assert rows("GitLab says")


def test_the_messages_are_found(tmp_path: Path) -> None:
    source = tmp_path / "source.py"
    source.write_text('def f(x):\n    text = f"a {x}"\n    raise Error(f"{text} b" + " c", 1)\n')
    assert list(messages(source, {"Error": 0})) == [(3, "a … b c")]
