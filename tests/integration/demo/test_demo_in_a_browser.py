"""`make demo PEOPLE=web`: somebody clicks the whole change through, as the demo says on the terminal."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.browsing import PHONE, Visitor, chromium, needed
from support.calls import eventually
from support.serving import fetch

needed()
# On a busy machine each of its six playbooks may take half a minute.
pytestmark = pytest.mark.timeout(600)

CHECKOUT = Path(__file__).resolve().parents[3]
PATIENCE = 180.0


@dataclass(frozen=True)
class Demo:
    """A demo that goes on: its process, what it has printed, and where it says the server is."""

    process: subprocess.Popen[bytes]
    output: Path
    url: str

    @property
    def printed(self) -> str:
        return self.output.read_text(errors="replace")


@contextmanager
def demo(folder: Path) -> Iterator[Demo]:
    """One in a copy of the examples, ended with the block."""
    shutil.copytree(CHECKOUT / "examples", folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    said = folder / "said"
    with open(said, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "examples.demo.demo"],
            cwd=folder,
            env={**os.environ, "PEOPLE": "web"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Demo(process, said, eventually(lambda: _url(process, said), PATIENCE))
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE)


def _url(process: subprocess.Popen[bytes], said: Path) -> str:
    found = re.search(r"Open (http://\S+) and sign in", said.read_text(errors="replace"))
    if found is None and process.poll() is not None:
        raise RuntimeError(said.read_text(errors="replace"))
    return found[1] if found else ""


def test_a_change_is_clicked_through(tmp_path: Path) -> None:
    with demo(tmp_path) as going, chromium() as browser:
        passwords = dict(re.findall(r"^  ([\w-]+) +(\S{12})  ", going.printed, re.MULTILINE))
        for name in ("security-engineer", "peer"):
            visitor = Visitor(browser, going.url, size=PHONE).signs_in(name, passwords[name])
            page = visitor.goes("/waiting")
            # Nobody loads it again: what is asked appears.
            page.locator(".cards a").first.click(timeout=PATIENCE * 1000)
            if name == "peer":
                page.get_by_text("203.0.113.0/24").first.wait_for()
            page.get_by_label("Comment").fill(f"{name} has read it")
            page.get_by_role("button", name="approve", exact=True).click()
            page.wait_for_url(re.compile("/runs/demo$"))
            assert visitor.complaints == []
        assert going.process.wait(PATIENCE) == 0, going.printed
    assert "run succeeded" in going.printed
    assert re.search(r"state +Closed\n", going.printed) and re.search(r"close_code +Successful\n", going.printed)
    state = tmp_path / ".work" / "demo" / "state"
    journal = (state / "runs" / "demo" / "journal.jsonl").read_text()
    events = [json.loads(line) for line in journal.splitlines()]
    answers = [(event["person"], event["assurance"]) for event in events if event["event"] == "answered"]
    assert answers == [("security-engineer", "authenticated"), ("peer", "authenticated")]
    assert not any(password in journal for password in passwords.values())


def test_whoever_ends_it_ends_the_server_with_it(tmp_path: Path) -> None:
    with demo(tmp_path) as going:
        assert fetch(f"{going.url}/healthz")[0] == 200
        going.process.terminate()
        assert going.process.wait(PATIENCE) == 128 + signal.SIGTERM
    with pytest.raises(urllib.error.URLError):
        fetch(f"{going.url}/healthz")
