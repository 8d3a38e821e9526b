"""The pages of a real `changerail serve` over thousands of waiting runs: how long a list takes, and what 200 pages that are open cost.

Both for 1,000 and 10,000 runs, each in a server of its own.
"""

from __future__ import annotations

import getpass
import http.client
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlencode, urlsplit

sys.path.insert(0, str(Path(__file__).parent.parent))

from support.calls import eventually
from support.serving import Serving

from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import StateFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import Grant
from ansible_collections.netops.changerail.plugins.plugin_utils.people.accounts import (
    Accounts,
    AccountsFile,
    User,
    hashed,
)
from bench.figure import Figure, compared
from bench.server import SIZES, copied, waiting_run

NAME, PASSWORD = getpass.getuser(), "correct horse battery"
OPEN = 200
"""Pages that are open at once."""
LOADS = 100
IDLE = 20.0
"""Seconds that a server is watched with its open pages."""
ANSWERS = 10
PATIENCE = 600.0
AIMS: Mapping[str, tuple[str, str, str]] = {
    "list": ("the page of all runs, median", "ms", "under 200 ms"),
    "list99": ("the same, 99 in 100", "ms", ""),
    "search": ("the same with a search that finds one run, median", "ms", "under 200 ms"),
    "run": ("the page of one run, median", "ms", ""),
    "api": ("the API's list, 50 runs, median", "ms", "under 200 ms"),
    "api500": ("the same, 500 runs, median", "ms", ""),
    "memory": (f"memory of each of {OPEN} open pages", "kB", ""),
    "idle": (f"CPU with {OPEN} pages open and nothing to tell, of one core", "%", ""),
    "told": (f"an answer until the last of the {OPEN // ANSWERS} pages of its run is told, median", "ms", ""),
}


def figures() -> Iterator[Figure]:
    return compared("pages", AIMS, SIZES, _measured)


def _measured(size: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=".work") as place:
        return measure(size, Path(place).absolute())


def measure(size: int, folder: Path) -> dict[str, float]:
    """The figures for so many waiting runs, made in ``folder``."""
    state = StateFolder(folder / "state")
    made = waiting_run(folder, state)
    for number in range(1, size):
        copied(state, made, f"run-{number:05d}")
    token = _user(AccountsFile(state))
    with Serving(state.path) as server:
        eventually(lambda: server.get("/readyz")[0] == 200, PATIENCE)
        visitor = Visitor(server.url)
        visitor.sign_in()
        lists = [visitor.took("/runs") for _number in range(LOADS)]
        one = f"run-{size - 1:05d}"
        found = {
            "list": median(lists) * 1e3,
            "list99": quantiles(lists, n=100)[98] * 1e3,
            "search": median(visitor.took(f"/runs?text={one}") for _number in range(LOADS)) * 1e3,
            "run": median(visitor.took(f"/runs/{one}") for _number in range(LOADS)) * 1e3,
        }
        program = Visitor(server.url)
        program.headers["Authorization"] = f"Bearer {token}"
        for name, limit in (("api", 50), ("api500", 500)):
            took = (program.took(f"/api/v1/runs?limit={limit}") for _number in range(LOADS // 5))
            found[name] = median(took) * 1e3
        return {**found, **_open_pages(server, visitor)}


def _user(accounts: AccountsFile) -> str:
    """Make the user, and a token of theirs, which is given."""
    made: list[str] = []

    def change(before: Accounts) -> Accounts:
        user = User(NAME, hashed(PASSWORD), (Grant("viewer"), Grant("approver")))
        after, token = before.with_user(user).with_token(NAME, None, time.time(), 86400.0)
        made.append(token)
        return after

    accounts.change(change)
    return made[0]


def _open_pages(server: Serving, visitor: Visitor) -> dict[str, float]:
    """What OPEN pages cost that are open: half of one run, which then is answered again and again, half of other runs."""
    assert server.process is not None
    before = _resident(server.process.pid)
    told: list[float] = []
    runs = [f"run-{number:05d}" for number in range(ANSWERS)]
    pages = [Open(visitor, f"/runs/{runs[number % ANSWERS]}/live") for number in range(OPEN)]
    memory = (_resident(server.process.pid) - before) / OPEN
    cpu = _cpu(server.process.pid)
    # Nothing is done meanwhile: that is what is measured.
    time.sleep(IDLE)
    idle = (_cpu(server.process.pid) - cpu) / IDLE
    for number, run in enumerate(runs):
        mine = pages[number::ANSWERS]
        began = time.perf_counter()
        visitor.approve(run)
        told.append(max(page.told(PATIENCE) for page in mine) - began)
    for page in pages:
        page.close()
    return {"memory": memory / 1024, "idle": idle * 100, "told": median(told) * 1e3}


class Visitor:
    """Somebody with a browser, as far as the server sees it."""

    def __init__(self, url: str) -> None:
        self.place = urlsplit(url).netloc
        self.headers: dict[str, str] = {}
        self._connection = http.client.HTTPConnection(self.place, timeout=60)

    def sign_in(self) -> None:
        reply, _text = self._ask("POST", "/sign-in", {"name": NAME, "password": PASSWORD})
        self.headers["Cookie"] = str(reply.getheader("set-cookie")).partition(";")[0]

    def took(self, path: str) -> float:
        """Seconds that a page takes, to its last byte."""
        began = time.perf_counter()
        reply, text = self._ask("GET", path)
        ended = time.perf_counter()
        if reply.status != 200 or "run-" not in text:
            raise RuntimeError(f"GET {path}: {reply.status}: {text[:500]}")
        return ended - began

    def approve(self, run: str) -> None:
        """Answer the run's question in its form."""
        _reply, text = self._ask("GET", f"/runs/{run}/question?path=ask")
        form = dict(re.findall(r'name="(token|path|question)" value="([^"]+)"', text))
        reply, text = self._ask("POST", f"/runs/{run}/answers", {**form, "choice": "approve"})
        if reply.status != 303:
            raise RuntimeError(f"the answer to {run} does not count: {reply.status}: {text[:500]}")

    def _ask(
        self, method: str, path: str, form: Mapping[str, str] | None = None
    ) -> tuple[http.client.HTTPResponse, str]:
        headers = {**self.headers, "Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request(method, path, urlencode(form) if form else None, headers)
        reply = self._connection.getresponse()
        return reply, reply.read().decode()


class Open:
    """A page that listens. A thread reads, as the browser's does."""

    def __init__(self, visitor: Visitor, path: str) -> None:
        self._connection = http.client.HTTPConnection(visitor.place, timeout=PATIENCE)
        self._connection.request("GET", path, headers=visitor.headers)
        self._reply = self._connection.getresponse()
        if self._reply.status != 200:
            raise RuntimeError(f"GET {path}: {self._reply.status}")
        self._at: list[float] = []
        self._told = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def told(self, patience: float) -> float:
        """When the page was told that something happened."""
        if not self._told.wait(patience):
            raise RuntimeError("a page was told nothing")
        return self._at[0]

    def close(self) -> None:
        self._connection.close()

    def _listen(self) -> None:
        while line := self._reply.readline():
            if line.startswith(b"data:"):
                self._at.append(time.perf_counter())
                self._told.set()
                return


def _resident(process: int) -> int:
    """Bytes."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _cpu(process: int) -> float:
    """Seconds of CPU so far."""
    values = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")
