# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions of playbooks that are asked at the server: what comes from them is checked here, and laid as a run. Only ``web.actions`` calls it.

Of what comes nothing is a path or a template: options are data, files lie under their digests.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils import asking
from ansible_collections.netops.changerail.plugins.module_utils.arguments import validated
from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, UnknownRun
from ansible_collections.netops.changerail.plugins.module_utils.files import write_whole
from ansible_collections.netops.changerail.plugins.module_utils.operation import find
from ansible_collections.netops.changerail.plugins.module_utils.operations.review import LARGEST
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import (
    RunFolder,
    StateFolder,
    private_folder,
    storage_error,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import Who
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import Project
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.asking import laid, variables
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.driving import begin
from ansible_collections.netops.changerail.plugins.plugin_utils.runs.history import history
from ansible_collections.netops.changerail.plugins.plugin_utils.web.answers import Conflict
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.slug import workflow_name

_OPTIONS: Mapping[str, frozenset[str]] = {
    "approval": frozenset({*asking.OPTIONS, "subject"}),
    "review": frozenset({*asking.OPTIONS, "empty"}),
}
"""What may be said from outside: what is approved in another system takes the server's own credentials, and is a workflow's to ask."""
_MOST_SAID = 256 * 1024
"""Bytes of options in JSON: they are in the journal, and most of them in the question."""
_FILES = "asked"
"""The folder of a run with the files that it shows."""
_WINDOW = 16 + zlib.MAX_WBITS
"""gzip, as ``zlib`` counts."""


@dataclass(frozen=True)
class File:
    """A file to review, by the name it is shown under."""

    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Asking:
    """What a playbook wants to ask as the run ``run_id``: ``options`` of the ``operation`` (approval or review), and the ``files`` of a review."""

    operation: str
    options: Mapping[str, Any]
    run_id: str
    files: Sequence[File] = ()


def files_of(given: Iterable[Mapping[str, str]]) -> list[File]:
    """The files of a request: each has ``name``, ``sha256`` and ``gzip``, its content compressed and in base64. Raises AuthorError."""
    found: list[File] = []
    for one in given:
        room = LARGEST - sum(len(file.content) for file in found)
        file = File(one["name"], _unpacked(one["name"], one["gzip"], room))
        if file.sha256 != one["sha256"]:
            raise AuthorError(
                f"file {file.name!r}: its SHA-256 is {file.sha256}, not {one['sha256']}: it was changed on the way"
            )
        found.append(file)
    return found


def _unpacked(name: str, packed: str, room: int) -> bytes:
    unpacking = zlib.decompressobj(_WINDOW)
    try:
        # One byte more than there is room for, so that a small file cannot unpack to what fills the memory.
        content = unpacking.decompress(base64.b64decode(packed, validate=True), room + 1)
    except (ValueError, zlib.error) as error:
        raise AuthorError(f"file {name!r}: expected gzip in base64: {error}") from None
    if len(content) > room:
        raise AuthorError(
            f"file {name!r}: the files of a review are larger than {LARGEST} bytes together, which nobody reads"
        )
    if not unpacking.eof or unpacking.unused_data:
        raise AuthorError(f"file {name!r}: expected one whole gzip file, got a part of one or more than one")
    return content


def asked(wish: Asking, requester: Who, state: StateFolder, project: Project) -> RunFolder:
    """The run in which it is asked: a new one, or the one that asks exactly this already.

    Raises AuthorError for wrong options, Conflict when the run id is that of something else, StorageError.
    """
    _check(wish)
    # A relative path starts at the workflow, which lies in the run's folder.
    files = [{"name": file.name, "path": f"{_FILES}/{file.sha256}", "sha256": file.sha256} for file in wish.files]
    options = {**wish.options, **({"artifacts": files} if files else {})}
    if (there := _there(wish, options, requester, state)) is not None:
        return there
    line = str(options.get("title") or wish.run_id)
    try:
        folder = state.create(wish.run_id)
        _keep(folder, wish.files)
        return begin(
            str(laid(folder, wish.operation, options)),
            state=state,
            project=project,
            variables=variables(options, line),
            requester=requester,
            run_id=wish.run_id,
        )
    except AuthorError:
        # The same request came twice at once.
        if (there := _there(wish, options, requester, state)) is not None:
            return there
        raise


def _check(wish: Asking) -> None:
    unknown = sorted(set(wish.options) - _OPTIONS[wish.operation])
    if unknown:
        raise AuthorError(
            f"option {unknown[0]!r}: {wish.operation} from a playbook takes {', '.join(sorted(_OPTIONS[wish.operation]))} at a server; "
            "anything else is asked by a workflow"
        )
    if len(json.dumps(wish.options)) > _MOST_SAID:
        raise AuthorError(f"options: more than {_MOST_SAID} bytes; what people are to read goes under files")
    names = [file.name for file in wish.files]
    if wish.operation == "approval" and names:
        raise AuthorError("files: an approval shows none; review does")
    if wish.operation == "review" and (not names or len(set(names)) < len(names)):
        raise AuthorError("files: a review shows at least one, and each under another name")
    artifacts = {"artifacts": names} if wish.operation == "review" else {}
    validated(find("operations", wish.operation), {**wish.options, **artifacts})


def _keep(folder: RunFolder, files: Sequence[File]) -> None:
    for file in files:
        place = private_folder(folder.path / _FILES) / file.sha256
        try:
            write_whole(place, file.content)
        except OSError as error:
            raise storage_error(place, error) from None


def _there(wish: Asking, options: Mapping[str, Any], requester: Who, state: StateFolder) -> RunFolder | None:
    """The run of that id when it asks this, None when there is none. Raises Conflict for any other."""
    try:
        past = history(state.open(wish.run_id))
    except UnknownRun:
        return None
    same = past.started.variables.get("options") == options and workflow_name(past.started.main) == wish.operation
    if not same or past.started.requester.get("name") != requester.person:
        raise Conflict(
            f"run id {wish.run_id!r} is taken by a run that asks something else, or of somebody else: choose another key"
        )
    return past.folder
