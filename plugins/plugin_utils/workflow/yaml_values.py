# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a YAML scalar means, for the document alone: what it means to Ansible (YAML 1.1: ``yes`` is true).

Only a date stays text, because values must survive as JSON. Known tags are ``!vault`` and ``!unsafe``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.mistake import Mistakes, shown
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Position, Unsafe, Vaulted

_PREFIX = "tag:yaml.org,2002:"
_TEXT_TAGS = {f"{_PREFIX}str", f"{_PREFIX}timestamp", f"{_PREFIX}value", f"{_PREFIX}merge"}
_VAULT_TAGS = {"!vault", "!vault-encrypted"}
_VAULT_HEADER = "$ANSIBLE_VAULT;"
_CONTAINER_TAGS = {None, "!", f"{_PREFIX}map", f"{_PREFIX}seq"}


def value_of(event: Any, at: Position, mistakes: Mistakes) -> Any:
    """The value of a scalar event: str, int, float, bool, None, ``Vaulted`` or ``Unsafe``; None after a mistake."""
    text: str = event.value
    tag = event.tag
    if tag is None or tag == "!":
        if not event.implicit[0]:
            return text
        tag = _implicit_tag(text)
    if tag in _TEXT_TAGS:
        return text
    if tag in _VAULT_TAGS:
        return _vaulted(text, at, mistakes)
    return Unsafe(text) if tag == "!unsafe" else _typed(tag, text, at, mistakes)


def check_tag_of_container(tag: str | None, at: Position, mistakes: Mistakes) -> None:
    """Report a tag on a list or mapping: none has a meaning there."""
    if tag not in _CONTAINER_TAGS:
        _report_tag(tag or "", at, mistakes)


def _report_tag(tag: str, at: Position, mistakes: Mistakes) -> None:
    short = f"!!{tag.removeprefix(_PREFIX)}" if tag.startswith(_PREFIX) else tag
    mistakes.add(at, f"tag {short}", "no tag here", "known tags are !vault and !unsafe, on text")


def _vaulted(text: str, at: Position, mistakes: Mistakes) -> Vaulted:
    if not text.lstrip().startswith(_VAULT_HEADER):
        expected = f"text that begins with '{_VAULT_HEADER}'"
        mistakes.add(at, "!vault without ciphertext", expected, "make it with ansible-vault encrypt_string")
    return Vaulted(text)


def _typed(tag: str, text: str, at: Position, mistakes: Mistakes) -> Any:
    construct = _constructors().get(tag)
    if construct is None:
        _report_tag(tag, at, mistakes)
        return None
    try:
        value = construct(tag, text)
    except (ValueError, KeyError, IndexError, OverflowError):
        mistakes.add(at, f"{shown(text)} is no {tag.rpartition(':')[2]}", "a value of that type")
        return None
    if isinstance(value, float) and not math.isfinite(value):
        mistakes.add(at, f"{text} has no place in JSON", "a finite number", "quote it if it is text")
        return None
    return value


@lru_cache(maxsize=4096)
def _implicit_tag(text: str) -> str:
    """The tag YAML 1.1 gives an unquoted scalar."""
    from yaml import ScalarNode
    from yaml.resolver import Resolver

    resolver: Any = Resolver()
    tag: str = resolver.resolve(ScalarNode, text, (True, False))
    return tag


@lru_cache(maxsize=1)
def _constructors() -> Mapping[str, Any]:
    """PyYAML's own making of numbers, booleans and null from text, by tag."""
    from yaml import ScalarNode
    from yaml.constructor import SafeConstructor

    maker = SafeConstructor()
    kinds = {
        "int": maker.construct_yaml_int,
        "float": maker.construct_yaml_float,
        "bool": maker.construct_yaml_bool,
        "null": maker.construct_yaml_null,
    }

    def made(construct: Any) -> Any:
        return lambda tag, text: construct(ScalarNode(tag, text))

    return {f"{_PREFIX}{name}": made(construct) for name, construct in kinds.items()}
