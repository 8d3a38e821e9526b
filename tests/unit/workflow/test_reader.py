"""From text to the model: what a workflow file comes to, and what hostile input gets."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netops.changerail.plugins.module_utils.errors import CheckError
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow import outline
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.model import (
    Loop,
    Retry,
    Step,
    Unsafe,
    Vaulted,
    Workflow,
)
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load, load_sources

CIPHERTEXT = "$ANSIBLE_VAULT;1.1;AES256\n6162\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(text: str, **files: str) -> Workflow:
    """The workflow of a text, with other files beside it (``lib__a`` is lib/a.yml)."""
    Path("change.yml").write_text(text)
    for name, content in files.items():
        path = Path(name.replace("__", "/") + ".yml")
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    return load("change.yml")


def mistakes(text: str | bytes) -> list[str]:
    Path("change.yml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CheckError) as caught:
        load("change.yml")
    return [str(mistake) for mistake in caught.value.mistakes]


def step(text: str) -> Step:
    """The one step of a workflow."""
    return read(f"vars: {{x: 1}}\nsteps:\n  - {text}\n").steps[0]


def ids(workflow: Workflow) -> list[str]:
    return [path for path, _step in workflow.walk()]


# What a file comes to


def test_a_whole_file(folder: Path) -> None:
    workflow = read(
        f"""\
name: Advertise {{{{ prefix }}}}
description: What it is for
vars: {{prefix: 203.0.113.0/24, secret: !vault "{CIPHERTEXT.strip()}", text: !unsafe "{{{{ x }}}}"}}
vars_files: more.yml
inventory: [hosts.yml, "a,b"]
steps:
  - ansible.builtin.debug: {{msg: "{{{{ more }}}}"}}
""",
        more="more: 1\nprefix: 198.51.100.0/24\n",
        hosts="",
    )
    assert workflow.name == "Advertise {{ prefix }}"
    assert workflow.vars == {
        "prefix": "198.51.100.0/24",
        "secret": Vaulted("$ANSIBLE_VAULT;1.1;AES256 6162"),
        "text": Unsafe("{{ x }}"),
        "more": 1,
    }
    assert workflow.inventory == ["hosts.yml", "a,b"]
    assert workflow.folder == str(folder)
    assert workflow.main == "change.yml"
    assert set(workflow.sources) == {"change.yml", "more.yml"}
    assert len(workflow.digest) == 64


def test_the_digest_covers_every_source() -> None:
    one = read("vars_files: more.yml\nsteps: [debug: ]", more="a: 1")
    other = read("vars_files: more.yml\nsteps: [debug: ]", more="a: 2")
    assert one.digest != other.digest


def test_a_file_without_name_has_its_stem() -> None:
    workflow = read("steps: [debug: ]")
    assert workflow.name == "change"
    assert workflow.inventory is None


def test_yaml_means_what_it_means_to_ansible() -> None:
    workflow = read("vars: {a: yes, b: 010, c: 1:30, d: 2030-01-31, e: ~, f: '010', g: 1_000, h: =}\nsteps: [debug: ]")
    assert workflow.vars == {"a": True, "b": 8, "c": 90, "d": "2030-01-31", "e": None, "f": "010", "g": 1000, "h": "="}


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    Path("change.yml").write_bytes(b"\xef\xbb\xbfsteps: [debug: ]")
    assert not load("change.yml").sources["change.yml"].startswith("\ufeff")


def test_short_and_full_names_are_the_same_action() -> None:
    for word, name in {
        "approval: {groups: [a]}": "netops.changerail.approval",
        "netops.changerail.approval: {groups: [a]}": "netops.changerail.approval",
        "debug:": "ansible.builtin.debug",
        "command: echo": "ansible.builtin.command",
        "cisco.ios.ios_config: {}": "cisco.ios.ios_config",
    }.items():
        found = step(word)
        assert found.action is not None
        assert found.action.name == name
        assert found.name == name.rpartition(".")[2]


def test_options_are_a_mapping_and_free_form_stays_text() -> None:
    assert step("debug: msg='a b' verbosity=1").action.args == {"msg": "a b", "verbosity": "1"}  # type: ignore[union-attr]
    assert step("ansible.builtin.shell: echo a=b").action.args == "echo a=b"  # type: ignore[union-attr]
    assert step("approval:").action.args == {}  # type: ignore[union-attr]


def test_ansible_s_task_keywords_go_to_the_task() -> None:
    found = step("{command: id, become: yes, environment: {A: b}, changed_when: x == 1, timeout: 5}")
    assert found.action is not None
    assert found.action.task_keywords == {"become": True, "environment": {"A": "b"}, "changed_when": "x == 1"}
    assert found.timeout == 5


def test_retry_is_given_as_soon_as_one_of_its_keywords_is() -> None:
    assert step("debug:").retry is None
    assert step("{debug: , until: x == 1}").retry is None
    assert step("{debug: , retries: 2}").retry == Retry(retries=2)
    assert step("{debug: , delay: 1m}").retry == Retry(retries=3, delay=60)
    given = step("{debug: , retries: '{{ x }}', backoff: 2, max_delay: 1h, retry_on: [failed, transient]}").retry
    assert given == Retry("{{ x }}", backoff=2, max_delay=3600, retry_on=("failed", "transient"))


def test_loops() -> None:
    assert step("{debug: , loop: [1, a]}").loop == Loop([1, "a"])
    control = (
        "{loop_var: y, index_var: i, label: '{{ y }}', pause: 2m, parallel: true, max_failures: 2, fail_fast: yes}"
    )
    found = step(f"{{debug: , loop: '{{{{ [x] }}}}', loop_control: {control}}}").loop
    assert found == Loop("{{ [x] }}", "y", "i", "{{ y }}", 120.0, 0, 2, True)
    assert step("{debug: , loop: [], loop_control: {parallel: 4}}").loop == Loop([], at_once=4)


def test_conditions_are_a_list_of_expressions() -> None:
    assert step("{debug: , when: x == 1}").when == ("x == 1",)
    assert step("{debug: , when: [x == 1, yes, false]}").when == ("x == 1", "true", "false")


def test_containers() -> None:
    workflow = read(
        """\
