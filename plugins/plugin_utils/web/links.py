# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of pages, for messages that leave the server. Pages use them too, so that what was sent goes on working."""

from __future__ import annotations

from urllib.parse import quote


def of_run(run: str) -> str:
    """The path of a run's page."""
    return f"/runs/{quote(run, safe='')}"


def of_step(run: str, path: str) -> str:
    """The path of a run's page, at a step."""
    return f"{of_run(run)}#{quote(path, safe='/[]')}"


def step_page(run: str, path: str) -> str:
    """The path of the page with everything about a step."""
    return f"{of_run(run)}/step?path={quote(path, safe='')}"


def public(public_url: str, run: str, path: str) -> str:
    """The whole address of a step for people; "" when nobody said where the server is."""
    return f"{public_url}{of_step(run, path)}" if public_url else ""
