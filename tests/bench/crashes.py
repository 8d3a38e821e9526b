"""How many real engines were killed and what of it was doubled or lost: a short run of ``make crash``."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure

KILLS = 60


def figures() -> Iterator[Figure]:
    program = Path(__file__).parent.parent / "crash" / "crash.py"
    done = subprocess.run(
        [sys.executable, str(program), str(KILLS)], capture_output=True, text=True, timeout=1800, check=False
    )
    found = re.search(
        r"(\d+) engines killed \(\d+ of them servers\) in (\d+) runs, .*?(\d+) effects.*; (\d+) runs with anything doubled or lost",
        done.stdout,
    )
    if found is None:
        raise RuntimeError(f"crash.py: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    kills, runs, effects, wrong = map(int, found.groups())
    yield Figure("crash", f"engines killed, in {runs} runs with {effects} effects", kills, "kills")
    yield Figure("crash", "runs with anything doubled or lost", wrong, "runs", aim="0 (make crash: 300 kills)")
