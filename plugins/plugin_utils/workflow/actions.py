# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which action a word of a step names, and which options it takes; for the reader, the checker and the JSON Schema.

A word is an operation (ours by its short or full name, a stranger's by its full name), one of the structural words, or an Ansible module.
Whether a module of a collection exists is not looked up: that is the playbook's business.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.module_utils.operation import OUR_COLLECTION, find
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.keywords import (
    BLOCK,
    MODULE,
    OPERATION,
    PARALLEL,
    PLAYBOOK,
    WORKFLOW,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import ENGINE_MODULES

IMPORT_PLAYBOOK = "ansible.builtin.import_playbook"
SET_FACT = "ansible.builtin.set_fact"
STRUCTURE: Mapping[str, tuple[str, str]] = {
    "block": ("block", BLOCK),
    "parallel": ("parallel", PARALLEL),
    "import_workflow": (f"{OUR_COLLECTION}.import_workflow", WORKFLOW),
    f"{OUR_COLLECTION}.import_workflow": (f"{OUR_COLLECTION}.import_workflow", WORKFLOW),
    "import_playbook": (IMPORT_PLAYBOOK, PLAYBOOK),
    IMPORT_PLAYBOOK: (IMPORT_PLAYBOOK, PLAYBOOK),
}
"""Words that are neither operation nor module, with their full name and the kind of step they make."""

_BUILTIN = "ansible.builtin."
_OURS = f"{OUR_COLLECTION}."
_FULL_NAME = re.compile(r"[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+\Z")
FULL_NAME_PATTERN = r"^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+$"


@dataclass(frozen=True, slots=True)
class Named:
    """What a word names: the action's full name and the kind of step it makes (keywords.EVERYWHERE)."""

    name: str
    place: str

    @property
    def short(self) -> str:
        """The name without its collection."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Options:
    """What an action takes: an Ansible ``argument_spec`` with its constraints.

    ``raw`` are options that are not templated, ``conditions`` those of them that hold Jinja expressions.
    """

    spec: Mapping[str, Mapping[str, Any]]
    constraints: Mapping[str, Any] = field(default_factory=dict)
    raw: Sequence[str] = ()
    conditions: Sequence[str] = ()


_TEXT_LIST = {"type": "list", "elements": "str"}
_PATH_LIST = {"type": "list", "elements": "path"}

PLAYBOOK_OPTIONS = Options(
    {
        "playbook": {"type": "path", "required": True},
        "inventory": _PATH_LIST,
        "limit": {"type": "str"},
        "tags": _TEXT_LIST,
        "skip_tags": _TEXT_LIST,
        "forks": {"type": "int"},
        "check": {"type": "bool", "default": False},
        "diff": {"type": "bool", "default": False},
        "verbosity": {"type": "int"},
        "vault_password_files": _PATH_LIST,
    }
)
"""What ``import_playbook`` takes when it is written as a mapping. Extra vars are the step's ``vars``."""

ENGINE_OPTIONS: Mapping[str, Options] = {
    "assert": Options(
        {
            "that": {"type": "list", "elements": "raw", "required": True},
            "fail_msg": {"type": "str", "aliases": ["msg"]},
            "success_msg": {"type": "str"},
            "quiet": {"type": "bool", "default": False},
        },
        raw=("that",),
        conditions=("that",),
    ),
    "debug": Options(
        {"msg": {"type": "raw"}, "var": {"type": "str"}, "verbosity": {"type": "int", "default": 0}},
        {"mutually_exclusive": [["msg", "var"]]},
        raw=("var",),
        conditions=("var",),
    ),
    "fail": Options({"msg": {"type": "str"}}),
    "pause": Options(
        {
            "seconds": {"type": "float"},
            "minutes": {"type": "float"},
            "prompt": {"type": "str"},
            "echo": {"type": "bool", "default": True},
        },
        {"mutually_exclusive": [["seconds", "minutes"]]},
    ),
}
"""Options of the modules the engine does itself, as their Ansible modules document them; ``set_fact`` takes any."""


def named(word: str) -> Named | None:
    """What ``word`` names as an action, or None. Raises AuthorError when an operation of that name exists and cannot be loaded."""
    if word in STRUCTURE:
        return Named(*STRUCTURE[word])
    short = word.removeprefix(_OURS)
    if short in ours("operations"):
        return Named(f"{_OURS}{short}", OPERATION)
    if word in builtin_modules():
        return Named(f"{_BUILTIN}{word}", MODULE)
    if not _FULL_NAME.match(word) or word.startswith(_OURS):
        return None
    if word.startswith(_BUILTIN):
        return Named(word, MODULE) if word.removeprefix(_BUILTIN) in builtin_modules() else None
    return Named(word, MODULE if _strangers(word) is None else OPERATION)


def known_words() -> list[str]:
    """Every word ``named`` knows without its being a module of another collection, for suggestions."""
    operations = ours("operations")
    return [
        *STRUCTURE,
        *operations,
        *(f"{_OURS}{name}" for name in operations),
        *builtin_modules(),
        *(f"{_BUILTIN}{name}" for name in builtin_modules()),
    ]


def options_of(name: str) -> Options | None:
    """The options of an action by its full name, or None when it takes any or only Ansible knows them."""
    if name == IMPORT_PLAYBOOK:
        return PLAYBOOK_OPTIONS
    if name.startswith(_BUILTIN):
        return ENGINE_OPTIONS.get(name.removeprefix(_BUILTIN))
    operation = find("operations", name) if name.startswith(_OURS) else _strangers(name)
    if operation is None:
        return None
    return Options(operation.options, operation.constraints, tuple(operation.raw_options))


@cache
def ours(kind: str) -> tuple[str, ...]:
    """The short names of our own of a kind ("operations", "hooks"), sorted."""
    folder = find_spec(f"ansible_collections.{OUR_COLLECTION}.plugins.module_utils.{kind}")
    places = folder.submodule_search_locations if folder else None
    return tuple(
        sorted(module.name for module in pkgutil.iter_modules(places or []) if not module.name.startswith("_"))
    )


@lru_cache(maxsize=1)
def builtin_modules() -> frozenset[str]:
    """The short names of the installed ansible-core's modules, of those the engine does itself, and of ``yum``, which newer ones redirect."""
    folder = find_spec("ansible.modules")
    places = folder.submodule_search_locations if folder else None
    installed = {module.name for module in pkgutil.iter_modules(places or [])}
    return frozenset(installed - {"async_wrapper", "import_playbook"} | {"yum", *ENGINE_MODULES})


@lru_cache(maxsize=1024)
def _strangers(name: str) -> Any:
    """The operation of another collection, or None when it has none of that name."""
    try:
        return find("operations", name)
    except AuthorError:
        return None
    except (ImportError, AttributeError, SyntaxError) as error:
        raise AuthorError(f"operation {name} cannot be loaded: {error}") from error
