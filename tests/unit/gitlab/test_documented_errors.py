# The tables of errors in docs/gitlab.md against the sources: each error is documented, and none that nobody raises. Run by pytest.
from __future__ import annotations

import re
from pathlib import Path

from support.messages import GAP, fits, messages

ROOT = Path(__file__).resolve().parents[3]
MODULE_UTILS = ROOT / "plugins" / "module_utils"
SOURCES = [
    *sorted((MODULE_UTILS / "gitlab").glob("*.py")),
    MODULE_UTILS / "hooks" / "gitlab.py",
    MODULE_UTILS / "hook.py",
    MODULE_UTILS / "operations" / "pipeline.py",
]
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


UNUSED = (
    f"connection {GAP}: changerail.yml has no connection of that name; it has: {GAP}",
    f"{GAP} {GAP}: expected JSON, got {GAP} with status {GAP}",
)
"""What the HTTP client says to others: GitLab's has no connection by name, and reads JSON itself."""


def rows(heading: str) -> list[str]:
    """The first column of the table below this heading row."""
    text = (ROOT / "docs" / "gitlab.md").read_text()
    table = text.partition(f"| {heading} |")[2].partition("\n\n")[0]
    return re.findall(r"^\| `(.+?)` \|", table, re.MULTILINE)


def raised() -> list[tuple[str, str]]:
    """Every message by its place: of the client, of the operation, of an approval that is given in GitLab, and of the HTTP client below."""
    found = [(path.name, line, text) for path in SOURCES for line, text in messages(path, ERRORS)]
    approval = MODULE_UTILS / "operations" / "approval.py"
    found += [("approval.py", line, text) for line, text in messages(approval, ERRORS, ("_judged",))]
    http = [(line, text) for line, text in messages(MODULE_UTILS / "http.py", ERRORS) if text not in UNUSED]
    found += [("http.py", line, text) for line, text in http]
    return [(f"{name}:{line}", text) for name, line, text in found]


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
