# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a question, for those who must judge them; doors show nothing of a question but what they get here."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ansible_collections.netops.changerail.plugins.module_utils.errors import RunError
from ansible_collections.netops.changerail.plugins.module_utils.question import Question


def shown(question: Question, name: str) -> bytes:
    """The content of one of the files in ``question.show``, and only with the digest the answer is bound to.

    It comes from outside: show it through text.harmless. Raises RunError when the file is gone or is another one.
    """
    path, expected = (question.show or {}).get(name, ""), (question.subject or {}).get(name)
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise RunError(f"{name}: {path or 'no such file in this question'}: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() != expected:
        raise RunError(
            f"{name}: {path} is not what is asked about (its SHA-256 differs); nothing is shown, since an answer would not be for it"
        )
    return content
