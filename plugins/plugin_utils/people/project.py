# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the project file says, as values: who is who, connections, channels, calendars, defaults. The doors and the engine use it; project_file.py loads it.

Secrets in it are references (``!vault``, ``{env: NAME}``) which are followed only when an operation asks for the value, so nothing
has to be decrypted for what is not used and nothing in a ``Project`` needs hiding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import (
    AuthorError,
    ChangerailError,
    OperationError,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.people.hooks import HookSource
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import People
from ansible_collections.netops.changerail.plugins.plugin_utils.people.policy import Level
from ansible_collections.netops.changerail.plugins.plugin_utils.people.sign_in import SignIn
from ansible_collections.netops.changerail.plugins.plugin_utils.people.signatures import Signers
from ansible_collections.netops.changerail.plugins.plugin_utils.people.trusted import read_trusted
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Position, Vaulted

REVIEW_WITHIN = "7d"
"""How long people have to review what was opened by break-glass, where the project file does not say it."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A value that stands elsewhere: ``source`` is the name of an environment variable, or a vault's ciphertext."""

    source: str | Vaulted
    at: Position


def _no_vault(ciphertext: str) -> str:
    raise AuthorError(
        "no vault password is at hand; give one as for ansible-playbook (--vault-id, --vault-password-file, ansible.cfg)"
    )


@dataclass(frozen=True)
class Resolver:
    """Follows references: ``environment`` stands for ``os.environ``, ``decrypt`` makes text of a vault's ciphertext or raises ChangerailError."""

    environment: Mapping[str, str] = field(default_factory=dict)
    decrypt: Callable[[str], str] = _no_vault

    def value(self, tree: Any) -> Any:
        """``tree`` with every reference in it followed. Raises OperationError, which names the place."""
        if isinstance(tree, Reference):
            return self._followed(tree)
        if isinstance(tree, Mapping):
            return {key: self.value(inner) for key, inner in tree.items()}
        if isinstance(tree, (list, tuple)):
            return [self.value(inner) for inner in tree]
        return tree

    def _followed(self, reference: Reference) -> str:
        if isinstance(reference.source, str):
            if reference.source not in self.environment:
                raise OperationError(f"{reference.at}: the environment variable {reference.source} is not set")
            return self.environment[reference.source]
        try:
            return self.decrypt(reference.source.ciphertext)
        except ChangerailError as error:
            raise OperationError(f"{reference.at}: cannot decrypt: {error}") from None


class _Resolved(Mapping[str, Any]):
    """A part of the project whose references are followed entry by entry, when one is asked for."""

    def __init__(self, tree: Mapping[str, Any], resolver: Resolver) -> None:
        self._tree, self._resolver = tree, resolver

    def __getitem__(self, name: str) -> Any:
        return self._resolver.value(self._tree[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._tree)

    def __len__(self) -> int:
        return len(self._tree)

    def __contains__(self, name: object) -> bool:
        return name in self._tree


@dataclass(frozen=True)
class Project:
    """What ``changerail.yml`` says; ``Project()`` is what holds without one: nobody is named, so everybody is known by login and in no group.

    ``connections`` are options by provider name, ``channels`` Apprise URLs by name, ``notify`` the Apprise URLs of people by name,
    ``calendars`` paths or URLs by name; values in them may be references. ``defaults`` are "deadline", "assurance" and
    "break_glass_review" for questions, "records" and "pipelines" for providers.
    ``escalation`` is who is told, level by level, when nobody answers. ``allowed_signers`` is a file in OpenSSH's form.
    ``hooks`` are those who may send webhooks to the server, by name; ``sign_in`` says who else lets people in there.
    """

    path: Path | None = None
    people: People = field(default_factory=People)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    connections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    channels: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    notify: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    calendars: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    escalation: tuple[Level, ...] = ()
    allowed_signers: Path | None = None
    hooks: Mapping[str, HookSource] = field(default_factory=dict)
    sign_in: SignIn | None = None

    def context_parts(self, resolver: Resolver) -> tuple[Mapping[str, Mapping[str, Any]], dict[str, Any]]:
        """``connections`` and ``settings`` for the Context of operations. Raises nothing; an entry that cannot be resolved raises when it is read."""
        people = {
            name: {"groups": sorted(person.groups), "mail": person.mail, "notify": self.notify.get(name, [])}
            for name, person in self.people.by_name.items()
        }
        settings = {
            "people": _Resolved(people, resolver),
            "groups": {name: list(members) for name, members in self.groups.items()},
            "channels": _Resolved(self.channels, resolver),
            "calendars": _Resolved(self.calendars, resolver),
            "defaults": dict(self.defaults),
        }
        return _Resolved(self.connections, resolver), settings

    def secrets(self, resolver: Resolver) -> frozenset[str]:
        """The values behind all references, to be masked wherever text is kept or shown."""
        values = set()
        server = [source.secrets for source in self.hooks.values()]
        if self.sign_in is not None and self.sign_in.openid is not None:
            server.append((self.sign_in.openid.client_secret,))
        for reference in _references([self.connections, self.channels, self.notify, self.calendars, server]):
            try:
                values.add(resolver.value(reference))
            except OperationError:
                # What cannot be read here cannot leak from here; whoever needs it gets the error.
                continue
        return frozenset(values - {""})

    def signers(self) -> Signers:
        """Whose SSH key is whose, read anew each time. Raises AuthorError when the allowed_signers file cannot be trusted or read."""
        people = self.people.by_name.items()
        return Signers(
            allowed=read_trusted(self.allowed_signers).decode("utf-8", "replace") if self.allowed_signers else "",
            keys={name: person.keys for name, person in people},
            principals={name: (person.mail,) for name, person in people if person.mail},
        )


def _references(tree: Any) -> Iterator[Reference]:
    if isinstance(tree, Reference):
        yield tree
    elif isinstance(tree, Mapping):
        for inner in tree.values():
            yield from _references(inner)
    elif isinstance(tree, (list, tuple)):
        for inner in tree:
            yield from _references(inner)
