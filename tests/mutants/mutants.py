"""Plants faults (mutants.toml), one after the other, in a copy of the collection and runs the tests that must fail of each: ``make mutants``.

Ends with 1 when a fault is survived, when its place is no longer there, or when a test fails without any fault.
Work goes on in two copies at once. Names of faults as arguments choose some of them.
"""

from __future__ import annotations

import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from json import loads
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("mutants.toml")
COPIED = ("LICENSE", "README.md", "galaxy.yml", "pyproject.toml", "examples", "meta", "plugins", "tests")
AT_ONCE = 2
PROPERTY_CASES = "300"
TEST_LIMIT = 90
"""Seconds for one test; a fault may well make one wait for ever."""
LIMIT = 240


@dataclass(frozen=True)
class Mutant:
    """A planted fault; ``file`` is relative to plugins/."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """``problem`` is "" when all is as it must be."""

    name: str
    problem: str
    seconds: float


class Copy:
    """A copy of the checkout with its own import path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"), symlinks=True)
            else:
                shutil.copy2(source, folder / name)
        collection = folder / "build" / "dev" / "ansible_collections" / "netops" / "changerail"
        collection.mkdir(parents=True)
        for name in COPIED:
            (collection / name).symlink_to(folder / name)

    @contextmanager
    def planted(self, mutant: Mutant) -> Iterator[None]:
        """Have the fault in the copy while the block runs. Raises LookupError when its place is not there, or there more than once."""
        path = self.folder / "plugins" / mutant.file
        text = path.read_text(encoding="utf-8")
        if text.count(mutant.old) != 1:
            raise LookupError(f"{mutant.file} has its old text {text.count(mutant.old)} times")
        path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        # Two writes within a second may leave the same time and size, by which Python would take the old bytecode.
        shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)
        try:
            yield
        finally:
            path.write_text(text, encoding="utf-8")
            shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)

    def failed(self, tests: Sequence[str]) -> dict[str, bool]:
        """Run the tests; whether each that was run failed, by its id. Raises RuntimeError when pytest itself could not do its work."""
        report = self.folder / "report.jsonl"
        report.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "mutants.planted", "-p", "no:cacheprovider"]
        paths = [self.folder / "build" / "dev", self.folder / "tests", self.folder / "tests" / "collections"]
        environment = {
            **os.environ,
            "MUTANTS_COPY": str(self.folder),
            "MUTANTS_REPORT": str(report),
            "PROPERTY_CASES": PROPERTY_CASES,
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
        }
        code, output = _run([*command, f"--timeout={TEST_LIMIT}", *tests], self.folder, environment)
        lines = report.read_text(encoding="utf-8").splitlines() if report.exists() else []
        if not lines or code not in (0, 1, None):
            raise RuntimeError(f"pytest ended with {code}:\n{output[-3000:]}")
        found: dict[str, bool] = {}
        for nodeid, outcome in map(loads, lines):
            found[nodeid] = found.get(nodeid, False) or outcome == "failed"
        return found


def _run(command: Sequence[str], folder: Path, environment: dict[str, str]) -> tuple[int | None, str]:
    """Exit code and output; None when it took too long and was ended, with all it had started in its session."""
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            output, _nothing = process.communicate(timeout=LIMIT)
            return process.returncode, output
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None, process.communicate()[0]


def hunted(mutant: Mutant, copy: Copy) -> str:
    """What is wrong with the fault: "" when every one of its tests fails of it."""
    try:
        with copy.planted(mutant):
            failed = copy.failed(mutant.tests)
    except (LookupError, RuntimeError) as error:
        return str(error)
    survived = [test for test in mutant.tests if not any(bad for name, bad in failed.items() if name.startswith(test))]
    return f"survived {', '.join(survived)}" if survived else ""


def control(mutants: Sequence[Mutant], copy: Copy) -> str:
    """What is wrong with the tests that these faults name where there is no fault."""
    tests = list(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
    try:
        failed = [name for name, bad in copy.failed(tests).items() if bad]
    except RuntimeError as error:
        return str(error)
    return f"fails without any fault: {', '.join(failed)}" if failed else ""


def verdicts(mutants: Sequence[Mutant], place: Path) -> Iterator[Verdict]:
    """The control first, then one verdict for each fault as it comes."""
    copies: queue.SimpleQueue[Copy] = queue.SimpleQueue()
    for number in range(AT_ONCE):
        copies.put(Copy(place / str(number)))

    def judged(name: str, chosen: Sequence[Mutant]) -> Verdict:
        copy = copies.get()
        began = time.monotonic()
        try:
            problem = hunted(chosen[0], copy) if name else control(chosen, copy)
        finally:
            copies.put(copy)
        return Verdict(name or "(no fault)", problem, time.monotonic() - began)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        parts = filter(None, (mutants[part::AT_ONCE] for part in range(AT_ONCE)))
        work = [pool.submit(judged, "", part) for part in parts]
        work += [pool.submit(judged, mutant.name, [mutant]) for mutant in mutants]
        for one in work:
            yield one.result()


def main(names: Sequence[str]) -> int:
    """Print a line for each fault; returns the exit code."""
    known = [
        Mutant(**{**entry, "tests": tuple(entry["tests"])})
        for entry in tomllib.loads(LIST.read_text(encoding="utf-8"))["mutant"]
    ]
    mutants = [mutant for mutant in known if not names or mutant.name in names]
    began = time.monotonic()
    bad = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        for verdict in verdicts(mutants, Path(place).resolve()):
            bad += bool(verdict.problem)
            state = "FAILED" if verdict.problem else "passes" if verdict.name == "(no fault)" else "found"
            print(f"{state:7} {verdict.seconds:6.1f} s  {verdict.name}", flush=True)
            if verdict.problem:
                print(f"        {verdict.problem}", flush=True)
    print(f"{len(mutants)} planted faults, {bad} problems, {time.monotonic() - began:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
