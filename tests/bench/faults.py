"""How many calls were made while ServiceNow and GitLab failed, and what of it was doubled, lost, hung or falsely called done: a short `make faults`."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure

CALLS = 500


def figures() -> Iterator[Figure]:
    program = Path(__file__).parent.parent / "faults" / "faults.py"
    done = subprocess.run(
        [sys.executable, str(program), str(CALLS)], capture_output=True, text=True, timeout=1800, check=False
    )
    found = re.search(r"^faults: ([\d,]+) calls and (\d+) workflows under ([\d,]+) faults: (.*)$", done.stdout, re.M)
    if found is None:
        raise RuntimeError(f"faults.py: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    calls, workflows, faults = (int(text.replace(",", "")) for text in found.groups()[:3])
    wrong = sum(map(int, re.findall(r"\d+", found[4])))
    yield Figure("faults", f"faults met by {calls} calls and {workflows} workflows", faults, "faults")
    yield Figure("faults", "calls to one fault", calls / faults, "calls")
    yield Figure(
        "faults", "doubled, lost, hanging or falsely successful", wrong, "findings", aim="0 (make faults: 2,000 calls)"
    )
