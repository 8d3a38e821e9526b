# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluates an author's templates and conditions with Ansible's own templating, the same on every ansible-core from 2.16. For the engine.

Author's text is trusted here and at the last moment; everything else is data and is never evaluated, whatever it holds. Results are plain values and are
data from then on. Ansible is imported at the first use. One lock guards it: its plugin loading is not safe in threads, and there is no speed to lose.
"""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from ansible_collections.netops.changerail.plugins.module_utils.errors import TemplateFailed
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.dialects import OMITTED, Dialect, dialect
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.variables import ANY, Variables
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.vault import Vault
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.expressions import (
    BadTemplate,
    expression_names,
    template_names,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.kinds import is_template
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.mistake import shown
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Position, Unsafe, Vaulted

_LOCK = threading.RLock()
_REMEMBERED = 256
_LONGEST_MESSAGE = 600


class Templating:
    """``basedir`` is the folder lookups and the vault's files are relative to, and beside which filter plugins may lie.

    ``vault_ids`` are what ``ansible-playbook --vault-id`` takes (a password file or script, or ``label@file``), used before the ones Ansible is configured
    with; ``vault_password`` is a password itself. All methods may be called from any thread and raise TemplateFailed.
    """

    def __init__(self, basedir: str | Path, vault_ids: Sequence[str] = (), vault_password: str = "") -> None:
        self._basedir = str(basedir)
        self._vault = Vault(self._basedir, vault_ids, vault_password)
        self._dialect: Dialect | None = None
        self._data: OrderedDict[int, tuple[Any, Any]] = OrderedDict()

    @property
    def secrets(self) -> frozenset[str]:
        """Every value that came out of a vault so far."""
        return self._vault.secrets

    def decrypt(self, ciphertext: str) -> str:
        """The text of a vaulted value."""
        with _LOCK:
            return self._vault.decrypt(ciphertext)

    def names(self, template: str) -> frozenset[str]:
        """The variables a template names, with ``variables.ANY`` when it may reach others too. None for one that cannot be read, which ``text`` reports."""
        try:
            names = template_names(template)
        except BadTemplate:
            return frozenset()
        return names.used | names.guarded | ({ANY} if names.any else frozenset())

    def text(self, template: Any, variables: Variables, at: Position | None = None) -> Any:
        """What an author's scalar comes to; a template that is one expression keeps its type. ``omit`` is None here."""
        value = self._scalar(template, variables, at)
        return None if value is OMITTED else value

    def tree(self, tree: Any, variables: Variables, at: Position | None = None) -> Any:
        """An author's lists and mappings with every text in them evaluated; keys are not. What comes to ``omit`` is left out."""
        if isinstance(tree, Mapping):
            pairs = ((key, self._branch(item, variables, at)) for key, item in tree.items())
            return {key: value for key, value in pairs if value is not OMITTED}
        if isinstance(tree, (list, tuple)):
            return [value for value in (self._branch(item, variables, at) for item in tree) if value is not OMITTED]
        return self.text(tree, variables, at)

    def condition(self, expression: str, variables: Variables, at: Position | None = None) -> bool:
        """Whether an expression without braces holds. Anything but true or false is an error, as in ansible-core 2.19."""

        def evaluate(ansible: Dialect, values: dict[str, Any]) -> Any:
            return ansible.expression(expression, values)

        # Ansible says less clearly what is wrong with the text itself.
        self._must_parse(expression, expression_names, at)
        value = self._evaluated(expression, evaluate, variables, at)
        if not isinstance(value, bool):
            hint = "compare it with something, or use | bool"
            raise self._failure(
                expression, f"expected true or false, got {type(value).__name__} {shown(value)}; {hint}", at
            )
        return value

    def _branch(self, item: Any, variables: Variables, at: Position | None) -> Any:
        if isinstance(item, (Mapping, list, tuple)):
            return self.tree(item, variables, at)
        return self._scalar(item, variables, at)

    def _scalar(self, value: Any, variables: Variables, at: Position | None) -> Any:
        if isinstance(value, Vaulted):
            return self.decrypt(value.ciphertext)
        if isinstance(value, Unsafe):
            return value.text
        if not is_template(value):
            return value
        self._must_parse(value, template_names, at)
        return self._evaluated(value, lambda ansible, values: ansible.template(value, values), variables, at)

    def _must_parse(self, text: str, names_in: Callable[[str], Any], at: Position | None) -> None:
        try:
            names_in(text)
        except BadTemplate as error:
            raise self._failure(text, str(error), at) from None

    def _evaluated(
        self, text: str, evaluate: Callable[[Dialect, dict[str, Any]], Any], variables: Variables, at: Position | None
    ) -> Any:
        from ansible.errors import AnsibleError
        from jinja2 import TemplateError

        with _LOCK:
            ansible = self._ansible()
            values = {name: self._as_author(value, ansible) for name, value in variables.author.items()}
            values.update((name, self._as_data(value, ansible)) for name, value in variables.data.items())
            try:
                return plain(evaluate(ansible, values))
            except (
                AnsibleError,
                TemplateError,
                TypeError,
                ValueError,
                ArithmeticError,
                LookupError,
                RecursionError,
            ) as error:
                raise self._failure(text, _message(error), at) from None

    def _failure(self, text: str, message: str, at: Position | None) -> TemplateFailed:
        whole = f"{f'{at}: ' if at else ''}{text.strip()}: {message}"
        for secret in self.secrets:
            whole = whole.replace(secret, "********") if secret else whole
        return TemplateFailed(whole)

    def _ansible(self) -> Dialect:
        if self._dialect is None:
            self._dialect = dialect(_prepared_loader(self._basedir))
        return self._dialect

    # Variables as Ansible takes them

    def _as_author(self, value: Any, ansible: Dialect) -> Any:
        return _converted(value, ansible.author, ansible.data, self.decrypt)

    def _as_data(self, value: Any, ansible: Dialect) -> Any:
        """Results of steps may be large and are handed over again and again, so the last ones are remembered by identity."""
        if not isinstance(value, (Mapping, list, tuple)):
            return _converted(value, ansible.data, ansible.data, self.decrypt)
        known = self._data.get(id(value))
        if known is not None:
            self._data.move_to_end(id(value))
            return known[1]
        converted = _converted(value, ansible.data, ansible.data, self.decrypt)
        self._data[id(value)] = (value, converted)
        if len(self._data) > _REMEMBERED:
            self._data.popitem(last=False)
        return converted


