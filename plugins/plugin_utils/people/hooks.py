# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may send webhooks to the server, as values: the section ``hooks`` of the project file. ``project_file.py`` makes them, ``web.hooks`` uses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class HookStart:
    """What a hook may start: the server's workflow of that name, as the run ``run_id`` says, if ``when`` holds. All but the name are JMESPath."""

    workflow: str
    run_id: str
    when: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class HookSource:
    """Somebody who sends webhooks of ``kind``. ``secrets`` are what they may prove themselves with, as references; ``step`` is JMESPath that gives
    ``RUN/STEP``, "" for that of the kind.
    """

    kind: str
    secrets: tuple[Any, ...]
    step: str = ""
    start: HookStart | None = None
