# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two ways Ansible evaluates templates: by trust (ansible-core 2.19 and later) and by marks of what is unsafe (2.16 to 2.18). For templating.py alone.

Both give the same results here. A template that is nothing but one expression keeps the type of its value; any other is text. A text that merely looks
like a list or a number stays text, also through variables that are templates themselves.
Ansible is used from one thread at a time: templating.py holds a lock around every call.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol


class Dialect(Protocol):
    """``author`` marks a text that may be a template, ``data`` one that never is; ``OMITTED`` stands for a value that ``omit`` took away."""

    def author(self, text: str) -> Any: ...

    def data(self, text: str) -> Any: ...

    def template(self, text: str, variables: dict[str, Any]) -> Any: ...

    def expression(self, text: str, variables: dict[str, Any]) -> Any: ...


class _Omitted:
    def __repr__(self) -> str:
        return "omitted"


OMITTED = _Omitted()


def dialect(loader: Any) -> Dialect:
    """The dialect of the installed ansible-core; ``loader`` is a DataLoader."""
    try:
        from ansible.template import trust_as_template
    except ImportError:
        return _Marking(loader)
    return _Trusting(loader, trust_as_template)


class _Trusting:
    """ansible-core 2.19 and later: only a text with the trust tag is evaluated.

    The tag is put on at the last moment and no Origin with it: its messages would quote the lines around the text, and what stands there may be secret.
    """

    def __init__(self, loader: Any, trust: Any) -> None:
        self._loader = loader
        self._trust = trust

    def author(self, text: str) -> Any:
        return self._trust(text)

    def data(self, text: str) -> Any:
        return text

    def template(self, text: str, variables: dict[str, Any]) -> Any:
        from ansible.errors import AnsibleValueOmittedError

        try:
            return self._templar(variables).template(self._trust(text))
        except AnsibleValueOmittedError:
            return OMITTED

    def expression(self, text: str, variables: dict[str, Any]) -> Any:
        return self._templar(variables).evaluate_expression(self._trust(text))

    def _templar(self, variables: dict[str, Any]) -> Any:
        from ansible.template import Templar

        return Templar(loader=self._loader, variables=variables)


class _Marking:
    """ansible-core 2.16 to 2.18: every text is evaluated that is not marked as unsafe."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._omit = f"__omit_{id(self):x}__"

    def author(self, text: str) -> Any:
        return text

    def data(self, text: str) -> Any:
        from ansible.utils.unsafe_proxy import wrap_var

        return wrap_var(text)

    def template(self, text: str, variables: dict[str, Any]) -> Any:
        return self._without_omitted(self._templar(variables).template(text))

    def expression(self, text: str, variables: dict[str, Any]) -> Any:
        return self._without_omitted(self._templar(variables).value_of(text))

    def _templar(self, variables: dict[str, Any]) -> Any:
        return _typed_templar(self._loader, {**variables, "omit": self._omit})

    def _without_omitted(self, value: Any) -> Any:
        if isinstance(value, str):
            return OMITTED if value == self._omit else value
        if isinstance(value, Mapping):
            kept = {key: self._without_omitted(item) for key, item in value.items()}
            return {key: item for key, item in kept.items() if item is not OMITTED}
        if isinstance(value, (list, tuple)):
            return [item for item in map(self._without_omitted, value) if item is not OMITTED]
        return value


def single_expression(text: str) -> str:
    """The expression in a template that is nothing else (``{{ a }}``, comments aside), or ""."""
    from jinja2 import Environment, TemplateSyntaxError

    try:
        tokens = [(kind, value) for _line, kind, value in Environment().lex(text) if not kind.startswith("comment")]
    except TemplateSyntaxError:
        return ""
    kinds = [kind for kind, _value in tokens]
    outside = ("data", "variable_begin", "variable_end", "block_begin", "raw_begin")
    if [kind for kind in kinds if kind in outside] != ["variable_begin", "variable_end"]:
        return ""
    return "".join(value for _kind, value in tokens[1:-1])


def _typed_templar(loader: Any, variables: dict[str, Any]) -> Any:
    """A Templar of 2.16 that keeps types as 2.19 does."""
    from ansible.template import AnsibleEnvironment, AnsibleNativeEnvironment

    kind = _typed_templar_class()
    templar = kind(loader=loader, variables=variables)
    text = templar.copy_with_new_env(environment_class=AnsibleEnvironment)
    native = templar.copy_with_new_env(environment_class=AnsibleNativeEnvironment)
    for side in (templar, text, native):
        side.__class__ = kind
        side.text_side, side.native_side = text, native
    return templar


@lru_cache(maxsize=1)
def _typed_templar_class() -> Any:
    from ansible.errors import AnsibleUndefinedVariable
    from ansible.template import AnsibleUndefined, Templar

    class TypedTemplar(Templar):  # type: ignore[misc]
        """Evaluates one expression in Ansible's native environment, inside a list, so that nothing guesses a type from text.

        Text goes to ``text_side``, an expression to ``native_side``; variables that are templates come back to ``template`` from either.
        """

        text_side: Any
        native_side: Any

        def template(self, variable: Any, **options: Any) -> Any:
            if (
                not isinstance(variable, str)
                or hasattr(variable, "__UNSAFE__")
                or not self.is_possibly_template(variable)
            ):
                return super().template(variable, **options)
            expression = single_expression(variable)
            if not expression:
                return self.text_side.do_template(variable, convert_data=False)
            value = self.value_of(expression)
            # A block scalar's last line feed belongs to the text.
            ends = isinstance(value, str) and variable.endswith("\n") and not value.endswith("\n")
            return value + "\n" if ends else value

        def value_of(self, expression: str) -> Any:
            (value,) = self.native_side.do_template("{{ [(" + expression + ")] }}")
            if isinstance(value, AnsibleUndefined):
                raise AnsibleUndefinedVariable(value._undefined_message)
            return value

    return TypedTemplar
