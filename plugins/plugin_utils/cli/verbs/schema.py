# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``changerail schema``: the JSON Schema of workflow files, for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import write_json
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.schema import schema

if TYPE_CHECKING:
    import click


def command() -> click.Command:
    """The verb for click."""
    import click

    return click.Command(
        "schema",
        callback=write_schema,
        params=[click.Option(["-o", "--output"], metavar="FILE", help="Write it there instead of to standard output.")],
        help="Print the JSON Schema of workflow files, for editors.",
    )


def write_schema(output: str | None) -> int:
    """Print the schema or write it to a file. Raises AuthorError when that cannot be written."""
    if output is None:
        write_json(schema())
        return 0
    try:
        Path(output).write_text(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise AuthorError(f"{output}: {error.strerror}") from None
    return 0
