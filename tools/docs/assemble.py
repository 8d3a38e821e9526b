# Lays out the sources of the documentation's site; the Makefile calls it: tools/docs/assemble.py FOLDER.
"""The pages of docs/ and ARCHITECTURE.md, the generated reference (reference.py), and the order in which the site shows them.

docs/index.md has the order, as headings with lists of links, which are read on a forge as well. Sphinx wants the same as a toctree.
A link to a file that is no page of the site leads to the repository.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import reference
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
ARCHITECTURE = "ARCHITECTURE.md"
_LINK = re.compile(r"(?<=\]\()(?P<path>[^)#:\s]+)(?P<anchor>#[^)\s]*)?(?=\))")
_HEADING = re.compile(r"## (?P<heading>.+)")
_ENTRY = re.compile(r"- \[[^]]+\]\((?P<page>[^)]+)\)")


def main(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(DOCS, folder)
    repository = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["repository"]
    for page in [*DOCS.rglob("*.md"), ROOT / ARCHITECTURE]:
        text = within_the_site(page, repository)
        target = folder / (page.relative_to(DOCS) if page.is_relative_to(DOCS) else page.name)
        target.write_text(text + ("".join(toctrees(text)) if page == DOCS / "index.md" else ""), encoding="utf-8")
    # antsibull-docs writes into the inner one, and only where nobody else may.
    (folder / "reference" / "collection").mkdir(mode=0o700, parents=True)
    for name, text in reference.pages().items():
        target = folder / "reference" / name
        target.write_text(text, encoding="utf-8")


def within_the_site(page: Path, repository: str) -> str:
    """The page's text, its relative links made for the place the page has in the site."""
    place = (page if page.is_relative_to(DOCS) else DOCS / page.name).parent

    def made(link: re.Match[str]) -> str:
        target = (page.parent / link["path"]).resolve()
        if target == ROOT / ARCHITECTURE:
            target = DOCS / ARCHITECTURE
        if target.is_relative_to(DOCS):
            return os.path.relpath(target, place) + (link["anchor"] or "")
        kind = "tree" if target.is_dir() else "blob"
        return f"{repository}/{kind}/main/{target.relative_to(ROOT)}{link['anchor'] or ''}"

    return _LINK.sub(made, page.read_text(encoding="utf-8"))


def toctrees(index: str) -> Iterator[str]:
    """A hidden toctree for each list of pages under a heading of the index, and one for the reference."""
    chapters: dict[str, list[str]] = {}
    heading = ""
    for line in index.splitlines():
        if found := _HEADING.fullmatch(line):
            heading = found["heading"]
        elif found := _ENTRY.match(line):
            chapters.setdefault(heading, []).append(found["page"].removesuffix(".md"))
    generated = [f"reference/{name.removesuffix('.md')}" for name in reference.pages()]
    chapters["Reference"] = [*generated, "Every option <reference/collection/index>", *chapters["Reference"]]
    for caption, pages in chapters.items():
        entries = "\n".join(pages)
        yield f"\n```{{toctree}}\n:caption: {caption}\n:maxdepth: 1\n:hidden:\n\n{entries}\n```\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
