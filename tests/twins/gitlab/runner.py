# Runs jobs for real: checks the commit out, runs the script with bash, keeps trace and artifacts. For the GitLab twin's pipelines.
from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import threading
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from ansible_collections.netops.changerail.tests.twins.gitlab.entities import Job

_PASSED_ON = ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "TMPDIR")
GRACE = 2
"""Seconds between SIGTERM and SIGKILL for a cancelled job."""


@dataclass(frozen=True)
class Ended:
    """How a job's script ended; ``reason`` is GitLab's ``failure_reason``, "" for success."""

    reason: str
    files: Sequence[str] = ()


class Runner:
    """Runs each job in a thread and a process group of its own; ``finished`` is called from that thread."""

    def __init__(self, finished: Callable[[Job, Ended], None]) -> None:
        self._finished = finished
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._cancelled: set[int] = set()
        self._lock = threading.Lock()

    def start(self, job: Job, environment: Mapping[str, str], inherited: Sequence[Job]) -> None:
        """``inherited`` are the jobs whose artifacts are put into the working folder first."""
        threading.Thread(target=self._run, args=(job, dict(environment), list(inherited)), daemon=True).start()

    def cancel(self, job: Job) -> None:
        """Ends the job's processes, also those that are only about to start; ``finished`` follows."""
        with self._lock:
            process = self._processes.get(job.id)
            if process is None:
                self._cancelled.add(job.id)
        if process:
            _signal(process, signal.SIGTERM)
            threading.Timer(GRACE, _signal, (process, signal.SIGKILL)).start()

    def stop(self) -> None:
        """Ends everything that runs."""
        with self._lock:
            for process in self._processes.values():
                _signal(process, signal.SIGKILL)

    def _run(self, job: Job, environment: Mapping[str, str], inherited: Sequence[Job]) -> None:
        work = job.folder / "work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        try:
            job.pipeline.project.source.check_out(job.pipeline.sha, work)
            for other in inherited:
                with zipfile.ZipFile(other.archive) as archive:
                    archive.extractall(work)
            reason = self._script(job, environment, work)
        except (OSError, subprocess.SubprocessError) as error:
            job.trace.write_text(f"ERROR: Job failed (system failure): {error}\n")
            reason = "runner_system_failure"
        files = _collect(job, work, reason)
        shutil.rmtree(work, ignore_errors=True)
        self._finished(job, Ended(reason, files))

    def _script(self, job: Job, environment: Mapping[str, str], work: Path) -> str:
        """Runs script and after_script; the failure's reason, or ""."""
        base = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        variables = {**base, **environment, "CI_PROJECT_DIR": str(work)}
        with job.trace.open("ab", buffering=0) as trace:
            trace.write(
                b"Running with gitlab-runner (twin)\nChecking out %s as detached HEAD\n" % job.pipeline.sha[:8].encode()
            )
            process = self._launch(job, job.spec.script, variables, work, trace)
            try:
                code = process.wait(job.spec.timeout)
                reason = "" if code == 0 else "script_failure"
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)
                process.wait()
                code, reason = -1, "job_execution_timeout"
            with self._lock:
                del self._processes[job.id]
            if job.spec.after_script:
                after = _bash(
                    job.spec.after_script,
                    {**variables, "CI_JOB_STATUS": "failed" if reason else "success"},
                    work,
                    trace,
                )
                after.wait(job.spec.timeout)
            trace.write(b"ERROR: Job failed: exit code %d\n" % code if reason else b"Job succeeded\n")
        return reason

    def _launch(
        self, job: Job, lines: Sequence[str], variables: Mapping[str, str], work: Path, trace: object
    ) -> subprocess.Popen[bytes]:
        with self._lock:
            process = _bash(lines, variables, work, trace)
            self._processes[job.id] = process
            cancelled = job.id in self._cancelled
        if cancelled:
            self.cancel(job)
        return process


def _bash(lines: Sequence[str], variables: Mapping[str, str], work: Path, trace: object) -> subprocess.Popen[bytes]:
    """Each command is echoed before it runs, as a runner does it."""
    script = "\n".join(f"echo {shlex.quote('$ ' + line.rstrip())}\n{line}" for line in lines)
    return subprocess.Popen(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=work,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=trace,  # type: ignore[arg-type]
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    """To the job's whole process group, if it still lives."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return


def _collect(job: Job, work: Path, reason: str) -> list[str]:
    """Packs what ``artifacts:paths`` names, where ``artifacts:when`` wants it; the names in the archive."""
    wanted = {"on_success": not reason, "on_failure": bool(reason), "always": True}[job.spec.artifacts_when]
    if not (wanted and job.spec.artifact_paths):
        return []
    names = set()
    for pattern in job.spec.artifact_paths:
        for found in glob(pattern.rstrip("/"), root_dir=work, recursive=True, include_hidden=True):
            place = work / found
            inside = place.rglob("*") if place.is_dir() else [place]
            names |= {str(path.relative_to(work)) for path in inside if path.is_file()}
    if names:
        with zipfile.ZipFile(job.archive, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(names):
                archive.write(work / name, name)
    return sorted(names)
