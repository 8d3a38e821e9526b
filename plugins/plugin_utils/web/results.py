# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of what a run has to show for itself, and the download of its artifacts. ``web.pages`` has the routes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ansible_collections.netops.changerail.plugins.module_utils.operation import Artifact
from ansible_collections.netops.changerail.plugins.plugin_utils.journal.folder import StateFolder
from ansible_collections.netops.changerail.plugins.plugin_utils.views.detail import StepDetail, details
from ansible_collections.netops.changerail.plugins.plugin_utils.views.results import (
    Kept,
    download_name,
    kept,
    registered,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.web import links
from ansible_collections.netops.changerail.plugins.plugin_utils.web.door import Visit
from ansible_collections.netops.changerail.plugins.plugin_utils.web.files import artifact_at, standing

if TYPE_CHECKING:
    from starlette.responses import Response

_MOST = 200
"""Files, and results, that the page shows; the evidence has all."""
_LONGEST = 4_000
"""Characters of a result that the page shows; the page of its step shows more."""


def results_page(visit: Visit) -> Response:
    """The results that steps registered, and the files of all steps."""
    past = visit.actions.past(visit.by, visit.run)
    steps = details(past.events)
    results, found = registered(past.workflow, steps), files_of(visit.server.state, steps)
    return visit.render(
        "results.html",
        run=past.folder.run,
        name=past.started.name,
        results=results[:_MOST],
        more_results=max(0, len(results) - _MOST),
        found=found[:_MOST],
        more_files=max(0, len(found) - _MOST),
        artifact_link=artifact_link,
        step_link=links.step_page,
        text_of=lambda value: text_of(value, _LONGEST),
    )


def files_of(state: StateFolder, steps: Mapping[str, StepDetail]) -> list[tuple[Kept, str]]:
    """The files of ``steps``, each with the reason why it cannot be had ("" when it can)."""
    return [(file, standing(state, file.artifact)) for file in kept(steps)]


def artifact_download(visit: Visit) -> Response:
    """One artifact, as the journal names it: its digest is checked, then it is sent piece by piece."""
    from starlette.responses import FileResponse

    past = visit.actions.past(visit.by, visit.run)
    path, name, sha256 = (visit.query.get(key, "") for key in ("path", "name", "sha256"))
    place = artifact_at(visit.server.state, past, path, name, sha256)
    headers = {
        "Content-Disposition": f'attachment; filename="{download_name(name)}"',
        "Cache-Control": "no-store",
    }
    return FileResponse(place, media_type="application/octet-stream", headers=headers)


def artifact_link(run: str, path: str, artifact: Artifact) -> str:
    """The address of a download."""
    query = urlencode({"path": path, "name": artifact.name, "sha256": artifact.sha256}, errors="replace")
    return f"{links.of_run(run)}/artifact?{query}"


def text_of(value: Mapping[str, Any], longest: int) -> str:
    """A result for people, cut after ``longest`` characters."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return text if len(text) <= longest else f"{text[:longest]}\n... {len(text) - longest} more characters"
