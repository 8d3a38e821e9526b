# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``review``: people confirm generated files, a diff as a rule, and the answer is bound to their digests. The engine and Temporal call it,
and the action of that name looks at the files."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils import asking
from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.failures import CANCELLED, FAILED, REJECTED
from ansible_collections.netops.changerail.plugins.module_utils.files import write_whole
from ansible_collections.netops.changerail.plugins.module_utils.operation import (
    JSON,
    Artifact,
    Call,
    Done,
    Failed,
    Operation,
    Outcome,
    Verdict,
    Waiting,
)

LARGEST = 16 * 1024 * 1024
"""Bytes; nobody reads more, and every look reads the whole file."""

_LOOK_AGAIN = 15.0
"""Seconds until the files are compared again with what was shown."""

_ODD = re.compile(r"[^\w.-]")


@dataclass(frozen=True)
class _Reviewed:
    """A file under review as it is now: its name, its path, its content, and "" or a remark for the reviewers."""

    name: str
    path: Path
    content: bytes
    remark: str = ""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


OPTIONS: Mapping[str, Mapping[str, Any]] = {
    **asking.OPTIONS,
    "artifact": {"type": "raw"},
    "artifacts": {"type": "raw"},
    "empty": {"type": "str", "choices": ["ask", "approve", "fail"], "default": "ask"},
}
CONSTRAINTS: Mapping[str, Any] = {
    "required_one_of": [("artifact", "artifacts")],
    "mutually_exclusive": [("artifact", "artifacts")],
}


class Review(Operation):
    """Shows files and asks whether they are right.

    The reviewers see a copy that is kept with the run. As long as the question is open, and once more when it is decided, the files themselves
    are compared with it: when one has changed, the answers are void and the question is asked anew.
    """

    name = "review"
    options = OPTIONS
    constraints = CONSTRAINTS

    def start(self, call: Call) -> Outcome:
        if call.context.check:
            names = [name for name, _path, _sha256 in _given(call.args, call.context.base)]
            return Done(asking.would_ask(asking.question(call, "review", asking.review_called(call, names), None, {})))
        files = _files(call)
        if not any(file.content.strip() for file in files):
            if call.args["empty"] == "fail":
                return Failed(FAILED, f"nothing to review: {', '.join(file.name for file in files)} has no content")
            if call.args["empty"] == "approve":
                return Done({"decision": asking.APPROVE, "answers": [], "artifacts": _kept(call, files)})
        remarks = " ".join(file.remark for file in files if file.remark)
        return _ask(call, {"deadline": asking.deadline(call), "note": ""}, files, remarks)

    def poll(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        files = _files(call)
        changed = [file.name for file in files if handle["shown"].get(file.name) != file.sha256]
        return _ask(call, handle, files, _changed(changed) if changed else str(handle["note"]))

    def conclude(self, call: Call, handle: Mapping[str, JSON], verdict: Verdict) -> Outcome:
        result: dict[str, JSON] = {"decision": verdict.choice, "answers": [dict(answer) for answer in verdict.answers]}
        if not verdict.approved:
            return Failed(REJECTED, verdict.reason, result)
        files = _files(call)
        changed = [file.name for file in files if handle["shown"].get(file.name) != file.sha256]
        if changed:
            return _ask(call, handle, files, _changed(changed))
        return Done({**result, "artifacts": _kept(call, files)}, message=verdict.summary)

    def cancel(self, call: Call, handle: Mapping[str, JSON]) -> Outcome:
        return Failed(CANCELLED, "nobody is asked any more")


def _ask(call: Call, handle: Mapping[str, JSON], files: list[_Reviewed], note: str) -> Outcome:
    shown = {file.name: file.sha256 for file in files}
    show = {name: str(kept["path"]) for name, kept in _kept(call, files).items()}
    asked = asking.question(call, "review", asking.review_called(call, shown), handle["deadline"], shown, show)
    if problem := asking.unanswerable(asked, call.context):
        return Failed(FAILED, problem)
    message = " ".join(part for part in (note, asking.waited_for(asked)) if part)
    return Waiting({**handle, "shown": shown, "note": note}, _LOOK_AGAIN, message, asked.as_dict(), long=True)


def _changed(names: list[str]) -> str:
    return f"{', '.join(names)} changed while under review: answers given before are void."


def located(args: Mapping[str, JSON], base: Path) -> list[dict[str, str]]:
    """The files that options name, as artifacts whose paths hold anywhere; ``sha256`` is "" where none was registered. Raises OperationError."""
    return [{"name": name, "path": str(path), "sha256": sha256} for name, path, sha256 in _given(args, base)]


def _given(args: Mapping[str, JSON], base: Path) -> list[tuple[str, Path, str]]:
    """Name, path and registered SHA-256 ("" when it is a path that nobody registered) of every file under review."""
    given = args.get("artifacts") if args.get("artifact") is None else [args["artifact"]]
    if isinstance(given, Mapping):
        given = list(given.values())
    if not isinstance(given, list) or not given:
        raise OperationError(
            "artifacts: expected a list of paths or registered artifacts, or a mapping of artifacts by name, with at least one in it"
        )
    files = [_described(value, base) for value in given]
    names = [name for name, _path, _sha256 in files]
    if len(set(names)) < len(names):
        raise OperationError(f"artifacts: two files have the same name among {', '.join(names)}; names must differ")
    return files


def _described(value: Any, base: Path) -> tuple[str, Path, str]:
    if isinstance(value, str) and value:
        return Path(value).name, base / Path(value).expanduser(), ""
    if isinstance(value, Mapping) and isinstance(value.get("path"), str):
        return str(value.get("name") or Path(value["path"]).name), base / value["path"], str(value.get("sha256") or "")
    raise OperationError(
        f"artifact: expected a path or a registered artifact with its path, got {type(value).__name__}"
    )


def _files(call: Call) -> list[_Reviewed]:
    files = []
    for name, path, registered in _given(call.args, call.context.base):
        file = _Reviewed(name, path, content(path))
        if registered and registered != file.sha256:
            remark = f"{name} is not as it was registered (SHA-256 {registered[:12]}… then, {file.sha256[:12]}… now)."
            file = _Reviewed(name, path, file.content, remark)
        files.append(file)
    return files


def content(path: Path) -> bytes:
    """What the file at ``path`` holds, as far as it can be reviewed. Raises OperationError."""
    try:
        # Not blocking: a FIFO would wait for a writer for ever.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OperationError(f"{path}: cannot be reviewed: expected a regular file")
            read = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        raise OperationError(f"{path}: cannot be reviewed: {getattr(error, 'strerror', None) or error}") from None
    if len(read) > LARGEST:
        raise OperationError(f"{path}: cannot be reviewed: larger than {LARGEST} bytes, which nobody reads")
    return read


def _kept(call: Call, files: list[_Reviewed]) -> dict[str, dict[str, JSON]]:
    """Copies of the files in the step's folder, as artifacts by name: what is shown is what was digested, and it stays with the run."""
    folder = call.context.folder / "reviewed"
    kept = {}
    for file in files:
        copy = folder / f"{file.sha256[:16]}-{_ODD.sub('_', file.name)[-100:]}"
        if not copy.exists():
            _keep(copy, file.content)
        kept[file.name] = Artifact(file.name, str(copy), file.sha256, len(file.content)).as_dict()
    return kept


def _keep(copy: Path, content: bytes) -> None:
    try:
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(copy, content)
    except OSError as error:
        raise OperationError(f"{copy}: cannot be written: {error.strerror}") from None


OPERATION = Review()