steps:
  - parallel:
      - debug:
      - block: [debug: ]
        rescue: [fail: ]
        always: [debug: , debug: ]
""".replace("[debug: , debug: ]", "[{debug: }, {debug: }]")
        + "    throttle: 2\n    fail_fast: true\n    timeout: 10m\n"
    )
    found = workflow.steps[0]
    assert (found.parallel, found.throttle, found.fail_fast, found.timeout) == (True, 2, True, 600)
    assert [len(part) for part in (found.steps[1].steps, found.steps[1].rescue, found.steps[1].always)] == [1, 1, 2]
    assert ids(workflow) == [
        "parallel",
        "parallel/debug",
        "parallel/block",
        "parallel/block/debug",
        "parallel/block/fail",
        "parallel/block/debug-2",
        "parallel/block/debug-3",
    ]


def test_ids_follow_names_and_given_ids_come_first() -> None:
    workflow = read(
        """\
steps:
  - name: Wait for {{ 'it' }}
    debug:
  - import_playbook: deploy.yml
  - import_playbook: "{{ 'x' }}.yml"
  - name: 変更
    debug:
  - debug:
    id: wait-for
  - name: Wait for
    debug:
""",
        deploy="",
    )
    assert ids(workflow) == ["wait-for-2", "deploy", "import-playbook", "debug", "wait-for", "wait-for-3"]
    assert [found.name for found in workflow.steps][1:3] == ["deploy", "import_playbook"]


@given(st.lists(st.text(st.characters(exclude_categories=["C"])), min_size=1, max_size=20))
def test_ids_are_unique_among_siblings_whatever_the_names(names: list[str]) -> None:
    quoted = ("'" + name.replace("'", "''").replace("{", "(") + "'" for name in names)
    text = "steps:\n" + "".join(f"  - {{debug: , name: {name}}}\n" for name in quoted)
    found = ids(load_sources("change.yml", {"change.yml": text}, "."))
    assert len(set(found)) == len(found) == len(names)
    assert all(found)


def test_imported_workflows_become_containers_with_their_variables() -> None:
    workflow = read(
        """\
inventory: hosts.yml
steps:
  - import_workflow: lib/part.yml
    vars: {site: a}
    loop: [1, 2]
  - import_workflow: lib/part.yml
    id: again
    vars: {site: b}
""",
        hosts="",
        lib__hosts="",
        lib__part="""\
