# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of answers, cancels and evidence into a run: files in its inbox. Doors put items, the engine reads and removes them.

An item is there as a whole or not at all, and it stays until the engine has recorded it, so nothing is lost when either of them dies.
Who owns an item's file is who sent it. Everything else in it is a claim from outside: see answering.py for what is made of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError, RunError
from ansible_collections.netops.changerail.plugins.module_utils.files import sync_folder
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import (
    RunFolder,
    private_folder,
    storage_error,
)

LARGEST = 64 * 1024
"""Bytes an item's file may have."""

ANSWER = "answer"
BREAK_GLASS = "break_glass"
"""A word of break-glass at an open question; only a server can send one that counts."""
CANCEL = "cancel"
REFUSED = "refused"
"""An action that a door refused; it only goes into the journal."""
EVIDENCE = "evidence"

_FIELDS: Mapping[str, Mapping[str, type]] = {
    ANSWER: {
        "run": str,
        "path": str,
        "question": str,
        "choice": str,
        "comment": str,
        "person": str,
        "signature": str,
    },
    BREAK_GLASS: {"run": str, "path": str, "question": str, "reason": str, "person": str, "on_call": bool},
    CANCEL: {"run": str, "person": str, "reason": str, "force": bool},
    REFUSED: {"run": str, "person": str, "action": str, "path": str, "reason": str},
    EVIDENCE: {
        "run": str,
        "person": str,
        "name": str,
        "failure": str,
        "message": str,
        "changed": bool,
        "files": dict,
    },
}
_OPTIONAL: Mapping[str, Any] = {"authenticated": False, "groups": []}
"""What an item of an earlier release may lack, and what it means then."""
_OF_A_FILE: Mapping[str, type] = {"path": str, "sha256": str, "size": int}
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}\Z")


@dataclass(frozen=True)
class Item:
    """One item: ``document`` has ``kind``, ``id`` and the fields of its kind, all of the right type.

    ``arrived`` is when the file got its place (seconds since the epoch, by this machine's clock, not by its sender).
    """

    id: str
    owner_uid: int
    arrived: float
    document: Mapping[str, Any]


class _Unusable(Exception):
    """The file is no item; the text says why."""


def put(folder: RunFolder, item: Mapping[str, Any]) -> str:
    """Lay ``item`` (see answering.py) durably into the inbox and wake the engine if one runs. Returns the item's id.

    Raises AuthorError for an item the engine would not take, RunError when this user may not write there, StorageError when the disk fails.
    """
    try:
        text = json.dumps(item, ensure_ascii=False).encode()
        _checked(text, item.get("id", ""))
    except (UnicodeEncodeError, _Unusable) as error:
        raise AuthorError(f"{item.get('kind', 'item')}: {error}") from None
    name = str(item["id"])
    inbox = private_folder(folder.inbox)
    try:
        _write(inbox, name, text)
    except PermissionError:
        raise RunError(
            f"{inbox}: user {os.geteuid()} may not write there; the run belongs to user {inbox.stat().st_uid}"
        ) from None
    except OSError as error:
        raise storage_error(inbox / f"{name}.json", error) from None
    wake(folder)
    return name


def wake(folder: RunFolder) -> None:
    """Make whoever drives the run, an engine of its own or a server, look into the inbox; does nothing when nobody is listening."""
    _ring(folder.wake, b"\n")
    wake_server(folder)


def wake_server(folder: RunFolder) -> None:
    """Make the server of the state folder, if there is one, look after this run: it was put down, or its inbox changed."""
    _ring(folder.state.wake, f"{folder.run}\n".encode())


def _ring(path: Path, text: bytes) -> None:
    # No FIFO, nobody reading, or a full FIFO: an engine is woken by it just as well, and a server then looks after every run.
    with contextlib.suppress(OSError):
        fifo = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if stat.S_ISFIFO(os.fstat(fifo).st_mode):
                os.write(fifo, text)
        finally:
            os.close(fifo)


