# The pages of the reference, made from the code they describe; assemble.py writes them.
from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import click
import yaml

from ansible_collections.netops.changerail.plugins.module_utils.errors import ChangerailError
from ansible_collections.netops.changerail.plugins.plugin_utils.cli import driving, main
from ansible_collections.netops.changerail.plugins.plugin_utils.core import events
from ansible_collections.netops.changerail.plugins.plugin_utils.people import project_file
from ansible_collections.netops.changerail.plugins.plugin_utils.workflow import keywords

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
KINDS = {"modules": "module", "filter": "filter", "lookup": "lookup", "callback": "callback"}
TITLES = {"modules": "Modules", "filter": "Filters", "lookup": "Lookups", "callback": "Callbacks"}


def pages() -> dict[str, str]:
    """File name -> Markdown, in the order in which the site shows them."""
    return {
        "modules.md": "\n".join(plugins()),
        "keywords.md": "\n".join(words()),
        "project-file.md": "\n".join(sections()),
        "command-line.md": "\n".join(verbs()),
        "exit-codes.md": "\n".join(exit_codes()),
        "journal.md": "\n".join(journal()),
        "python.md": "\n".join(python()),
    }


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """A Markdown table and an empty line."""
    head = list(head)
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield "| " + " | ".join(" ".join(cell.split()).replace("|", r"\|") for cell in row) + " |"
    yield ""


def code(text: str) -> str:
    return f"`{text}`"


def as_markdown(text: str) -> str:
    """Text of a docstring or of a plugin's documentation, whose markup is not Markdown's."""
    text = re.sub(r"``([^`]+)``", r"`\1`", text)
    return re.sub(r"\b[COVMEP]\(([^)]+)\)", r"`\1`", text)


# Modules, plugins, roles, playbooks


def plugins() -> Iterator[str]:
    yield "# Modules, plugins, roles and playbooks\n"
    yield "A module of changerail is a step of a workflow and a task of a plain playbook alike, where its page does not say otherwise.\n"
    for folder, kind in KINDS.items():
        described = {path.stem: documentation(path) for path in sorted((PLUGINS / folder).glob("[!_]*.py"))}
        yield f"## {TITLES[folder]}\n"
        rows = [(linked(name, kind), of["short_description"]) for name, of in described.items()]
        if folder == "modules":
            rows += [(code(f"netops.changerail.{name}"), said) for name, said in steps_only(described)]
        yield from table(("Name", "What it does"), sorted(rows))
    yield "## Event sources\n"
    yield "For rulebooks of Event-Driven Ansible; [the page](../how-to/event-driven.md) shows it at work.\n"
    sources = sorted((ROOT / "extensions" / "eda" / "plugins" / "event_source").glob("[!_]*.py"))
    rows = [(code(f"netops.changerail.{path.stem}"), documentation(path)["short_description"]) for path in sources]
    yield from table(("Name", "What it does"), rows)
    yield "## Roles\n"
    yield from table(("Name", "What it does"), roles())
    yield "## Playbooks\n"
    yield "`ansible-playbook netops.changerail.NAME`; the comment at the top of each says which extra vars it takes.\n"
    yield from table(("Name", "What it does"), playbooks())


def linked(name: str, kind: str) -> str:
    return f"[netops.changerail.{name}](collection/{name}_{kind}.rst)"


def documentation(path: Path) -> dict[str, Any]:
    """What the plugin says of itself, without importing it."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(getattr(name, "id", "") == "DOCUMENTATION" for name in node.targets):
            described: dict[str, Any] = yaml.safe_load(ast.literal_eval(node.value))
            return described
    raise ValueError(f"{path}: no DOCUMENTATION")


def steps_only(modules: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Operations that no module stands for: name and what its docstring says."""
    for path in sorted((PLUGINS / "module_utils" / "operations").glob("[!_]*.py")):
        if path.stem not in modules:
            said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            what = as_markdown(said).partition(": ")[2].partition(". ")[0]
            yield path.stem, f"In a workflow: {what}"


def roles() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml")):
        name = path.parent.parent.name
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]["main"]
        yield linked(name, "role"), spec["short_description"]


def playbooks() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "playbooks").glob("*.yml")):
        first = path.read_text(encoding="utf-8").splitlines()[0]
        yield code(f"netops.changerail.{path.stem}"), re.split(r"[:.;]( |$)", first.removeprefix("# "))[0]


# The workflow file


def words() -> Iterator[str]:
    yield "# The words of a workflow\n"
    yield "`changerail schema` prints the same as a JSON Schema, for editors; `changerail check` tells every mistake at once.\n"
    yield "## The file\n"
    yield from keyword_table(keywords.TOP)
    yield "## A step\n"
    yield "A step has exactly one action:\n"
    yield from table(
        ("Action", "What it is"),
        [
            (
                "the name of an operation or a module",
                "its options are the value; an operation of changerail or of another collection, or any Ansible module",
            ),
            ("`ansible.builtin.import_playbook`", "a playbook, run by ansible-runner"),
            ("`import_workflow`", "another workflow file, as a block"),
            ("`block`", "steps, in order, with `rescue` and `always`"),
            ("`parallel`", "steps, at once; it goes on when all are done"),
        ],
    )
    yield "and any of these:\n"
    yield from keyword_table(keywords.STEP)
    yield "## `loop_control`\n"
    yield from keyword_table(keywords.LOOP_CONTROL)
    yield "## `escalate`\n"
    yield "One mapping or a list of them, each with:\n"
    yield from keyword_table(keywords.ESCALATION)
    yield "## Keywords of a task\n"
    yield (
        "On a step that is an Ansible module these go to its task as they are: "
        + ", ".join(map(code, keywords.TASK))
        + ".\n"
    )


