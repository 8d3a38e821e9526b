# A small `make faults`: a few calls and workflows while ServiceNow and GitLab fail at random. Run by pytest; the planted faults of mutants.toml use it.
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[2] / "faults" / "faults.py"
CLEAN = "0 records or pipelines doubled, 0 pieces of evidence lost, 0 hangs, 0 false successes, 0 other wrong ends"


def run(*arguments):
    """Exit code and closing line, with all that was said before for a failure to show."""
    command = [sys.executable, str(PROGRAM), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    print(done.stdout, done.stderr)
    return done.returncode, done.stdout.splitlines()[-1]


def test_no_record_and_no_evidence_is_doubled_or_lost():
    code, closing = run("60", "--workflows", "0", "--seed", "4", "--system", "servicenow")
    assert (code, closing.endswith(CLEAN)) == (0, True)


def test_no_pipeline_is_started_twice():
    code, closing = run("30", "--workflows", "0", "--seed", "4", "--system", "gitlab")
    assert (code, closing.endswith(CLEAN)) == (0, True)


def test_workflows_end_right():
    code, closing = run("0", "--workflows", "4", "--seed", "4")
    assert "0 calls and 4 workflows under" in closing
    assert (code, closing.endswith(CLEAN)) == (0, True)