def items(folder: RunFolder, report: Callable[[str], None]) -> list[Item]:
    """What lies in the inbox, in the order it arrived. A file that is no item is moved to ``inbox/refused/`` and ``report`` is told why."""
    found = []
    for name in _names(folder.inbox):
        try:
            found.append(_read(folder.inbox, name))
        except FileNotFoundError:
            continue
        except _Unusable as error:
            _refuse(folder.inbox, name, str(error), report)
        except OSError as error:
            _refuse(folder.inbox, name, f"cannot be read: {error.strerror}", report)
    return sorted(found, key=lambda item: (item.arrived, item.id))


def done(folder: RunFolder, item_id: str) -> None:
    """Remove an item that is recorded. It may come back after a crash of the machine; its id then says that it is known already."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(folder.inbox / f"{item_id}.json")


def _names(inbox: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(inbox) if name.endswith(".json") and not name.startswith("."))
    except FileNotFoundError:
        return []


def _write(inbox: Path, name: str, text: bytes) -> None:
    # The engine runs as the inbox's owner and must be able to read what root or somebody it lets in puts there; the folders keep the others out.
    mode = 0o600 if inbox.stat().st_uid == os.geteuid() else 0o644
    draft = inbox / f".{name}.{secrets.token_hex(4)}"
    try:
        with open(draft, "xb", opener=lambda path, flags: os.open(path, flags, mode)) as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.rename(draft, inbox / f"{name}.json")
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise
    sync_folder(inbox)


def _read(inbox: Path, name: str) -> Item:
    # Not blocking, or somebody else's FIFO would hold the engine for ever.
    with open(
        inbox / name, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)
    ) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise _Unusable("is no regular file")
        # A second name for somebody's file would send what they never sent.
        if status.st_nlink != 1:
            raise _Unusable("has more than one name (hard link)")
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise _Unusable("can be written by others than its owner")
        text = file.read(LARGEST + 1)
    document = _checked(text, name.removesuffix(".json"))
    return Item(document["id"], status.st_uid, status.st_ctime, document)


def _checked(text: bytes, item_id: object) -> dict[str, Any]:
    """The item in ``text``, with nothing in it that this release does not know. Raises _Unusable."""
    if len(text) > LARGEST:
        raise _Unusable(f"is larger than {LARGEST} bytes")
    try:
        document = json.loads(text.decode())
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise _Unusable(f"is not JSON in UTF-8: {error}") from None
    if not isinstance(document, dict) or document.get("kind") not in _FIELDS:
        raise _Unusable(f"expected a JSON object whose kind is one of {', '.join(_FIELDS)}")
    if document.get("id") != item_id or not isinstance(item_id, str) or not _ID.match(item_id):
        raise _Unusable("its id is not the file's name")
    expected = _FIELDS[document["kind"]]
    for field, kind in expected.items():
        if not isinstance(document.get(field), kind):
            raise _Unusable(f"its field {field} is missing or no {kind.__name__}")
    if "files" in expected:
        _check_files(document["files"])
    optional = {field: document.get(field, without) for field, without in _OPTIONAL.items()}
    if not isinstance(optional["authenticated"], bool) or not _texts(optional["groups"]):
        raise _Unusable("its field authenticated is no bool, or its field groups no list of texts")
    return {"kind": document["kind"], "id": item_id, **{field: document[field] for field in expected}, **optional}


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _check_files(files: Mapping[str, Any]) -> None:
    for name, file in files.items():
        if not isinstance(file, dict) or {field: type(value) for field, value in file.items()} != _OF_A_FILE:
            raise _Unusable(f"its file {name!r} is not said with {', '.join(_OF_A_FILE)}")


def _refuse(inbox: Path, name: str, reason: str, report: Callable[[str], None]) -> None:
    aside = private_folder(inbox / "refused") / f"{name}.{secrets.token_hex(4)}"
    report(f"{inbox / name}: {reason}; moved to {aside}")
    try:
        os.rename(inbox / name, aside)
    except OSError as error:
        raise storage_error(aside, error) from None
