# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates and what they may call. Everything from outside is escaped by Jinja2, and made harmless first. For the pages."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.text import harmless
from ansible_collections.netops.changerail.plugins.plugin_utils.people.policy import written
from ansible_collections.netops.changerail.plugins.plugin_utils.views.words import asked, duration
from ansible_collections.netops.changerail.plugins.plugin_utils.web import links

HERE = Path(__file__).parent
STATIC = HERE / "static"


def renderer(clock: Callable[[], float] = time.time) -> Callable[..., str]:
    """``render(name, **values)`` makes the page of a template."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "ago": lambda at: duration(max(0.0, clock() - at)),
        "until": lambda at: duration(max(0.0, at - clock())),
        "lasted": duration,
        "moment": written,
        "asked": asked,
        "run_link": links.of_run,
    }

    def render(name: str, /, **values: Any) -> str:
        return environment.get_template(name).render(**values)

    return render


def _visible(value: Any) -> Any:
    """Text as it is written out: no control character in it does anything. What a template made is done already."""
    return harmless(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
