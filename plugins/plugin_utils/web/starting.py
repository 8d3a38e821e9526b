# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages that start a run: what may be started, the form of its variables, what would happen, and the start itself. ``web.pages`` has the routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.module_utils.errors import ChangerailError
from ansible_collections.netops.changerail.plugins.plugin_utils.views.foreseen import Foreseen
from ansible_collections.netops.changerail.plugins.plugin_utils.views.form import as_entered, fields, filled
from ansible_collections.netops.changerail.plugins.plugin_utils.web import answers, links
from ansible_collections.netops.changerail.plugins.plugin_utils.web.actions import StartWish
from ansible_collections.netops.changerail.plugins.plugin_utils.web.door import Visit
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Workflow

if TYPE_CHECKING:
    from starlette.responses import Response

VARIABLE = "variable."
"""How names of variables begin in a form, which has fields of its own."""
REHEARSE = "rehearse"
"""What the button says that only looks ahead."""


def startable(visit: Visit) -> Response:
    """What may be started."""
    return visit.render("startable.html", names=visit.actions.startable(visit.by))


def start_form(visit: Visit) -> Response:
    """The form, as the workflow fills it in."""
    return _form(visit, visit.actions.workflow(visit.by, visit.workflow), 200)


def start_sent(visit: Visit) -> Response:
    """A form that was sent: what is wrong with it, what would happen, or the run that was started."""
    from starlette.responses import RedirectResponse

    given = {name.removeprefix(VARIABLE): text for name, text in visit.form.items() if name.startswith(VARIABLE)}
    flow = visit.actions.workflow(visit.by, visit.workflow)
    variables, wrong = filled(flow, given)
    if wrong:
        return _form(visit, flow, 422, given, wrong)
    limit, check = visit.form.get("limit", "").strip() or None, visit.form.get("check") == "true"
    wish = StartWish(visit.workflow, variables, limit, check)
    if visit.form.get("do") != REHEARSE:
        return RedirectResponse(links.of_run(visit.actions.start(visit.by, wish).run), 303)
    try:
        return _form(visit, flow, 200, given, ahead=visit.actions.rehearse(visit.by, wish))
    except ChangerailError as error:
        # On a page of its own the error would take what was filled in with it.
        return _form(visit, flow, answers.status_of(error), given, problem=str(error))


def _form(
    visit: Visit,
    flow: Workflow,
    status: int,
    given: Mapping[str, str] | None = None,
    wrong: Mapping[str, str] | None = None,
    ahead: Foreseen | None = None,
    problem: str = "",
) -> Response:
    """The form of a workflow; with what was filled in and what is wrong with it, or what would come of it."""
    return visit.render(
        "start.html",
        status,
        workflow=visit.workflow,
        flow=flow,
        fields=fields(flow) if given is None else as_entered(flow, given),
        sent=given is not None,
        wrong=wrong or {},
        ahead=ahead,
        problem=problem,
        variable=VARIABLE,
        rehearse=REHEARSE,
        limit=visit.form.get("limit", ""),
        check=visit.form.get("check") == "true",
    )
