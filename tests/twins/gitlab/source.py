# A project's files: a Git repository on this machine, read by ref. For the GitLab twin's pipelines and runner.
from __future__ import annotations

import subprocess
from pathlib import Path

PATIENCE = 20


class Source:
    """Reads a repository with ``git``; never writes to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def commit(self, ref: str) -> str | None:
        """The full SHA of a branch or tag, or None when there is none of that name."""
        for place in (f"refs/heads/{ref}", f"refs/tags/{ref}"):
            found = self._git("rev-parse", "--verify", "--quiet", f"{place}^{{commit}}")
            if found.returncode == 0:
                return found.stdout.decode().strip()
        return None

    def is_tag(self, ref: str) -> bool:
        return self._git("rev-parse", "--verify", "--quiet", f"refs/tags/{ref}").returncode == 0

    @property
    def default_branch(self) -> str:
        return self._git("symbolic-ref", "--short", "HEAD").stdout.decode().strip() or "main"

    def read(self, sha: str, path: str) -> str | None:
        """A file's text at that commit."""
        found = self._git("show", f"{sha}:{path.lstrip('/')}")
        return found.stdout.decode() if found.returncode == 0 else None

    def title(self, sha: str) -> tuple[str, str, str, str]:
        """Subject, author's name, author's mail and ISO date of a commit."""
        text = self._git("show", "--no-patch", "--format=%s%n%an%n%ae%n%aI", sha).stdout.decode()
        subject, name, mail, date, *dummy = [*text.splitlines(), "", "", "", ""]
        return subject, name, mail, date

    def check_out(self, sha: str, into: Path) -> None:
        """Puts the files of that commit into an empty folder."""
        packed = self._git("archive", "--format=tar", sha)
        packed.check_returncode()
        # Not tarfile: its safe extraction came with Python 3.11.4, and Debian 12 has an older one.
        subprocess.run(["tar", "-x", "-C", str(into)], input=packed.stdout, timeout=PATIENCE, check=True)

    def _git(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = ["git", "-C", str(self._folder), *arguments]
        return subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
