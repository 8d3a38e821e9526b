"""Variables from the command line, by Ansible's rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.netops.changerail.plugins.module_utils.errors import AuthorError
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.extra_vars import parse
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Vaulted


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {}),
        ([""], {}),
        (["a=1 b='x y' c=yes"], {"a": "1", "b": "x y", "c": "yes"}),
        (["a={{ b }}"], {"a": "{{ b }}"}),
        (['{"a": [1, {"b": null}], "c": true}'], {"a": [1, {"b": None}], "c": True}),
        (["{a: yes, b: !unsafe '{{ c }}'}"], {"a": True, "b": "{{ c }}"}),
        (["a=1", "{a: 2, b: 2}", "b=3"], {"a": 2, "b": "3"}),
    ],
)
def test_what_they_come_to(arguments: list[str], expected: dict[str, Any]) -> None:
    assert parse(arguments) == expected


def test_files() -> None:
    Path("site.yml").write_text("site: ams1\nvlans: {10: users}\nkey: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n")
    assert parse(["@site.yml", "site=fra1"]) == {
        "site": "fra1",
        "vlans": {10: "users"},
        "key": Vaulted("$ANSIBLE_VAULT;1.1;AES256\n6162\n"),
    }


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("./site.yml", "-e @./site.yml"),
        ("@nowhere.yml", "nowhere.yml:1:1: nowhere.yml: No such file"),
        ("@/dev/zero", "is no regular file"),
        ("@sealed.yml", "encrypted as a whole"),
        ("[1]", "-e:1:1: a list; expected a mapping"),
        ("{a: 1, a: 2}", "-e:1:8: key 'a' stands twice"),
        ("{a: ", "-e:"),
        ("a-b=1", "'a-b'; expected a variable name"),
        ("ok=1", "changerail itself provides 'ok'"),
        ("[" * 100_000, "nest"),
    ],
)
def test_what_they_may_not_be(argument: str, expected: str) -> None:
    Path("sealed.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n6162\n")
    with pytest.raises(AuthorError) as caught:
        parse([argument])
    assert expected in str(caught.value)


@pytest.mark.parametrize("argument", ["hunter2", "password=hunter2 more", "password='hunter2"])
def test_no_value_is_quoted_in_a_message(argument: str) -> None:
    with pytest.raises(AuthorError, match="expected key=value") as caught:
        parse([argument])
    assert "hunter2" not in str(caught.value)
