"""The documentation's pages and the examples in them; the tests of the documentation and its pictures use it.

A fenced block is known by its language and content, or by a comment before it, which readers do not see:
``<!-- example: file change.yml -->`` (it is written to that file), ``<!-- example: foreign -->`` (a file of another program: only its
syntax is looked at), ``<!-- example: job -->`` (a session without a terminal, as in a CI job), ``<!-- example: commands -->`` (to be adapted by the
reader: read, not run), ``<!-- example: steps a b -->`` (steps of a workflow that has the variables a and b), ``<!-- example: tasks -->`` (tasks of a play).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
_MARK = re.compile(r"<!-- example: (?P<kind>\w+) ?(?P<argument>.*?) -->")
_COMMAND = re.compile(r"changerail [a-z].*")


@dataclass(frozen=True)
class Block:
    """One fenced block. ``line`` counts from 1 and is that of its fence; ``kind`` is "" where no comment says it."""

    page: Path
    line: int
    language: str
    text: str
    kind: str = ""
    argument: str = ""

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Every page a person reads, the generated ones aside."""
    found = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")]
    for folder in ("docs", "examples", "extensions", "playbooks", "roles"):
        found += sorted((ROOT / folder).rglob("*.md"))
    generated = (ROOT / "docs" / "reference", ROOT / "docs" / "_build")
    return [page for page in found if not any(page.is_relative_to(folder) for folder in generated)]


def blocks(page: Path) -> Iterator[Block]:
    """The fenced and indented blocks of ``page``, in order."""
    mark: re.Match[str] | None = None
    for token in MarkdownIt("commonmark", {"html": True}).parse(page.read_text(encoding="utf-8")):
        if token.type == "html_block":
            mark = _MARK.search(token.content)
        elif token.type in ("fence", "code_block"):
            line = (token.map or [0])[0] + 1
            kind, argument = (mark["kind"], mark["argument"]) if mark else ("", "")
            language = (token.info.strip() or "text") if token.type == "fence" else "shell"
            yield Block(page, line, language, token.content, kind, argument)
            mark = None
        elif token.type not in ("list_item_open", "bullet_list_open", "ordered_list_open"):
            mark = None


def spoken_commands(page: Path) -> Iterator[tuple[int, str]]:
    """Command lines of changerail in running text and tables, with the line of their paragraph."""
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8")):
        for child in token.children or []:
            if child.type == "code_inline" and _COMMAND.fullmatch(child.content):
                yield (token.map or [0])[0] + 1, child.content


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    tokens = MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8"))
    headings = [after.content for before, after in pairwise(tokens) if before.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> Iterator[tuple[int, str]]:
    """Targets of links and pictures, with the line of their paragraph."""
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8")):
        for child in token.children or []:
            target = child.attrGet("href") or child.attrGet("src")
            if target:
                yield (token.map or [0])[0] + 1, str(target)
