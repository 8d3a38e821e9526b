# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the jobs of a pipeline leave behind, brought into a folder: artifacts and logs; only the other files of this folder use it.

What is in an archive was written by whoever may change the CI file. No name leads out of the folder, and nothing is unpacked beyond the bounds.
"""

from __future__ import annotations

import io
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.failures import FAILED, TRANSIENT
from ansible_collections.netops.changerail.plugins.module_utils.files import artifact_of, write_whole
from ansible_collections.netops.changerail.plugins.module_utils.gitlab.api import FILE_LIMIT, Api, Missing, project_path
from ansible_collections.netops.changerail.plugins.module_utils.operation import Artifact
from ansible_collections.netops.changerail.plugins.module_utils.provider import Pipeline, Status

MOST_FILES = 10_000
"""Files that are taken out of one archive."""
UNPACKED_LIMIT = 1024**3
"""Bytes that the files of one archive may come to."""
_GLOB = re.compile(r"[*?[]")
_ODD = re.compile(r"[^A-Za-z0-9._-]")
_HOSTILE = re.compile(r"^[A-Za-z]:|\\|[\x00-\x1f\x7f]")
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
"""What zipfile raises for half of an archive, one with a password, and one packed in a way it does not know."""

Entity = Mapping[str, Any]


def refuse_hostile(name: str) -> None:
    """Raises OperationError for a name that is no plain path below a folder, on whatever system it is read."""
    if not name or PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or _HOSTILE.search(name):
        raise OperationError(
            f"artifacts: {name!r} leads out of the pipeline's folder; expected a path relative to it, without '..', backslashes or control characters"
        )


def artifacts(api: Api, pipeline: Pipeline, folder: Path, names: Sequence[str]) -> list[Artifact]:
    """The files that match ``names``, all there are without any. Of files of the same name in several jobs, the last job's counts.

    Files that are named are fetched one by one, so their archive may be of any size. For globs the archives are fetched.
    """
    for name in names:
        refuse_hostile(name)
    jobs = [job for job in pipeline.details["jobs"] if job["archive"]]
    plain = [name for name in names if not _GLOB.search(name)]
    found = _named(api, jobs, plain) if names and len(plain) == len(names) else _matching(api, jobs, names or ["*"])
    kept = {name: _kept(folder, name, content) for name, content in found}
    missing = [name for name in plain if name not in kept]
    if missing and pipeline.status == Status.SUCCESS:
        raise OperationError(f"pipeline {pipeline.id} succeeded without making its artifact {', '.join(missing)}")
    return [kept[name] for name in sorted(kept)]


def _named(api: Api, jobs: Sequence[Entity], names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        for job in reversed(jobs):
            try:
                yield name, api.attachment(f"{_place(job)}/artifacts/{quote(name)}")
            except Missing:
                continue
            break


def _matching(api: Api, jobs: Sequence[Entity], globs: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for job in jobs:
        if job["archive"] > FILE_LIMIT:
            shown = ", ".join(globs)
            raise OperationError(
                f"artifacts: the archive of job {job['name']} is larger than {FILE_LIMIT} bytes; name the files, without globs, instead of {shown}"
            )
        content = api.attachment(f"{_place(job)}/artifacts")
        try:
            yield from _unpacked(content, job, globs)
        except _BROKEN as error:
            # A whole one that cannot be read stays so; half of one is fetched again.
            failure = FAILED if len(content) == job["archive"] else TRANSIENT
            why = f"{error}; {len(content)} bytes of {job['archive']}"
            text = f"job {job['name']} {job['id']}: what came as its artifacts is no archive that can be read ({why})"
            raise OperationError(text, failure) from None


def _unpacked(content: bytes, job: Entity, globs: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir() and _matches(entry.filename, globs)]
        size = sum(entry.file_size for entry in entries)
        if len(entries) > MOST_FILES or size > UNPACKED_LIMIT:
            raise OperationError(
                f"artifacts: job {job['name']} has {len(entries)} files of {size} bytes for {', '.join(globs)}; "
                f"expected at most {MOST_FILES} files and {UNPACKED_LIMIT} bytes; name those that are wanted"
            )
        for entry in entries:
            refuse_hostile(entry.orig_filename)
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                raise OperationError(
                    f"artifacts: {entry.filename!r} of job {job['name']} is a symbolic link or a device; expected a file; name those that are wanted"
                )
            yield entry.filename, archive.read(entry)


def logs(api: Api, pipeline: Pipeline, folder: Path) -> list[Artifact]:
    """The log of each job that ran, that of the job that failed first. One that GitLab has no more, or does not show, says so in its place."""
    ran = [
        job
        for job in pipeline.details["jobs"]
        if job["status"] in ("success", "failed", "canceled") and not job["bridge"]
    ]
    kept = []
    for job in sorted(ran, key=lambda job: (job["status"] != "failed" or job["allow_failure"], job["id"])):
        try:
            content = api.text(f"{_place(job)}/trace")
        except OperationError as error:
            if error.failure != FAILED:
                raise
            content = f"(no log of job {job['name']}: it was erased, or may not be seen: {error})\n".encode()
        kept.append(_kept(folder, f"{_ODD.sub('_', job['name'])}-{job['id']}.log", content))
    return kept


def _place(job: Entity) -> str:
    return f"{project_path(job['project'])}/jobs/{job['id']}"


def _matches(name: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


def _kept(folder: Path, name: str, content: bytes) -> Artifact:
    """Write a file below ``folder``, whole, and give it as an artifact."""
    path = folder / name
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise OperationError(f"artifacts: {name!r} cannot be kept as a file in {folder}: {error.strerror}") from None
    return artifact_of(path, name)
