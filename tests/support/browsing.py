"""A real browser: Debian's Chromium, driven by Playwright, as people use the pages. What a page complains of on its console fails the test.

Screenshots are kept in ``.work/screenshots``, or where ``$SCREENSHOTS`` says.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
SCREENSHOTS = Path(os.environ.get("SCREENSHOTS") or Path(__file__).resolve().parents[2] / ".work" / "screenshots")
WIDE = (1280, 800)
PHONE = (390, 844)
PATIENCE = 30_000.0
"""Milliseconds to wait for what a page shall show."""
# It asks nobody outside, nor for anything at its start.
_FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def needed() -> None:
    """Skip the module that calls it where there is no browser to drive, and say what is missing."""
    # ansible-core's older releases have environments without it: what people see in a browser does not depend on them.
    pytest.importorskip("playwright.sync_api", reason="Playwright goes with the environment of the newest ansible-core")
    if not CHROMIUM:
        # A package of the machine's, which CI installs.
        pytest.skip("no Chromium is installed (Debian: chromium)", allow_module_level=True)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, ended with the block."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # As root it has no sandbox.
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=list(_FLAGS), chromium_sandbox=os.getuid() != 0
        )
        try:
            yield started
        finally:
            started.close()


class Visitor:
    """Somebody at a browser of their own, signed in at ``url`` or not. ``complaints`` is what pages wrote to their consoles."""

    def __init__(
        self, browser: Browser, url: str, *, size: tuple[int, int] = WIDE, dark: bool = False, scripts: bool = True
    ) -> None:
        self.url = url
        self.complaints: list[str] = []
        self.context: BrowserContext = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
            reduced_motion="reduce",
        )
        self.context.set_default_timeout(PATIENCE)
        self.page = self.tab()

    def tab(self) -> Page:
        """One more page of the same person."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._heard)
        return page

    def goes(self, path: str) -> Page:
        """The page at ``path``; it must be there."""
        reply = self.page.goto(self.url + path)
        assert reply is not None and reply.status == 200, (path, reply and reply.status)
        return self.page

    def signs_in(self, name: str, password: str) -> Visitor:
        self.page.goto(f"{self.url}/sign-in")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        self.page.wait_for_url(re.compile(r"/(runs|waiting)$"))
        return self

    def keeps(self, name: str) -> None:
        """Keep a screenshot of the whole page."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    def _heard(self, message: Any) -> None:
        # That an answer was refused is what a test is after, and the browser says so, too.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(f"{message.type}: {message.text}")