def plain(value: Any) -> Any:
    """A result of Ansible's as lists, dicts and plain scalars. Raises TypeError for what JSON cannot hold, and the error of an undefined value."""
    from jinja2 import Undefined

    if value is None or value is OMITTED or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return "".join((value,))  # drops Ansible's subclasses
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Undefined):
        value._fail_with_undefined_error()
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset, Iterator)):
        return [plain(item) for item in value]
    raise TypeError(
        f"it gives a {type(value).__name__}, which is no plain value; filters such as | list or | string make one"
    )


def _converted(
    value: Any, text: Callable[[str], Any], data: Callable[[str], Any], decrypt: Callable[[str], str]
) -> Any:
    """A variable as Ansible takes it: ``text`` marks what is written as text; keys, unsafe and vaulted values are data always."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Vaulted):
        return data(decrypt(value.ciphertext))
    if isinstance(value, Unsafe):
        return data(value.text)
    if isinstance(value, Mapping):
        return {
            data(key) if isinstance(key, str) else key: _converted(item, text, data, decrypt)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_converted(item, text, data, decrypt) for item in value]
    return value


def _prepared_loader(basedir: str) -> Any:
    """A DataLoader, with Ansible's plugins ready: collections, and plugin folders beside the workflow as beside a playbook."""
    from ansible.parsing.dataloader import DataLoader
    from ansible.plugins.loader import add_all_plugin_dirs, init_plugin_loader
    from ansible.utils.collection_loader import AnsibleCollectionConfig

    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader([str(Path(basedir, "collections"))])
        _tell_imported_packages(AnsibleCollectionConfig.collection_paths)
    add_all_plugin_dirs(basedir)
    loader = DataLoader()
    loader.set_basedir(basedir)
    return loader


def _tell_imported_packages(paths: Sequence[str]) -> None:
    """Collections that Python imported before Ansible's finder was there lack what it keeps on their packages, and without it imports
    nothing more of them; and it looks for the others where the common package says.
    """
    import yaml

    root = sys.modules["ansible_collections"]
    root.__path__ = list(dict.fromkeys([*root.__path__, *(str(Path(path, "ansible_collections")) for path in paths)]))
    imported: dict[str, Any] = dict(sys.modules)
    for name, package in imported.items():
        is_collection = name.startswith("ansible_collections.") and name.count(".") == 2
        if is_collection and not hasattr(package, "_collection_meta"):
            runtime = Path(next(iter(package.__path__)), "meta", "runtime.yml")
            text = runtime.read_text(encoding="utf-8") if runtime.is_file() else ""
            package._collection_meta = yaml.safe_load(text) or {}


def _message(error: BaseException) -> str:
    """What went wrong, on one line, without what Ansible wraps around it."""
    cause = vars(error).get("orig_exc") or error
    text = " ".join(str(getattr(cause, "message", None) or cause).split()) or type(cause).__name__
    return (
        text if len(text) <= _LONGEST_MESSAGE else f"{text[: _LONGEST_MESSAGE // 2]} … {text[-_LONGEST_MESSAGE // 2 :]}"
    )
