# Options are checked as modules check theirs: every mistake at once, types converted, secrets not shown.
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.netops.changerail.plugins.module_utils.arguments import validated
from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.module_utils.operation import Call, Done, Operation, Outcome


class Plant(Operation):
    """An operation that only has options."""

    name = "plant"
    options: Mapping[str, Mapping[str, Any]] = {
        "site": {"type": "str", "choices": ["ams", "fra"]},
        "count": {"type": "int", "default": 1},
        "login": {
            "type": "dict",
            "options": {"user": {"type": "str", "required": True}, "password": {"type": "str", "no_log": True}},
        },
        "rows": {"type": "list", "elements": "dict", "options": {"height": {"type": "int"}}},
    }
    constraints: Mapping[str, Any] = {"required_if": [("site", "ams", ("rows",))]}

    def start(self, call: Call) -> Outcome:
        return Done()

    def poll(self, call: Call, handle: Mapping[str, Any]) -> Outcome:
        return Done()

    def cancel(self, call: Call, handle: Mapping[str, Any]) -> Outcome:
        return Done()


def mistakes(args: Mapping[str, Any]) -> str:
    with pytest.raises(AuthorError) as error:
        validated(Plant(), args)
    return str(error.value)


def test_values_get_their_types_and_defaults() -> None:
    assert validated(Plant(), {"count": "3", "login": {"user": "u"}}) == {
        "site": None,
        "count": 3,
        "login": {"user": "u", "password": None},
        "rows": None,
    }
    assert validated(Plant(), {})["count"] == 1


def test_what_is_given_is_left_alone() -> None:
    given = {"login": {"user": "u"}, "count": "3"}
    validated(Plant(), given)
    assert given == {"login": {"user": "u"}, "count": "3"}


def test_all_mistakes_come_at_once() -> None:
    message = mistakes({"sit": "fra", "count": "many", "login": {"usr": "u"}, "rows": [{"hight": 1}]})
    assert message.startswith("plant: ")
    assert "unknown option 'sit'; did you mean 'site'?" in message
    assert "unknown option 'login.usr'; did you mean 'user'?" in message
    assert "unknown option 'rows.hight'; did you mean 'height'?" in message
    assert "count" in message
    assert "user found in login" in message


def test_an_option_like_no_other_names_those_there_are() -> None:
    assert "unknown option 'xyzzy'; known are count, login, rows, site" in mistakes({"xyzzy": 1})


def test_constraints_count() -> None:
    assert "rows" in mistakes({"site": "ams"})


def test_a_secret_is_not_shown() -> None:
    message = mistakes({"site": "s3cret", "login": {"user": "u", "password": "s3cret"}})
    assert "site" in message
    assert "s3cret" not in message
