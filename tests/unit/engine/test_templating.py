"""Templates and conditions come to the same values on every ansible-core, and what is data is never evaluated."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.netops.changerail.plugins.module_utils.errors import TemplateFailed
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.templating import Templating
from ansible_collections.netops.changerail.plugins.plugin_utils.engine.variables import ANY, Variables
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import Position, Unsafe, Vaulted

EVIL = "{{ lookup('pipe', 'echo evaluated') }}"
AUTHOR = {
    "one": "{{ 1 + 0 }}",
    "major": "1",
    "version": "{{ major }}.2",
    "nested": {"a": "{{ one }}", "b": ["{{ version }}"]},
    "raw": Unsafe("{{ nobody }}"),
    "through": "{{ evil }}",
    "circle": "{{ elcric }}",
    "elcric": "{{ circle }}",
}
DATA = {
    "evil": EVIL,
    "result": {"msg": EVIL, "none": None, "list": [1, 2], "number": 5, EVIL: 1},
    "number": 5,
    "digits": "12",
    "listlike": "[1, 2]",
    "yes": True,
    "empty": "",
}
VARIABLES = Variables(AUTHOR, DATA)


@pytest.fixture(scope="module")
def templating(tmp_path_factory: pytest.TempPathFactory) -> Templating:
    folder = tmp_path_factory.mktemp("change")
    (folder / "motd.txt").write_text("hello\n")
    return Templating(folder)


def failure(templating: Templating, template: str, **more: Any) -> str:
    with pytest.raises(TemplateFailed) as caught:
        templating.text(template, VARIABLES, **more)
    return str(caught.value)


# Values


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        (7, 7),
        (None, None),
        ("{{ 1 + 1 }}", 2),
        ("{{ one }}", 1),
        ("{{ version }}", "1.2"),
        ("{{ nested }}", {"a": 1, "b": ["1.2"]}),
        ("{{ digits }}", "12"),
        ("{{ listlike }}", "[1, 2]"),
        ("{{ number }}{{ number }}", "55"),
        ("[{{ number }}, 2]", "[5, 2]"),
        (" {{ number }}", " 5"),
        ("{{ number -}}", 5),
        ("{{- number }}", 5),
        ("{{ number }}\n", 5),
        ("{{ version }}\n", "1.2\n"),
        ("{{ number }}\n\n", "5\n\n"),
        ("{# why #}{{ number }}", 5),
        ("{{ {'a': {'b': 1}}.a }}", {"b": 1}),
        ("{{ '}}' }}", "}}"),
        ("{% if yes %}on{% endif %}", "on"),
        ("{{ none }}", None),
        ("{{ result.none }}", None),
        ("{{ yes | string }}", "True"),
        ("{{ result.list | map('string') }}", ["1", "2"]),
        ("{{ '2030-01-31' | to_datetime('%Y-%m-%d') }}", "2030-01-31T00:00:00"),
        ("{{ 'a' | regex_replace('a', '\\\\d') }}", "\\d"),
        ("{{ lookup('file', 'motd.txt') }}", "hello"),
        ("{{ lookup('pipe', 'echo author') }}", "author"),
        ("{{ raw }}", "{{ nobody }}"),
        ("{{ nobody | default('x') }}", "x"),
        ("{{ {'a': omit, 'b': [1, omit]} }}", {"b": [1]}),
        ("{{ nobody | default(omit) }}", None),
        (Unsafe("{{ one }}"), "{{ one }}"),
    ],
)
def test_what_a_template_comes_to(templating: Templating, template: Any, expected: Any) -> None:
    value = templating.text(template, VARIABLES)
    assert value == expected
    assert type(value) is type(expected)


def test_trees_are_evaluated_text_by_text_and_lose_what_is_omitted(templating: Templating) -> None:
    tree = {
        "a": "{{ number }}",
        "list": ["{{ omit }}", "{{ nobody | default(omit) }}", "{{ digits }}", ("x",)],
        "gone": "{{ omit }}",
        "{{ key }}": {"deep": "{{ nested }}"},
        "raw": Unsafe("{{ a }}"),
        "n": None,
    }
    assert templating.tree(tree, VARIABLES) == {
        "a": 5,
        "list": ["12", ["x"]],
        "{{ key }}": {"deep": {"a": 1, "b": ["1.2"]}},
        "raw": "{{ a }}",
        "n": None,
    }


def test_results_are_plain_values_without_ansible_s_types(templating: Templating) -> None:
    def kinds(value: Any) -> set[type]:
        inner = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
        return {type(value)}.union(*map(kinds, inner))

    value = templating.text("{{ [nested, result, evil ~ 'x', digits] }}", VARIABLES)
    assert kinds(value) <= {dict, list, str, int, type(None)}


# Data


@pytest.mark.parametrize(
    "template",
    [
        "{{ evil }}",
        "{{ through }}",
        "{{ result.msg }}",
        "{{ (result | dict2items)[0].value }}",
        "{{ result | to_json | from_json }}",
        "{{ [evil] | first }}",
        "{{ evil | upper | lower }}",
        "{% set x = evil %}{{ x }}",
        "{{ evil if yes }}",
        "{{ lookup('vars', 'evil') }}",
        "{{ result.keys() | last }}",
    ],
)
def test_data_are_never_evaluated(templating: Templating, template: str) -> None:
    value = templating.text(template, VARIABLES)
    found = value["msg"] if isinstance(value, dict) else value
    assert found == EVIL


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.sampled_from(["{{", "}}", "{%", "%}", "{#", "#}", "'", '"', "\\", "\n", " ", "1", "[", "]", "evil", "é"])
    ).map("".join)
)
def test_any_data_come_through_unchanged(text: str) -> None:
    templating = Templating(".")
    variables = Variables({"kept": "{{ data }}"}, {"data": text, "deep": {"er": [text]}})
    assert templating.text("{{ data }}", variables) == text
    assert templating.text("{{ kept }}", variables) == text
    assert templating.text("{{ deep.er[0] }}", variables) == text
    assert templating.text("<{{ data }}>", variables) == f"<{text}>"
    assert templating.condition("data == deep.er[0]", variables) is True


# Conditions


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("yes", True),
        ("not yes", False),
        ("true", True),
        ("number == 5", True),
        ("one == 1", True),
        ("version == '1.2'", True),
        ("nobody is defined", False),
        ("evil is search('lookup')", True),
        ("number in result.list", False),
    ],
)
def test_conditions(templating: Templating, expression: str, expected: bool) -> None:
    assert templating.condition(expression, VARIABLES) is expected


@pytest.mark.parametrize(
    "expression", ["number", "digits", "result.list", "''", "evil", "through", "empty", "none", "omit"]
)
def test_a_condition_must_be_true_or_false(templating: Templating, expression: str) -> None:
    with pytest.raises(TemplateFailed, match=rf"^flow\.yml:3:7: {expression}: ") as caught:
        templating.condition(expression, VARIABLES, Position("flow.yml", 3, 7))
    assert "evaluated'" not in str(caught.value).replace(EVIL, "")


# Errors


def test_errors_name_the_place_the_expression_and_the_reason(templating: Templating) -> None:
    at = Position("flow.yml", 3, 7)
    assert failure(templating, "{{ nobody }}", at=at) == "flow.yml:3:7: {{ nobody }}: 'nobody' is undefined"
    assert failure(templating, "{{ result.nothing }}").endswith("has no attribute 'nothing'")
    assert failure(templating, "{{ {'a': nobody} }}").endswith("'nobody' is undefined")
    assert failure(templating, "x {{ nobody }}").endswith("'nobody' is undefined")
    assert "division by zero" in failure(templating, "{{ 1 / 0 }}")
    assert failure(templating, "{{ 1 +").startswith("{{ 1 +: unexpected 'end of template'")
    assert "nonsense" in failure(templating, "{{ 1 | nonsense }}")
    assert "nonsense" in failure(templating, "{{ lookup('nonsense') }}")
    assert "recursi" in failure(templating, "{{ circle }}")
    assert "range" in failure(templating, "{{ range(3) }}")
    assert all("\n" not in failure(templating, text) for text in ("{{ nobody }}", "{{ circle }}"))
    assert len(failure(templating, "{{ circle }}")) < 1000


def test_a_failure_changes_nothing(templating: Templating) -> None:
    failure(templating, "{{ nobody }}")
    assert templating.text("{{ number }}", VARIABLES) == 5


# Names


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("{{ a.b[c] | d(e) }} {% for i in f %}{{ i }}{% endfor %}", {"a", "c", "e", "f"}),
        ("{{ g | default(1) }} {{ h is defined }}", {"g", "h"}),
        ("no template", set()),
        ("{{ broken", set()),
        ("{{ lookup('env', i) }}", {"lookup", "i"}),
        ("{{ lookup('template', 'x.j2') }}", {"lookup", ANY}),
        ("{{ lookup('ansible.builtin.vars', 'x') }}", {"lookup", ANY}),
        ("{{ q(j, 'x') }}", {"q", "j", ANY}),
    ],
)
def test_the_names_a_template_needs(templating: Templating, template: str, names: set[str]) -> None:
    assert templating.names(template) == names


# Vault


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Vaulted]:
    """A password file and a value that is sealed with it; the value itself looks like a template."""
    from ansible.parsing.vault import VaultLib, VaultSecret

    password = tmp_path_factory.mktemp("vault") / "password"
    password.write_text("correct horse\n")
    library = VaultLib([("default", VaultSecret(b"correct horse"))])
    return password, Vaulted(library.encrypt(b"s3cret {{ one }}").decode())


def test_vaulted_values_are_decrypted_where_they_are_used(sealed: tuple[Path, Vaulted], tmp_path: Path) -> None:
    password, value = sealed
    templating = Templating(tmp_path, [str(password)])
    variables = Variables({"token": value, "auth": {"password": value}}, {"given": value, "deep": [value]})
    assert templating.secrets == frozenset()
    assert templating.text(value, variables) == "s3cret {{ one }}"
    assert templating.text("{{ token }}", variables) == "s3cret {{ one }}"
    assert templating.text("Bearer {{ auth.password }}", variables) == "Bearer s3cret {{ one }}"
    assert templating.text("{{ [given, deep[0]] }}", variables) == ["s3cret {{ one }}"] * 2
    assert templating.tree({"token": value}, variables) == {"token": "s3cret {{ one }}"}
    assert templating.secrets == {"s3cret {{ one }}"}
    assert templating.decrypt(value.ciphertext) == "s3cret {{ one }}"


def test_a_secret_is_in_no_error(sealed: tuple[Path, Vaulted], tmp_path: Path) -> None:
    password, value = sealed
    templating = Templating(tmp_path, [str(password)])
    variables = Variables({"token": value}, {})
    with pytest.raises(TemplateFailed) as caught:
        templating.condition("token", variables)
    assert "s3cret" not in str(caught.value)
    with pytest.raises(TemplateFailed) as caught:
        templating.text("{{ undef(hint=token) }}", variables)
    assert "s3cret" not in str(caught.value)


def test_passwords_come_from_where_ansible_takes_them(
    sealed: tuple[Path, Vaulted], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password, value = sealed
    script = tmp_path / "ask"
    script.write_text(f"#!/bin/sh\ncat {password}\n")
    script.chmod(0o700)
    (tmp_path / "beside").write_text("correct horse")
    ways = [
        Templating(tmp_path, [f"lab@{password}"]),
        Templating(tmp_path, [str(script)]),
        Templating(tmp_path, ["beside"]),
        Templating(tmp_path, vault_password="correct horse"),
    ]
    assert [way.decrypt(value.ciphertext) for way in ways] == ["s3cret {{ one }}"] * 4
    with pytest.raises(TemplateFailed, match="no vault password"):
        Templating(tmp_path).decrypt(value.ciphertext)
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(password))
    assert Templating(tmp_path).decrypt(value.ciphertext) == "s3cret {{ one }}"


def test_vaults_that_cannot_be_opened(sealed: tuple[Path, Vaulted], tmp_path: Path) -> None:
    _password, value = sealed
    with pytest.raises(TemplateFailed, match=r"vault password file .*nowhere"):
        Templating(tmp_path, ["nowhere"]).decrypt(value.ciphertext)
    with pytest.raises(TemplateFailed, match="cannot be decrypted"):
        Templating(tmp_path, vault_password="wrong").decrypt(value.ciphertext)
    with pytest.raises(TemplateFailed, match="cannot be decrypted"):
        Templating(tmp_path, vault_password="wrong").text(Vaulted("$ANSIBLE_VAULT;1.1;AES256\nnonsense"), VARIABLES)


def test_no_password_is_asked_for_without_need(templating: Templating, tmp_path: Path) -> None:
    assert Templating(tmp_path, ["nowhere"]).text("{{ one }}", VARIABLES) == 1


# Ansible's plugins, and threads


def test_collections_and_filters_beside_the_workflow_are_found(tmp_path: Path) -> None:
    """In a process of its own: Ansible learns of collections once."""
    plugin = "class FilterModule:\n    def filters(self):\n        return {%r: lambda text: text.upper() + '!'}\n"
    shout = tmp_path / "collections/ansible_collections/acme/words/plugins/filter/shout.py"
    shout.parent.mkdir(parents=True)
    shout.write_text(plugin % "shout")
    (tmp_path / "filter_plugins").mkdir()
    (tmp_path / "filter_plugins/yell.py").write_text(plugin % "yell")
    program = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from ansible_collections.netops.changerail.plugins.plugin_utils.engine.templating import Templating\n"
        "from ansible_collections.netops.changerail.plugins.plugin_utils.engine.variables import Variables\n"
        f"templating = Templating({str(tmp_path)!r})\n"
        "print(templating.text(\"{{ 'a' | acme.words.shout | yell }}\", Variables()))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "A!!", done.stderr


def test_any_number_of_threads_gets_the_right_values(tmp_path: Path) -> None:
    templating = Templating(tmp_path)
    wrong: list[Any] = []
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        for turn in range(20):
            variables = Variables({"text": "{{ n }}-{{ t }}"}, {"n": number, "t": turn})
            value = templating.text("{{ [text, n * 1000 + t] | to_json }}", variables)
            if value != f'["{number}-{turn}", {number * 1000 + turn}]' or not templating.condition(
                f"t == {turn}", variables
            ):
                wrong.append(value)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert wrong == []
    assert not any(thread.is_alive() for thread in threads)


def test_a_large_result_is_handed_over_without_being_walked_again(templating: Templating) -> None:
    class Counting(dict[str, Any]):
        walks = 0

        def items(self) -> Any:
            Counting.walks += 1
            return super().items()

    result = Counting({f"host{n}": {"changed": False} for n in range(100)})
    for dummy in range(5):
        assert templating.text("{{ big | length }}", Variables({}, {"big": result})) == 100
    assert Counting.walks == 1
