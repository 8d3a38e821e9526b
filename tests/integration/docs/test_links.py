# Links between pages lead somewhere: to a file that is there, and to a heading that is in it.
from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from support.pages import ROOT, anchors, links, pages

# Written by `make docs`; Sphinx itself checks the links into them.
GENERATED = (ROOT / "docs" / "reference", ROOT / "docs" / "collections")


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_of_a_page(page: Path) -> None:
    broken = []
    for line, target in links(page):
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            continue
        path = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        if any(path.is_relative_to(folder) for folder in GENERATED):
            continue
        if not path.exists():
            broken.append(f"{page.name}:{line}: {target}: there is no such file")
        elif parts.fragment and path.suffix == ".md" and parts.fragment not in anchors(path):
            broken.append(f"{page.name}:{line}: {target}: no such heading; there are {sorted(anchors(path))}")
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("index", ["README.md", "docs/index.md"])
def test_every_page_is_named_where_a_reader_begins(index: str) -> None:
    """In docs/index.md as an entry of a list: `make docs` takes the site's order from it."""
    named = {(ROOT / index).parent.joinpath(target.partition("#")[0]).resolve() for line, target in links(ROOT / index)}
    missing = [
        page for page in pages() if page.is_relative_to(ROOT / "docs") and page.name != "index.md" and page not in named
    ]
    assert not missing, f"{index} does not name {[str(page.relative_to(ROOT)) for page in missing]}"
