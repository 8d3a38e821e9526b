# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every error changerail raises on purpose; any room may raise and catch them.

::

    ChangerailError            what a user can read and act upon; never shown with a traceback
    ├── AuthorError            the workflow, project file or command line is wrong        exit code 2
    │   └── CheckError         a workflow file with all its mistakes at once
    ├── RunError               the run cannot go on here and now
    │   ├── UnknownRun         no such run in the state folder                            exit code 2
    │   ├── RunIsHeld          another engine holds the run                               exit code 1
    │   └── StorageError       disk full, read-only, permission lost                      exit code 1
    ├── JournalDamaged         the journal is not what was written                        exit code 5
    ├── TemplateFailed         an expression of a step cannot be evaluated
    └── OperationError         an operation cannot go on; carries its failure class

A message names the thing, the place, what was expected, what came and what to do next.
"Rejected by a person" or "the pipeline failed" is an outcome (see operation.py), not an exception.
"""

from __future__ import annotations

from collections.abc import Sequence


class ChangerailError(Exception):
    """Base of all; ``str(error)`` is the whole message for the user."""

    exit_code = 1


class AuthorError(ChangerailError):
    """What somebody wrote is wrong: a workflow, ``changerail.yml``, a command line."""

    exit_code = 2


class CheckError(AuthorError):
    """A workflow file with mistakes; ``mistakes`` holds all of them, each printable by ``str``."""

    def __init__(self, mistakes: Sequence[object]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


class RunError(ChangerailError):
    """The run cannot go on here and now; the journal is intact."""


class UnknownRun(RunError):
    """No run of that id in the state folder."""

    exit_code = 2


class RunIsHeld(RunError):
    """Another process drives the run; the message says which."""


class StorageError(RunError):
    """The state folder cannot be written: disk full, quota, read-only, permission lost."""


class JournalDamaged(ChangerailError):
    """The journal differs from what was written; ``line`` is the first bad line, counted from 1."""

    exit_code = 5

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class TemplateFailed(ChangerailError):
    """A template or condition cannot be evaluated, or a vaulted value not decrypted; the message names the text, never a secret."""


class OperationError(ChangerailError):
    """An operation cannot go on; the engine makes a ``Failed`` outcome of it.

    ``failure`` is one of the failure classes of operation.py; ``retry_after`` is in seconds, when the other side named a time.
    """

    def __init__(self, message: str, failure: str = "failed", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.failure = failure
        self.retry_after = retry_after
