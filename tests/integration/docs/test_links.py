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
