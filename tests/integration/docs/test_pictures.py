# The pictures of terminals are what changerail prints today, times aside; each picture is shown on a page, and each that a page shows is there.
from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from pathlib import Path

from support.pages import ROOT, blocks, pages

PICTURES = ROOT / "docs" / "pictures"
_SHOWN = re.compile(r"pictures/([\w-]+\.(?:svg|png))")
_TIMES = re.compile(r"\b\d+(\.\d+)?(ms|s|m|h)\b|\d{4}-\d\d-\d\d|\d\d:\d\d")


def words(picture: Path) -> list[str]:
    """What can be read in it, line by line as far as it has lines, without times."""
    text = re.sub(r"<style>.*?</style>|<[^>]*>", " ", picture.read_text(encoding="utf-8"), flags=re.DOTALL)
    return _TIMES.sub("", html.unescape(text)).split()


def test_make_pictures_draws_them_all_and_the_same(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, str(ROOT / "tools" / "docs" / "pictures.py"), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        check=True,
        timeout=250,
    )
    drawn = {picture.name: words(picture) for picture in tmp_path.iterdir()}
    kept = {picture.name: words(picture) for picture in PICTURES.glob("*.svg")}
    assert drawn == kept, "what changerail prints has changed: `make pictures`, look at them, commit them"


def test_each_is_shown_and_each_that_is_shown_is_there() -> None:
    shown = {name for page in pages() for name in _SHOWN.findall(page.read_text(encoding="utf-8"))}
    assert shown == {picture.name for picture in PICTURES.iterdir()}


def test_the_run_beside_readmes_workflow_is_its_run() -> None:
    workflow = next(block.text for block in blocks(ROOT / "README.md") if block.language == "yaml")
    names = re.findall(r"name: (.+)|import_playbook: (\w+)", workflow)
    expected = {word for pair in names for word in "".join(pair).split()}
    assert expected <= set(words(PICTURES / "run.svg"))
    assert expected <= set(words(PICTURES / "waiting.svg"))
