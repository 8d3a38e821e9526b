# Makes the pictures of the server's pages: PYTHONPATH=tests tools/docs/pages.py FOLDER; `make pictures` runs it.
"""The reference flow as `make demo PEOPLE=web` runs it, in Chromium: the run while people are asked, the review of the diff, the same on a phone at night."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page
from support.browsing import PHONE, Visitor, chromium
from support.pages import ROOT

SIZE = (1000, 640)
PATIENCE = 180.0


def main(pictures: Path) -> None:
    with tempfile.NamedTemporaryFile() as said:
        demo = subprocess.Popen(
            [sys.executable, "-m", "examples.demo.demo"], cwd=ROOT, env={**os.environ, "PEOPLE": "web"}, stdout=said
        )
        try:
            photographed(demo, Path(said.name), pictures)
        finally:
            demo.send_signal(signal.SIGTERM)
            demo.wait(PATIENCE)


def photographed(demo: subprocess.Popen[bytes], said: Path, pictures: Path) -> None:
    url = _when_there(demo, said, r"Open (http://\S+) and sign in")
    passwords = dict(re.findall(r"^  ([\w-]+) +(\S{12})  ", said.read_text(), re.MULTILINE))
    with chromium() as browser:
        security = Visitor(browser, url, size=SIZE).signs_in("security-engineer", passwords["security-engineer"])
        page = security.goes("/waiting")
        page.locator(".cards a").first.click()
        page.get_by_role("button", name="approve", exact=True).click()
        page.wait_for_url(re.compile("/runs/demo$"))

        peer = Visitor(browser, url, size=SIZE).signs_in("peer", passwords["peer"])
        page = peer.goes("/waiting")
        page.locator(".cards a").first.wait_for(timeout=PATIENCE * 1000)
        _taken(peer.goes("/runs/demo"), pictures / "page-run.png", 900)
        question = "/runs/demo/question?path=change%2Freview-the-diff"
        _taken(peer.goes(question), pictures / "page-review.png", 900)
        night = Visitor(browser, url, size=PHONE, dark=True).signs_in("peer", passwords["peer"])
        _taken(night.goes(question), pictures / "page-phone.png", 900)


def _taken(page: Page, picture: Path, height: int) -> None:
    """A picture of the page's upper part."""
    size = page.viewport_size or {"width": SIZE[0]}
    page.set_viewport_size({"width": size["width"], "height": height})
    page.screenshot(path=picture)


def _when_there(demo: subprocess.Popen[bytes], said: Path, pattern: str) -> str:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and demo.poll() is None:
        if found := re.search(pattern, said.read_text(errors="replace")):
            return found[1]
        # Only what it prints says how far it is.
        time.sleep(0.2)
    raise RuntimeError(f"the demo does not go on: {said.read_text(errors='replace')}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
