# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps secrets out of everything that leaves the engine: events, messages, results. Known values are replaced wherever they appear."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.http import secrets_in

MASK = "********"
CENSORED = {"censored": "the output has been hidden due to the fact that 'no_log: true' was specified for this result"}
_SHORTEST = 4
_SHORTEST_BY_NAME = 8
"""A value that only its name makes a secret is masked from this length on: ``token: main`` must not blot out every ``main``."""
_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)?$|secret|token|api[-_]?key|private[-_]?key|^authorization$|^cookie$", re.IGNORECASE
)


class Masker:
    """Replaces every secret it was told of; thread-safe as long as secrets are only added."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Learn more secrets. Values under four characters would mask half of every text and are left out."""
        known = self._secrets | {secret for secret in secrets if len(secret) >= _SHORTEST}
        if known != self._secrets:
            longest_first = sorted(known, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))
            self._secrets = known

    def text(self, text: str) -> str:
        """``text`` without the secrets."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def plain(self, value: Any) -> Any:
        """``value`` as plain JSON without the secrets: keys become strings, what JSON does not know becomes its text."""
        if isinstance(value, str):
            return self.text(str(value))
        if value is None or isinstance(value, (bool, int)):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.plain(item) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.plain(item) for item in value]
        return self.text(str(value))


def is_secret_name(name: str) -> bool:
    """Whether a variable, option or header of that name holds a secret, as far as the name tells."""
    return _SECRET_NAME.search(name) is not None


def secrets_by_name(tree: Any) -> Iterator[str]:
    """Every text in ``tree`` that its key says is secret, with the last word of it alone ("Bearer …"), and the passwords in URLs."""
    stack: list[tuple[bool, Any]] = [(False, tree)]
    while stack:
        secret, value = stack.pop()
        if isinstance(value, Mapping):
            stack.extend((secret or is_secret_name(str(key)), item) for key, item in value.items())
        elif isinstance(value, (list, tuple)):
            stack.extend((secret, item) for item in value)
        elif isinstance(value, str):
            if "://" in value:
                yield from secrets_in(value)
            if secret:
                yield from (
                    text for text in sorted({value, value.rpartition(" ")[2]}) if len(text) >= _SHORTEST_BY_NAME
                )


def without_secret_options(args: Mapping[str, Any], options: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Options as they may be recorded: values of ``no_log`` options hidden, at any depth, and what was not given left out."""
    shown: dict[str, Any] = {}
    for name, value in args.items():
        declared = options.get(name, {})
        if value is None:
            continue
        if declared.get("no_log"):
            shown[name] = MASK
        elif isinstance(value, Mapping) and declared.get("options"):
            shown[name] = without_secret_options(value, declared["options"])
        else:
            shown[name] = value
    return shown