def keyword_table(known: Mapping[str, keywords.Keyword]) -> Iterator[str]:
    everywhere = set(keywords.EVERYWHERE)
    rows = []
    for keyword in known.values():
        where = "" if set(keyword.places) == everywhere else f" On: {', '.join(map(code, keyword.places))}."
        required = " Required." if keyword.required else ""
        rows.append((code(keyword.name), keyword.kind.expected, keyword.doc + where + required))
    yield from table(("Keyword", "Value", "Meaning"), rows)


# The project file


def sections() -> Iterator[str]:
    yield "# The project file changerail.yml\n"
    yield (
        "Who people are, how systems are reached, who is told. It is looked for in `$CHANGERAIL_CONFIG`, then as `changerail.yml` in the current folder, "
        "then as `~/.changerail.yml`. One that anybody may write to is not used.\n"
    )
    yield "A secret is written as `!vault` or as `{env: NAME}`; one in clear is a mistake.\n"
    for title, known in (
        ("Sections", project_file.SECTIONS),
        ("A person, in `people`", project_file.PERSON),
        ("`defaults`", project_file.DEFAULTS),
        ("A level of `escalation`", project_file.LEVEL),
        ("A source of `hooks`", project_file.HOOK),
        ("`start` of a hook", project_file.HOOK_START),
        ("`sign_in`", project_file.SIGN_IN),
        ("`proxy` of `sign_in`", project_file.PROXY),
        ("`openid` of `sign_in`", project_file.OPENID),
    ):
        yield f"## {title}\n"
        yield from table(("Key", "Value and meaning"), [(code(name), said) for name, said in known.items()])


# The command line


def verbs() -> Iterator[str]:
    group = main.group()
    context = click.Context(group, info_name="changerail")
    yield "# The command line\n"
    yield "`changerail --help` and `changerail VERB --help` say the same.\n"
    for name in main.VERBS:
        command = group.get_command(context, name)
        if command is not None:
            yield from described_verb(command, name, context, "##")


def described_verb(command: click.Command, name: str, parent: click.Context, level: str) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent)
    yield f"{level} `{context.command_path.removeprefix('changerail ')}`\n"
    yield f"```text\n{command.get_usage(context).removeprefix('Usage: ')}\n```\n"
    yield f"{click.unstyle(command.help or '')}\n"
    options = [record for option in command.params if (record := option.get_help_record(context)) and record[1]]
    if options:
        yield from table(("Option", "Meaning"), [(code(names), meaning) for names, meaning in options])
    if isinstance(command, click.Group):
        for inner in command.commands:
            yield from described_verb(command.commands[inner], inner, context, level + "#")


def exit_codes() -> Iterator[str]:
    yield "# Exit codes\n"
    yield "A script can rely on them. `changerail run` and `changerail resume` end by how the run stands:\n"
    yield from table(
        ("Code", "The run"), [(code(str(number)), status) for status, number in driving.EXIT_CODES.items()]
    )
    yield "Every verb ends by what is wrong, and says it in one message on standard error:\n"
    errors = sorted({(error.exit_code, meaning(error)) for error in subclasses(ChangerailError)})
    yield from table(("Code", "The error"), [(code(str(number)), said) for number, said in errors])
    yield "A wrong option is code 2 too. The second Ctrl-C ends the process at once, with 128 and the signal's number.\n"


def meaning(error: type[ChangerailError]) -> str:
    """The first sentence of its docstring."""
    return as_markdown(re.split(r";|\.$", (error.__doc__ or "").split("\n")[0])[0])


def subclasses(kind: type[ChangerailError]) -> Iterator[type[ChangerailError]]:
    for inner in kind.__subclasses__():
        yield inner
        yield from subclasses(inner)


# The journal and Python


def journal() -> Iterator[str]:
    yield "# The events of a journal\n"
    yield (
        "`runs/<run id>/journal.jsonl` in the state folder has one JSON object a line. Beside the event's own fields each line has `seq`, its number, "
        "`prev`, the digest of the line before, and `sha`, its own. A field that a journal lacks has its default; fields are added, never renamed.\n"
    )
    for kind, name in events.NAMES.items():
        yield f"## `{name}`\n"
        yield as_markdown(" ".join((kind.__doc__ or "").split())) + "\n"
        rows = []
        for one in fields(kind):
            required = one.default is MISSING and one.default_factory is MISSING
            rows.append((code(one.name), code(str(one.type)), "" if required else "optional"))
        yield from table(("Field", "Type", ""), rows)


def python() -> Iterator[str]:
    yield "# The Python interface\n"
    yield "[Runs from a Python script](../scripts.md) shows it at work.\n"
    yield f"```{{eval-rst}}\n.. automodule:: {main.__package__.removesuffix('.cli')}.api\n   :members:\n```\n"
