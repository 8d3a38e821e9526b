# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds ``changerail.yml`` and reads it into a ``Project``, with every mistake in it at once; for the doors and the engine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.conditions import Expression
from ansible_collections.netops.changerail.plugins.module_utils.durations import moment, seconds
from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.module_utils.operation import find as find_kind
from ansible_collections.netops.changerail.plugins.module_utils.question import ASSURANCES
from ansible_collections.netops.changerail.plugins.plugin_utils.people.access import Grant, grant
from ansible_collections.netops.changerail.plugins.plugin_utils.people.hooks import HookSource, HookStart
from ansible_collections.netops.changerail.plugins.plugin_utils.people.identity import People, Person, plain
from ansible_collections.netops.changerail.plugins.plugin_utils.people.policy import ASKED, Level
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project import REVIEW_WITHIN, Project, Reference
from ansible_collections.netops.changerail.plugins.plugin_utils.people.project_values import Values, nothing
from ansible_collections.netops.changerail.plugins.plugin_utils.people.sign_in import (
    EVERYBODY,
    OpenId,
    Proxy,
    SignIn,
    is_confidential,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.people.trusted import distrust, read_trusted
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.actions import ours
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.document import (
    Items,
    Node,
    Table,
    decoded,
    described,
    parse,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.mistake import Mistakes, nearest, shown

NAME = "changerail.yml"
VARIABLE = "CHANGERAIL_CONFIG"

SECTIONS: Mapping[str, str] = {
    "people": "Everybody who may be asked or told, by name; the name is the login too, where nothing else is said.",
    "groups": "Groups by name, each with a list of people; the same as `groups` of a person, from the other side.",
    "connections": "How a system is reached, by the provider's name, such as `servicenow` or `gitlab`: URL, credentials and whatever else its page says.",
    "channels": "Where notifications go, by name: an Apprise URL such as `mailto://...`, or a list of them.",
    "calendars": "iCalendar files by name, for `window`: a URL, or a path that starts at this file's folder.",
    "defaults": "What counts where a step does not say it.",
    "escalation": "Who is told when nobody answers a question, level after level; `escalate` of a step overrides it.",
    "allowed_signers": "A file in the format of `ssh-keygen -Y verify` with keys of people, beside their `keys`; a path that starts at this file's folder.",
    "hooks": "Who may send webhooks to the server, by the name at the end of its address `/hooks/NAME`.",
    "sign_in": "Who else says at the server who somebody is, a reverse proxy or an OpenID Connect provider, and which roles people have so.",
    "trusted_os_users": "Logins of programs that are believed when they say who answers; none of them may be a person's own.",
}
"""The sections, each with what it is for; the reference documentation shows this and the three below."""
PERSON: Mapping[str, str] = {
    "os_user": "The login, or a list of them, by which the person is known on this machine; default is the person's name.",
    "groups": "The groups the person belongs to.",
    "mail": "The mail address, by which the person is found in other systems and in SSH signatures.",
    "notify": "An Apprise URL, or a list of them, where the person is told of questions.",
    "keys": "SSH public keys, each the line of a .pub file, by which signed answers are verified.",
}
DEFAULTS: Mapping[str, str] = {
    "deadline": "When a question is denied by itself, a duration such as `2d` or a moment.",
    "assurance": f"How sure it must be who answered: one of {', '.join(ASSURANCES)}.",
    "break_glass_review": f"How long those asked have, once a run is done, to review what was opened by break-glass; default `{REVIEW_WITHIN}`.",
    "records": "The provider of change records, such as `servicenow`.",
    "pipelines": "The provider of pipelines, such as `gitlab`.",
}
LEVEL: Mapping[str, str] = {
    "after": "How long nobody answered, a duration such as `30m`.",
    "to": f"Who is told then: people, groups, channels, or `{ASKED}` for those who may answer.",
}
HOOK: Mapping[str, str] = {
    "kind": "How the source proves itself: `gitlab`, `github`, `servicenow`, `hmac`, or one of another collection by its full name.",
    "secret": "What it proves itself with, or a list of such while one is replaced by another; `!vault` or `{env: NAME}`.",
    "step": "JMESPath over the hook's body that gives `RUN/STEP`, the step to look at now. GitLab's hooks say it by themselves.",
    "start": "The workflow that a hook of this source may start.",
}
HOOK_START: Mapping[str, str] = {
    "workflow": "The name of a workflow that may be started at the server.",
    "run_id": "JMESPath over the hook's body that gives the run's id; a second hook that gives the same starts nothing.",
    "when": "JMESPath over the hook's body; only where it gives true is anything started.",
    "variables": "Variables of the workflow, each with the JMESPath over the hook's body that gives its value.",
}
SIGN_IN: Mapping[str, str] = {
    "proxy": "The headers of a reverse proxy that authenticates people.",
    "openid": "The OpenID Connect provider at which people may sign in.",
    "roles": f"Roles by group, `{EVERYBODY}` for whoever is let in so, each as `changerail user add --role` takes it, or a list of them.",
}
PROXY: Mapping[str, str] = {
    "user": "The header in which the proxy says who it is, such as `X-Forwarded-User`. It is believed from the addresses that `--proxy` names.",
    "groups": "The header with the groups, separated by commas, such as `X-Forwarded-Groups`.",
}
OPENID: Mapping[str, str] = {
    "issuer": "The provider's own name, an address such as `https://login.example.net/realms/net`, exactly as its tokens have it.",
    "client_id": "What the server is called at the provider.",
    "client_secret": "What the server proves itself with there, `!vault` or `{env: NAME}`; left out for a public client.",
    "user": "The claim that names the person; default `preferred_username`. People must not be able to change it by themselves.",
    "groups": "The claim with the groups, a list of texts or one; default `groups`.",
    "scopes": "What is asked for; default `[openid, profile]`.",
}


@dataclass(frozen=True)
class Found:
    """Where the project file is (None: nowhere) and what was passed over on the way, one sentence each."""

    path: Path | None
    warnings: tuple[str, ...] = ()


def find(environment: Mapping[str, str], folder: Path) -> Found:
    """The project file: what ``$CHANGERAIL_CONFIG`` names, else ``changerail.yml`` in ``folder``, else ``~/.changerail.yml``.

    One that anybody may write to is passed over with a warning; naming such a one, or a missing one, in the environment raises AuthorError.
    """
    named = environment.get(VARIABLE)
    if named:
        path = Path(named).expanduser().absolute()
        if not path.is_file():
            raise AuthorError(f"{path}: no such file; ${VARIABLE} names it as the project file")
        if problem := distrust(path):
            raise AuthorError(f"{path}: {problem}")
        return Found(path)
    home = Path(environment.get("HOME") or os.path.expanduser("~"))
    warnings: list[str] = []
    for path in (folder.absolute() / NAME, home / f".{NAME}"):
        if not path.is_file():
            continue
        problem = distrust(path)
        if not problem:
            return Found(path, tuple(warnings))
        warnings.append(f"{path}: not used as project file: {problem}")
    return Found(None, tuple(warnings))


def load(path: Path) -> Project:
    """The project in the file at ``path``. Raises AuthorError when it cannot be read, CheckError with all its mistakes."""
    mistakes = Mistakes()
    text = decoded(read_trusted(path), str(path), mistakes)
    tree = None if text is None or _says_nothing(text) else parse(text, str(path), mistakes)
    if tree is None:
        mistakes.raise_if_any()
        return Project(path)
    project = _Reader(mistakes, path).project(tree)
    mistakes.raise_if_any()
    return project


class _Reader(Values):
    """Walks the tree of one project file, makes values of it and reports what is wrong. A wrong part is left out."""

    def project(self, tree: Node) -> Project:
        sections = dict(self._table(tree, "the project file", SECTIONS))
        people, notify = self._people(sections.get("people"))
        people, groups = self._groups(sections.get("groups"), people)
        channels = {name: self._urls(node) for name, node in self._named(sections.get("channels"), "channels")}
        signers = sections.get("allowed_signers")
        return Project(
            path=self._path,
            people=People(people, self._trusted(sections.get("trusted_os_users"), people)),
            groups=groups,
            connections=self._connections(sections.get("connections")),
            channels=channels,
            notify=notify,
            calendars={name: self._place(node) for name, node in self._named(sections.get("calendars"), "calendars")},
            defaults=self._defaults(sections.get("defaults")),
            escalation=self._escalation(sections.get("escalation"), {*people, *groups, *channels, ASKED}),
            allowed_signers=self._path.parent / Path(self._text(signers)).expanduser() if signers else None,
            hooks=dict(self._hooks(sections.get("hooks"))),
            sign_in=self._sign_in(sections.get("sign_in")),
        )

    # What stands where

    def _people(self, section: Node | None) -> tuple[dict[str, Person], dict[str, list[Any]]]:
        people: dict[str, Person] = {}
        notify: dict[str, list[Any]] = {}
        owners: dict[str, str] = {}
        for name, node in self._named(section, "people"):
            parts = {} if nothing(node) else dict(self._table(node, f"person {name}", PERSON))
            logins = tuple(text for text, _at in self._texts(parts.get("os_user"))) if "os_user" in parts else (name,)
            for login in logins:
                if owners.setdefault(login, name) != name:
                    at = (parts.get("os_user") or node).at
                    self._mistakes.add(
                        at, f"OS user {login} belongs to {owners[login]} already", "each OS user with one person"
                    )
            people[name] = Person(
                name,
                os_users=logins,
                groups=frozenset(plain(text) for text, _at in self._texts(parts.get("groups"))),
                mail=self._text(parts["mail"]) if "mail" in parts else "",
                keys=tuple(self._keys(parts.get("keys"))),
            )
            notify[name] = self._urls(parts["notify"]) if "notify" in parts else []
        return people, notify

    def _trusted(self, section: Node | None, people: Mapping[str, Person]) -> frozenset[str]:
        """Logins that are believed when they say who somebody is. One of a person's own would let that person be everybody."""
        owners = {login: person.name for person in people.values() for login in person.os_users}
        for text, at in self._texts(section):
            if text in owners:
                self._mistakes.add(
                    at, f"OS user {text} is {owners[text]}'s", "the login of a program that nobody logs in as"
                )
        return frozenset(text for text, _at in self._texts(section))

    def _groups(
        self, section: Node | None, people: dict[str, Person]
    ) -> tuple[dict[str, Person], dict[str, list[str]]]:
        """People with all their groups, and groups with all their members, from both places where membership is written."""
        members = {
            group: {name for name, person in people.items() if group in person.groups} for group in _all_groups(people)
        }
        for group, node in self._named(section, "groups"):
            members.setdefault(group, set())
            for text, at in self._texts(node):
                if plain(text) in people:
                    members[group].add(plain(text))
                else:
                    self._mistakes.add(
                        at,
                        f"group {group}: {shown(text)} is not among the people",
                        "a name from people",
                        nearest(text, people),
                    )
        joined = {
            name: replace(person, groups=frozenset(group for group, inside in members.items() if name in inside))
            for name, person in people.items()
        }
        return joined, {group: sorted(inside) for group, inside in members.items()}

    def _connections(self, section: Node | None) -> dict[str, dict[str, Any]]:
        connections: dict[str, dict[str, Any]] = {}
        for name, node in self._named(section, "connections"):
            if isinstance(node, Table):
                connections[name] = self._value(node)
                for entry in node.entries:
                    if (name, entry.key.text) == ("local", "records"):
                        connections[name]["records"] = self._place(entry.node)
            elif not nothing(node):
                self._mistakes.add(node.at, f"connection {name} is {described(node)}", "a mapping of its options")
        return connections

    def _defaults(self, section: Node | None) -> dict[str, Any]:
        defaults: dict[str, Any] = {}
        for name, node in self._table(section, "defaults", DEFAULTS) if section else ():
            text = self._text(node)
            if name == "deadline" and text:
                self._checked(node, partial(moment, text, 0.0))
            elif name == "break_glass_review" and text:
                self._checked(node, partial(seconds, text))
            elif name == "assurance" and text and text not in ASSURANCES:
                self._mistakes.add(
                    node.at, f"assurance {shown(text)}", f"one of {', '.join(ASSURANCES)}", nearest(text, ASSURANCES)
                )
            defaults[name] = text
        return defaults

    def _escalation(self, section: Node | None, known: set[str]) -> tuple[Level, ...]:
        levels = []
        for node in section.items if isinstance(section, Items) else ():
            parts = dict(self._table(node, "a level of escalation", LEVEL))
            if not {"after", "to"} <= set(parts):
                self._mistakes.add(
                    node.at, "a level of escalation lacks a part", "after (a duration such as 30m) and to"
                )
                continue
            told = list(self._texts(parts["to"]))
            for text, at in told:
                if plain(text) not in known:
                    self._mistakes.add(
                        at,
                        f"{shown(text)} is nobody to tell",
                        f"a person, a group, a channel, or {ASKED} for those who may answer",
                        nearest(text, known),
                    )
            after = self._checked(parts["after"], partial(seconds, self._text(parts["after"])))
            levels.append(Level(after, tuple(plain(text) for text, _at in told)))
        if section is not None and not isinstance(section, Items):
            self._mistakes.add(
                section.at, f"escalation is {described(section)}", "a list of levels, each with after and to"
            )
        return tuple(levels)

    def _hooks(self, section: Node | None) -> Iterator[tuple[str, HookSource]]:
        for name, node in self._named(section, "hooks"):
            parts = dict(self._table(node, f"hook {name}", HOOK))
            if not {"kind", "secret"} <= set(parts):
                self._mistakes.add(node.at, f"hook {name} lacks a part", "kind and secret")
                continue
            kind = self._text(parts["kind"])
            try:
                find_kind("hooks", kind)
            except AuthorError as error:
                self._mistakes.add(parts["kind"].at, str(error), "", partial(nearest, kind, ours("hooks")))
            secrets = self._value(parts["secret"], "secret")
            step = self._expression(parts["step"]) if "step" in parts else ""
            start = self._start(name, parts["start"]) if "start" in parts else None
            yield name, HookSource(kind, tuple(secrets if isinstance(secrets, list) else [secrets]), step, start)

    def _start(self, hook: str, node: Node) -> HookStart | None:
        parts = dict(self._table(node, f"start of hook {hook}", HOOK_START))
        if not {"workflow", "run_id"} <= set(parts):
            self._mistakes.add(node.at, f"start of hook {hook} lacks a part", "workflow and run_id")
            return None
        when = self._expression(parts["when"]) if "when" in parts else ""
        variables = {name: self._expression(inner) for name, inner in self._named(parts.get("variables"), "variables")}
        return HookStart(self._text(parts["workflow"]), self._expression(parts["run_id"]), when, variables)

    def _sign_in(self, section: Node | None) -> SignIn | None:
        if section is None:
            return None
        parts = dict(self._table(section, "sign_in", SIGN_IN))
        if isinstance(section, Table) and not {"proxy", "openid"} & set(parts):
            self._mistakes.add(section.at, "sign_in lacks a part", "proxy or openid, or both")
        proxy = self._proxy(parts["proxy"]) if "proxy" in parts else None
        openid = self._openid(parts["openid"]) if "openid" in parts else None
        return SignIn(proxy, openid, self._roles(parts.get("roles")))

    def _roles(self, section: Node | None) -> dict[str, list[Grant]]:
        roles: dict[str, list[Grant]] = {}
        for group, node in self._named(section, "roles"):
            for text, at in self._texts(node):
                try:
                    roles.setdefault(group, []).append(grant(text))
                except AuthorError as error:
                    self._mistakes.add(at, str(error))
        return roles

    def _proxy(self, section: Node) -> Proxy | None:
        parts = dict(self._table(section, "proxy", PROXY))
        named = {name: self._header(node) for name, node in parts.items()}
        if isinstance(section, Table) and "user" not in named:
            self._mistakes.add(section.at, "proxy lacks a part", "user, the header in which the proxy says who it is")
        return Proxy(named["user"], named.get("groups", "")) if "user" in named else None

    def _openid(self, section: Node) -> OpenId | None:
        parts = dict(self._table(section, "openid", OPENID))
        if not {"issuer", "client_id"} <= set(parts):
            if isinstance(section, Table):
                self._mistakes.add(section.at, "openid lacks a part", "issuer and client_id")
            return None
        issuer = self._text(parts["issuer"])
        if issuer and (not is_confidential(issuer) or "?" in issuer):
            expected = (
                "https:// with a host, such as https://login.example.net/realms/net; http:// on this machine only"
            )
            self._mistakes.add(parts["issuer"].at, f"{shown(issuer)} is no issuer", expected)
        claims = {name: self._text(parts[name]) for name in ("user", "groups") if name in parts}
        secret = self._client_secret(parts["client_secret"]) if "client_secret" in parts else None
        openid = OpenId(issuer, self._text(parts["client_id"]), secret, **claims)
        return replace(openid, scopes=self._scopes(parts["scopes"])) if "scopes" in parts else openid

    def _client_secret(self, node: Node) -> Any:
        secret = self._value(node, "client_secret")
        if not isinstance(secret, (Reference, str)):
            self._mistakes.add(node.at, f"client_secret is {described(node)}", "!vault, or {env: NAME}")
        return secret

    def _scopes(self, node: Node) -> tuple[str, ...]:
        scopes = tuple(text for text, _at in self._texts(node))
        if "openid" not in scopes:
            self._mistakes.add(node.at, "scopes lack openid", "a list with openid, such as [openid, profile]")
        return scopes

    def _header(self, node: Node) -> str:
        name = self._text(node).lower()
        if not re.fullmatch(r"[a-z0-9-]+", name) or name in ("authorization", "cookie", "host"):
            self._mistakes.add(node.at, f"{shown(name)} is no header for a name", "one such as X-Forwarded-User")
        return name

    def _expression(self, node: Node) -> str:
        text = self._text(node)
        try:
            Expression(text)
        except AuthorError as error:
            self._mistakes.add(node.at, str(error))
        return text


def _says_nothing(text: str) -> bool:
    return all(line.strip() in ("", "---") or line.lstrip().startswith("#") for line in text.splitlines())


def _all_groups(people: Mapping[str, Person]) -> list[str]:
    return sorted({group for person in people.values() for group in person.groups})