vars: {own: "{{ site }}"}
inventory: nothing-of-mine.yml
steps:
  - import_playbook: deploy.yml
  - import_playbook: {playbook: ../verify.yml, inventory: [hosts.yml, "a,"]}
  - import_playbook: netops.changerail.run
  - import_playbook: "{{ own }}.yml"
  - import_playbook: "play-{{ own }}.yml"
  - import_workflow: deeper.yml
""",
        lib__deeper="steps: [{import_playbook: deploy.yml}]",
        lib__deploy="",
        verify="",
    )
    first, second = workflow.steps
    assert first.defaults == {"own": "{{ site }}"}
    assert (first.id, second.id, first.name) == ("part", "again", "part")
    assert first.loop is not None
    assert [found.action.args for found in first.steps[:5] if found.action] == [
        {"playbook": "lib/deploy.yml"},
        {"playbook": "verify.yml", "inventory": ["lib/hosts.yml", "a,"]},
        {"playbook": "netops.changerail.run"},
        {"playbook": "{{ own }}.yml"},
        {"playbook": "lib/play-{{ own }}.yml"},
    ]
    assert first.steps[5].steps[0].action.args == {"playbook": "lib/deploy.yml"}  # type: ignore[union-attr]
    assert set(workflow.sources) == {"change.yml", "lib/part.yml", "lib/deeper.yml"}
    assert str(first.steps[0].at) == "lib/part.yml:4:5"


def test_positions_say_the_path_that_was_given(folder: Path) -> None:
    (folder / "flows").mkdir()
    Path("flows/change.yml").write_text("steps: [debug: , 1]".replace("debug: ", "{debug: }"))
    with pytest.raises(CheckError, match=r"^flows/change\.yml:1:20: 1; expected a step"):
        load("flows/change.yml")


def test_names_from_elsewhere_need_no_declaration() -> None:
    Path("change.yml").write_text("steps: [{debug: {msg: '{{ site }}'}}]")
    assert load("change.yml", extra={"site"}).vars == {}
    with pytest.raises(CheckError, match="variable 'site' is not defined"):
        load("change.yml")


def test_the_operation_notify_is_no_handler() -> None:
    found = mistakes("steps:\n  - ansible.builtin.copy: {src: a, dest: b}\n    notify: restart frr\n")
    assert len(found) == 1
    assert found[0].startswith("change.yml:3:5: ")
    assert "'notify'" in found[0]


def _found_below(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make Python find the collections in ``folder``, also where a test before has set up Ansible's own finder, which goes by the package's path."""
    monkeypatch.syspath_prepend(str(folder))
    for name in [name for name in sys.modules if name.startswith("ansible_collections.acme")]:
        monkeypatch.delitem(sys.modules, name)
    root = sys.modules["ansible_collections"]
    monkeypatch.setattr(root, "__path__", [*root.__path__, str(folder / "ansible_collections")])


def stranger(folder: Path, name: str, body: str) -> None:
    """An operation of the collection acme.breakers, with more in its class."""
    place = folder / "ansible_collections/acme/breakers/plugins/module_utils/operations"
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{name}.py").write_text(
        "from ansible_collections.netops.changerail.plugins.module_utils.operation import Done, Operation\n"
        f"class Stranger(Operation):\n    name = '{name}'\n{body}"
        "    def start(self, call): return Done()\n"
        "    def poll(self, call, handle): return Done()\n"
        "    def cancel(self, call, handle): return Done()\n"
        "OPERATION = Stranger()\n"
    )


def test_operations_of_another_collection_are_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger(folder, "trip", "    options = {'circuit': {'type': 'int', 'required': True}}\n")
    stranger(folder, "broken", "    import no_such_library_anywhere\n")
    _found_below(folder, monkeypatch)
    assert read("steps: [{acme.breakers.trip: {circuit: 7}}]").steps[0].name == "trip"
    assert mistakes("steps: [{acme.breakers.trip: {circuit: x, size: 1}, become: true}]") == [
        "change.yml:1:40: option 'circuit' of trip: 'x'; expected a whole number",
        "change.yml:1:43: unknown option 'size' of trip; known are circuit",
        "change.yml:1:53: 'become' on an operation; expected it on an Ansible module",
    ]
    assert mistakes("steps: [{acme.breakers.broken: {}}]") == [
        "change.yml:1:10: operation acme.breakers.broken cannot be loaded: No module named 'no_such_library_anywhere'"
    ]


