"""Makes the Git repository of intent that the example change starts from; the demo and the lab call it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

INTENT = Path(__file__).resolve().parent.parent / "intent"
BRANCH = "advertise-203.0.113.0-24"
"""The branch that holds the change; it is one commit ahead of main."""

# The repository must not depend on who runs this: no hooks, templates, signing or names from a home directory.
_ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "requester",
    "GIT_AUTHOR_EMAIL": "requester@example.net",
    "GIT_COMMITTER_NAME": "requester",
    "GIT_COMMITTER_EMAIL": "requester@example.net",
}


def make_repository(folder: Path) -> str:
    """A new repository in ``folder``: the intent as it is on main, the change on ``BRANCH``. Gives the change's commit id."""
    folder.mkdir(parents=True)
    _git(folder, "init", "--quiet", "--template=", "--initial-branch=main")
    # Two documents in one file, which checkers of a collection's YAML do not know: so it has its name only in the repository.
    shutil.copy(INTENT / "gitlab-ci.txt", folder / ".gitlab-ci.yml")
    _commit(folder, INTENT / "main", "The edge as it is")
    _git(folder, "checkout", "--quiet", "-b", BRANCH)
    _commit(folder, INTENT / "change", "Advertise 203.0.113.0/24 from Amsterdam")
    return _git(folder, "rev-parse", "HEAD").strip()


def show_change(folder: Path) -> str:
    """The change as Git shows it."""
    return _git(folder, "show", "--stat", "--patch", "--format=%h %s", BRANCH)


def _commit(folder: Path, files: Path, message: str) -> None:
    shutil.copytree(files, folder, dirs_exist_ok=True)
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message", message)


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=_ENVIRONMENT, check=True, stdout=subprocess.PIPE, text=True, timeout=60
    )
    return done.stdout
