# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a step on a terminal: diffs, other artifacts, output. They come from outside: on a terminal nothing in them has any power over it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, RunError
from ansible_collections.netops.changerail.plugins.module_utils.operation import Artifact
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import out, styled
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import RunFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.playbooks.attempt import Attempt
from ansible_collections.netops.changerail.plugins.plugin_utils.views.detail import StepDetail
from ansible_collections.netops.changerail.plugins.plugin_utils.views.evidence import fault

_OUTPUT_NAMES = frozenset({"output", "log", "log.txt"})
"""What operations call the artifact that is their output."""
_DIFF_STYLES: Mapping[str, str] = {"+++": "bold", "---": "bold", "@@": "cyan", "+": "green", "-": "red"}


def artifact_of(step: StepDetail, name: str) -> Artifact:
    """The step's newest artifact called ``name``. Raises AuthorError when there is none, RunError when its file is not what was recorded."""
    found = {artifact.name: artifact for attempt in step.attempts for artifact in attempt.artifacts}
    if name not in found:
        known = ", ".join(found) or "none"
        raise AuthorError(f"artifact {name!r}: step {step.path} has none of that name; it has {known}")
    if problem := fault(found[name]):
        raise RunError(problem)
    return found[name]


def output_of(folder: RunFolder, step: StepDetail) -> Path | None:
    """The output of the step's last attempt that has one, also while it runs: what a playbook prints, a pipeline's log."""
    for attempt in reversed(step.attempts):
        for artifact in attempt.artifacts:
            if artifact.name in _OUTPUT_NAMES:
                return Path(artifact.path)
        running = Attempt(folder.step(step.path, attempt.number)).output
        if running.exists():
            return running
    return None


def output_name(step: StepDetail) -> str:
    """The name of the artifact that is the output of the step's last attempt that has one; "" when none has."""
    names = (artifact.name for attempt in reversed(step.attempts) for artifact in attempt.artifacts)
    return next((name for name in names if name in _OUTPUT_NAMES), "")


def write_file(path: Path) -> None:
    """The file's content, as ``write_content`` writes it. Raises RunError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}") from None
    write_content(content)


def write_content(content: bytes) -> None:
    """As it is to a pipe, made harmless and coloured as a diff to a terminal."""
    if sys.stdout.isatty():
        write_diff(content)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)


def write_diff(content: bytes) -> None:
    """``content`` line by line, harmless; lines of a diff in its colours where there are colours."""
    console = out()
    for text in content.decode(errors="replace").splitlines():
        style = next((style for sign, style in _DIFF_STYLES.items() if text.startswith(sign)), "")
        console.print(styled((text, style)), soft_wrap=True)