def test_what_options_demand_of_each_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = "    options = {name: {'type': 'str', 'aliases': [name * 2]} for name in 'abcde'}\n"
    constraints = "    constraints = {'required_one_of': [['a', 'b']], 'required_together': [['c', 'd']], 'required_by': {'e': ['c']}}\n"
    stranger(folder, "pick", options + constraints)
    _found_below(folder, monkeypatch)

    def problems(args: str) -> list[str]:
        text = f"steps: [{{acme.breakers.pick: {{{args}}}}}]"
        try:
            read(text)
        except CheckError as error:
            return [str(mistake).partition("pick: ")[2] for mistake in error.mistakes]
        return []

    assert problems("a: x") == problems("bb: x") == problems("a: x, c: y, dd: z, e: q") == []
    assert problems("") == ["one of the following is required: a, b"]
    assert problems("a: x, c: y") == ["parameters are required together: c, d"]
    assert problems("a: x, e: y") == ["missing parameter(s) required by 'e': c"]
    omitted = "'{{ omit }}'"
    assert (
        problems(f"a: {omitted}")
        == problems(f"a: x, c: {omitted}, d: y")
        == problems(f"a: x, e: y, c: {omitted}")
        == []
    )


# Resuming


def test_what_a_run_was_started_with_is_not_checked_again() -> None:
    text = "vars_files: a.yml\nsteps: [{import_playbook: gone.yml}, {debug: {msg: '{{ nobody }}', nonsense: 1}}]"
    workflow = load_sources("change.yml", {"change.yml": text, "a.yml": "a: 1"}, "/gone")
    assert workflow.folder == "/gone"
    assert workflow.vars == {"a": 1}


def test_sources_that_lack_a_file_are_refused() -> None:
    with pytest.raises(CheckError, match=r"part\.yml: not among the sources"):
        load_sources("change.yml", {"change.yml": "steps: [import_workflow: part.yml]"}, ".")


# Hostile and unlucky input

# Ours, or that of libyaml, which has one of its own where it is new enough.
TOO_DEEP = re.compile(r"change\.yml:1:\d+: (nested deeper than 100 levels|exceeded maximum nesting depth)")


def test_brackets_without_end_do_not_kill_the_interpreter() -> None:
    """In a process of its own: what this guards against is a segmentation fault."""
    Path("change.yml").write_text("[" * 200_000)
    program = (
        "from ansible_collections.netops.changerail.plugins.plugin_utils.workflow.reader import load\n"
        "try: load('change.yml')\n"
        "except Exception as error: print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert TOO_DEEP.match(done.stdout)
    assert done.returncode == 0


@pytest.mark.parametrize("opening", ["{a: ", "- ", "? ", "[{"])
def test_any_nesting_has_a_limit(opening: str) -> None:
    found = mistakes(opening * 50_000)
    assert len(found) == 1
    assert TOO_DEEP.match(found[0])


def test_aliases_that_would_fill_the_memory() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    assert "more than 1000000 values when aliases are written out" in mistakes("\n".join(lines))[0]


def test_aliases_that_would_nest_without_end() -> None:
    lines = [f"a{n}: &a{n} {'[' * 60}{f'*a{n - 1}' if n else 'x'}{']' * 60}" for n in range(20)]
    assert "nested deeper than 100 levels when aliases are written out" in mistakes("\n".join(lines))[0]


def test_merge_keys_that_would_fill_the_memory() -> None:
    keys = ", ".join(f"k{n}: 1" for n in range(2000))
    lines = [f"base: &base {{{keys}}}", *(f"m{n}: {{<<: *base, k: {n}}}" for n in range(2000))]
    assert "more than 1000000 values" in mistakes("\n".join(lines))[0]


def test_a_file_of_ten_megabytes() -> None:
    found = mistakes("# " + "x" * 10 * 1024 * 1024)
    assert found == [
        "change.yml:1:1: more than 10 MB; expected a workflow; large data belong into files that playbooks read"
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"name: caf\xe9\nsteps: []", "change.yml:1:10: byte 0xe9 is not UTF-8"),
        ("steps: []".encode("utf-16"), "it looks like UTF-16"),
        ("steps: []".encode("utf-16-le"), "it looks like UTF-16"),
        (b"steps: \x07", "change.yml:1:8: character U+0007 is not allowed in YAML"),
        (b"", "change.yml:1:1: the file is empty"),
        (b"# nothing but this\n", "change.yml:1:1: the file is empty"),
        (b"\xef\xbb\xbf", "change.yml:1:1: the file is empty"),
        (b"%YAML 9.9\n---\nsteps: []", "change.yml:1:"),
        (b"steps: [debug: 1", "change.yml:2:1: did not find expected ',' or ']'"),
        (b'a: "\\ud800"', "change.yml:1:"),
        (b"a: !!int " + b"9" * 5000, "is no int"),
        (b"a: !!float x", "is no float"),
        (b"a: !!bool x", "is no bool"),
    ],
)
def test_text_that_is_no_yaml(content: bytes, expected: str) -> None:
    found = mistakes(content)
    assert any(expected in line for line in found), found


