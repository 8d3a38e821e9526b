# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors as the server answers them: which status an error has, and the one shape it has in the API. The routes and what stands around them use it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ansible_collections.netops.changerail.plugins.module_utils.errors import (
    AuthorError,
    ChangerailError,
    CheckError,
    JournalDamaged,
    RunError,
    StorageError,
    UnknownRun,
)

API = "/api/"
CODES: Mapping[int, str] = {
    400: "wrong_request",
    401: "not_known",
    403: "not_allowed",
    404: "not_found",
    405: "wrong_method",
    408: "too_slow",
    409: "conflict",
    413: "too_large",
    422: "mistakes",
    429: "too_many",
    500: "defect",
    503: "unavailable",
}
"""The ``code`` of an error by its status."""


class Unknown(ChangerailError):
    """It is not known who asks."""


class Refused(ChangerailError):
    """Who asks may not do this."""


class Away(ChangerailError):
    """A system that this takes does not answer now."""


class Unusable(ChangerailError):
    """A system that this takes answers what cannot be used."""


class NotFound(ChangerailError):
    """There is no such thing."""


class Conflict(RunError):
    """It cannot be done as the run stands now."""


_STATUS: tuple[tuple[type[ChangerailError], int], ...] = (
    (Unknown, 401),
    (Refused, 403),
    (NotFound, 404),
    (UnknownRun, 404),
    (CheckError, 422),
    (AuthorError, 400),
    (StorageError, 503),
    (Away, 503),
    (Unusable, 502),
    (RunError, 409),
    (JournalDamaged, 409),
)


def status_of(error: ChangerailError) -> int:
    """The status an error is answered with."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def document(status: int, message: str) -> dict[str, object]:
    """An error in the API."""
    return {"error": {"code": CODES.get(status, "error"), "message": message}}


def said(path: str, status: int, message: str) -> tuple[str, bytes]:
    """Content type and body of an error where there is no page for it."""
    if path.startswith(API):
        return "application/json", json.dumps(document(status, message), ensure_ascii=False).encode()
    return "text/plain; charset=utf-8", f"{message}\n".encode(errors="replace")
