# Artifacts of jobs that nobody vouches for: names, kinds, sizes, broken archives. Run by pytest.
from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.servers import Answer, Web, web

from ansible_collections.netops.changerail.plugins.module_utils.errors import OperationError
from ansible_collections.netops.changerail.plugins.module_utils.gitlab import files
from ansible_collections.netops.changerail.plugins.module_utils.gitlab.api import Api, Settings
from ansible_collections.netops.changerail.plugins.module_utils.http import Peer
from ansible_collections.netops.changerail.plugins.module_utils.operation import Artifact
from ansible_collections.netops.changerail.plugins.module_utils.provider import Pipeline, Status

FILE = stat.S_IFREG | 0o644
Bring = Callable[..., list[Artifact]]


def archive(*entries: tuple[str, int, bytes]) -> bytes:
    """A zip of entries as (name, mode, content)."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, mode, content in entries:
            entry = zipfile.ZipInfo(name)
            entry.external_attr, entry.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            file.writestr(entry, content)
    return made.getvalue()


@pytest.fixture
def server() -> Iterator[Web]:
    with web() as started:
        yield started


@pytest.fixture
def bring(server: Web, tmp_path: Path) -> Bring:
    """The artifacts of a pipeline with one job, whose archive is ``content``."""

    def artifacts(content: bytes, *names: str, size: int | None = None) -> list[Artifact]:
        disposition = {"Content-Disposition": "attachment"}
        server.answers["/api/v4/projects/1/jobs/5/artifacts"] = Answer(body=content, headers=disposition)
        job: dict[str, Any] = {"id": 5, "name": "build", "project": "1", "archive": size or len(content)}
        pipeline = Pipeline("1/7", Status.SUCCESS, details={"jobs": [job]})
        return files.artifacts(Api(Settings(Peer(server.url))), pipeline, tmp_path, names)

    return artifacts


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "..\\x", "C:/x", "a\nb"])
def test_a_name_that_leads_out_of_the_folder_is_refused(bring: Bring, tmp_path: Path, name: str) -> None:
    with pytest.raises(OperationError, match="leads out of the pipeline's folder"):
        bring(archive((name, FILE, b"x")))
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO])
def test_what_is_no_file_is_refused_unless_nobody_asks_for_it(bring: Bring, kind: int) -> None:
    content = archive(("link", kind | 0o777, b"/etc/passwd"), ("edge.diff", FILE, b"+\n"))
    with pytest.raises(OperationError, match="'link' of job build is a symbolic link or a device"):
        bring(content)
    assert [artifact.name for artifact in bring(content, "*.diff")] == ["edge.diff"]


def test_archives_are_bounded_in_files_and_bytes(bring: Bring, monkeypatch: pytest.MonkeyPatch) -> None:
    content = archive(("a", FILE, bytes(1000)), ("b", FILE, bytes(1000)))
    monkeypatch.setattr(files, "MOST_FILES", 1)
    with pytest.raises(OperationError, match="2 files of 2000 bytes"):
        bring(content)
    monkeypatch.setattr(files, "MOST_FILES", 2)
    monkeypatch.setattr(files, "UNPACKED_LIMIT", 1999)
    with pytest.raises(OperationError, match="at most 2 files and 1999 bytes"):
        bring(content)
    assert len(bring(content, "a*")) == 1


def test_half_an_archive_is_fetched_again_and_a_broken_one_is_not(bring: Bring) -> None:
    content = archive(("edge.diff", FILE, b"+\n"))
    for given, size, failure in ((content[:20], len(content), "transient"), (b"no zip", 6, "failed")):
        with pytest.raises(OperationError, match="no archive that can be read") as caught:
            bring(given, size=size)
        assert caught.value.failure == failure


def test_a_file_where_a_folder_is_wanted_is_said(bring: Bring) -> None:
    with pytest.raises(OperationError, match="'a/b' cannot be kept as a file"):
        bring(archive(("a", FILE, b"x"), ("a/b", FILE, b"x")))


def test_of_an_archive_that_is_too_large_files_must_be_named(bring: Bring) -> None:
    with pytest.raises(
        OperationError, match=r"larger than \d+ bytes; name the files, without globs, instead of out/\*"
    ):
        bring(archive(("out/x", FILE, b"x")), "out/*", size=files.FILE_LIMIT + 1)