def test_files_that_cannot_be_read(folder: Path) -> None:
    with pytest.raises(CheckError, match=r"nowhere\.yml:1:1: .*No such file"):
        load("nowhere.yml")
    with pytest.raises(CheckError, match="is a directory"):
        load(folder)
    with pytest.raises(CheckError, match="is no regular file"):
        load("/dev/zero")
    with pytest.raises(CheckError, match=r"null (byte|character)"):
        load("a\0b")
    os.mkfifo("pipe.yml")
    with pytest.raises(CheckError, match="is no regular file"):
        load("pipe.yml")


@pytest.mark.parametrize(
    "template",
    [
        "{{ " + "(" * 20_000 + "1" + ")" * 20_000 + " }}",
        "{{ " + "9" * 5000 + " }}",
        "{{ a" + ".a" * 20_000 + " }}",
        "{{ " + "-" * 20_000 + "1 }}",
    ],
    ids=["parentheses", "digits", "attributes", "signs"],
)
def test_templates_that_are_too_much(template: str) -> None:
    Path("change.yml").write_text(f"vars: {{a: 1}}\nsteps:\n  - debug: {{msg: '{template}'}}\n")
    try:
        load("change.yml")
    except CheckError as error:
        assert str(error.mistakes[0]).startswith("change.yml:3:18: template error: ")


def test_imports_that_would_multiply_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outline, "MAX_STEPS", 1000)
    parts = {f"part{n}": "steps:\n" + f"  - import_workflow: part{n + 1}.yml\n" * 10 for n in range(12)}
    with pytest.raises(CheckError, match="more than 1000 steps, imported ones included"):
        read("steps: [import_workflow: part0.yml]", **parts, part12="steps: [debug: ]")


def test_imports_that_would_nest_without_end() -> None:
    parts = {f"part{n}": f"steps: [import_workflow: part{n + 1}.yml]" for n in range(150)}
    with pytest.raises(CheckError, match="steps nest deeper than 100 levels"):
        read("steps: [import_workflow: part0.yml]", **parts, part150="steps: [debug: ]")


def test_so_many_mistakes_are_not_all_listed() -> None:
    found = mistakes("steps:\n" + "  - {debug: , nonsense: 1}\n" * 3000)
    assert len(found) == 1001
    assert found[-1].endswith("2000 more mistakes are not listed")


def test_what_is_quoted_from_the_file_cannot_move_the_cursor() -> None:
    assert "\\u202e" in mistakes("steps: [{debug: , 'a\u202eb': 1}]")[0]
    assert "\x1b" not in mistakes('steps: [{debug: , "a\\e[31mb": 1}]')[0]


def test_the_cost_of_a_step_does_not_grow_with_their_number() -> None:
    def cost(number: int) -> float:
        body = "".join(
            f"  - name: Step {n}\n    approval: {{groups: [netsec], message: 'Hello {{{{ x }}}} {n}'}}\n"
            f"    when: x == {n}\n    register: r{n}\n"
            for n in range(number)
        )
        begin = time.process_time()
        assert len(read(f"vars: {{x: 1}}\nsteps:\n{body}").steps) == number
        return time.process_time() - begin

    cost(10)  # what is imported and compiled once
    few, many = (min(cost(number), cost(number)) for number in (500, 5000))
    assert (
        many < 40 * few
    )  # ten times as dear, three times that for the garbage collector and a busy machine; squared it would be 100
