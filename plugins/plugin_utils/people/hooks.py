# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may send webhooks to the server, as values: the section ``hooks`` of the project file. ``project_file.py`` makes them, ``web.hooks`` uses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError

KINDS: Mapping[str, str] = {"gitlab": "", "github": "", "servicenow": "correlation_id", "hmac": "step"}
"""How a source proves itself, each with the expression that says by default which step its hook is for; GitLab's hooks say it by themselves."""


@dataclass(frozen=True)
class HookStart:
    """What a hook may start: the server's workflow of that name, as the run ``run_id`` says, if ``when`` holds. All but the name are JMESPath."""

    workflow: str
    run_id: str
    when: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class HookSource:
    """Somebody who sends webhooks. ``secrets`` are what they may prove themselves with, as references; ``step`` is JMESPath that gives ``RUN/STEP``."""

    kind: str
    secrets: tuple[Any, ...]
    step: str = ""
    start: HookStart | None = None


class Expression:
    """A compiled JMESPath expression. Raises AuthorError when it is none."""

    def __init__(self, text: str) -> None:
        import jmespath
        from jmespath.exceptions import JMESPathError

        try:
            self._compiled = jmespath.compile(text)
        except JMESPathError as error:
            raise AuthorError(f"{text!r} is no JMESPath expression: {str(error).splitlines()[0]}") from None

    def of(self, document: Any) -> Any:
        """What it gives of ``document``; None where it gives nothing, also because a function met a value that it does not take."""
        from jmespath.exceptions import JMESPathError

        try:
            return self._compiled.search(document)
        except JMESPathError:
            return None
