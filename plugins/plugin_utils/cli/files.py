# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a step on a terminal: diffs, other artifacts, output. They come from outside, so on a terminal nothing in them has any power over it."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from ansible_collections.netops.changerail.plugins.plugin_utils.cli.terminal import out, styled

_DIFF_STYLES: Mapping[str, str] = {"+++": "bold", "---": "bold", "@@": "cyan", "+": "green", "-": "red"}


def write_content(content: bytes) -> None:
    """As it is to a pipe, made harmless and coloured as a diff to a terminal."""
    if sys.stdout.isatty():
        write_diff(content)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)


def write_diff(content: bytes) -> None:
    """``content`` line by line, harmless; lines of a diff in its colours where there are colours."""
    console = out()
    for text in content.decode(errors="replace").splitlines():
        style = next((style for sign, style in _DIFF_STYLES.items() if text.startswith(sign)), "")
        console.print(styled((text, style)), soft_wrap=True)
